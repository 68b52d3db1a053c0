"""What we bring to a TLS server is tried before anybody is asked, and each fault has its flag."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import trustme

from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import CertReqs, ServerSettings, TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server.session import open_servers
from valkeybench.server.trusting import check_trust, make_context

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = "canary-77aa"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Certificates and keys, right and wrong ones."""

    cert: str
    key: str
    both: str
    other_key: str
    locked: str
    garbage: str
    ca: str


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    """Make them once."""
    from cryptography.hazmat.primitives import serialization as pem  # noqa: PLC0415 - trustme's own

    directory: Path = tmp_path_factory.mktemp("papers")
    authority = trustme.CA()
    ours, other = (authority.issue_cert(f"{name}.example") for name in ("ours", "other"))
    key = ours.private_key_pem.bytes()
    loaded = pem.load_pem_private_key(key, None)
    locked = loaded.private_bytes(
        pem.Encoding.PEM,
        pem.PrivateFormat.PKCS8,
        pem.BestAvailableEncryption(PASSWORD.encode()),
    )
    cert = ours.cert_chain_pems[0].bytes()
    contents = {
        "cert": cert,
        "key": key,
        "both": cert + key,
        "other_key": other.private_key_pem.bytes(),
        "locked": locked,
        "garbage": b"no PEM at all\n",
        "ca": authority.cert_pem.bytes(),
    }
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return Files(**{name: str(directory / name) for name in contents})


def problem(trust: TlsSettings) -> str:
    """Give the one thing that is wrong."""
    with pytest.raises(ScenarioError) as raised:
        check_trust(trust)
    (found,) = raised.value.problems
    assert PASSWORD not in str(found)
    return str(found)


def test_what_can_be_used_is_not_complained_of(files: Files) -> None:
    """A key apart, in the certificate's own file, locked with its password; nothing at all."""
    for trust in (
        TlsSettings(),
        TlsSettings(certfile=files.cert, keyfile=files.key, ca_certs=files.ca, ciphers="HIGH"),
        TlsSettings(certfile=files.both),
        TlsSettings(certfile=files.cert, keyfile=files.locked, key_password=Secret(PASSWORD)),
    ):
        check_trust(trust)


@pytest.mark.parametrize(
    ("cert", "key", "password", "place", "said"),
    [
        ("cert", None, None, "--cert", "holds no private key in PEM; name its file by --key"),
        ("cert", "other_key", None, "--key", "does not belong to the certificate in"),
        ("cert", "garbage", None, "--key", "holds no private key in PEM"),
        ("garbage", "key", None, "--cert", "holds no certificate in PEM"),
        ("cert", "locked", None, "--key", "is locked with a password; give it by --key-password"),
        ("cert", "locked", "wrong", "--key-password-file", "does not open the key in"),
    ],
)
def test_a_certificate_that_cannot_be_shown(  # noqa: PLR0913, PLR0917 - a table's columns
    files: Files, cert: str, key: str | None, password: str | None, place: str, said: str
) -> None:
    """The flag that is wrong is named, and what is; nobody is asked for a pass phrase."""
    trust = TlsSettings(
        certfile=getattr(files, cert),
        keyfile=key and getattr(files, key),
        key_password=Secret(password) if password else None,
    )
    found = problem(trust)
    assert found.startswith(f"{place}: ")
    assert said in found


def test_whom_to_trust_and_ciphers_are_tried_as_well(files: Files) -> None:
    """Garbage is named with its flag; what several flags have wrong is said at once."""
    assert "--cacert: " + files.garbage in problem(TlsSettings(ca_certs=files.garbage))
    nonsense = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"
    assert "--cadata: it holds no certificate" in problem(TlsSettings(ca_data=nonsense))
    assert "--ciphers: 'NOPE' selects no cipher" in problem(TlsSettings(ciphers="NOPE"))
    with pytest.raises(ScenarioError) as raised:
        check_trust(TlsSettings(certfile=files.cert, ca_certs=files.garbage, ciphers="NOPE"))
    assert ["--cert", "--cacert", "--ciphers"] == [each.place for each in raised.value.problems]


def test_a_file_that_may_not_be_read(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system's reason is said; no permission holds back who runs the tests as root."""

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", denied)
    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", denied)
    said = problem(TlsSettings(certfile=files.cert, keyfile=files.key))
    assert "--cert: certificate or key cannot be read: Permission denied" in said
    assert "--cacert: certificates cannot be read" in problem(TlsSettings(ca_certs=files.ca))


def test_it_is_found_before_anybody_is_asked(files: Files) -> None:
    """A server of ours is not started, and one of yours not contacted: nobody listens there."""
    trust = TlsSettings(ciphers="NOPE", ca_certs=files.ca)
    for url in ("valkeys://127.0.0.1:1", None):
        settings = ServerSettings(url=url, tls=trust)
        with (
            pytest.raises(ScenarioError, match="--ciphers"),
            open_servers(settings, maxclients_needed=1, tls=(True,)),
        ):
            pytest.fail("there is nothing to open")


def test_the_context_is_as_strict_as_was_asked(files: Files) -> None:
    """As redis-py's: what is verified, whether the name is checked, and the flags."""
    strict = make_context(
        TlsSettings(ca_certs=files.ca, include_verify_flags=("VERIFY_CRL_CHECK_LEAF",))
    )
    assert (True, ssl.CERT_REQUIRED) == (strict.check_hostname, strict.verify_mode)
    assert strict.verify_flags & ssl.VERIFY_CRL_CHECK_LEAF
    loose = make_context(TlsSettings(cert_reqs=CertReqs.NONE))
    assert (False, ssl.CERT_NONE) == (loose.check_hostname, loose.verify_mode)
