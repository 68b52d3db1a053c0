"""What fell to each node is kept by both ends' count, for each trial and for the case."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.runs import case_record
from valkeybench.measurement.measurement import Measurement, NodeShare
from valkeybench.measurement.reading import ClusterReading, ServerReading
from valkeybench.measurement.watch import ServerWatch
from valkeybench.results.nodes import case_nodes, trial_nodes
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

A, B = "valkey://a:1/0", "valkey://b:1/0"
SLOTS: dict[str | None, int | None] = {A: 10_000, B: 6_384}


def reading(received: Sequence[int | None], moved: Sequence[int | None]) -> ServerReading:
    """Make up what two nodes say of themselves."""
    nodes = tuple(
        ServerReading(
            at_ns=0,
            total_connections_received=r,
            errors=None if m is None else (("MOVED", m),),
        )
        for r, m in zip(received, moved, strict=True)
    )
    return ClusterReading(at_ns=0, nodes=nodes)


def watch(**changes: Any) -> ServerWatch:  # noqa: ANN401 - any of its fields
    """Make up a watch over two nodes: 7 and 5 connections more, one redirection."""
    before, after = reading([10, 20], [0, 3]), reading([17, 25], [1, 3])
    usual: dict[str, Any] = {
        "before": before, "ready": before, "samples": (), "after": after,
        "own_connections": 0, "opens_ns": 0, "closes_ns": SECOND,
    }  # fmt: skip
    return ServerWatch(**usual | changes)


def seen() -> Measurement:
    """Make up what the client saw of them."""
    one = NodeShare(commands=3, connections=7, open_max=4, in_use=np.array([2, 1]), moved=1)
    return Measurement(nodes={A: one, B: NodeShare(commands=1, connections=5, open_max=2)})


def test_each_node_has_what_both_ends_counted() -> None:
    """The client's numbers, and how much the node's own counters grew."""
    nodes = trial_nodes(seen(), watch(), SLOTS)
    assert nodes is not None
    first, second = nodes

    assert (A, 10_000, 3, 7, 7) == (
        first.address, first.slots, first.commands, first.connections, first.connections_counted,
    )  # fmt: skip
    assert (1, 1, 0, 0) == (first.moved, first.moved_counted, first.asked, first.asked_counted)
    assert first.in_use is not None
    assert 1 == first.in_use.max
    assert (5, 0, None) == (second.connections_counted, second.moved_counted, second.in_use)
    assert first.server is not None
    assert 17 == first.server.after.total_connections_received


def test_what_a_node_does_not_tell_is_unknown() -> None:
    """Nor is a count that our own connections may be in."""
    silent = watch(after=reading([None, 25], [None, 3]))
    nodes = trial_nodes(seen(), silent, SLOTS) or []
    assert [(None, None), (5, 0)] == [(n.connections_counted, n.moved_counted) for n in nodes]

    ours = trial_nodes(seen(), watch(own_connections=1), SLOTS) or []
    assert [None, None] == [node.connections_counted for node in ours]


def test_a_node_that_joined_later_is_known_to_the_client_alone() -> None:
    """It holds slots nobody counted, and nobody reads it."""
    joined = replace(seen(), nodes={**seen().nodes, "elsewhere": NodeShare(commands=9)})
    *_, other = trial_nodes(joined, watch(), SLOTS) or []

    assert ("elsewhere", 9, None, None) == (
        other.address, other.commands, other.slots, other.server,
    )  # fmt: skip


def test_a_single_server_has_no_nodes() -> None:
    """Null is not an empty cluster."""
    assert trial_nodes(Measurement(), watch(), {}) is None
    assert case_nodes([], Measurement()) is None


def test_a_case_adds_its_trials_up() -> None:
    """Counts add up, what was open at once does not, and unknown stays unknown."""
    [trial] = case_record(repeats=1).trials
    known = trial.model_copy(update={"nodes": trial_nodes(seen(), watch(), SLOTS)})
    silent = watch(after=reading([17, None], [1, 3]))
    unknown = trial.model_copy(update={"nodes": trial_nodes(seen(), silent, SLOTS)})
    nodes = case_nodes([known, unknown], seen() + seen())
    assert nodes is not None

    assert [(6, 14, 4, 14, 2), (2, 10, 2, None, 0)] == [
        (n.commands, n.connections, n.open_max, n.connections_counted, n.moved_counted)
        for n in nodes
    ]
    assert [10_000, 6_384] == [node.slots for node in nodes]
