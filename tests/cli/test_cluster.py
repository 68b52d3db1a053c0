"""A cluster is measured by one flag, and whatever is wrong with it ends in one clear message."""

from __future__ import annotations

import os
import signal
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commandline import TINY, external, files_in, kept_run, running, valkeybench
from tests.server.processes import client, wait_until
from valkeybench.errors import ServerError
from valkeybench.server.cluster import ClusterNode, embedded_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

LOAD = ("run", "--cluster", *TINY)


@pytest.fixture(scope="module")
def nodes() -> Iterator[tuple[ClusterNode, ...]]:
    """Give a cluster that nobody harms."""
    with embedded_cluster() as together:
        yield together


def keys_on(node: ClusterNode) -> int:
    """Count the keys of a node."""
    with closing(client(node.endpoint)) as asking:
        size: Any = asking.dbsize()
        return int(size)


def commands_at(node: ClusterNode) -> int:
    """Count the GETs a node has answered."""
    with closing(client(node.endpoint)) as asking:
        told: Any = asking.info("commandstats")
        return int(told.get("cmdstat_get", {}).get("calls", 0))


def test_the_flag_alone_starts_a_cluster_and_measures_it(tmp_path: Path) -> None:
    """Every policy runs; each node's part is in the file and in the report."""
    ended = valkeybench(
        tmp_path, *LOAD, "--pool", "none,raising,blocking,fair", "--keys", "spread,one_slot",
        "-o", "run.json",
    )  # fmt: skip
    run = kept_run(tmp_path / "run.json")

    assert (0, "complete") == (ended.code, run.status)
    assert "\nCluster\n" in ended.out
    assert "cluster · our own on loopback" in ended.out
    assert 8 == len(run.cases)
    for case in run.cases:
        assert case.nodes is not None
        assert case.summary is not None
        assert 16_384 == sum(node.slots or 0 for node in case.nodes)
        done = case.summary.completed + case.summary.failed
        assert done == sum(node.commands for node in case.nodes)
        assert [n.connections_counted for n in case.nodes] == [n.connections for n in case.nodes]
        serving = [node for node in case.nodes if node.commands]
        assert (1 if case.axes["keys"] == "one_slot" else 3) >= len(serving)
    connected = [trial.nodes for case in run.cases for trial in case.trials]
    assert all(node.server is not None for nodes in connected for node in nodes or ())


def test_a_cluster_of_yours_is_left_as_it_was_found(
    tmp_path: Path, nodes: tuple[ClusterNode, ...]
) -> None:
    """Any node leads into it; no key stays on any."""
    ended = valkeybench(
        tmp_path, *LOAD, "--handshake", "minimal", "--rtt", "1ms", **external(nodes[2].endpoint)
    )

    assert 0 == ended.code
    assert nodes[2].endpoint.address in ended.out.replace("\n", "")
    assert [0, 0, 0] == [keys_on(node) for node in nodes]


def test_ctrl_c_leaves_no_key_on_any_node(tmp_path: Path, nodes: tuple[ClusterNode, ...]) -> None:
    """What is measured is kept, and the keys are removed."""
    lasting = ("run", "--cluster", "--duration", "1s", "--repeats", "30", "-c", "4", "-m", "2")
    with running(
        tmp_path, *lasting, "--pool", "raising", "-o", "r.json", **external(nodes[0].endpoint)
    ) as command:
        command.wait_for("trial 1/")
        assert all(keys_on(node) for node in nodes)
        command.signal(signal.SIGINT)
        ended = command.ended()

    assert (130, "interrupted") == (ended.code, kept_run(tmp_path / "r.json").status)
    assert [0, 0, 0] == [keys_on(node) for node in nodes]


def test_the_flag_must_fit_the_server(
    tmp_path: Path, nodes: tuple[ClusterNode, ...], embedded: Endpoint
) -> None:
    """A cluster without it would answer MOVED; a single server with it has no slots."""
    without = valkeybench(tmp_path, "run", *TINY, **external(nodes[0].endpoint))
    single = valkeybench(tmp_path, *LOAD, **external(embedded))

    assert (2, 2) == (without.code, single.code)
    assert "--cluster: " in without.err
    assert "it answers MOVED for every key of another node\n  add --cluster" in without.err
    assert "is not in cluster mode\n  leave --cluster out" in single.err
    assert [] == files_in(tmp_path)


def test_a_cluster_that_cannot_be_used_is_said_before_the_load(
    tmp_path: Path, nodes: tuple[ClusterNode, ...]
) -> None:
    """A wrong password, and nobody there."""
    theirs = external(nodes[0].endpoint)
    wrong = valkeybench(tmp_path, *LOAD, **theirs | {"VALKEYBENCH_PASSWORD": "not-it"})
    nobody = valkeybench(tmp_path, *LOAD, **theirs | {"VALKEYBENCH_URL": "valkey://127.0.0.1:1"})

    assert (3, 3) == (wrong.code, nobody.code)
    assert "refused the user name or password" in wrong.err
    assert "nobody listens there" in nobody.err
    assert "not-it" not in wrong.err + nobody.err


def test_slots_that_nobody_holds_are_said_before_the_load(tmp_path: Path) -> None:
    """With how many there are."""
    with embedded_cluster() as own:
        for node in own:
            with closing(client(node.endpoint)) as asking:
                anything: Any = asking
                anything.execute_command("CLUSTER", "DELSLOTS", 7)
        ended = valkeybench(tmp_path, *LOAD, **external(own[0].endpoint))

    assert 3 == ended.code
    assert "holds 16383 of 16384 slots in 3 nodes" in ended.err


def test_a_node_that_dies_ends_the_run_with_what_it_has(tmp_path: Path) -> None:
    """The trial counts its failures and is kept, the node is named, the next run names it too."""
    with suppress(ServerError), embedded_cluster() as own:
        theirs = external(own[0].endpoint)
        lasting = ("run", "--cluster", "--duration", "3s", "--repeats", "9", "-c", "4", "-m", "2")
        with running(tmp_path, *lasting, "--pool", "raising", "-o", "r.json", **theirs) as command:
            command.wait_for("trial 1/")
            seen = commands_at(own[1])
            wait_until(lambda: commands_at(own[1]) > seen + 20)  # in the midst of the next trial
            assert own[1].endpoint.pid is not None
            os.kill(own[1].endpoint.pid, signal.SIGKILL)
            ended = command.ended()
        run = kept_run(tmp_path / "r.json")

        assert (3, "failed") == (ended.code, run.status)
        assert f"{own[1].endpoint.address}: nobody listens there) went away" in ended.err
        assert 0 < len(run.cases[0].trials) < 9
        assert run.cases[0].trials[-1].server is not None
        assert run.cases[0].trials[-1].server.lost
        assert [0, 0] == [keys_on(node) for node in (own[0], own[2])]

        again = valkeybench(tmp_path, *LOAD, **theirs)
        assert 3 == again.code
        assert f"cluster node {own[1].endpoint.address}: nobody listens there" in again.err


def test_doctor_looks_at_the_cluster(tmp_path: Path, nodes: tuple[ClusterNode, ...]) -> None:
    """With the same flag, and the same refusal without it."""
    theirs = external(nodes[0].endpoint)
    told = valkeybench(tmp_path, "doctor", "--cluster", **theirs)

    assert "nobody" not in told.out
    assert "9." in told.out or "8." in told.out
    assert 2 == valkeybench(tmp_path, "doctor", **theirs).code
