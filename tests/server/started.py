"""Real servers for tests that need a listener, a certificate or a limit of their own."""

from __future__ import annotations

import subprocess
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
import redis
import trustme

from tests.server.processes import client, wait_until
from valkeybench.scenario.model import CertReqs, TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server.binary import find_server_binary, find_tls_binary
from valkeybench.server.embedded import pick_free_port
from valkeybench.server.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path

PASSWORD = "canary-3f9a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """Files of certificates: who signed, what the server shows, what a client may show."""

    ca: Path
    server: Path
    client: Path

    @property
    def lines(self) -> list[str]:
        """Write what a server is told of them; clients need not show theirs."""
        return [
            f"tls-cert-file {self.server}",
            f"tls-key-file {self.server}",
            f"tls-ca-cert-file {self.ca}",
            "tls-auth-clients no",
        ]


def make_papers(
    directory: Path,
    *names: str,
    ends: datetime | None = None,
    begins: datetime | None = None,
    self_signed: bool = False,
) -> Papers:
    """Make certificates for a server of these names, signed by an authority of their own."""
    authority = trustme.CA()
    signed = authority.issue_cert(
        *(names or ("127.0.0.1", "::1")), not_after=ends, not_before=begins
    )
    papers = Papers(
        ca=directory / "ca.pem", server=directory / "server.pem", client=directory / "client.pem"
    )
    shown = authority if self_signed else signed
    shown.private_key_pem.write_to_path(str(papers.server))
    certificates = [authority.cert_pem] if self_signed else signed.cert_chain_pems
    for certificate in certificates:
        certificate.write_to_path(str(papers.server), append=True)
    authority.cert_pem.write_to_path(str(papers.ca))
    authority.issue_cert("client.valkeybench.invalid").private_key_and_cert_chain_pem.write_to_path(
        str(papers.client)
    )
    return papers


@contextmanager
def started(
    *lines: str, host: str = "127.0.0.1", unix: bool = False, papers: Papers | None = None
) -> Iterator[Endpoint]:
    """Run a server with these lines of configuration; give the way to it.

    With `papers` it speaks TLS and nothing else; skips the test where no server can.
    """
    binary = find_server_binary() if papers is None else find_tls_binary()
    if binary is None:
        pytest.skip("no server with TLS: set VALKEYBENCH_SERVER or install valkey-server")
    with TemporaryDirectory() as directory:
        endpoint = Endpoint(host=host, port=pick_free_port(), password=Secret(PASSWORD))
        listen = [f"bind {host}", f"port {endpoint.port}"]
        if papers is not None:
            trust = TlsSettings(ca_certs=str(papers.ca))
            endpoint = replace(endpoint, tls=True, trust=trust)
            listen = [f"bind {host}", "port 0", f"tls-port {endpoint.port}", *papers.lines]
        if unix:
            endpoint = Endpoint(path=f"{directory}/server.sock", password=Secret(PASSWORD))
            listen = ["port 0", f"unixsocket {endpoint.path}"]
        usual = [*listen, f"requirepass {PASSWORD}", f"dir {directory}", 'save ""']
        with _running(binary, [*usual, *lines]):
            wait_until(lambda: _answers(endpoint))
            yield endpoint


@contextmanager
def _running(binary: Path, lines: list[str]) -> Iterator[None]:
    process = subprocess.Popen([binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        assert process.stdin is not None
        process.stdin.write("\n".join(lines).encode())
        process.stdin.close()
        yield
    finally:
        process.kill()
        process.wait()


def _answers(endpoint: Endpoint) -> bool:
    """Knock; certificates that shall be wrong are not looked at."""
    trusting = replace(endpoint, trust=replace(endpoint.trust, cert_reqs=CertReqs.NONE))
    try:
        with closing(client(trusting)) as asking:
            return bool(asking.ping())
    except redis.ConnectionError as error:
        # One that wants a certificate of us answers, too.
        return endpoint.tls and "connecting to" not in str(error)
