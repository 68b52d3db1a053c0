"""valkey-py is measured as redis-py is: the same phases, guarantees and kinds of failure.

Of threads and of tasks alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.load.fakes import HANG_UP, Answer, fake_server, is_setup, to_commands
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
from tests.load.test_phases import COMMAND_NS, SETUP_NS, Cuts, delayed, drive_cut, shortest
from tests.load.test_policies import PHASES, connections_received
from tests.load.test_tls import LONG_NS, TLS_OPENING
from tests.server.processes import wait_until
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.results.summary import starved
from valkeybench.scenario.model import Case, Client, Clients, Driver, Handshake, Pool
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
NO_POOL_AND_A_POOL = [Pool.NONE, Pool.BLOCKING]


@pytest.fixture(params=[Driver.THREADS, Driver.ASYNCIO], ids=str)
def driver(request: pytest.FixtureRequest) -> Driver:
    """Give each driver that valkey-py can have."""
    chosen: Driver = request.param
    return chosen


def with_valkey_py(driver: Driver, **changes: object) -> Case:
    """Make a case of a few handlers that ask with valkey-py."""
    return few_handlers(**{"client": Client.VALKEY_PY, "driver": driver} | changes)


def one_handler(driver: Driver, **changes: object) -> Case:
    """Make a case of one handler and one connection."""
    return with_valkey_py(driver, **{"concurrency": 1, "max_connections": 1} | changes)


@pytest.mark.parametrize("drive", [drive_here, drive_apart])
@pytest.mark.parametrize("pool", POLICIES)
def test_a_measurement_adds_up_and_the_server_agrees(
    driver: Driver, embedded: Endpoint, pool: Pool, drive: Drive
) -> None:
    """Phases sum to the service time, handlers to the commands, openings to what the server counts.

    Every policy has its phases and no others.
    """
    trial = make_trial(with_valkey_py(driver, pool=pool), warmup_ns=50 * MILLISECOND)
    seen, counted = connections_received(embedded, lambda: drive(trial, embedded))

    assert 0 < seen.completed
    assert PHASES[pool] == set(seen.histograms)
    assert_adds_up(seen)
    assert counted == (seen.prewarmed + seen.warmup + seen.opened).connections
    assert (2 if pool.is_pooled else 0) == seen.prewarmed.connections
    assert (driver is Driver.ASYNCIO) == (seen.loop_lag is not None)
    expected = {FailureKind.POOL_EXHAUSTED} if pool is Pool.RAISING else set()
    assert expected == set(seen.failures)


@pytest.mark.parametrize(
    ("handshake", "protocol", "said"),
    [
        (Handshake.SHIPPED, 3, {"HELLO": 1, "CLIENT SETINFO": 2}),
        (Handshake.MINIMAL, 3, {"HELLO": 1}),
        (Handshake.SHIPPED, 2, {"CLIENT SETINFO": 2}),
        (Handshake.MINIMAL, 2, {}),
    ],
)
@pytest.mark.parametrize("pool", NO_POOL_AND_A_POOL)
def test_what_it_says_on_a_new_connection(
    driver: Driver, pool: Pool, handshake: Handshake, protocol: int, said: dict[str, int]
) -> None:
    """One command less than redis-py, and none of them refused."""
    case = one_handler(driver, pool=pool, handshake=handshake, protocol=protocol)
    with fake_server(delayed) as server:
        trial = make_trial(case, prewarm=False, lasts_ns=LONGER_NS)
        seen = drive_here(trial, server.endpoint)
    each = server.connections
    assert {name: each * times for name, times in said.items()} == seen.setup
    # Tasks send the last two together, which is one round trip.
    together = driver is Driver.ASYNCIO and handshake is Handshake.SHIPPED
    assert sum(seen.setup.values()) == server.count(is_setup)
    assert each * (sum(said.values()) - together) == seen.opened.round_trips
    assert 0 == seen.opened.refused
    assert sum(said.values()) * SETUP_NS <= shortest(seen, Phase.HANDSHAKE)
    assert COMMAND_NS <= shortest(seen, Phase.COMMAND)
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", NO_POOL_AND_A_POOL)
def test_opening_over_tls_is_told_apart(driver: Driver, authority: Authority, pool: Pool) -> None:
    """Connecting, the context and negotiating are each recorded."""
    with fake_server(tls=authority.context) as server:
        trial = make_trial(with_valkey_py(driver, pool=pool), prewarm=False, lasts_ns=LONG_NS)
        seen = drive_here(trial, authority.trusted(server.endpoint))
    assert {} == seen.failures
    assert set(seen.histograms) >= TLS_OPENING
    assert server.connections == seen.opened.connections == seen.opened.tls_round_trips
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", NO_POOL_AND_A_POOL)
def test_a_server_nobody_vouches_for_is_a_failure_of_tls(
    driver: Driver, authority: Authority, stranger: Authority, pool: Pool
) -> None:
    """Every connection is counted, and closed again."""
    with fake_server(tls=authority.context) as server:
        trial = make_trial(with_valkey_py(driver, pool=pool), prewarm=False, lasts_ns=LONG_NS)
        seen = drive_here(trial, stranger.trusted(server.endpoint))
        wait_until(lambda: 0 == server.connected)
    assert {FailureKind.TLS} == set(seen.failures)
    assert server.connections == seen.opened.connections


@pytest.mark.parametrize("pool", NO_POOL_AND_A_POOL)
def test_over_a_unix_socket_and_an_emulated_distance(
    driver: Driver, pool: Pool, tmp_path: Path
) -> None:
    """A round trip is added to connecting, each set-up command and the command."""
    rtt_ns = 15 * MILLISECOND
    case = one_handler(driver, pool=pool, rtt_ns=rtt_ns)
    with fake_server(path=str(tmp_path / "s")) as server:
        trial = make_trial(case, prewarm=False, lasts_ns=LONGER_NS)
        seen = drive_here(trial, server.endpoint)
    assert NEARLY * rtt_ns <= shortest(seen, Phase.CONNECT)
    assert NEARLY * 3 * rtt_ns <= shortest(seen, Phase.HANDSHAKE)
    assert NEARLY * rtt_ns <= shortest(seen, Phase.COMMAND)
    assert_adds_up(seen)


def test_over_tls_and_an_emulated_distance(driver: Driver, authority: Authority) -> None:
    """Negotiating takes its round trips as well."""
    rtt_ns = 15 * MILLISECOND
    with fake_server(tls=authority.context) as server:
        trial = make_trial(one_handler(driver, pool=Pool.RAISING, rtt_ns=rtt_ns))
        seen = drive_here(trial, authority.trusted(server.endpoint))
    assert NEARLY * rtt_ns <= (seen.prewarm[Phase.TLS].minimum or 0)
    assert NEARLY * rtt_ns <= (seen.prewarm[Phase.CONNECT].minimum or 0)


def test_successive_clients_share_the_connections_of_the_pool(
    driver: Driver, embedded: Endpoint
) -> None:
    """A new client for each command costs its construction, and not one connection more."""
    case = with_valkey_py(driver, pool=Pool.BLOCKING, clients=Clients.SUCCESSIVE)
    seen, counted = connections_received(embedded, lambda: drive_here(make_trial(case), embedded))
    assert 2 == counted
    assert seen.completed == seen.histograms[Phase.CONSTRUCT].count
    assert 0 < total_ns(seen, Phase.CONSTRUCT) < total_ns(seen, Phase.SERVICE)


def test_its_blocking_pool_takes_the_fair_queue(driver: Driver, embedded: Endpoint) -> None:
    """First come, first served: nobody starves."""
    case = with_valkey_py(driver, pool=Pool.FAIR, concurrency=5, max_connections=1)
    assert 0 == starved(drive_here(make_trial(case, lasts_ns=LONGER_NS), embedded).handlers)


@pytest.mark.parametrize("pool", NO_POOL_AND_A_POOL)
def test_a_retried_command_completes_and_the_retries_are_counted(
    driver: Driver, pool: Pool
) -> None:
    """Retries are made when asked for, and none without."""
    with fake_server(Cuts(1)) as server:
        seen = drive_cut(server, one_handler(driver, pool=pool, retries=2))
    assert ({}, 1) == (seen.failures, seen.retries)
    with fake_server(Cuts(2)) as server:
        seen = drive_cut(server, one_handler(driver, pool=pool, retries=0))
    assert ({FailureKind.RESET: 2}, 0) == (seen.failures, seen.retries)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (HANG_UP, FailureKind.RESET),
        (Answer(reply=b"-ERR no\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-NOPERM no\r\n"), FailureKind.REPLY_ERROR),
        (Answer(reply=b"-NOAUTH Authentication required.\r\n"), FailureKind.AUTH),
        (Answer(after_ns=2 * COMMAND_NS), FailureKind.TIMEOUT),
    ],
)
def test_failures_are_of_the_same_kinds(driver: Driver, answer: Answer, kind: FailureKind) -> None:
    """Its exceptions have redis-py's names, and other classes."""
    case = one_handler(driver, socket_timeout_ns=COMMAND_NS)
    with fake_server(to_commands(answer)) as server:
        seen = drive_here(make_trial(case), server.endpoint)
    assert {kind} == set(seen.failures)


@pytest.mark.parametrize("pool", NO_POOL_AND_A_POOL)
def test_failing_to_connect_is_of_the_same_kinds(driver: Driver, pool: Pool) -> None:
    """Nobody there, no room left, a password refused."""
    with fake_server(to_commands(HANG_UP)) as server:
        nobody = server.endpoint
    case = one_handler(driver, pool=pool)
    trial = make_trial(case, prewarm=False, lasts_ns=LONGER_NS)
    assert {FailureKind.CONNECT_REFUSED} == set(drive_here(trial, nobody).failures)
    for reply, kind in [
        (b"-ERR max number of clients reached\r\n", FailureKind.MAX_CLIENTS),
        (b"-WRONGPASS no\r\n", FailureKind.AUTH),
    ]:
        answer = replace(HANG_UP, reply=reply)
        with fake_server(lambda _words, _number, answer=answer: answer) as server:  # type: ignore[misc]  # a lambda's default
            assert {kind} == set(drive_here(trial, server.endpoint).failures)


def test_a_pool_that_waits_gives_up_in_time(driver: Driver) -> None:
    """Its blocking pool's timeout is known by its words, as redis-py's is."""
    case = with_valkey_py(driver, max_connections=1, pool_timeout_ns=COMMAND_NS // 5)
    with fake_server(delayed) as server:
        seen = drive_here(make_trial(case, lasts_ns=LONGER_NS), server.endpoint)
    assert {FailureKind.POOL_TIMEOUT} == set(seen.failures)
