"""The report of a cluster says what each node did, and what a pool for each comes to."""

from __future__ import annotations

from typing import Any

from tests.report.examples import shown
from tests.runs import case_record, run_file
from valkeybench.report.run import run_document
from valkeybench.results.runfile import CaseRecord, InUse, Node
from valkeybench.scenario.model import Keys

IN_USE = InUse(mean=0.5, p99=2, p999=3, max=4)


def node(number: int, commands: int, **changes: Any) -> Node:  # noqa: ANN401 - any field
    """Make up what fell to one node."""
    usual: dict[str, Any] = {
        "address": f"valkey://10.0.0.{number}:6379/0",
        "slots": 5_461,
        "commands": commands,
        "connections": 11,
        "connections_counted": 11,
        "open_max": 10,
        "in_use": IN_USE if commands else None,
        "moved": 0,
        "asked": 0,
        "moved_counted": 0,
        "asked_counted": 0,
        "cpu_share": 0.05,
    }
    return Node(**usual | changes)


def clustered(*nodes: Node, **case: Any) -> CaseRecord:  # noqa: ANN401 - of a case
    """Make a case of a cluster with these nodes."""
    return case_record(**case).model_copy(update={"nodes": list(nodes)})


def section(*cases: CaseRecord, width: int = 80) -> str:
    """Give the section on the cluster, its lines joined; empty when there is none."""
    text = shown(run_document(run_file(*cases), path=None), width)
    _, heading, rest = text.partition("\nCluster\n")
    words = rest.partition("\nResponse times\n")[0] if heading else ""
    return " ".join(words.split()).replace("\N{NARROW NO-BREAK SPACE}", " ")


SPREAD = clustered(node(1, 300), node(2, 400), node(3, 300))
TAGGED = clustered(node(1, 0), node(2, 1_000), node(3, 0), keys=Keys.ONE_SLOT)


def test_a_single_server_has_no_such_section() -> None:
    """There are no nodes to tell apart."""
    assert "" == section(case_record())


def test_every_node_has_a_row_under_its_case() -> None:
    """Its commands, their share, connections by both ends' count, what was in use."""
    said = section(SPREAD, TAGGED)

    assert "10.0.0.1:6379 5 461 300 30 % 11 11 2 4 5.0 %" in said
    assert "10.0.0.1:6379 5 461 0 0 % 11 11 – – 5.0 % 10.0.0.2:6379 5 461 1 000 100 %" in said


def test_pools_multiply_by_nodes_and_processes() -> None:
    """In numbers of the largest pool that ran."""
    said = section(SPREAD, clustered(node(1, 1), node(2, 1), max_connections=50, processes=4))

    assert "with 50 and 2 nodes each process may open 100 connections" in said
    assert "processes × nodes × pool (here 4 × 2 × 50 = 400)" in said
    assert "each node must take processes × pool" in said


def test_concentrated_keys_are_told_from_spread_ones() -> None:
    """With what lay idle meanwhile; nothing did where all nodes served."""
    said = section(SPREAD, TAGGED)
    assert "With keys spread, the busiest of 3 nodes had up to 40 % of the commands" in said
    assert "in one slot (a hash tag), the busiest of 3 nodes had up to 100 %" in said
    assert "up to 20 connections to the other nodes were open for nothing" in said

    assert "for nothing" not in section(SPREAD)


def test_redirections_are_said_by_both_counts() -> None:
    """None at all is said as well."""
    assert "No command was sent on to another node (by the client's count and the nodes' own)." in (
        section(SPREAD)
    )
    silent = clustered(node(1, 5, moved_counted=None), node(2, 5, asked_counted=None))
    assert "(by the client's count)" in section(silent)
    moving = clustered(node(1, 5, moved=2, moved_counted=3), node(2, 5, asked=4, asked_counted=4))
    assert "2 commands for good (MOVED), 4 for once (ASK); the nodes count 7" in section(moving)


def test_without_a_pool_the_connections_of_a_command_are_counted() -> None:
    """Three, of which two find the nodes."""
    bare = clustered(node(1, 10, connections=250), node(2, 10, connections=350), pool="none")
    assert bare.summary is not None
    sent = bare.summary.completed + bare.summary.failed + bare.summary.unfinished
    connections = bare.summary.connections.model_copy(update={"opened": 3 * sent})
    summary = bare.summary.model_copy(update={"connections": connections})

    said = section(bare.model_copy(update={"summary": summary}))
    assert "Without a pool a command took 3.0 connections" in said


def test_of_many_nodes_the_busiest_are_shown() -> None:
    """With a note that there are more."""
    said = section(clustered(*(node(number, number) for number in range(1, 9))))

    assert "10.0.0.3:6379" in said
    assert "10.0.0.2:6379" not in said
    assert "the 6 busiest nodes are shown" in said
