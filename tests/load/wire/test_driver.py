"""The `wire` driver on real servers and on servers whose faults and delays are known."""

from __future__ import annotations

import select
import socket
import ssl
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.load.fakes import (
    HANG_UP,
    NOTHING,
    UNKNOWN,
    Answer,
    Words,
    fake_server,
    is_setup,
    to_commands,
    usual,
)
from tests.load.loads import (
    assert_adds_up,
    drive_apart,
    drive_here,
    few_handlers,
    make_trial,
)
from valkeybench.load.wire import loop, opening
from valkeybench.load.wire.connections import Connection
from valkeybench.load.wire.driver import WireDriver
from valkeybench.load.wire.failure import WireError
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Case, Driver, Handshake, Pool, ServerSettings, Think
from valkeybench.scenario.secret import Secret
from valkeybench.server.embedded import pick_free_port
from valkeybench.server.endpoint import Endpoint
from valkeybench.server.session import open_servers
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.load.fakes import Script
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.server.serving import Serving

ALWAYS = {Phase.COMMAND, Phase.RELEASE, Phase.SERVICE, Phase.RESPONSE}
POOLS = (Pool.RAISING, Pool.FAIR)
RTT_NS = 15 * MILLISECOND


def wire(**changes: Any) -> Case:  # noqa: ANN401 - any attribute of a case
    """Make a case of the wire driver: three handlers over two connections."""
    return few_handlers(**{"driver": Driver.WIRE, "pool": Pool.FAIR} | changes).meaningful()


def alone(**changes: Any) -> Case:  # noqa: ANN401 - any attribute of a case
    """Make a case of one handler over one connection."""
    return wire(**{"concurrency": 1, "max_connections": 1} | changes)


@pytest.fixture(scope="module")
def both_ways() -> Iterator[Serving]:
    """Give a server with and without TLS."""
    with open_servers(ServerSettings(), maxclients_needed=2000, tls=(False, True)) as serving:
        yield serving


class Counters:
    """What the server counted: connections and commands, by name."""

    def __init__(self, endpoint: Endpoint) -> None:
        with redis.Redis(**endpoint.connection_kwargs()) as client:  # type: ignore[arg-type]
            self.connections = client.info("stats")["total_connections_received"]
            stats = client.info("commandstats")
        self.commands = {name: stats[name]["calls"] for name in stats}


def counted(endpoint: Endpoint, load: Callable[[], Measurement]) -> tuple[Measurement, int, int]:
    """Run a load; give what was seen, and the connections and GETs the server counted."""
    before = Counters(endpoint)
    seen = load()
    after = Counters(endpoint)
    gets = after.commands["cmdstat_get"] - before.commands.get("cmdstat_get", 0)
    return seen, after.connections - before.connections - 1, gets


@pytest.mark.tls
@pytest.mark.parametrize("drive", [drive_here, drive_apart])
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("pool", [Pool.NONE, *POOLS])
def test_a_measurement_adds_up_and_the_server_agrees(
    both_ways: Serving, pool: Pool, drive: Callable[..., Measurement], *, tls: bool
) -> None:
    """Phases sum to the service time; connections and commands are as many as the server counts."""
    trial = make_trial(wire(pool=pool, tls=tls), warmup_ns=0)
    endpoint = both_ways.endpoint(tls=tls)
    seen, connections, gets = counted(both_ways.endpoint(), lambda: drive(trial, endpoint))

    opening = {Phase.CONNECT, Phase.HANDSHAKE} | ({Phase.TLS} if tls else set())
    expected = {
        Pool.NONE: ALWAYS | opening,
        Pool.FAIR: ALWAYS | {Phase.POOL_WAIT},
        Pool.RAISING: ALWAYS | {Phase.POOL_WAIT, Phase.FAILED},
    }
    assert expected[pool] == set(seen.histograms)
    assert_adds_up(seen)
    assert 0 < seen.completed
    assert connections == (seen.prewarmed + seen.warmup + seen.opened).connections
    # In processes of their own handlers are a little ahead of the window.
    begun = seen.completed + seen.unfinished
    assert seen.completed <= gets
    assert drive is drive_apart or gets <= begun
    assert {FailureKind.POOL_EXHAUSTED} >= set(seen.failures)
    if pool.is_pooled:
        assert opening == set(seen.prewarm)
        assert 2 == seen.prewarmed.connections == seen.open_max
        assert 0 == seen.opened.connections


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.FAIR])
def test_a_thousand_handlers_share_one_process(both_ways: Serving, pool: Pool) -> None:
    """Each gets its fair share, and everything adds up."""
    case = wire(pool=pool, concurrency=1000, max_connections=50, think=Think(300 * MILLISECOND))
    trial = make_trial(case, lasts_ns=1500 * MILLISECOND)
    seen, connections, gets = counted(
        both_ways.endpoint(), lambda: drive_here(trial, both_ways.endpoint())
    )
    assert 1000 == len(seen.handlers)
    assert {} == seen.failures
    assert_adds_up(seen)
    assert gets == seen.completed + seen.unfinished
    assert connections == (seen.prewarmed + seen.opened).connections
    assert 0 < seen.handlers[len(seen.handlers) // 10]


def test_nobody_overtakes_in_the_pool() -> None:
    """Over one connection, busy handlers take turns: none completes more than one ahead."""
    with fake_server() as server:
        seen = drive_here(make_trial(wire(concurrency=20, max_connections=1)), server.endpoint)
    assert 20 < seen.completed
    assert 1 >= seen.handlers[-1] - seen.handlers[0]
    assert {20} == {len(seen.handlers)}
    assert seen.completed == int(seen.in_use.sum())


@pytest.mark.parametrize(
    "changes",
    [{}, {"pool": Pool.NONE}, {"think": None, "rate": 50_000.0}],
)
def test_who_is_answered_asks_again_when_all_others_were_heard(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """No reply waits for requests of others to be written, which would lengthen its command."""
    doings: list[str] = []

    class Overheard(Connection):
        def __init__(self, *made_of: Any) -> None:  # noqa: ANN401 - what a connection is made of
            super().__init__(*made_of)
            self.send = noting("S", doings, self.send)
            self.receive = noting("H", doings, self.receive)

    class Polled:
        def __init__(self) -> None:
            epoll = select.epoll()
            self.register, self.modify, self.close = epoll.register, epoll.modify, epoll.close
            self.unregister, self.fileno = epoll.unregister, epoll.fileno
            self.poll = noting("|", doings, epoll.poll)

    monkeypatch.setattr(opening, "Connection", Overheard)
    monkeypatch.setattr(loop, "select", SimpleNamespace(epoll=Polled, select=select.select))
    usual = {"concurrency": 30, "max_connections": 30, "handshake": Handshake.MINIMAL}
    case = wire(**usual, protocol=2, **changes)
    with fake_server() as server:
        drive_here(make_trial(case), server.endpoint)
    turns = "".join(doings).split("|")
    assert "H" in doings
    assert [] == [turn for turn in turns if "SH" in turn]


def test_a_connection_for_one_command_is_watched_only_while_its_reply_is_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whose reply has come when all others had their turn need never be."""
    watched: list[str] = []
    watch = Connection.watch
    monkeypatch.setattr(Connection, "watch", noting("W", watched, watch))
    many = wire(pool=Pool.NONE, concurrency=40, handshake=Handshake.MINIMAL, protocol=2)
    with open_servers(ServerSettings(), maxclients_needed=200) as serving:
        known = serving.endpoint()
        with redis.Redis(**known.connection_kwargs()) as client:  # type: ignore[arg-type]
            client.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"], keys="*")
        seen = drive_here(make_trial(many), replace(known, username=None, password=None))
    assert 0 < seen.completed
    assert len(watched) < seen.completed

    watched.clear()
    with fake_server(to_commands(Answer(after_ns=5 * MILLISECOND))) as server:
        slow = drive_here(make_trial(replace(many, concurrency=2), warmup_ns=0), server.endpoint)
    assert 0 < slow.completed <= len(watched)


def test_what_is_wrong_is_what_the_first_address_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one tried may be of a kind this machine has no way for."""
    port = pick_free_port()
    ways = [
        (socket.AF_INET, ("127.0.0.1", port)),
        (socket.AF_UNIX, str(tmp_path / "nobody")),
    ]
    monkeypatch.setattr(opening, "_addresses", lambda _: ways)
    driver = WireDriver(make_trial(wire()), Endpoint(host="127.0.0.1", port=port), process=0)
    with pytest.raises(WireError, match="Connection refused"):
        driver.prewarm()


def noting(what: str, doings: list[str], do: Callable[..., Any]) -> Callable[..., Any]:
    """Have it noted when something is done."""

    def noted(*how: Any) -> Any:  # noqa: ANN401 - whatever is done
        doings.append(what)
        return do(*how)

    return noted


def test_in_use_is_what_a_handler_finds_taken() -> None:
    """One handler finds none taken; the second of two over a slow server finds one."""
    with fake_server(to_commands(Answer(after_ns=5 * MILLISECOND))) as server:
        assert 0 == drive_here(make_trial(alone()), server.endpoint).in_use[1]
        seen = drive_here(make_trial(wire(concurrency=2)), server.endpoint)
    assert 0 < seen.in_use[1]
    assert 0 == seen.in_use[2]


@pytest.mark.parametrize(
    ("handshake", "protocol", "changes", "said"),
    [
        (Handshake.MINIMAL, 2, {}, []),
        (Handshake.MINIMAL, 3, {}, [("HELLO", "3")]),
        (Handshake.MINIMAL, 2, {"password": Secret("w")}, [("AUTH", "w")]),
        (
            Handshake.MINIMAL,
            3,
            {"username": "joe", "password": Secret("w")},
            [("HELLO", "3", "AUTH", "joe", "w")],
        ),
        (
            Handshake.MINIMAL,
            3,
            {"client_name": "me", "db": 3},
            [("HELLO", "3"), ("CLIENT", "SETNAME", "me"), ("SELECT", "3")],
        ),
    ],
)
def test_a_connection_says_what_the_server_needs_and_no_more(
    handshake: Handshake, protocol: int, changes: dict[str, Any], said: list[Words]
) -> None:
    """Nothing at all where nothing is needed; each set-up command is one round trip."""
    case = alone(handshake=handshake, protocol=protocol)
    with fake_server() as server:
        seen = drive_here(make_trial(case), replace(server.endpoint, **changes))
    assert said == [heard.words for heard in server.heard if is_setup(heard.words)]
    assert len(said) == seen.prewarmed.round_trips == sum(seen.setup.values())


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_shipped_introduction_is_as_long_as_that_of_redis_py(protocol: int) -> None:
    """The same commands in the same order, so that both can be compared."""
    heard = {}
    for driver in (Driver.THREADS, Driver.WIRE):
        case = replace(alone(), driver=driver, protocol=protocol).meaningful()
        with fake_server() as server:
            endpoint = replace(
                server.endpoint, db=2, client_name="me", username="u", password=Secret("w")
            )
            seen = drive_here(make_trial(case), endpoint)
        heard[driver] = [h.words[:3] for h in server.heard if is_setup(h.words)], seen.setup
    assert heard[Driver.THREADS] == heard[Driver.WIRE]


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.FAIR])
def test_an_emulated_distance_adds_a_round_trip_wherever_one_is_waited_for(pool: Pool) -> None:
    """To connecting, to each set-up command and to the command."""
    case = alone(pool=pool, rtt_ns=RTT_NS)
    with fake_server() as server:
        trial = make_trial(case, prewarm=False, lasts_ns=400 * MILLISECOND)
        seen = drive_here(trial, server.endpoint)
    least = {phase: histogram.minimum or 0 for phase, histogram in seen.histograms.items()}
    assert RTT_NS <= least[Phase.CONNECT] < 2 * RTT_NS
    assert 4 * RTT_NS <= least[Phase.HANDSHAKE] < 5 * RTT_NS
    assert RTT_NS <= least[Phase.COMMAND] < 2 * RTT_NS
    assert_adds_up(seen)


@pytest.mark.parametrize(
    ("script", "changes", "kind"),
    [
        (to_commands(NOTHING), {"socket_timeout_ns": 40 * MILLISECOND}, FailureKind.TIMEOUT),
        (to_commands(HANG_UP), {}, FailureKind.RESET),
        (to_commands(UNKNOWN), {}, FailureKind.REPLY_ERROR),
        (to_commands(Answer(reply=b"-NOAUTH no\r\n")), {}, FailureKind.AUTH),
        (
            to_commands(Answer(reply=b"-ERR max number of clients reached\r\n", hang_up=True)),
            {},
            FailureKind.MAX_CLIENTS,
        ),
    ],
)
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.FAIR])
def test_failures_are_counted_by_kind(
    pool: Pool, script: Script, changes: dict[str, Any], kind: FailureKind
) -> None:
    """Every command fails the same way, once each; an error reply alone leaves the connection."""
    with fake_server(script) as server:
        seen = drive_here(make_trial(alone(pool=pool, **changes)), server.endpoint)
    assert {kind} == set(seen.failures)
    assert 0 == seen.completed
    assert 1 < seen.failed
    assert server.connections == (seen.prewarmed + seen.opened).connections
    survives = kind in (FailureKind.REPLY_ERROR, FailureKind.AUTH) and pool is Pool.FAIR
    assert survives == (0 == seen.opened.connections)


def test_a_timeout_is_as_long_as_asked() -> None:
    """A command that is never answered fails at its timeout, not before, and soon after."""
    patience = 50 * MILLISECOND
    with fake_server(to_commands(NOTHING)) as server:
        case = wire(socket_timeout_ns=patience, concurrency=10, max_connections=10)
        seen = drive_here(make_trial(case), server.endpoint)
    failed = seen.histograms[Phase.FAILED]
    assert patience <= (failed.minimum or 0) < 2 * patience


def test_waiters_give_up_when_the_pool_s_time_is_over() -> None:
    """Those who found no connection fail by the pool's timeout; who holds it goes on."""
    with fake_server(to_commands(Answer(after_ns=200 * MILLISECOND))) as server:
        case = wire(max_connections=1, pool_timeout_ns=30 * MILLISECOND)
        seen = drive_here(make_trial(case, lasts_ns=500 * MILLISECOND), server.endpoint)
    assert {FailureKind.POOL_TIMEOUT} == set(seen.failures)
    assert 0 < seen.completed
    assert 30 * MILLISECOND <= (seen.histograms[Phase.FAILED].minimum or 0)


def test_a_server_that_is_gone_is_refused_and_prewarming_says_so() -> None:
    """The load fails by kind; prewarming raises the same."""
    with fake_server() as server:
        endpoint = server.endpoint
    seen = drive_here(make_trial(alone(pool=Pool.NONE, think=Think(MILLISECOND))), endpoint)
    assert {FailureKind.CONNECT_REFUSED} == set(seen.failures)
    with pytest.raises(WireError) as raised:
        drive_here(make_trial(alone()), endpoint)
    assert FailureKind.CONNECT_REFUSED is raised.value.kind


def test_a_server_killed_in_the_middle_fails_what_comes_after() -> None:
    """What was answered is kept; idle connections are noticed to be gone."""
    served = Counter[str]()

    def dies(words: Words, number: int) -> Answer:
        served[words[0]] += 1
        return HANG_UP if served["GET"] > 20 else usual(words, number)

    with fake_server(dies) as server:
        seen = drive_here(make_trial(wire(think=Think(MILLISECOND))), server.endpoint)
    assert 20 == seen.completed
    assert {FailureKind.RESET} == set(seen.failures)
    assert_adds_up(seen)


def test_an_idle_connection_that_is_hung_up_is_opened_anew() -> None:
    """A pool never hands out a connection it knows to be closed."""
    case = alone(think=Think(30 * MILLISECOND))
    with fake_server(to_commands(Answer(reply=b"+OK\r\n", hang_up=True))) as server:
        seen = drive_here(make_trial(case, lasts_ns=400 * MILLISECOND), server.endpoint)
    assert {} == seen.failures
    assert 2 < seen.completed <= 1 + seen.opened.connections


def test_a_wrong_password_is_told_before_the_load(both_ways: Serving) -> None:
    """Prewarming fails by its kind, and without the password in its words."""
    endpoint = replace(both_ways.endpoint(), password=Secret("mistaken"))
    with pytest.raises(WireError) as raised:
        drive_here(make_trial(wire()), endpoint)
    assert FailureKind.AUTH is raised.value.kind
    assert "mistaken" not in str(raised.value)


@pytest.mark.tls
def test_a_certificate_nobody_trusts_is_a_failure_of_tls(both_ways: Serving) -> None:
    """The chain is verified as asked."""
    endpoint = both_ways.endpoint(tls=True)
    endpoint = replace(endpoint, trust=replace(endpoint.trust, ca_certs=None))
    with pytest.raises(ssl.SSLError):
        drive_here(make_trial(wire(tls=True)), endpoint)
    seen = drive_here(make_trial(wire(pool=Pool.NONE, tls=True)), endpoint)
    assert {FailureKind.TLS} == set(seen.failures)


def test_what_never_ends_is_abandoned_and_unfinished() -> None:
    """Without a timeout a handler waits for ever; the window closes all the same."""
    with fake_server(to_commands(NOTHING)) as server:
        trial = make_trial(wire(socket_timeout_ns=None))
        seen = drive_here(trial, server.endpoint, grace_ns=50 * MILLISECOND)
    assert 3 == seen.abandoned == seen.unfinished
    assert 0 == seen.completed == seen.failed


@pytest.mark.tls
@pytest.mark.parametrize("tls", [False, True])
def test_values_of_many_pieces_come_whole(both_ways: Serving, *, tls: bool) -> None:
    """What is more than one read, or one TLS record, is read to its end."""
    trial = make_trial(
        wire(value_size=40_000, tls=tls),
        commands=("SET big {value}", "GET big"),
        tally_replies=True,
    )
    seen = drive_here(trial, both_ways.endpoint(tls=tls))
    assert {} == seen.failures
    assert {"OK", "x" * 40_000} == set(seen.replies) - {"None"}


def test_arrays_and_maps_are_replies_like_others(both_ways: Serving) -> None:
    """Aggregates are read to their end; pipelining errors would show as strange replies."""
    trial = make_trial(wire(), commands=("HGETALL nothing", "LRANGE no 0 -1"), tally_replies=True)
    seen = drive_here(trial, both_ways.endpoint())
    assert {"{}", "[]"} == set(seen.replies)
    assert {} == seen.failures


def test_an_open_load_keeps_its_schedule_and_its_count() -> None:
    """What is due is completed, unfinished or dropped; late is counted from due."""
    slow = to_commands(Answer(after_ns=30 * MILLISECOND))
    case = alone(rate=100.0, think=None)
    with fake_server(slow) as server:
        seen = drive_here(make_trial(case, lasts_ns=500 * MILLISECOND), server.endpoint)
    assert 0 < seen.dropped
    assert seen.offered == seen.attempted
    late = seen.histograms[Phase.LATENESS].maximum or 0
    assert 100 * MILLISECOND < late < SECOND
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.FAIR])
@pytest.mark.parametrize("together", ["PIPELINE", "MULTI"])
def test_batches_are_one_request_of_many_commands(
    both_ways: Serving, pool: Pool, together: str
) -> None:
    """One round trip, as many commands; the server counts each of them."""
    commands = (f"{together} GET a ; GET b ; GET c",)
    trial = make_trial(wire(pool=pool), commands=commands, tally_replies=True)
    seen, _, gets = counted(both_ways.endpoint(), lambda: drive_here(trial, both_ways.endpoint()))
    assert {} == seen.failures
    assert 2 * seen.completed == seen.batched
    assert gets == 3 * (seen.completed + seen.unfinished)
    assert {"[None, None, None]"} == set(seen.replies)
    assert_adds_up(seen)


@pytest.mark.parametrize("together", ["PIPELINE", "MULTI"])
def test_a_batch_fails_by_its_first_error_and_leaves_the_connection(
    both_ways: Serving, together: str
) -> None:
    """All replies are heard before it is told, so the next command hears its own."""
    commands = (f"{together} SET s x ; LPUSH s x ; GET s", "GET s")
    seen = drive_here(make_trial(wire(), commands=commands), both_ways.endpoint())
    assert {FailureKind.REPLY_ERROR} == set(seen.failures)
    assert 0 < seen.completed
    assert 0 == seen.opened.connections
