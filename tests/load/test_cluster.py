"""A cluster is loaded over one pool for each node, and every node's part is counted."""

from __future__ import annotations

from collections import Counter
from contextlib import closing, suppress
from dataclasses import replace
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.crc import key_slot
from redis.exceptions import RedisClusterException

from tests.load.loads import (
    NEARLY,
    PREFIX,
    assert_adds_up,
    drive_apart,
    drive_here,
    few_handlers,
    make_trial,
    total_ns,
)
from tests.server.processes import client, wait_until
from valkeybench.load.cluster import ELSEWHERE, make_cluster
from valkeybench.load.failures import failure_kind
from valkeybench.load.keyspace import own_keyspace
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.load.threads import ThreadsDriver
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.measurement.recorder import Window
from valkeybench.plan.trial import under
from valkeybench.scenario.model import Axes, Case, Handshake, Keys, Pool, Scenario, Think
from valkeybench.server.cluster import ClusterNode, embedded_cluster
from valkeybench.server.endpoint import Endpoint, Node
from valkeybench.server.serving import Serving, TlsOffer
from valkeybench.server.topology import find_nodes
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.measurement.measurement import Measurement
    from valkeybench.plan.trial import Trial

POOLED = (Pool.RAISING, Pool.BLOCKING, Pool.FAIR)
FINDING = 2
"""Connections a cluster client opens to find the nodes: CLUSTER SLOTS, and COMMAND."""


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[ClusterNode, ...]]:
    """Give a cluster for all tests that leave its slots where they are."""
    with embedded_cluster(tls=TlsOffer()) as together:
        yield together


@pytest.fixture(scope="module")
def cluster(nodes: tuple[ClusterNode, ...]) -> Endpoint:
    """Give the way into it."""
    return way_into(nodes[0].endpoint)


def long_trial(case: Case, **changes: Any) -> Trial:  # noqa: ANN401 - any attribute of a trial
    """Make a trial that even a busy machine gets some commands into."""
    return make_trial(case, lasts_ns=700 * MILLISECOND, **changes)


def way_into(endpoint: Endpoint) -> Endpoint:
    """Find the nodes of a cluster."""
    return find_nodes(Serving(plain=endpoint)).endpoint()


def stats(node: Node) -> dict[str, Any]:
    """Ask a node for all it counts."""
    with closing(client(node.endpoint)) as asking:
        return dict(asking.info("everything"))


def ask(asking: Any, *words: str | int | bytes) -> Any:  # noqa: ANN401 - redis-py is untyped
    """Say something for which redis-py has no method of its own."""
    return asking.execute_command(*words)


def calls(cluster: Endpoint, command: str) -> dict[str, int]:
    """Count the calls of a command at every node, by the node's own statistics."""
    told = {node.endpoint.address: stats(node) for node in cluster.nodes}
    return {
        name: int(info.get(f"cmdstat_{command}", {}).get("calls", 0)) for name, info in told.items()
    }


def commands(seen: Measurement) -> dict[str, int]:
    """Give the commands of each node by the client's count."""
    return {name: share.commands for name, share in seen.nodes.items()}


@pytest.mark.parametrize("pool", POOLED)
def test_the_nodes_count_as_many_commands_as_the_client(cluster: Endpoint, pool: Pool) -> None:
    """Every command is counted where it went, and each node says the same of itself."""
    case = few_handlers(pool=pool, concurrency=2, think=Think(MILLISECOND))
    before = calls(cluster, "get")
    seen = drive_here(long_trial(case, commands=("GET key:{0..9999}",)), cluster)
    after = calls(cluster, "get")

    assert_adds_up(seen)
    assert {} == seen.failures
    assert seen.completed == sum(commands(seen).values()) > 0
    # What was begun in the window and ended after it is in the node's count alone.
    more = [after[name] - before[name] - count for name, count in commands(seen).items()]
    assert min(more) >= 0
    assert sum(more) == seen.unfinished


@pytest.mark.parametrize("pool", POOLED)
def test_each_node_gets_a_pool_of_its_own(cluster: Endpoint, pool: Pool) -> None:
    """Filled before the load: as many connections to every node, and those that found it."""
    before = {n.endpoint.address: stats(n)["total_connections_received"] for n in cluster.nodes}
    seen = drive_here(long_trial(few_handlers(pool=pool)), cluster)
    after = {n.endpoint.address: stats(n)["total_connections_received"] for n in cluster.nodes}

    assert 2 * 3 == seen.prewarmed.connections
    assert FINDING == seen.warmup.connections
    assert 0 == seen.opened.connections
    ours_looking = 1
    assert {name: share.connections for name, share in seen.nodes.items()} == {
        name: after[name] - before[name] - ours_looking for name in after
    }
    assert [2, 2, 2] == [min(share.open_max, 2) for share in seen.nodes.values()]


def test_what_is_in_use_is_counted_for_each_pool(cluster: Endpoint) -> None:
    """The nodes' counts add up to the whole's, and no pool has more taken than it holds."""
    seen = drive_here(long_trial(few_handlers(concurrency=4)), cluster)
    shares = seen.nodes.values()

    assert seen.in_use.tolist() == sum(share.in_use for share in shares).tolist()  # type: ignore[union-attr]
    assert [3, 3, 3] == [share.in_use.size for share in shares]
    assert all(share.commands == share.in_use.sum() for share in shares)


def test_keys_of_one_slot_go_to_one_node(cluster: Endpoint, nodes: tuple[ClusterNode, ...]) -> None:
    """To the one that holds the slot of the hash tag; the pools of the others stay idle."""
    prefix = under(PREFIX, Keys.ONE_SLOT)
    slot = key_slot(f"{prefix}key:1".encode())
    [holder] = [node for node in nodes if node.first_slot <= slot <= node.last_slot]
    seen = drive_here(long_trial(few_handlers(keys=Keys.ONE_SLOT), key_prefix=prefix), cluster)

    assert {slot} == {key_slot(f"{prefix}key:{number}".encode()) for number in range(100)}
    assert seen.completed > 0
    assert {
        node.endpoint.address: seen.completed if node is holder else 0 for node in nodes
    } == commands(seen)


def test_an_exhausted_pool_raises_and_only_its_node_s_commands_fail(cluster: Endpoint) -> None:
    """Failures are counted with the node that was asked."""
    case = few_handlers(pool=Pool.RAISING, concurrency=8, max_connections=1, rtt_ns=5 * MILLISECOND)
    seen = drive_here(long_trial(case), cluster)

    assert {"pool_exhausted"} == seen.failures.keys()
    assert seen.completed + seen.failed == sum(commands(seen).values())


def test_a_blocking_pool_that_times_out_is_counted_so(cluster: Endpoint) -> None:
    """redis-py takes it for a failed node and asks for the topology again; it is a timeout."""
    case = few_handlers(concurrency=8, max_connections=1, pool_timeout_ns=1, rtt_ns=5 * MILLISECOND)
    seen = drive_here(long_trial(case), cluster)

    assert seen.failures.get("pool_timeout", 0) > 0
    assert seen.completed + seen.failed == sum(commands(seen).values())


def test_without_a_pool_every_command_finds_the_nodes_first(cluster: Endpoint) -> None:
    """Its client opens a connection for each question and the command; all are closed again."""
    connected = [stats(node)["connected_clients"] for node in cluster.nodes]
    before = [stats(node)["total_connections_received"] for node in cluster.nodes]
    seen = drive_apart(long_trial(few_handlers(pool=Pool.NONE, concurrency=1)), cluster)
    after = [stats(node)["total_connections_received"] for node in cluster.nodes]

    assert_adds_up(seen)
    assert {} == seen.failures
    sent = seen.completed + seen.unfinished
    assert (1 + FINDING) * sent == seen.opened.connections
    # Handlers may have begun a moment before the window opened.
    opened = seen.warmup.connections + seen.opened.connections
    assert opened == sum(after) - sum(before) - len(before)
    assert opened == sum(share.connections for share in seen.nodes.values())
    assert total_ns(seen, Phase.HANDSHAKE) > 0
    for node, count in zip(cluster.nodes, connected, strict=True):
        wait_until(lambda node=node, count=count: count >= stats(node)["connected_clients"])  # type: ignore[misc]  # a lambda's default


def test_the_minimal_handshake_holds_for_every_node(cluster: Endpoint) -> None:
    """Nothing but HELLO is said on any connection, those that find the nodes included."""
    shipped = drive_here(long_trial(few_handlers()), cluster)
    minimal = drive_here(long_trial(few_handlers(handshake=Handshake.MINIMAL)), cluster)

    assert {"HELLO with AUTH": 8, "CLIENT MAINT_NOTIFICATIONS": 8, "CLIENT SETINFO": 16} == (
        shipped.setup
    )
    assert {"HELLO with AUTH"} == minimal.setup.keys()


def test_distance_is_emulated_on_the_way_to_every_node(cluster: Endpoint) -> None:
    """No command is quicker than the round trip."""
    rtt_ns = 20 * MILLISECOND
    seen = drive_here(long_trial(few_handlers(rtt_ns=rtt_ns)), cluster)

    assert seen.completed > 0
    minimum = seen.histograms[Phase.COMMAND].minimum
    assert minimum is not None
    assert NEARLY * rtt_ns <= minimum


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_every_node_is_reached_over_tls(nodes: tuple[ClusterNode, ...], pool: Pool) -> None:
    """The nodes tell a client that came over TLS of their TLS ports, and their own trust holds."""
    assert nodes[0].secured is not None
    secured = find_nodes(Serving(tls=nodes[0].secured)).endpoint()
    seen = drive_apart(long_trial(few_handlers(pool=pool, tls=True)), secured)

    assert {n.secured.port for n in nodes if n.secured} == {n.endpoint.port for n in secured.nodes}
    assert_adds_up(seen)
    assert {} == seen.failures
    # Opening three connections for a command may take longer than the window.
    assert seen.completed + seen.unfinished > 0
    trust = replace(secured.trust, ciphers="none-of-that-name", min_version="1.2")
    with pytest.raises(RedisClusterException, match="No cipher can be selected"):
        make_cluster(few_handlers(tls=True), replace(secured, trust=trust), Ledger(Shared())).find()


def test_redirections_for_good_are_counted_where_they_came_from() -> None:
    """A slot that has moved since the client looked: one MOVED, and the command succeeds."""
    with embedded_cluster() as own:
        endpoint = way_into(own[0].endpoint)
        driver = ThreadsDriver(
            long_trial(few_handlers(concurrency=1), commands=("GET one",)), endpoint, process=0
        )
        driver.prewarm()
        slot = key_slot(f"{PREFIX}one".encode())
        [source] = [node for node in own if node.first_slot <= slot <= node.last_slot]
        target = next(node for node in own if node is not source)
        with closing(client(target.endpoint)) as asking:
            identity = ask(asking, "CLUSTER MYID")
        for node in (target, source):
            with closing(client(node.endpoint)) as asking:
                ask(asking, "CLUSTER SETSLOT", slot, "NODE", identity)
        opens = clock()
        seen = driver.drive(Window(opens, opens + 700 * MILLISECOND))

        assert {} == seen.failures
        moved = {name: share.moved for name, share in seen.nodes.items()}
        assert moved == {n.endpoint.address: int(n is source) for n in own}
        told = stats(Node(endpoint=source.endpoint, slots=1))
        assert 1 == told["errorstat_MOVED"]["count"]
        assert seen.completed == commands(seen)[target.endpoint.address]


def test_redirections_for_once_are_counted_every_time() -> None:
    """A slot under way: the old node sends each command for a missing key on with ASK."""
    with embedded_cluster() as own:
        endpoint = way_into(own[0].endpoint)
        slot = key_slot(f"{PREFIX}one".encode())
        [source] = [node for node in own if node.first_slot <= slot <= node.last_slot]
        target = next(node for node in own if node is not source)
        for node, state, other in (
            (target, "IMPORTING", source),
            (source, "MIGRATING", target),
        ):
            with closing(client(other.endpoint)) as asking:
                identity = ask(asking, "CLUSTER MYID")
            with closing(client(node.endpoint)) as asking:
                ask(asking, "CLUSTER SETSLOT", slot, state, identity)
        seen = drive_here(long_trial(few_handlers(concurrency=1), commands=("GET one",)), endpoint)

        assert_adds_up(seen)
        assert {} == seen.failures
        told = stats(Node(endpoint=source.endpoint, slots=1))
        assert told["errorstat_ASK"]["count"] == seen.nodes[source.endpoint.address].asked
        assert seen.completed <= seen.nodes[source.endpoint.address].asked
        assert seen.completed == commands(seen)[target.endpoint.address]


def test_retries_are_counted(cluster: Endpoint) -> None:
    """The cluster client tries again by itself, not by the retry object's own loop."""
    shared = Shared()
    case = few_handlers(max_connections=1, pool_timeout_ns=1, retries=2)
    own = make_cluster(case, cluster, Ledger(shared))
    asking: Any = own.make_client()
    [pool] = [
        node.redis_connection.connection_pool
        for node in asking.get_primaries()
        if node == asking.get_node_from_key("key")
    ]
    held = pool.get_connection()
    try:
        with pytest.raises(redis.ConnectionError) as failed:
            asking.execute_command("GET", "key")
    finally:
        pool.release(held)

    assert FailureKind.POOL_TIMEOUT is failure_kind(failed.value)
    assert 2 == shared.retries


def test_nodes_nobody_knew_are_counted_together(cluster: Endpoint) -> None:
    """A node that joined after the run had begun is elsewhere, not one of the others."""
    fewer = replace(cluster, nodes=cluster.nodes[:2])
    seen = drive_here(long_trial(few_handlers(), commands=("GET key:{0..9999}",)), fewer)

    assert [*(node.endpoint.address for node in fewer.nodes), ELSEWHERE] == [*seen.nodes]
    assert seen.completed == sum(commands(seen).values())
    assert seen.nodes[ELSEWHERE].commands > 0


def test_keys_are_loaded_on_every_node_and_removed_from_each(cluster: Endpoint) -> None:
    """Spread and under a hash tag alike, also when the load between was interrupted."""
    scenario = Scenario(axes=Axes(keys=(Keys.SPREAD, Keys.ONE_SLOT)))
    found: Counter[str] = Counter()
    with suppress(KeyboardInterrupt), own_keyspace(cluster, scenario, prefix=PREFIX) as kept:
        for node in cluster.nodes:
            with closing(client(node.endpoint)) as asking:
                found[node.endpoint.address] = asking.dbsize()
        raise KeyboardInterrupt

    assert 2 * 10_000 == sum(found.values())
    assert all(found.values())
    assert "" == kept.left_behind
    for node in cluster.nodes:
        with closing(client(node.endpoint)) as asking:
            assert 0 == asking.dbsize()


def test_processes_add_their_nodes_up(cluster: Endpoint) -> None:
    """Every process has a pool for each node."""
    seen = drive_apart(long_trial(few_handlers(processes=2)), cluster)

    assert 2 * 2 * 3 == seen.prewarmed.connections
    assert seen.completed == sum(commands(seen).values())
    assert Case().keys is Keys.SPREAD
