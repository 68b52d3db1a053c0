"""An embedded cluster comes together by itself, is private, and goes without a trace."""

from __future__ import annotations

import os
import signal
import socket
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.crc import key_slot

from tests.server.processes import client, is_running, run_python, traces_of, wait_until
from valkeybench.errors import ServerError
from valkeybench.scenario.secret import Secret
from valkeybench.server import cluster as module
from valkeybench.server.cluster import (
    ClusterNode,
    embedded_cluster,
    pick_cluster_port,
)
from valkeybench.server.endpoint import Endpoint, Provider
from valkeybench.server.topology import SLOTS

if TYPE_CHECKING:
    from collections.abc import Iterator

HOLD = """
import sys
from valkeybench.server.cluster import embedded_cluster
with embedded_cluster() as nodes:
    print(nodes[0].endpoint.password.reveal(), flush=True)
    for node in nodes:
        print(node.endpoint.port, node.endpoint.pid, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[ClusterNode, ...]]:
    """Give a cluster for all tests that do not harm it."""
    with embedded_cluster() as together:
        yield together


def holder_of(nodes: tuple[ClusterNode, ...], slot: int) -> ClusterNode:
    """Find the node that holds a slot."""
    [node] = [node for node in nodes if node.first_slot <= slot <= node.last_slot]
    return node


def test_all_slots_are_shared_out(nodes: tuple[ClusterNode, ...]) -> None:
    """Three nodes hold all slots, in order, about equally many."""
    assert 3 == len(nodes)
    held = [slot for node in nodes for slot in range(node.first_slot, node.last_slot + 1)]
    assert list(range(SLOTS)) == held
    assert {5461, 5462} == {node.slots for node in nodes}


def test_every_node_agrees_on_who_holds_what(nodes: tuple[ClusterNode, ...]) -> None:
    """As soon as we have it, each of them says what we say."""
    ours = {(n.first_slot, n.last_slot, n.endpoint.port) for n in nodes}
    for node in nodes:
        with closing(client(node.endpoint)) as asking:
            shares: Any = asking.cluster("SLOTS")
            assert ours == {(first, last, place[1]) for first, last, place in shares}
            assert node.endpoint.pid == asking.info("server")["process_id"]
            assert "ok" == asking.cluster("INFO")["cluster_state"]


def test_a_key_of_another_node_is_answered_with_where_it_is(
    nodes: tuple[ClusterNode, ...],
) -> None:
    """MOVED, with slot and place; the node it names takes it."""
    slot = key_slot(b"key")
    holder = holder_of(nodes, slot)
    for node in nodes:
        with closing(client(node.endpoint)) as asking:
            if node is holder:
                assert asking.set("key", "value")
                continue
            with pytest.raises(redis.exceptions.MovedError) as moved:
                asking.get("key")
            assert (slot, holder.endpoint.port) == (moved.value.slot_id, moved.value.port)


def test_the_cluster_client_works_with_it(nodes: tuple[ClusterNode, ...]) -> None:
    """Keys of all nodes through one client, started from any node."""
    endpoint = nodes[1].endpoint
    assert endpoint.password is not None
    with closing(
        redis.RedisCluster(
            host=endpoint.host, port=endpoint.port, password=endpoint.password.reveal()
        )
    ) as asking:
        for number in range(50):
            asking.set(f"key:{number}", number)
        assert 50 == sum(int(asking.get(f"key:{n}") or -1) == n for n in range(50))


def test_the_password_is_required_everywhere(nodes: tuple[ClusterNode, ...]) -> None:
    """Without it no node answers; all have the same."""
    assert 1 == len({node.endpoint.password for node in nodes})
    for node in nodes:
        assert Provider.EMBEDDED is node.endpoint.provider
        for password in (None, Secret("wrong")):
            with pytest.raises(redis.AuthenticationError):
                client(replace(node.endpoint, password=password)).ping()


def test_all_nodes_go_when_we_are_killed() -> None:
    """After kill -9 of the process that opened it, nothing is left."""
    with run_python(HOLD) as holder:
        assert holder.stdout is not None
        password = Secret(holder.stdout.readline().strip())
        told = [holder.stdout.readline().split() for _ in range(3)]
        traces = [
            traces_of(Endpoint(host="127.0.0.1", port=int(port), pid=int(pid), password=password))
            for port, pid in told
        ]
        holder.kill()
        wait_until(lambda: not any(each.left for each in traces))


def test_a_node_that_died_is_an_error() -> None:
    """It is named, and the others go as well, with the configuration they wrote themselves."""
    with ExitStack() as stack:
        nodes = stack.enter_context(embedded_cluster())
        traces = [traces_of(node.endpoint) for node in nodes]
        assert [["nodes.conf"]] * 3 == [[p.name for p in t.directory.iterdir()] for t in traces]
        os.kill(traces[1].server, signal.SIGKILL)
        wait_until(lambda: not is_running(traces[1].server))
        with pytest.raises(ServerError, match="cluster node died"):
            stack.close()
    assert [[], [], []] == [each.left for each in traces]


def test_nodes_that_do_not_find_each_other_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what one of them thinks of the cluster, and nothing stays."""
    started: list[ClusterNode] = []
    monkeypatch.setattr(module, "_introduce", started.extend)
    monkeypatch.setattr(module, "_READY_NS", 1)
    with pytest.raises(ServerError, match="did not come together: cluster_state:fail"):
        embedded_cluster().__enter__()
    assert [False] * 3 == [is_running(node.endpoint.pid or 0) for node in started]


def test_ports_leave_room_for_the_bus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both must be free and exist; when there are none we say so."""
    assert 10_000 <= pick_cluster_port() <= 55_535

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        for lowest in (port, port - 10_000):
            monkeypatch.setattr(module, "_LOWEST_PORT", lowest)
            monkeypatch.setattr(module, "_HIGHEST_PORT", lowest)
            with pytest.raises(ServerError, match="no free port"):
                pick_cluster_port()
