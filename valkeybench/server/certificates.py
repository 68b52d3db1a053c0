"""How a server of ours proves who it is: keys and certificates made for one run, never stored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from valkeybench.errors import ServerError
from valkeybench.scenario.model import KeyType

if TYPE_CHECKING:
    from types import ModuleType

CA_FILE = "ca.pem"
SERVER_CERTIFICATE_FILE = "server-cert.pem"
SERVER_KEY_FILE = "server-key.pem"
CLIENT_CERTIFICATE_FILE = "client-cert.pem"
CLIENT_KEY_FILE = "client-key.pem"

_SERVER_NAMES = ("127.0.0.1", "::1", "localhost")
_CLIENT_NAME = "client.valkeybench.invalid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """A certificate for the server, one for its clients, and who vouches for both; all in PEM."""

    ca: bytes
    server_certificate: bytes
    server_key: bytes = field(repr=False)
    client_certificate: bytes
    client_key: bytes = field(repr=False)

    def files(self, *, mutual: bool) -> dict[str, bytes]:
        """Name the files that server and clients need; the clients' own only when `mutual`."""
        files = {
            CA_FILE: self.ca,
            SERVER_CERTIFICATE_FILE: self.server_certificate,
            SERVER_KEY_FILE: self.server_key,
        }
        if mutual:
            files |= {
                CLIENT_CERTIFICATE_FILE: self.client_certificate,
                CLIENT_KEY_FILE: self.client_key,
            }
        return files


def make_certificates(key_type: KeyType = KeyType.ECDSA) -> Certificates:
    """Make an authority, a server certificate for loopback and a client certificate.

    All keys are of the one type. Raises ServerError when the library for it is not installed.
    """
    library = _import_trustme()
    kind = library.KeyType[key_type.name]
    authority = library.CA(key_type=kind)
    server = authority.issue_cert(*_SERVER_NAMES, key_type=kind)
    client = authority.issue_cert(_CLIENT_NAME, key_type=kind)
    return Certificates(
        ca=authority.cert_pem.bytes(),
        server_certificate=server.cert_chain_pems[0].bytes(),
        server_key=server.private_key_pem.bytes(),
        client_certificate=client.cert_chain_pems[0].bytes(),
        client_key=client.private_key_pem.bytes(),
    )


def _import_trustme() -> ModuleType:
    """Import it only when it is needed: it takes longer than starting a server."""
    try:
        import trustme  # noqa: PLC0415 - see above
    except ImportError:
        raise ServerError(
            "a server of our own with TLS needs a package that makes certificates",
            remedy="pip install 'valkeybench[tls]', or name a server with TLS by --url",
        ) from None
    return trustme
