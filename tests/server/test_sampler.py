"""A sampler tells what the server says, admits what it may not know, and explains refusals."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import traceback
from contextlib import ExitStack, closing, contextmanager
from dataclasses import fields, replace
from secrets import token_hex
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import client, wait_until
from valkeybench.errors import ExitCode, ServerError
from valkeybench.measurement.reading import Flavour, ServerReading
from valkeybench.scenario.model import CertReqs, TlsSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server.embedded import embedded_server, pick_free_port
from valkeybench.server.endpoint import Endpoint
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.watching import SAMPLER_NAME
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE_NS = 300 * MILLISECOND
NOTHING = {None}


def refusal(endpoint: Endpoint) -> ServerError:
    """Try to sample, and give why it could not be."""
    with pytest.raises(ServerError) as refused, ServerSampler(endpoint, timeout_ns=PATIENCE_NS):
        pytest.fail("it let us in")
    assert refused.value.message.startswith(endpoint.address)
    assert refused.value.remedy
    assert ExitCode.SERVER == refused.value.exit_code
    return refused.value


@contextmanager
def listener(answer: Callable[[socket.socket], object]) -> Iterator[Endpoint]:
    """Listen on a free port and treat every caller to the same answer, in a thread."""

    def serve() -> None:
        while True:
            try:
                caller, _ = server.accept()
            except OSError:
                return
            with caller:
                try:
                    answer(caller)
                except OSError:
                    continue

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Endpoint(host="127.0.0.1", port=server.getsockname()[1])
        finally:
            # Closing alone does not wake who waits in accept.
            server.shutdown(socket.SHUT_RDWR)
            server.close()
            thread.join()


def known(reading: ServerReading) -> set[object]:
    """Give the numbers of a reading, without its time."""
    return {getattr(reading, f.name) for f in fields(reading) if f.name != "at_ns"}


# --- what it tells ---


def test_facts_are_the_servers_own(embedded: Endpoint) -> None:
    """What the server says of itself, through its own tongue."""
    with ServerSampler(embedded) as sampler, closing(client(embedded)) as asking:
        facts = sampler.facts()
        info = asking.info()
    version = info.get("valkey_version", info["redis_version"])
    assert (flavour_of(embedded), version) == (facts.flavour, facts.version)
    assert ("standalone", "master", 0) == (facts.mode, facts.role, facts.connected_slaves)
    assert (embedded.pid, 10_000, 1) == (facts.process_id, facts.maxclients, facts.io_threads)
    assert (False, ()) == (facts.tls, facts.missing)
    assert facts.connected_clients is not None


def flavour_of(endpoint: Endpoint) -> Flavour:
    """Tell whose server is tested against, by what only Valkey says."""
    with closing(client(endpoint)) as asking:
        return Flavour.VALKEY if "valkey_version" in asking.info() else Flavour.REDIS


def test_a_reading_knows_every_number(embedded: Endpoint) -> None:
    """Valkey reports all we ask for."""
    with ServerSampler(embedded) as sampler:
        assert None not in known(sampler.read())
        reading = sampler.read_if_there()
        assert reading is not None
        assert None not in known(reading)


def test_connections_are_counted_as_they_are_opened(embedded: Endpoint) -> None:
    """Between two readings the server counts exactly the connections opened in between."""
    with ServerSampler(embedded) as sampler:
        before = sampler.read()
        for _ in range(7):
            socket.create_connection((embedded.host, embedded.port)).close()
        with closing(client(embedded)) as asking:
            asking.ping()
            after = sampler.read()
        assert 1 == sampler.own_connections

    assert before.total_connections_received is not None
    assert before.total_connections_received + 8 == after.total_connections_received
    assert before.at_ns < after.at_ns


def test_it_costs_one_connection_and_three_commands(embedded: Endpoint) -> None:
    """Entering authenticates and gives a name, reading is one INFO; nothing is refused."""
    with ServerSampler(embedded) as watching:
        before = watching.read()
        with ServerSampler(embedded) as sampler:
            sampler.read()
            after = watching.read()

    assert before.total_connections_received is not None
    assert before.total_connections_received + 1 == after.total_connections_received
    assert before.commands_processed is not None
    # Reading counts itself: AUTH, CLIENT SETNAME and INFO of the other, then the second INFO.
    assert before.commands_processed + 4 == after.commands_processed
    assert before.error_replies == after.error_replies


def test_the_connection_is_closed_on_leaving(embedded: Endpoint) -> None:
    """Nobody of that name is there afterwards."""
    with closing(client(embedded)) as asking:
        with ServerSampler(embedded):
            assert SAMPLER_NAME in [c["name"] for c in asking.client_list()]
        wait_until(lambda: SAMPLER_NAME not in [c["name"] for c in asking.client_list()])


def test_a_cut_connection_is_replaced_and_counted(embedded: Endpoint) -> None:
    """When somebody cuts us off we come back once, under our name, and say so."""
    with ServerSampler(embedded) as sampler, closing(client(embedded)) as asking:
        [ours] = [c["id"] for c in asking.client_list() if c["name"] == SAMPLER_NAME]
        asking.client_kill_filter(_id=ours)
        assert None not in known(sampler.read())
        assert 2 == sampler.own_connections
        assert SAMPLER_NAME in [c["name"] for c in asking.client_list()]


# --- what it may not know ---


@pytest.fixture
def guest(embedded: Endpoint) -> Iterator[Endpoint]:
    """Give the endpoint of a user who may do next to nothing."""
    with closing(client(embedded)) as asking:
        asking.acl_setuser(
            "guest",
            enabled=True,
            passwords=["+pw"],
            categories=["-@all"],
            commands=["+get"],
            keys=["*"],
        )
        yield replace(embedded, username="guest", password=Secret("pw"))
        asking.acl_deluser("guest")


def test_a_user_who_may_not_ask_knows_nothing(guest: Endpoint, embedded: Endpoint) -> None:
    """Readings are empty, not errors; HELLO still tells the version."""
    with ServerSampler(guest) as sampler:
        assert NOTHING == known(sampler.read())
        facts = sampler.facts()
        assert {"CLIENT", "INFO", "CONFIG"} == set(facts.missing)
        assert ("standalone", None) == (facts.mode, facts.maxclients)
        assert flavour_of(embedded) == facts.flavour
        assert facts.version


def test_a_refusal_is_taken_once(guest: Endpoint, embedded: Endpoint) -> None:
    """Asking again would only fill the server's log of offences."""
    with ServerSampler(embedded) as watching, ServerSampler(guest) as sampler:
        sampler.facts()
        before = watching.read()
        sampler.read()
        sampler.facts()
        assert before.error_replies == watching.read().error_replies


def test_watching_without_permission_is_not_losing_the_server(guest: Endpoint) -> None:
    """The readings come, and are empty."""
    with ServerSampler(guest) as sampler, sampler.watch(MILLISECOND) as watch:
        wait_until(lambda: watch.readings)
    assert not watch.lost
    assert NOTHING == known(watch.readings[0])


def test_a_guest_who_is_cut_off_comes_back_without_a_name(
    guest: Endpoint, embedded: Endpoint
) -> None:
    """A name refused once is not tried again, and no reason to stay away."""
    with ServerSampler(guest) as sampler, closing(client(embedded)) as asking:
        asking.client_kill_filter(user="guest")
        asking.acl_setuser("guest", enabled=True, commands=["+info"])
        assert None not in known(sampler.read())
        assert 2 == sampler.own_connections
        assert ("CLIENT", "CONFIG") == sampler.facts().missing


# --- watching ---


def test_watching_reads_again_and_again(embedded: Endpoint) -> None:
    """Readings come in order over the one connection, and stop with the context."""
    with ServerSampler(embedded) as sampler:
        with sampler.watch(5 * MILLISECOND) as watch:
            wait_until(lambda: len(watch.readings) >= 3)
        readings = watch.readings
        assert SAMPLER_NAME not in [thread.name for thread in threading.enumerate()]
        assert 1 == sampler.own_connections
    assert sorted(readings, key=lambda reading: reading.at_ns) == list(readings)
    assert (False, readings) == (watch.lost, watch.readings)


def test_asking_while_watching_gets_its_own_answer(embedded: Endpoint) -> None:
    """Two threads share the connection without getting in each other's way."""
    with ServerSampler(embedded) as sampler, sampler.watch(1) as watch:
        for _ in range(100):
            facts = sampler.facts()
            assert (embedded.pid, 1) == (facts.process_id, facts.io_threads)
        wait_until(lambda: watch.readings)
    assert all(None not in known(reading) for reading in watch.readings)


def test_nothing_is_read_before_the_first_interval_is_over(embedded: Endpoint) -> None:
    """A watch shorter than its interval has no readings, and does not wait for one."""
    with ServerSampler(embedded) as sampler, sampler.watch(10**15) as watch:
        pass
    assert () == watch.readings


def test_a_server_that_vanishes_ends_the_watching() -> None:
    """The watch says so; only who asks on gets an error."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(embedded_server())
        assert endpoint.pid is not None
        with ServerSampler(endpoint) as sampler, sampler.watch(MILLISECOND) as watch:
            wait_until(lambda: watch.readings)
            os.kill(endpoint.pid, signal.SIGKILL)
            wait_until(lambda: watch.lost)
            with pytest.raises(ServerError, match="nobody listens there"):
                sampler.read()
            with pytest.raises(ServerError, match="nobody listens there"):
                sampler.facts()
            assert None is sampler.read_if_there()
        with pytest.raises(ServerError, match="embedded server died"):
            stack.close()


# --- why it could not be ---


@pytest.mark.parametrize("username", [None, "joe"])
def test_a_wrong_password_is_told_without_telling_it(
    embedded: Endpoint, username: str | None
) -> None:
    """Neither message nor traceback holds it, the server's own words included."""
    word = token_hex()
    error = refusal(replace(embedded, username=username, password=Secret(word)))
    assert "refused the user name or password" in error.message
    assert word not in "".join(traceback.format_exception(error)) + repr(error) + error.remedy


def test_a_server_that_repeats_our_words_does_not_give_us_away() -> None:
    """One that does not know AUTH quotes it, password and all; we do not."""

    def parrot(caller: socket.socket) -> None:
        said = caller.recv(1000).split(b"\r\n")[-2]
        caller.sendall(b"-ERR unknown command 'AUTH', with args beginning with: '%b'\r\n" % said)

    word = token_hex()
    with listener(parrot) as endpoint:
        error = refusal(replace(endpoint, password=Secret(word)))
    assert "unknown command 'AUTH', with args beginning with: '***'" in error.message
    assert word not in "".join(traceback.format_exception(error))


def test_a_missing_password_is_told(embedded: Endpoint) -> None:
    """A server that wants one, and none given."""
    assert "wants a password" in refusal(replace(embedded, password=None)).message


def test_a_database_that_is_not_there_is_told(embedded: Endpoint) -> None:
    """The server's own words."""
    assert "DB index is out of range" in refusal(replace(embedded, db=99)).message


def test_a_user_who_may_not_select_is_told(guest: Endpoint) -> None:
    """A database the load could not use either."""
    error = refusal(replace(guest, db=1))
    assert "may not connect as asked" in error.message
    assert "'select'" in error.message


def test_a_full_server_is_told() -> None:
    """One client more than it takes."""
    with (
        embedded_server(maxclients=1) as endpoint,
        socket.create_connection((endpoint.host, endpoint.port)) as only,
    ):
        only.sendall(b"PING\r\n")
        assert only.recv(100).startswith(b"-NOAUTH")
        assert "as many clients as it takes" in refusal(endpoint).message


def test_a_port_nobody_listens_on_is_told() -> None:
    """Refused at once."""
    endpoint = Endpoint(host="127.0.0.1", port=pick_free_port())
    assert "nobody listens there" in refusal(endpoint).message


def test_a_socket_that_is_not_there_is_told(tmp_path: Path) -> None:
    """No such path."""
    assert "no such socket" in refusal(Endpoint(path=str(tmp_path / "x.sock"))).message


def test_a_path_no_socket_can_have_is_told() -> None:
    """The system's own words."""
    assert "cannot be reached: AF_UNIX path too long" in refusal(Endpoint(path="/x" * 200)).message


@pytest.mark.parametrize("host", ["cache.invalid", "a..b", "a" * 64])
def test_an_unknown_name_is_told(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names nobody has, and names nobody can have."""

    def nobody(name: str, *_: object) -> object:
        name.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert "no host of that name" in refusal(Endpoint(host=host, port=1)).message


@pytest.mark.parametrize("tls", [False, True])
def test_silence_is_told(*, tls: bool) -> None:
    """Somebody takes the call and says nothing."""
    over = threading.Event()
    with listener(lambda _: over.wait()) as endpoint:
        error = refusal(replace(endpoint, tls=tls))
        over.set()
    said = "it took the connection and said nothing of TLS for" if tls else "no answer within"
    assert f"{said} 300 ms" in error.message


def test_a_web_server_is_told_apart() -> None:
    """Whatever speaks, it is not Valkey."""
    with listener(lambda caller: caller.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as endpoint:
        assert "no Valkey server" in refusal(endpoint).message


def test_a_server_that_is_not_ready_is_told() -> None:
    """It will be, later."""

    def busy(caller: socket.socket) -> None:
        caller.recv(1000)
        caller.sendall(b"-LOADING Valkey is loading the dataset in memory\r\n")

    with listener(busy) as endpoint:
        assert "still loading" in refusal(replace(endpoint, password=Secret("x"))).message


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Make a certificate for localhost that nobody vouches for, and its key."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs the openssl command to make a certificate")
    place = tmp_path_factory.mktemp("tls")
    names = str(place / "cert.pem"), str(place / "key.pem")
    kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    kind += ["-nodes", "-days", "2"]
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    files = ["-out", names[0], "-keyout", names[1]]
    subprocess.run([openssl, *kind, *subject, *files], check=True, capture_output=True)
    return names


@pytest.fixture
def tls_server(certificate: tuple[str, str]) -> Iterator[Endpoint]:
    """Give a server that greets in TLS and then hangs up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)

    def greet(caller: socket.socket) -> None:
        with context.wrap_socket(caller, server_side=True) as speaking:
            speaking.recv(1000)

    with listener(greet) as endpoint:
        yield endpoint


def test_a_certificate_nobody_vouches_for_is_told(tls_server: Endpoint) -> None:
    """What is wrong with it, and how to trust it."""
    error = refusal(replace(tls_server, tls=True))
    assert "certificate is not trusted: self" in error.message
    assert "--cacert" in error.remedy


def test_a_certificate_for_another_name_is_told(
    tls_server: Endpoint, certificate: tuple[str, str]
) -> None:
    """Trusted, but not for the address we call."""
    trust = TlsSettings(ca_certs=certificate[0])
    error = refusal(replace(tls_server, tls=True, trust=trust))
    assert "it is for localhost, and we asked for 127.0.0.1" in error.message


def test_a_plain_client_on_a_tls_port_is_told_to_speak_tls(tls_server: Endpoint) -> None:
    """The server hangs up on what is no TLS; valkeys:// is the cure."""
    error = refusal(tls_server)
    assert "valkeys://" in error.remedy


def test_a_tls_server_that_hangs_up_may_want_a_certificate(tls_server: Endpoint) -> None:
    """TLS succeeds, then the server closes: as one does that wants a client certificate."""
    error = refusal(replace(tls_server, tls=True, trust=TlsSettings(cert_reqs=CertReqs.NONE)))
    assert "closed the connection" in error.message
    assert "--cert" in error.remedy


def test_a_tls_client_on_a_plain_port_is_told_to_speak_plain(embedded: Endpoint) -> None:
    """Valkey waits for the rest of a command that never comes."""
    error = refusal(replace(embedded, tls=True))
    assert "said nothing of TLS" in error.message
    assert "valkey:// instead of valkeys://" in error.remedy


def test_tls_that_fails_says_how() -> None:
    """An answer that is no TLS is named, without the line of C it comes from."""
    with listener(lambda caller: caller.sendall(b"-ERR no TLS here\r\n")) as endpoint:
        error = refusal(replace(endpoint, tls=True))
    assert "TLS failed: [SSL: WRONG_VERSION_NUMBER]" in error.message
    assert "_ssl.c" not in error.message


@pytest.mark.parametrize(
    "trust", [TlsSettings(ca_certs="no/such.pem"), TlsSettings(certfile="no/such.pem")]
)
def test_a_missing_certificate_file_is_told(tls_server: Endpoint, trust: TlsSettings) -> None:
    """Ours to put right, not the server's."""
    error = refusal(replace(tls_server, tls=True, trust=trust))
    assert "certificate or key file cannot be read" in error.message
