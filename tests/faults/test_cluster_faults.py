"""A primary of a cluster hands over to its replica, or dies: what a run makes of it, for real."""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commandline import TINY, external
from tests.faults.aftermath import OUTPUT, assert_aftermath, keys_of_ours
from tests.faults.servers import gets, mortal_server
from tests.server.processes import client, on_linux, wait_until
from valkeybench.errors import ExitCode, ServerError
from valkeybench.server.cluster import embedded_cluster, pick_cluster_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.aftermath import Scene
    from valkeybench.server.endpoint import Endpoint

pytestmark = on_linux


def ask(endpoint: Endpoint, *words: str | int) -> Any:  # noqa: ANN401 - redis-py is untyped
    """Say one thing to one node."""
    with closing(client(endpoint)) as asking:
        anything: Any = asking
        return anything.execute_command(*words)


def role(endpoint: Endpoint) -> str:
    """Say whether a node is a primary or a replica, as the protocol calls it."""
    with closing(client(endpoint)) as asking:
        told: Any = asking.info("replication")
        return f"{told['role']} {told.get('master_link_status', '')}".strip()


@pytest.fixture
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Endpoint, ...]]:
    """Give three primaries and, last, a replica of the second."""
    with suppress(ServerError), embedded_cluster() as primaries:
        first, second = primaries[0].endpoint, primaries[1].endpoint
        assert first.password is not None
        with mortal_server(
            tmp_path_factory.mktemp("replica"),
            *("cluster-enabled yes", "cluster-config-file nodes.conf"),
            f"primaryauth {first.password.reveal()}",
            port=pick_cluster_port(),
            password=first.password,
        ) as replica:
            ask(replica.endpoint, "CLUSTER", "MEET", first.host, first.port)
            identity = ask(second, "CLUSTER", "MYID").decode()
            wait_until(lambda: identity in str(ask(replica.endpoint, "CLUSTER", "NODES")))
            wait_until(lambda: "cluster_state:ok" in str(ask(replica.endpoint, "CLUSTER", "INFO")))
            ask(second, "CONFIG", "SET", "primaryauth", first.password.reveal())
            # It would wait some seconds for other replicas to come.
            ask(second, "CONFIG", "SET", "repl-diskless-sync-delay", 0)
            ask(replica.endpoint, "CLUSTER", "REPLICATE", identity)
            wait_until(lambda: "slave up" == role(replica.endpoint))
            yield (*(node.endpoint for node in primaries), replica.endpoint)


LASTING = (
    *("run", "--cluster", *TINY, "--warmup", "0", "--duration", "4s", "--think", "5ms"),
    *("--pool", "raising", "-m", "4", "-o", OUTPUT),
)


def test_a_primary_that_hands_over(scene: Scene, nodes: tuple[Endpoint, ...]) -> None:
    """Clients are sent to the new one and go on; its keys are removed as well."""
    _, old, _, new = nodes
    with scene.running(*LASTING, **external(nodes[0])) as running:
        wait_until(lambda: gets(old) > 20)
        ask(new, "CLUSTER", "FAILOVER")
        wait_until(lambda: role(new) == "master")
        wait_until(lambda: gets(new) > 20)
        ended = running.ended()
    run = assert_aftermath(scene, ended, servers=nodes)
    assert [[]] * 4 == [keys_of_ours(node) for node in nodes]
    (case,) = run.cases
    assert case.summary is not None
    assert case.nodes is not None
    shares = {node.address: node for node in case.nodes}
    assert {} == case.summary.failures
    assert 20 < shares["elsewhere"].commands
    assert 1 <= shares[old.address].moved
    assert "Slots were on the move" in " ".join(ended.out.split())


def test_a_primary_that_dies_and_is_replaced(scene: Scene, nodes: tuple[Endpoint, ...]) -> None:
    """The run has failed, and names it; what is left on its replica is removed or named, too."""
    first, old, third, new = nodes
    for node in nodes:
        ask(node, "CONFIG", "SET", "cluster-node-timeout", 500)
    with scene.running(*LASTING, "--repeats", "9", **external(first)) as running:
        wait_until(lambda: gets(old) > 20)
        assert old.pid is not None
        os.kill(old.pid, signal.SIGKILL)
        wait_until(lambda: role(new) == "master")
        ended = running.ended()
    run = assert_aftermath(scene, ended, code=ExitCode.SERVER, servers=(first, third, new))
    assert f"{old.address}: nobody listens there) went away" in ended.err
    (case,) = run.cases
    assert case.summary is not None
    assert set(case.summary.failures) <= {"connect_refused", "reset", "reply_error"}
    assert set(case.summary.error_replies) <= {"CLUSTERDOWN"}
    assert 0 < case.summary.failed < case.summary.completed
    assert [] == keys_of_ours(new) == keys_of_ours(first) == keys_of_ours(third)
