"""What each pool policy opens, records and adds up to, on a real server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.load.fakes import fake_server
from tests.load.loads import (
    POLICIES,
    PREFIX,
    assert_adds_up,
    drive_apart,
    drive_here,
    few_handlers,
    make_trial,
    total_ns,
)
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.scenario.model import Client, Clients, Driver, Pool
from valkeybench.server.sampler import ServerSampler
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.load.loads import AnyClient
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

    Drive = Callable[[Trial, Endpoint], Measurement]

ALWAYS = {Phase.COMMAND, Phase.RELEASE, Phase.SERVICE, Phase.RESPONSE}
PLAIN_OPENING = {Phase.CONSTRUCT, Phase.CONNECT, Phase.HANDSHAKE}
OVER_A_WARM_POOL = ALWAYS | {Phase.POOL_WAIT}
PHASES = {
    Pool.NONE: ALWAYS | PLAIN_OPENING,
    Pool.RAISING: OVER_A_WARM_POOL | {Phase.FAILED},
    Pool.BLOCKING: OVER_A_WARM_POOL,
    Pool.FAIR: OVER_A_WARM_POOL,
}

here_and_apart = pytest.mark.parametrize("drive", [drive_here, drive_apart])


def connections_received(
    endpoint: Endpoint, load: Callable[[], Measurement]
) -> tuple[Measurement, int]:
    """Put a load on a server; give what was seen, and the connections the server counted."""
    with ServerSampler(endpoint) as sampler:
        before = sampler.read().total_connections_received
        seen = load()
        after = sampler.read().total_connections_received
        assert 1 == sampler.own_connections
    assert before is not None
    assert after is not None
    return seen, after - before


@here_and_apart
@pytest.mark.parametrize("pool", POLICIES)
def test_a_measurement_adds_up_and_the_server_agrees(
    embedded: Endpoint, pool: Pool, drive: Drive
) -> None:
    """Phases sum to the service time, handlers to the commands, openings to what the server counts.

    Every policy has its phases and no others.
    """
    trial = make_trial(few_handlers(pool=pool), warmup_ns=50 * MILLISECOND)
    seen, counted = connections_received(embedded, lambda: drive(trial, embedded))

    assert 0 < seen.completed
    assert PHASES[pool] == set(seen.histograms)
    assert_adds_up(seen)
    assert 3 == len(seen.handlers)
    assert counted == (seen.prewarmed + seen.warmup + seen.opened).connections
    assert 0 == seen.abandoned == seen.retries == seen.dropped


def test_without_a_pool_every_command_opens_its_connection(embedded: Endpoint) -> None:
    """One connection for each command, finished or not, and never more open than handlers."""
    trial = make_trial(few_handlers(pool=Pool.NONE), warmup_ns=150 * MILLISECOND)
    seen = drive_here(trial, embedded)

    assert {} == seen.failures
    assert seen.attempted == seen.opened.connections
    assert 0 < seen.warmup.connections
    assert 0 == seen.prewarmed.connections
    assert {seen.completed} == {seen.histograms[phase].count for phase in PLAIN_OPENING}
    assert 0 == seen.in_use.size
    assert 1 <= seen.open_max <= 3


@pytest.mark.parametrize("pool", [Pool.RAISING, Pool.BLOCKING, Pool.FAIR])
def test_a_pool_is_opened_once_and_before_the_load(embedded: Endpoint, pool: Pool) -> None:
    """It holds its most connections from the start, and the load opens none."""
    seen, counted = connections_received(
        embedded,
        lambda: drive_here(make_trial(few_handlers(pool=pool, max_connections=5)), embedded),
    )
    assert (5, 0, 0) == (
        seen.prewarmed.connections,
        seen.warmup.connections,
        seen.opened.connections,
    )
    assert 5 == counted == seen.open_max
    assert PLAIN_OPENING == set(seen.prewarm)
    assert {5} == {histogram.count for histogram in seen.prewarm.values()}
    assert 0 < sum(histogram.total for histogram in seen.prewarm.values()) <= seen.prewarm_ns


def test_a_pool_may_be_opened_lazily(embedded: Endpoint) -> None:
    """Without prewarming the commands that find no connection free open one, and say so."""
    trial = make_trial(few_handlers(pool=Pool.BLOCKING), prewarm=False)
    seen, counted = connections_received(embedded, lambda: drive_here(trial, embedded))

    assert 0 == seen.prewarmed.connections == seen.prewarm_ns
    assert {} == seen.prewarm
    assert 1 <= seen.opened.connections == counted <= 2
    assert {counted} == {seen.histograms[phase].count for phase in PLAIN_OPENING}
    assert seen.completed == seen.histograms[Phase.POOL_WAIT].count
    assert_adds_up(seen)


@pytest.mark.parametrize("pool", [Pool.RAISING, Pool.BLOCKING, Pool.FAIR])
def test_in_use_is_what_a_handler_finds_taken(embedded: Endpoint, pool: Pool) -> None:
    """Every acquire is counted, those that failed included, and none finds more than there are."""
    seen = drive_here(make_trial(few_handlers(pool=pool)), embedded)
    assert 3 == seen.in_use.size
    assert seen.completed + seen.failed == int(seen.in_use.sum())
    if pool is not Pool.BLOCKING:  # there the third handler starves, and asks hardly ever
        assert 0 < seen.in_use[2]


def test_successive_clients_share_the_connections_of_the_pool(embedded: Endpoint) -> None:
    """A new client for each command costs its construction, and not one connection more."""
    case = few_handlers(pool=Pool.BLOCKING, clients=Clients.SUCCESSIVE)
    seen, counted = connections_received(embedded, lambda: drive_here(make_trial(case), embedded))

    assert 2 == counted
    assert 0 == seen.opened.connections
    assert seen.completed == seen.histograms[Phase.CONSTRUCT].count
    assert Phase.CONNECT not in seen.histograms
    assert 0 < total_ns(seen, Phase.CONSTRUCT) < total_ns(seen, Phase.SERVICE)
    assert_adds_up(seen)


@pytest.mark.parametrize("clients", Clients)
def test_the_server_says_over_which_connections_commands_came(
    embedded: Endpoint, clients: Clients
) -> None:
    """Replies to CLIENT ID name as many connections as the pool has; without one, each is new."""
    tallied: dict[str, Any] = {"commands": ("CLIENT ID",), "tally_replies": True}
    pooled = few_handlers(pool=Pool.FAIR, clients=clients)
    seen = drive_here(make_trial(pooled, **tallied), embedded)
    assert 2 == len(seen.replies)
    assert seen.completed + seen.unfinished == sum(seen.replies.values())

    alone = drive_here(make_trial(few_handlers(pool=Pool.NONE), **tallied), embedded)
    assert {1} == set(alone.replies.values())
    assert len(alone.replies) == alone.opened.connections


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_processes_add_up(embedded: Endpoint, pool: Pool) -> None:
    """Each process brings its own handlers and its own pool, and watches the window by itself."""
    trial = make_trial(few_handlers(pool=pool, processes=2), lasts_ns=300 * MILLISECOND)
    seen, counted = connections_received(embedded, lambda: drive_apart(trial, embedded))

    assert 6 == len(seen.handlers)
    assert 2 * 300 * MILLISECOND == seen.window_ns
    assert counted == (seen.prewarmed + seen.warmup + seen.opened).connections
    assert (4 if pool.is_pooled else 0) == seen.prewarmed.connections
    assert_adds_up(seen)


def test_what_is_sent_is_what_was_asked_for() -> None:
    """Commands come from the templates, keys under the prefix, values in the size asked for."""
    trial = make_trial(
        few_handlers(value_size=7), commands=("GET a:{1..2}", "SET b {value}"), prewarm=False
    )
    with fake_server() as server:
        drive_here(trial, server.endpoint)
        sent = {heard.words for heard in server.heard if heard.words[0] in ("GET", "SET")}
    prefix = trial.key_prefix
    assert {
        ("GET", f"{prefix}a:1"),
        ("GET", f"{prefix}a:2"),
        ("SET", f"{prefix}b", "x" * 7),
    } == sent


def test_only_what_opens_has_opening_phases() -> None:
    """The test's own list of phases is made of the vocabulary, so a new phase is not overlooked."""
    assert set(Phase) == {Phase.LATENESS, *PHASES[Pool.NONE], *PHASES[Pool.RAISING], *OPENING}


@pytest.mark.parametrize(
    "client",
    [{}, {"client": Client.VALKEY_PY}, {"driver": Driver.ASYNCIO}, {"driver": Driver.WIRE}],
    ids=["threads", "valkey-py", "asyncio", "wire"],
)
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.FAIR])
def test_a_reply_goes_by_one_name_whoever_asks(
    server: AnyClient, embedded: Endpoint, pool: Pool, client: dict[str, Any]
) -> None:
    """An OK is an OK and a 1 is a 1, which redis-py would both call True."""
    server.set(f"{PREFIX}a", "x")
    commands = ("SET key:{0..9} {value}", "PING", "EXPIRE a 100")
    trial = make_trial(few_handlers(pool=pool, **client), commands=commands, tally_replies=True)
    assert {"OK", "PONG", "1"} == set(drive_here(trial, embedded).replies)
