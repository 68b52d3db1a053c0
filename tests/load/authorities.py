"""Certificate authorities of the tests' own: what fake servers show, and what clients trust."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import trustme

from valkeybench.scenario.model import TlsSettings

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority that vouches for this machine."""

    context: ssl.SSLContext
    trust: TlsSettings

    def trusted(self, endpoint: Endpoint) -> Endpoint:
        """Give the endpoint to somebody who trusts this authority and no other."""
        return replace(endpoint, trust=self.trust)


def make_authority(directory: Path) -> Authority:
    """Make an authority that has signed a server's certificate; keep its own in the directory."""
    signer = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    signer.issue_cert("127.0.0.1").configure_cert(context)
    bundle = directory / "ca.pem"
    signer.cert_pem.write_to_path(str(bundle))
    return Authority(context, TlsSettings(ca_certs=str(bundle)))
