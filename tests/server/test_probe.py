"""What a connection costs the server is measured, and agrees with what the server says."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import client, wait_until
from valkeybench import workflow
from valkeybench.cli.progress import Silence
from valkeybench.errors import ServerError
from valkeybench.measurement.cost import ConnectionCost
from valkeybench.measurement.reading import ServerFacts
from valkeybench.plan.trial import make_plan
from valkeybench.scenario.model import Axes, Pool, Scenario
from valkeybench.scenario.secret import Secret
from valkeybench.server.binary import find_tls_binary
from valkeybench.server.embedded import embedded_server, embedded_serving, pick_free_port
from valkeybench.server.endpoint import Endpoint, Provider
from valkeybench.server.probe import connection_cost, connection_costs
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.serving import Serving, TlsOffer, TlsProvider
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from valkeybench.plan.trial import Plan


def check(cost: ConnectionCost) -> None:
    """See that the figures can be those of a connection."""
    assert cost.used_fresh is not None
    assert cost.used_idle is not None
    assert 1_000 < cost.used_idle <= cost.used_fresh < 100_000
    # The reply buffer of 16 KB is there in the beginning, and not for long.
    assert cost.used_fresh - cost.used_idle > 10_000


def test_a_connection_costs_less_when_idle() -> None:
    """By the server's own figure for its clients, the idle cost is right."""
    with embedded_server() as endpoint, closing(client(endpoint)) as asking:
        cost = connection_cost(endpoint, connections=100)
        check(cost)
        assert (100, False) == (cost.connections, cost.tls)

        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(closing(client(endpoint))).ping()
            said = 101 * (cost.used_idle or 0)
            wait_until(lambda: 0.5 * said < clients_bytes(asking) < 1.5 * said)


def clients_bytes(asking: redis.Redis) -> int:
    """Ask for the memory of all ordinary clients."""
    return int(asking.info("memory")["mem_clients_normal"])


def test_a_server_that_has_shrunk_nothing_yet_is_waited_for(
    embedded: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short a time counts as steady: the buffers are not given back at once."""
    monkeypatch.setattr("valkeybench.server.probe._STEADY_NS", 0)
    cost = connection_cost(embedded)
    assert (cost.used_idle or 0) < 0.99 * (cost.used_fresh or 0)


@pytest.mark.tls
def test_over_tls_the_library_takes_its_share() -> None:
    """It is beside what the server counts itself, and stays when the connection is idle."""
    if find_tls_binary() is None:
        pytest.skip("no server with TLS: set VALKEYBENCH_SERVER or install valkey-server")
    with embedded_serving(tls=TlsOffer()) as serving:
        cost = connection_cost(serving.endpoint(tls=True), connections=100)
    check(cost)
    assert cost.tls
    if cost.allocated_fresh is None or cost.allocated_idle is None:
        # A server may have an allocator of its own, which the library does not use.
        assert "the TLS library's memory is in none of the server's figures" == cost.note
        return
    assert (cost.used_fresh or 0) < cost.allocated_fresh
    assert (cost.used_idle or 0) < cost.allocated_idle


def test_all_connections_are_closed_again(embedded: Endpoint) -> None:
    """The server is as it was."""
    with closing(client(embedded)) as asking:
        before = asking.info("clients")["connected_clients"]
        connection_cost(embedded, connections=2)
        wait_until(lambda: asking.info("clients")["connected_clients"] == before)


def test_who_may_not_ask_is_told(embedded: Endpoint) -> None:
    """A user without INFO gets an error with a remedy."""
    with closing(client(embedded)) as asking:
        asking.acl_setuser("blind", enabled=True, passwords=["+pw"], categories=["-@all"])
        with pytest.raises(ServerError, match=r"could not be found out.*info") as refused:
            connection_cost(replace(embedded, username="blind", password=Secret("pw")))
        asking.acl_deluser("blind")
    assert "INFO" in refused.value.remedy


def test_a_full_server_is_told() -> None:
    """More connections than it takes."""
    with (
        embedded_server(maxclients=10) as endpoint,
        pytest.raises(ServerError, match="max number of clients"),
    ):
        connection_cost(endpoint, connections=20)


# --- in a run ---


def plan_for(*, tls: tuple[bool, ...] = (False,), size: int = 100) -> Plan:
    """Make a plan that is long enough, of a load that opens so many connections."""
    axes = Axes(pool=(Pool.BLOCKING,), max_connections=(size,), tls=tls)
    return make_plan(Scenario(axes=axes, duration_ns=60 * SECOND), key_prefix="p:")


@pytest.fixture
def server() -> Iterator[Serving]:
    """Give a server with nobody else on it."""
    with embedded_serving() as serving:
        yield serving


def as_theirs(serving: Serving) -> Serving:
    """Take a server of ours for somebody else's."""
    return Serving(plain=replace(serving.endpoint(), provider=Provider.EXTERNAL))


def test_no_more_is_opened_on_their_server_than_the_load_will(server: Serving) -> None:
    """As its own counter says; the one that looks on is beside them."""
    with closing(client(server.endpoint())) as asking:
        before = asking.info("stats")["total_connections_received"]
        (cost,) = connection_costs(as_theirs(server), ServerFacts(), plan_for(size=20))
        opened = asking.info("stats")["total_connections_received"] - before
    assert (20, 21) == (cost.connections, opened)
    check(cost)
    # Of so few connections the allocator says nothing that could be trusted.
    assert (None, None) == (cost.allocated_fresh, cost.allocated_idle)
    assert "allocator" in cost.note


def test_what_somebody_else_does_meanwhile_is_not_taken_for_ours(server: Serving) -> None:
    """Memory that is still gone when all is closed was not the connections'."""
    with closing(client(server.endpoint())) as other:
        pauses = count()

        def pause(duration_ns: int) -> None:
            if next(pauses) == 1:  # the first comes before anything is counted
                other.set("theirs", b"x" * 5_000_000)
            time.sleep(duration_ns / SECOND)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("valkeybench.server.probe._pause", pause)
            cost = connection_cost(server.endpoint(), connections=20)
    assert (None, None) == (cost.used_fresh, cost.used_idle)
    assert "somebody else" in cost.note


@pytest.mark.parametrize(
    ("facts", "plan", "note"),
    [
        (ServerFacts(missing=("INFO",)), plan_for(), "INFO"),
        (ServerFacts(), plan_for(size=9), "too few"),
        (
            ServerFacts(),
            make_plan(Scenario(duration_ns=SECOND, repeats=1), key_prefix="p:"),
            "less than",
        ),
    ],
)
def test_what_cannot_be_known_is_null_with_a_note(
    server: Serving, facts: ServerFacts, plan: Plan, note: str
) -> None:
    """Not permitted, too few to tell, or not worth the time; nobody is contacted."""
    with ServerSampler(server.endpoint()) as sampler:
        before = sampler.read().total_connections_received
        (cost,) = connection_costs(as_theirs(server), facts, plan)
        assert before == sampler.read().total_connections_received
    assert note in cost.note
    assert ConnectionCost(tls=False, note=cost.note) == cost


def test_a_server_that_is_gone_is_a_note_too() -> None:
    """The load finds out by itself, and says it better."""
    nobody = Endpoint(host="127.0.0.1", port=pick_free_port())
    (cost,) = connection_costs(Serving(plain=nobody), ServerFacts(), plan_for())
    assert "could not be found out" in cost.note


def test_what_a_relay_does_costs_the_server_nothing() -> None:
    """TLS that is not the server's is not in its figures; the plain way is looked at."""
    with embedded_serving() as serving:
        relayed = replace(
            serving,
            tls=replace(serving.endpoint(), tls=True),
            tls_provider=TlsProvider.RELAY,
        )
        plain, secure = connection_costs(relayed, ServerFacts(), plan_for(tls=(False, True)))
    check(plain)
    assert (True, 200) == (secure.tls and "relay" in secure.note, plain.connections)


def test_a_run_keeps_what_it_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """For the ways its cases go, before the load, and in no count of the load's."""
    monkeypatch.setattr("valkeybench.server.probe.WORTH_IT_NS", 0)
    scenario = Scenario(
        duration_ns=200 * MILLISECOND,
        warmup_ns=0,
        repeats=1,
        axes=Axes(pool=(Pool.BLOCKING,), max_connections=(2,), concurrency=(2,)),
    )
    run = workflow.run(scenario, output=None, watcher=Silence()).run
    (cost,) = run.connection_costs
    assert (False, 200) == (cost.tls, cost.connections)
    assert 1_000 < (cost.used_idle or 0) < (cost.used_fresh or 0)
    (trial,) = run.cases[0].trials
    assert trial.server is not None
    assert 2 == trial.server.connections_counted
    assert 0 <= (trial.server.before.connected_clients or 0) < 20
