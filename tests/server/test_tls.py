"""A server of ours speaks the TLS that was asked for, itself or through a relay."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
import subprocess
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from tests.server.processes import (
    client,
    is_running,
    on_linux,
    run_python,
    traces_of,
    wait_until,
)
from valkeybench.errors import ScenarioError, ServerError
from valkeybench.scenario.model import KeyType, TlsSettings, TlsVersion
from valkeybench.scenario.secret import Secret
from valkeybench.server import certificates
from valkeybench.server.binary import find_server_binary, find_tls_binary, speaks_tls
from valkeybench.server.certificates import make_certificates
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.endpoint import Endpoint
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.serving import Serving, TlsOffer, TlsProvider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valkeybench.measurement.reading import ServerReading

HOLD = """
import sys
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.serving import TlsOffer
with embedded_serving(tls=TlsOffer(mutual=True)) as serving:
    tls = serving.tls
    print(tls.port, tls.pid, tls.password.reveal(), tls.trust.ca_certs, flush=True)
    sys.stdin.read()
"""

PROVIDERS = [pytest.param(TlsProvider.NATIVE, marks=pytest.mark.tls), TlsProvider.RELAY]


@pytest.fixture
def native() -> None:
    """Skip where no server speaks TLS."""
    if find_tls_binary() is None:
        pytest.skip("no server with TLS: set VALKEYBENCH_SERVER or install valkey-server")


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> TlsProvider:
    """Try with a server that speaks TLS, and as if there were none."""
    wanted: TlsProvider = request.param
    if wanted is TlsProvider.NATIVE:
        request.getfixturevalue("native")
    return wanted


@contextmanager
def only(provider: TlsProvider) -> Iterator[None]:
    """Hide every server with TLS from whoever needs a relay."""
    with pytest.MonkeyPatch.context() as patch:
        if provider is TlsProvider.RELAY:
            # What is left is the server that came with us, which has no TLS.
            patch.setenv("PATH", "")
            patch.delenv("VALKEYBENCH_SERVER", raising=False)
        yield


@contextmanager
def offering(provider: TlsProvider, **offer: Any) -> Iterator[Serving]:  # noqa: ANN401 - any of an offer's fields
    """Run a server of ours, and see that the right one does its TLS."""
    with ExitStack() as stack:
        with only(provider):
            serving = stack.enter_context(embedded_serving(tls=TlsOffer(**offer)))
        assert provider is serving.tls_provider
        yield serving


def secured(endpoint: Endpoint, *, strict: bool = False, **changes: Any) -> ssl.SSLSocket:  # noqa: ANN401 - any attribute of a context
    """Connect by TLS as the endpoint says; change this and that about the context before.

    A `strict` client takes an end without TLS's farewell for an error.
    """
    context = ssl.create_default_context(cafile=endpoint.trust.ca_certs)
    if endpoint.trust.certfile is not None:
        context.load_cert_chain(endpoint.trust.certfile, endpoint.trust.keyfile)
    for name, value in changes.items():
        setattr(context, name, value)
    plain = socket.create_connection((endpoint.host, endpoint.port), 10)
    try:
        return context.wrap_socket(
            plain, server_hostname=endpoint.host, suppress_ragged_eofs=not strict
        )
    except BaseException:
        plain.close()
        raise


def said(endpoint: Endpoint) -> bytes:
    """Write the words that let us in."""
    assert endpoint.password is not None
    return f"AUTH {endpoint.password.reveal()}\r\n".encode()


# --- what is on offer ---


def test_plain_and_tls_at_once_lead_to_one_server(provider: TlsProvider) -> None:
    """What is said on one port is known on the other, and both name the same process."""
    with (
        offering(provider) as serving,
        closing(client(serving.endpoint(tls=False))) as plain,
        closing(client(serving.endpoint(tls=True))) as secure,
    ):
        plain.set("k", "v")
        assert b"v" == secure.get("k")
        assert plain.info("server")["process_id"] == secure.info("server")["process_id"]
        assert serving.endpoint(tls=True).pid == secure.info("server")["process_id"]
        assert serving.endpoint() == serving.endpoint(tls=False)
        assert str(serving.binary) == plain.info("server")["executable"]


def test_without_an_offer_there_is_no_tls() -> None:
    """One way, and no key on disk."""
    with embedded_serving() as serving:
        assert (None, None) == (serving.tls, serving.tls_provider)
        with pytest.raises(AssertionError, match="bug"):
            serving.endpoint(tls=True)


@pytest.mark.parametrize("version", list(TlsVersion))
def test_only_the_versions_on_offer_are_spoken(provider: TlsProvider, version: TlsVersion) -> None:
    """TLS of the other version fails, of this one succeeds."""
    versions = {
        TlsVersion.V1_2: ssl.TLSVersion.TLSv1_2,
        TlsVersion.V1_3: ssl.TLSVersion.TLSv1_3,
    }
    [other] = set(TlsVersion) - {version}
    with offering(provider, min_version=version, max_version=version) as serving:
        endpoint = serving.endpoint(tls=True)
        with secured(endpoint) as connection:
            assert f"TLSv{version}" == connection.version()
        limits: dict[str, Any] = dict.fromkeys(
            ["minimum_version", "maximum_version"], versions[other]
        )
        with pytest.raises(OSError, match=r"(?i)protocol|version|reset|EOF"):
            secured(endpoint, **limits)


def test_an_offer_without_a_version_is_refused() -> None:
    """The least above the most."""
    offer = TlsOffer(min_version=TlsVersion.V1_3, max_version=TlsVersion.V1_2)
    with pytest.raises(ScenarioError, match=r"at least 1\.3 and at most 1\.2"):
        embedded_serving(tls=offer).__enter__()


@pytest.mark.parametrize(
    ("key_type", "kind", "size"),
    [(KeyType.ECDSA, EllipticCurvePublicKey, 256), (KeyType.RSA, RSAPublicKey, 2048)],
)
def test_the_key_is_of_the_type_asked_for(
    provider: TlsProvider, key_type: KeyType, kind: type, size: int
) -> None:
    """As a client sees it in the server's certificate."""
    with (
        offering(provider, key_type=key_type) as serving,
        secured(serving.endpoint(tls=True)) as connection,
    ):
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    key: Any = x509.load_der_x509_certificate(shown).public_key()
    assert (True, size) == (isinstance(key, kind), key.key_size)


@pytest.mark.parametrize("name", ["127.0.0.1", "::1", "localhost"])
def test_the_certificate_is_for_loopback_by_all_its_names(name: str) -> None:
    """The client checks the name it calls, and that must be in it."""
    shown = x509.load_pem_x509_certificate(make_certificates().server_certificate)
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert name in [str(each.value) for each in names]


# --- who trusts whom ---


def test_a_client_with_a_certificate_is_let_in(provider: TlsProvider) -> None:
    """Mutual TLS by what the endpoint says, through redis-py."""
    with (
        offering(provider, mutual=True) as serving,
        closing(client(serving.endpoint(tls=True))) as asking,
    ):
        assert asking.ping()


def test_a_client_without_a_certificate_is_not(provider: TlsProvider) -> None:
    """In TLS 1.3 it finds out only when it reads."""
    with offering(provider, mutual=True) as serving:
        endpoint = serving.endpoint(tls=True)
        nobody = replace(endpoint, trust=replace(endpoint.trust, certfile=None, keyfile=None))
        with pytest.raises(redis.ConnectionError):
            client(nobody).ping()
        with pytest.raises(ServerError, match="wants a certificate of ours") as refused:
            ServerSampler(nobody).__enter__()
        assert "--cert" in refused.value.remedy


def test_a_certificate_somebody_else_signed_is_not_enough(
    provider: TlsProvider, tmp_path: Path
) -> None:
    """The names are right; the authority is not ours."""
    stranger = trustme.CA().issue_cert("client.valkeybench.invalid")
    stranger.private_key_and_cert_chain_pem.write_to_path(tmp_path / "stranger.pem")
    theirs = str(tmp_path / "stranger.pem")
    with offering(provider, mutual=True) as serving:
        endpoint = serving.endpoint(tls=True)
        trust = replace(endpoint.trust, certfile=theirs, keyfile=theirs)
        with pytest.raises(redis.ConnectionError):
            client(replace(endpoint, trust=trust)).ping()


def test_a_server_somebody_else_vouches_for_is_refused(
    provider: TlsProvider, tmp_path: Path
) -> None:
    """The client trusts another authority than the one that signed."""
    trustme.CA().cert_pem.write_to_path(tmp_path / "other.pem")
    with offering(provider) as serving:
        trust = TlsSettings(ca_certs=str(tmp_path / "other.pem"))
        wrong = replace(serving.endpoint(tls=True), trust=trust)
        with pytest.raises(ServerError, match="certificate is not trusted"):
            ServerSampler(wrong).__enter__()


def test_a_plain_client_on_the_tls_port_is_refused(provider: TlsProvider) -> None:
    """And told what to do."""
    with offering(provider) as serving:
        wrong = replace(serving.endpoint(tls=True), tls=False)
        with pytest.raises(ServerError) as refused:
            ServerSampler(wrong).__enter__()
        assert "valkeys://" in refused.value.remedy


# --- nothing lies about ---


@pytest.mark.parametrize(
    ("mutual", "names"),
    [
        (False, ["ca.pem", "server-cert.pem", "server-key.pem"]),
        (
            True,
            ["ca.pem", "client-cert.pem", "client-key.pem", "server-cert.pem", "server-key.pem"],
        ),
    ],
)
def test_keys_are_ours_alone_and_only_in_one_place(
    provider: TlsProvider, *, mutual: bool, names: list[str]
) -> None:
    """0600 in a 0700 directory, which goes when the context does."""
    with offering(provider, mutual=mutual) as serving:
        trust = serving.endpoint(tls=True).trust
        place = Path(trust.ca_certs or "").parent
        assert names == sorted(path.name for path in place.iterdir())
        assert 0o700 == stat.S_IMODE(place.stat().st_mode)
        assert {0o600} == {stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
        assert mutual == (trust.certfile is not None)
    assert not place.exists()


@on_linux
def test_nothing_is_left_when_we_are_killed(provider: TlsProvider) -> None:
    """After kill -9 of the process that opened it: no process, no directory, no key."""
    with only(provider):
        starting = run_python(HOLD)
    with starting as holder:
        assert holder.stdout is not None
        port, pid, password, ca_certs = holder.stdout.readline().split()
        place = Path(ca_certs).parent
        trust = TlsSettings(
            ca_certs=ca_certs,
            certfile=str(place / "client-cert.pem"),
            keyfile=str(place / "client-key.pem"),
        )
        endpoint = Endpoint(
            host="127.0.0.1",
            port=int(port),
            pid=int(pid),
            password=Secret(password),
            tls=True,
            trust=trust,
        )
        traces = traces_of(endpoint)
        family = descendants(holder.pid)
        expected = {TlsProvider.NATIVE: 2, TlsProvider.RELAY: 4}
        assert expected[provider] == len(family)
        holder.kill()
        wait_until(lambda: not traces.left)
        wait_until(lambda: not place.exists())
        wait_until(lambda: not any(map(is_running, family)))


def descendants(pid: int) -> list[int]:
    """List the processes a process has started, and they, and so on."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    return [each for child in map(int, children) for each in (child, *descendants(child))]


# --- the relay ---


@pytest.fixture
def relayed() -> Iterator[Serving]:
    """Give a server behind a relay, which has forgotten who looked whether it was up."""
    with offering(TlsProvider.RELAY) as serving:
        with ServerSampler(serving.endpoint(tls=False)) as sampler:
            wait_until(lambda: sampler.read().connected_clients == 1)
        yield serving


def test_the_relay_opens_a_connection_for_each_and_no_more(relayed: Serving) -> None:
    """The server counts what the client opened, over TLS as without."""
    with ServerSampler(relayed.endpoint(tls=False)) as sampler:
        before = sampler.read()
        with ExitStack() as stack:
            for _ in range(20):
                asking = stack.enter_context(closing(client(relayed.endpoint(tls=True))))
                assert asking.ping()
            during = sampler.read()
        assert None not in (before.total_connections_received, before.connected_clients)
        assert 20 == delta(before, during, "total_connections_received")
        assert 20 == delta(before, during, "connected_clients")
        wait_until(lambda: delta(before, sampler.read(), "connected_clients") == 0)


def delta(before: ServerReading, after: ServerReading, name: str) -> int:
    """Subtract one of the numbers of two readings."""
    numbers: list[int] = [getattr(reading, name) for reading in (before, after)]
    return numbers[1] - numbers[0]


def test_a_client_that_fails_tls_never_reaches_the_server(relayed: Serving) -> None:
    """Nonsense and silence on the TLS port are the relay's affair."""
    endpoint = relayed.endpoint(tls=True)
    with ServerSampler(relayed.endpoint(tls=False)) as sampler:
        before = sampler.read()
        for words in (b"PING\r\n", b"", b"\x16\x03\x01"):
            with socket.create_connection((endpoint.host, endpoint.port), 10) as connection:
                connection.sendall(words)
                connection.shutdown(socket.SHUT_WR)
                while heard(connection):
                    pass
        assert 0 == delta(before, sampler.read(), "total_connections_received")


def heard(connection: socket.socket) -> bytes:
    """Hear something; nothing when the connection is broken."""
    try:
        return connection.recv(1000)
    except ConnectionResetError:
        return b""


def test_large_values_pass_unharmed_and_in_both_directions(relayed: Serving) -> None:
    """More than any buffer holds, several times over."""
    value = os.urandom(3_000_000)
    with closing(client(relayed.endpoint(tls=True))) as asking:
        for _ in range(3):
            asking.set("k", value)
            assert value == asking.get("k")


def test_a_client_that_does_not_read_is_not_read_for(relayed: Serving) -> None:
    """The server keeps the answers until it does; then they arrive in full."""
    endpoint = relayed.endpoint(tls=True)
    with (
        closing(client(relayed.endpoint(tls=False))) as asking,
        secured(endpoint) as connection,
    ):
        asking.set("k", b"x" * 1_000_000)
        connection.sendall(said(endpoint) + b"GET k\r\n" * 20)
        wait_until(lambda: asking.info("commandstats").get("cmdstat_get", {}).get("calls") == 20)
        assert 10_000_000 < settled(lambda: max(int(c["omem"]) for c in asking.client_list()))
        expected = len(b"+OK\r\n") + 20 * (1_000_000 + len(b"$1000000\r\n\r\n"))
        while expected > 0:
            chunk = connection.recv(1_000_000)
            assert chunk
            expected -= len(chunk)
    assert 0 == expected


def settled(look: Callable[[], int]) -> int:
    """Look until the same is seen twenty times in a row."""
    seen = [look()]

    def is_settled() -> bool:
        seen.append(look())
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    wait_until(is_settled)
    return seen[-1]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_who_has_no_more_to_say_still_hears_the_answer(
    relayed: Serving, version: ssl.TLSVersion
) -> None:
    """The client ends its half; the server's answer comes, then the server's end."""
    endpoint = relayed.endpoint(tls=True)
    with secured(endpoint, maximum_version=version) as connection:
        connection.sendall(said(endpoint) + b"PING\r\n")
        # The half of the TCP connection, without TLS's farewell, as clients do that just close.
        socket.socket.shutdown(connection, socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(100):
            answer += chunk
    assert b"+OK\r\n+PONG\r\n" == answer


def test_the_servers_goodbye_reaches_the_client(relayed: Serving) -> None:
    """QUIT is answered, then TLS ends as it should: with a farewell, not with a cut."""
    endpoint = relayed.endpoint(tls=True)
    with secured(endpoint, strict=True) as connection:
        connection.sendall(said(endpoint) + b"QUIT\r\n")
        answer = b""
        while chunk := connection.recv(100):
            answer += chunk
    assert b"+OK\r\n+OK\r\n" == answer


def test_a_client_that_breaks_off_breaks_off_at_the_server(relayed: Serving) -> None:
    """A reset takes the connection behind the relay along, at once."""
    endpoint = relayed.endpoint(tls=True)
    with ServerSampler(relayed.endpoint(tls=False)) as sampler:
        before = sampler.read()
        with secured(endpoint) as connection:
            connection.sendall(said(endpoint))
            assert b"+OK\r\n" == connection.recv(100)
            assert 1 == delta(before, sampler.read(), "connected_clients")
            reset(connection)
        wait_until(lambda: delta(before, sampler.read(), "connected_clients") == 0)


def reset(connection: socket.socket) -> None:
    """Break a connection off."""
    now_or_never = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now_or_never)
    connection.close()


def test_a_server_that_died_behind_the_relay_breaks_connections_off() -> None:
    """Nobody waits for an answer that cannot come."""
    with ExitStack() as stack:
        serving = stack.enter_context(offering(TlsProvider.RELAY))
        endpoint = serving.endpoint(tls=True)
        connection = stack.enter_context(secured(endpoint))
        connection.sendall(said(endpoint))
        assert b"+OK\r\n" == connection.recv(100)
        assert endpoint.pid is not None
        os.kill(endpoint.pid, signal.SIGKILL)
        assert b"" == heard(connection)
        # Nor does one that comes later.
        wait_until(lambda: not is_running(endpoint.pid or 0))
        with secured(endpoint) as late:
            assert b"" == heard(late)
        with pytest.raises(ServerError, match="embedded server died"):
            stack.close()


@on_linux
def test_a_relay_that_died_is_an_error() -> None:
    """It is named, and the server it stood before goes as well."""
    with ExitStack() as stack:
        serving = stack.enter_context(offering(TlsProvider.RELAY))
        traces = traces_of(serving.endpoint(tls=False))
        [relay] = [pid for pid in descendants(os.getpid()) if is_relay(pid)]
        os.kill(relay, signal.SIGKILL)
        wait_until(lambda: not is_running(relay))
        with pytest.raises(ServerError, match="TLS relay died"):
            stack.close()
    assert [] == traces.left


def is_relay(pid: int) -> bool:
    """Tell by its command line; the guardian's has more words before it."""
    words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return len(words) > 3 and words[3].endswith(b"relay.py")


# --- what there is to run ---


@pytest.mark.tls
@pytest.mark.usefixtures("native")
def test_the_bundled_server_gives_way_to_one_with_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    """But only where TLS is asked for."""
    monkeypatch.delenv("VALKEYBENCH_SERVER", raising=False)
    bundled, found = find_server_binary(), find_tls_binary()
    assert found is not None
    assert not speaks_tls(bundled)
    assert speaks_tls(found)
    with embedded_serving() as serving:
        assert bundled == serving.binary
    with embedded_serving(tls=TlsOffer()) as serving:
        assert found == serving.binary


@pytest.mark.parametrize(
    "script", ["exit 0", "echo nonsense; exit 1", "cat; exit 1", None], ids=repr
)
def test_what_does_not_say_it_speaks_tls_does_not(tmp_path: Path, script: str | None) -> None:
    """Whatever stands in for a server is asked without harm."""
    binary = tmp_path / "server"
    if script is not None:
        binary.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        binary.chmod(0o700)
    assert not speaks_tls(binary)


def test_a_binary_that_never_answers_has_no_tls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patience ends."""
    binary = tmp_path / "server"
    binary.write_text("#!/bin/sh\nexec sleep 1000\n", encoding="utf-8")
    binary.chmod(0o700)
    monkeypatch.setattr("valkeybench.server.binary._PROBE_S", 0.1)
    assert not speaks_tls(binary)


def test_without_the_library_we_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS needs an extra; everything else does not."""
    monkeypatch.setitem(__import__("sys").modules, "trustme", None)
    with pytest.raises(ServerError, match="certificates") as refused:
        make_certificates()
    assert "valkeybench[tls]" in refused.value.remedy


def test_keys_are_not_shown() -> None:
    """Neither by the certificates nor by what passes them on."""
    ours = make_certificates()
    assert b"PRIVATE KEY" in ours.server_key
    assert "PRIVATE KEY" not in repr(ours)
    assert certificates.CLIENT_KEY_FILE not in ours.files(mutual=False)


@on_linux
def test_keys_are_in_nobodys_arguments(provider: TlsProvider) -> None:
    """They go through pipes."""
    with offering(provider) as serving:
        pem = Path(serving.endpoint(tls=True).trust.ca_certs or "").read_bytes()
        some = pem.splitlines()[1]
        command = ["ps", "-ww", "-eo", "args"]
        listed = subprocess.run(command, check=True, capture_output=True).stdout
    assert b"guardian.py" in listed
    assert some not in listed
