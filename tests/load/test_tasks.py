"""The asyncio driver keeps the promises of the threads driver, and says what is different."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.load.fakes import VALUE, Answer, Words, fake_server, is_setup, to_commands, usual
from tests.load.loads import (
    NEARLY,
    POLICIES,
    assert_adds_up,
    drive_apart,
    drive_here,
    few_handlers,
    make_trial,
    total_ns,
)
from tests.load.test_leaks import PATIENCE_NS, FallsSilent
from tests.load.test_phases import COMMAND_NS, SETUP_NS, Cuts, delayed, drive_cut, shortest
from tests.load.test_policies import PHASES, PLAIN_OPENING, connections_received
from tests.load.test_tls import LONG_NS, TLS_OPENING
from tests.server.processes import wait_until
from valkeybench.load.async_asking import make_pool
from valkeybench.load.ledger import Shared, TaskLedger
from valkeybench.measurement.metrics import OPENING, FailureKind, Phase
from valkeybench.results.summary import jain_index, starved
from valkeybench.scenario.model import (
    Arrivals,
    Case,
    Client,
    Clients,
    Driver,
    EventLoop,
    Handshake,
    Pool,
    Think,
)
from valkeybench.server.embedded import embedded_serving
from valkeybench.server.serving import TlsOffer
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.load.authorities import Authority
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

    Drive = Callable[[Trial, Endpoint], Measurement]

LONGER_NS = 400 * MILLISECOND
POOLED = [Pool.RAISING, Pool.BLOCKING, Pool.FAIR]
SETUP_COMMANDS = [
    (Handshake.SHIPPED, 3, 4, 3),
    (Handshake.MINIMAL, 3, 1, 1),
    (Handshake.SHIPPED, 2, 2, 1),
    (Handshake.MINIMAL, 2, 0, 0),
]
"""Handshake and RESP version; set-up commands sent, and round trips waited for."""


def tasks(**changes: object) -> Case:
    """Make a case of a few tasks over a smaller pool."""
    return few_handlers(**{"driver": Driver.ASYNCIO} | changes)


def one_task(**changes: object) -> Case:
    """Make a case of one task and one connection."""
    return tasks(**{"concurrency": 1, "max_connections": 1} | changes)


@pytest.mark.parametrize("event_loop", EventLoop)
@pytest.mark.parametrize("drive", [drive_here, drive_apart])
@pytest.mark.parametrize("pool", POLICIES)
def test_a_measurement_adds_up_and_the_server_agrees(
    embedded: Endpoint, pool: Pool, drive: Drive, event_loop: EventLoop
) -> None:
    """Phases sum to the service time, handlers to the commands, openings to what the server counts.

    Every policy has its phases and no others, and the loop's lag is known.
    """
    trial = make_trial(tasks(pool=pool, event_loop=event_loop), warmup_ns=50 * MILLISECOND)
    seen, counted = connections_received(embedded, lambda: drive(trial, embedded))

    assert 0 < seen.completed
    assert PHASES[pool] == set(seen.histograms)
    assert_adds_up(seen)
    assert 3 == len(seen.handlers)
    assert counted == (seen.prewarmed + seen.warmup + seen.opened).connections
    assert (2 if pool.is_pooled else 0) == seen.prewarmed.connections
    assert 0 == seen.abandoned == seen.retries == seen.dropped
    assert seen.loop_lag is not None
    assert 0 < seen.loop_lag.count


@pytest.mark.tls
@pytest.mark.parametrize("event_loop", EventLoop)
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_over_tls_as_well(pool: Pool, event_loop: EventLoop) -> None:
    """A real server with TLS counts what we count, and TLS has its phases."""
    case = tasks(pool=pool, tls=True, event_loop=event_loop)
    with embedded_serving(tls=TlsOffer()) as serving:
        endpoint = serving.endpoint(tls=True)
        trial = make_trial(case, prewarm=False, lasts_ns=LONG_NS)
        seen, counted = connections_received(endpoint, lambda: drive_here(trial, endpoint))
    assert {} == seen.failures
    assert set(seen.histograms) >= TLS_OPENING
    assert counted == seen.opened.connections == seen.opened.tls_round_trips
    assert_adds_up(seen)


def test_processes_add_up(embedded: Endpoint) -> None:
    """Each brings its own loop and its own pool."""
    trial = make_trial(tasks(pool=Pool.FAIR, processes=2))
    seen, counted = connections_received(embedded, lambda: drive_apart(trial, embedded))
    assert 6 == len(seen.handlers)
    assert 4 == counted == seen.prewarmed.connections
    assert seen.loop_lag is not None
    assert_adds_up(seen)


# --- phases ---


@pytest.mark.parametrize(("handshake", "protocol", "sent", "waited"), SETUP_COMMANDS)
def test_set_up_commands_sent_together_are_one_round_trip(
    handshake: Handshake, protocol: int, sent: int, waited: int
) -> None:
    """All are counted by name, and a round trip where a reply is waited for; none is a command."""
    case = one_task(pool=Pool.NONE, handshake=handshake, protocol=protocol)
    with fake_server(delayed) as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    each = server.connections
    assert each == seen.opened.connections
    assert sent * each == server.count(is_setup) == sum(seen.setup.values())
    assert waited * each == seen.opened.round_trips
    assert sum(seen.setup_refused.values()) == seen.opened.refused
    # The fake server takes one command at a time, each with its delay.
    assert sent * SETUP_NS <= shortest(seen, Phase.HANDSHAKE)
    assert COMMAND_NS <= shortest(seen, Phase.COMMAND)
    assert_adds_up(seen)


def test_refused_set_up_commands_are_known_by_name() -> None:
    """A reply read later is still the reply to the command it answers."""

    def no_names(words: Words, number: int) -> Answer:
        refused = words[:3] == ("CLIENT", "SETINFO", "LIB-NAME")
        return Answer(reply=b"-ERR no\r\n") if refused else usual(words, number)

    with fake_server(no_names) as server:
        endpoint = replace(server.endpoint, db=3)
        seen = drive_here(make_trial(one_task()), endpoint)
    assert {"CLIENT MAINT_NOTIFICATIONS": 1, "CLIENT SETINFO": 1} == seen.setup_refused
    assert {"HELLO": 1, "CLIENT MAINT_NOTIFICATIONS": 1, "CLIENT SETINFO": 2, "SELECT": 1} == (
        seen.setup
    )
    assert (3, 2) == (seen.prewarmed.round_trips, seen.prewarmed.refused)
    assert {} == seen.failures


def test_over_a_unix_socket_redis_py_shakes_hands_twice(tmp_path: Path) -> None:
    """Once within connecting: that is handshake all the same, and both are counted."""
    case = one_task(pool=Pool.NONE, handshake=Handshake.MINIMAL)
    with fake_server(delayed, path=str(tmp_path / "s")) as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    assert 2 * server.connections == server.count(is_setup) == seen.opened.round_trips
    assert 2 * SETUP_NS <= shortest(seen, Phase.HANDSHAKE)
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_an_emulated_distance_adds_a_round_trip_wherever_one_is_waited_for(pool: Pool) -> None:
    """To connecting, to each wait in the handshake and to the command, and no more than that."""
    rtt_ns = 30 * MILLISECOND
    with fake_server() as server:
        trial = make_trial(one_task(pool=pool, rtt_ns=rtt_ns), prewarm=False, lasts_ns=LONGER_NS)
        seen = drive_here(trial, server.endpoint)
    assert 0 < seen.completed
    assert NEARLY * rtt_ns <= shortest(seen, Phase.CONNECT)
    assert NEARLY * 3 * rtt_ns <= shortest(seen, Phase.HANDSHAKE) < 4 * rtt_ns
    assert NEARLY * rtt_ns <= shortest(seen, Phase.COMMAND)
    assert_adds_up(seen)


@pytest.mark.parametrize("rtt_ns", [0, 30 * MILLISECOND])
def test_opening_over_tls_is_told_apart(authority: Authority, rtt_ns: int) -> None:
    """Connecting, the context and negotiating are each recorded, a distance where it belongs."""
    case = one_task(pool=Pool.NONE, rtt_ns=rtt_ns)
    with fake_server(tls=authority.context) as server:
        trial = make_trial(case, lasts_ns=LONG_NS)
        seen = drive_here(trial, authority.trusted(server.endpoint))
    assert {} == seen.failures
    assert set(seen.histograms) >= TLS_OPENING
    assert server.connections == seen.opened.connections == seen.opened.tls_round_trips
    assert NEARLY * rtt_ns <= shortest(seen, Phase.CONNECT)
    assert NEARLY * rtt_ns <= shortest(seen, Phase.TLS)
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_a_server_nobody_vouches_for_is_a_failure_of_tls(
    authority: Authority, stranger: Authority, pool: Pool
) -> None:
    """Connections get as far as TCP, which is counted, and all are closed again."""
    with fake_server(tls=authority.context) as server:
        trial = make_trial(tasks(pool=pool), prewarm=False, lasts_ns=2 * LONG_NS)
        seen = drive_here(trial, stranger.trusted(server.endpoint))
        wait_until(lambda: 0 == server.connected)
    assert {FailureKind.TLS} == set(seen.failures)
    assert server.connections == seen.opened.connections


# --- policies ---


@pytest.mark.parametrize("pool", POOLED)
def test_in_use_is_what_a_handler_finds_taken(embedded: Endpoint, pool: Pool) -> None:
    """Every acquire is counted, those that failed included, and none finds more than there are."""
    seen = drive_here(make_trial(tasks(pool=pool)), embedded)
    assert 3 == seen.in_use.size
    assert seen.completed + seen.failed == int(seen.in_use.sum())
    assert ({FailureKind.POOL_EXHAUSTED} if pool is Pool.RAISING else set()) == set(seen.failures)


def test_successive_clients_share_the_connections_of_the_pool(embedded: Endpoint) -> None:
    """A new client for each command costs its construction, and not one connection more."""
    case = tasks(pool=Pool.BLOCKING, clients=Clients.SUCCESSIVE)
    seen, counted = connections_received(embedded, lambda: drive_here(make_trial(case), embedded))
    assert 2 == counted
    assert 0 == seen.opened.connections
    assert seen.completed == seen.histograms[Phase.CONSTRUCT].count
    assert 0 < total_ns(seen, Phase.CONSTRUCT) < total_ns(seen, Phase.SERVICE)
    assert_adds_up(seen)


def test_a_blocking_pool_starves_its_waiters(embedded: Endpoint) -> None:
    """A task that gives its connection back takes it again before the one it woke has a turn."""
    case = tasks(pool=Pool.BLOCKING, concurrency=5, max_connections=2)
    seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), embedded)
    assert 3 == starved(seen.handlers)
    assert 3 <= seen.unfinished <= 5  # the two that are served may be between two commands
    assert_adds_up(seen)


def test_a_fair_pool_serves_everybody(embedded: Endpoint) -> None:
    """The same load in the order of asking: all tasks get as much done."""
    case = tasks(pool=Pool.FAIR, concurrency=5, max_connections=2)
    seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), embedded)
    assert 0 == starved(seen.handlers)
    evenness = jain_index(seen.handlers)
    assert evenness is not None
    assert 0.9 < evenness
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.FAIR])
def test_who_waits_longer_than_the_pool_allows_fails(pool: Pool) -> None:
    """With the same kind of failure from either pool, after the timeout and not before."""
    case = tasks(pool=pool, max_connections=1, pool_timeout_ns=COMMAND_NS // 5)
    with fake_server(delayed) as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    assert {FailureKind.POOL_TIMEOUT} == set(seen.failures)
    assert COMMAND_NS // 5 <= (seen.histograms[Phase.FAILED].minimum or 0)
    assert 0 < seen.completed


def test_a_pool_may_be_opened_lazily(embedded: Endpoint) -> None:
    """Without prewarming the commands that find no connection free open one, and say so."""
    trial = make_trial(tasks(pool=Pool.FAIR), prewarm=False)
    seen, counted = connections_received(embedded, lambda: drive_here(trial, embedded))
    assert 2 == seen.opened.connections == counted
    assert {counted} == {seen.histograms[phase].count for phase in PLAIN_OPENING}
    assert not set(OPENING) & set(seen.prewarm)
    assert_adds_up(seen)


def test_replies_are_tallied(embedded: Endpoint) -> None:
    """CLIENT ID names as many connections as the pool has."""
    trial = make_trial(tasks(pool=Pool.FAIR), commands=("CLIENT ID",), tally_replies=True)
    seen = drive_here(trial, embedded)
    assert 2 == len(seen.replies)
    assert seen.completed + seen.unfinished == sum(seen.replies.values())


@pytest.mark.parametrize("client", [{"driver": Driver.ASYNCIO}, {"client": Client.VALKEY_PY}])
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_a_batch_is_one_request(embedded: Endpoint, pool: Pool, client: dict[str, object]) -> None:
    """Its commands beyond the first are counted apart, and the server counts them all."""
    case = few_handlers(pool=pool, **client)
    trial = make_trial(case, commands=("PIPELINE GET a ; GET b ; GET c",))
    seen = drive_here(trial, embedded)
    assert {} == seen.failures
    assert 0 < seen.completed
    assert 2 * seen.completed == seen.batched
    assert_adds_up(seen)


# --- when ---


def test_an_open_load_is_due_by_its_schedule(embedded: Endpoint) -> None:
    """What is due is done or dropped, late or not, and lateness is part of the response."""
    case = tasks(pool=Pool.FAIR, rate=500.0, arrivals=Arrivals.STEADY)
    seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), embedded)
    assert 200 == seen.offered == seen.attempted
    assert Phase.LATENESS in seen.histograms
    response = total_ns(seen, Phase.LATENESS) + total_ns(seen, Phase.SERVICE)
    assert response <= total_ns(seen, Phase.RESPONSE)


def test_what_nobody_takes_in_time_is_dropped() -> None:
    """One task cannot keep up with a slow server, and the rest of the schedule is dropped."""
    case = one_task(pool=Pool.FAIR, rate=500.0, arrivals=Arrivals.STEADY)
    with fake_server(to_commands(replace(VALUE, after_ns=COMMAND_NS))) as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    assert 200 == seen.offered == seen.attempted
    assert 0 < seen.completed <= LONGER_NS // COMMAND_NS
    assert 200 - LONGER_NS // COMMAND_NS - 1 <= seen.dropped


def test_thinking_is_no_phase() -> None:
    """What a handler pauses between commands is in none of them."""
    case = one_task(think=Think(50 * MILLISECOND))
    with fake_server() as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    assert total_ns(seen, Phase.SERVICE) < LONGER_NS // 2


# --- what goes wrong ---


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING, Pool.FAIR])
def test_a_retried_command_completes_and_the_retries_are_counted(pool: Pool) -> None:
    """Opening the connection again is in the phases of opening, not in the command itself."""
    with fake_server(Cuts(1)) as server:
        seen = drive_cut(server, one_task(pool=pool, retries=2))
    assert {} == seen.failures
    assert 1 == seen.retries
    handshake = seen.histograms[Phase.HANDSHAKE]
    assert handshake.maximum is not None
    assert 2 * 4 * SETUP_NS <= handshake.maximum


def test_a_retry_over_a_unix_socket_is_opening_too(tmp_path: Path) -> None:
    """Both of its handshakes belong to the phases of opening, and to no wait for the pool."""
    with fake_server(Cuts(1), path=str(tmp_path / "s")) as server:
        seen = drive_cut(server, one_task(retries=1))
    assert 1 == seen.retries
    waits = seen.histograms[Phase.POOL_WAIT]
    assert waits.maximum is not None
    assert waits.maximum < SETUP_NS


def test_what_could_not_connect_frees_no_place_twice() -> None:
    """After connections that failed, a fair pool still lets in no more than it has."""
    answers = [Answer(reply=b"-WRONGPASS no\r\n")]
    case = one_task(pool=Pool.FAIR, pool_timeout_ns=20 * MILLISECOND)

    async def scene(endpoint: Endpoint) -> None:
        pool: Any = make_pool(case, endpoint, TaskLedger(Shared()))
        for _ in range(3):
            with pytest.raises(redis.AuthenticationError):
                await pool.get_connection()
        answers.clear()
        held = await pool.get_connection()
        with pytest.raises(redis.ConnectionError, match="No connection available"):
            await pool.get_connection()
        await pool.release(held)
        assert held is await pool.get_connection()
        await pool.disconnect()

    with fake_server(lambda words, n: answers[0] if answers else usual(words, n)) as server:
        asyncio.run(scene(server.endpoint))


def test_without_retries_a_cut_command_fails_at_once() -> None:
    """Nothing is tried again behind our back: one cut is one failure."""
    with fake_server(Cuts(2)) as server:
        seen = drive_cut(server, one_task(retries=0))
    assert {FailureKind.RESET: 2} == seen.failures
    assert 0 == seen.retries


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_stuck_handlers_are_cancelled_and_what_they_did_before_counts(pool: Pool) -> None:
    """Each is one unfinished command of the age it has; their connections are closed."""
    case = tasks(pool=pool, max_connections=3, socket_timeout_ns=None)
    with fake_server(FallsSilent(after=5 if pool.is_pooled else 0)) as server:
        trial = make_trial(case, lasts_ns=LONGER_NS)
        seen = drive_here(trial, server.endpoint, grace_ns=PATIENCE_NS)
        wait_until(lambda: 0 == server.connected)
    assert (3, 3) == (seen.abandoned, seen.unfinished)
    assert (3 * 5 if pool.is_pooled else 0) == seen.completed
    assert {} == seen.failures
    response = seen.histograms[Phase.RESPONSE]
    assert response.maximum is not None
    assert LONGER_NS // 4 < response.maximum <= LONGER_NS
    assert_adds_up(seen)


def test_a_pool_that_refuses_without_waiting_lets_the_others_work(embedded: Endpoint) -> None:
    """A task that is refused gives way, or who has the connection would never be heard."""
    case = tasks(pool=Pool.RAISING, concurrency=2, max_connections=1)
    seen = drive_here(make_trial(case), embedded)
    assert 10 < seen.completed
    assert 10 < seen.failed


def test_no_task_is_left_behind(embedded: Endpoint) -> None:
    """The loop is closed with the window; a later one starts afresh."""
    for _ in range(2):
        assert 0 < drive_here(make_trial(tasks(), lasts_ns=LONG_NS), embedded).completed
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_tasks_keep_their_notes_apart_whoever_noted_before_them() -> None:
    """Prewarming notes in a context that all handlers inherit; what each opens is its own."""
    ledger = TaskLedger(Shared())

    async def open_something(lasted_ns: int) -> int:
        ledger.turn_page()
        ledger.notes.construct += lasted_ns
        await asyncio.sleep(0)
        return ledger.notes.take()[0]

    async def prewarm() -> None:
        ledger.notes.take()

    async def handlers() -> list[int]:
        return await asyncio.gather(*(open_something(lasted) for lasted in (1, 2, 3)))

    with asyncio.Runner() as runner:
        runner.run(prewarm())
        assert [1, 2, 3] == runner.run(handlers())
