"""A cluster's nodes are found by asking one; what is no cluster, or half of one, is said."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.server.processes import client
from valkeybench.errors import ScenarioError, ServerError
from valkeybench.measurement.reading import ServerReading
from valkeybench.scenario.secret import Secret
from valkeybench.server.cluster import ClusterNode, cluster_serving, embedded_cluster
from valkeybench.server.cluster_sampler import ClusterSampler, summed
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.serving import Serving
from valkeybench.server.session import watched
from valkeybench.server.topology import SLOTS, check_alone, find_nodes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.server.endpoint import Endpoint


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[ClusterNode, ...]]:
    """Give a cluster for all tests that do not harm it."""
    with embedded_cluster() as together:
        yield together


def say(endpoint: Endpoint, *words: str | int) -> Any:  # noqa: ANN401 - redis-py is untyped
    """Say something to one node."""
    with closing(client(endpoint)) as asking:
        anything: Any = asking
        return anything.execute_command(*words)


def test_every_node_is_found_from_any_of_them(nodes: tuple[ClusterNode, ...]) -> None:
    """With the slots it holds; the one that was asked comes first; the user stays the same."""
    for asked in nodes:
        found = find_nodes(Serving(plain=asked.endpoint)).endpoint().nodes
        assert asked.endpoint.port == found[0].endpoint.port
        assert {(n.endpoint.port, n.slots) for n in nodes} == {
            (n.endpoint.port, n.slots) for n in found
        }
        assert {asked.endpoint.password} == {node.endpoint.password for node in found}


def test_a_node_that_is_no_cluster_s_is_refused(embedded: Endpoint) -> None:
    """The scenario says cluster, and there is none."""
    with pytest.raises(ScenarioError, match="not in cluster mode"):
        find_nodes(Serving(plain=embedded))


def test_a_cluster_taken_for_a_single_server_is_refused(
    nodes: tuple[ClusterNode, ...], embedded: Endpoint
) -> None:
    """Before any command is answered with MOVED; a single server is not."""
    with (
        pytest.raises(ScenarioError, match="belongs to a cluster of 3 nodes"),
        watched(Serving(plain=nodes[0].endpoint), cluster=False),
    ):
        pytest.fail("it was taken")
    with watched(Serving(plain=embedded), cluster=False) as (serving, _):
        assert () == serving.endpoint().nodes


def test_slots_nobody_holds_are_said() -> None:
    """redis-py would refuse such a cluster; so do we, with the number that is there."""
    with embedded_cluster() as own:
        for node in own:
            say(node.endpoint, "CLUSTER", "DELSLOTS", 7)
        with pytest.raises(ServerError, match=f"holds {SLOTS - 1} of {SLOTS} slots in 3 nodes"):
            find_nodes(Serving(plain=own[0].endpoint))
        # One that holds all slots by itself answers everything.
        alone = own[0].endpoint
        say(alone, "FLUSHALL")
        say(alone, "CLUSTER", "RESET", "HARD")
        say(alone, "CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
        with ServerSampler(alone) as sampler:
            check_alone(alone, sampler)
        assert [SLOTS] == [n.slots for n in find_nodes(Serving(plain=alone)).endpoint().nodes]


def test_a_cluster_that_is_down_is_said() -> None:
    """All slots have a holder, all holders are there, and yet it serves nobody."""
    with embedded_cluster() as own:
        found = find_nodes(Serving(plain=own[0].endpoint)).endpoint()
        for node in own:
            say(node.endpoint, "CLUSTER", "DELSLOTS", 7)
        with pytest.raises(ServerError, match="says that the cluster is down"):
            ClusterSampler(found).__enter__()


def test_a_node_that_is_gone_is_named() -> None:
    """On entering as on reading."""
    with suppress(ServerError), embedded_cluster() as own:
        found = find_nodes(Serving(plain=own[0].endpoint)).endpoint()
        lost = found.nodes[1].endpoint
        with ClusterSampler(found) as sampler:
            assert sampler.read_if_there() is not None
            with suppress(ConnectionError, Exception):
                say(lost, "SHUTDOWN", "NOSAVE")
            with pytest.raises(ServerError, match=f"{lost.address}: nobody listens"):
                sampler.read()
            assert sampler.read_if_there() is None
        with pytest.raises(ServerError, match=f"cluster node {lost.address}: nobody listens"):
            ClusterSampler(found).__enter__()


def test_a_wrong_password_is_said_once(nodes: tuple[ClusterNode, ...]) -> None:
    """By the first node that is asked."""
    wrong = replace(nodes[0].endpoint, password=Secret("wrong"))
    with pytest.raises(ServerError, match="refused the user name or password"):
        find_nodes(Serving(plain=wrong))


def test_the_cluster_s_numbers_are_the_sums_of_its_nodes(nodes: tuple[ClusterNode, ...]) -> None:
    """Each node's own stand beside them, and facts name every node."""
    found = find_nodes(Serving(plain=nodes[0].endpoint)).endpoint()
    with ClusterSampler(found) as sampler:
        facts, reading = sampler.facts(), sampler.read()

    assert [n.endpoint.address for n in found.nodes] == [node.address for node in facts.nodes]
    assert [n.endpoint.pid for n in sorted(nodes, key=_port)] == [
        node.process_id for node in sorted(facts.nodes, key=lambda node: node.address or "")
    ]
    assert ("cluster", 3) == (facts.mode, sampler.own_connections)
    assert [1, 1, 1] == [node.connected_clients for node in reading.nodes]
    assert 3 == reading.connected_clients


def _port(node: ClusterNode) -> str:
    return str(node.endpoint.port)


def test_what_one_node_does_not_tell_is_unknown_of_all() -> None:
    """A sum of what some told would be no sum."""
    one = ServerReading(at_ns=1, connected_clients=2, used_memory=10, errors=(("MOVED", 1),))
    other = ServerReading(at_ns=2, connected_clients=3, errors=(("ASK", 2), ("MOVED", 3)))

    together = summed([one, other])
    assert (5, None) == (together.connected_clients, together.used_memory)
    assert (("ASK", 2), ("MOVED", 4)) == together.errors
    assert (one, other) == together.nodes
    assert summed([one, ServerReading(at_ns=3)]).errors is None


def test_a_private_cluster_has_the_user_it_was_asked_for() -> None:
    """On every node, and nobody else."""
    with cluster_serving(username="joe") as serving:
        found = find_nodes(serving).endpoint()
        assert ["joe"] * 3 == [str(say(n.endpoint, "ACL WHOAMI")) for n in found.nodes]
