"""What fell to each node of a cluster, by the client's count and by the node's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valkeybench.results.runfile import Node, TrialNode
from valkeybench.results.summary import in_use, server_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.measurement.measurement import Measurement, NodeShare
    from valkeybench.measurement.watch import ServerWatch
    from valkeybench.results.runfile import Trial


def trial_nodes(
    seen: Measurement, watch: ServerWatch, slots: Mapping[str | None, int | None]
) -> list[TrialNode] | None:
    """Keep one trial's nodes, in the order they were found; None when it was no cluster.

    `slots` is how many each address holds, in the order of the readings.
    """
    if not seen.nodes:
        return None
    watches = dict(zip(slots, watch.of_nodes(), strict=True))
    return [
        _trial_node(address, share, slots.get(address), watches.get(address))
        for address, share in seen.nodes.items()
    ]


def case_nodes(trials: Sequence[Trial], seen: Measurement) -> list[Node] | None:
    """Add up what fell to each node in all trials of a case."""
    if not seen.nodes:
        return None
    return [
        _case_node(
            address, share, [n for t in trials for n in t.nodes or () if n.address == address]
        )
        for address, share in seen.nodes.items()
    ]


def _trial_node(
    address: str, share: NodeShare, slots: int | None, watch: ServerWatch | None
) -> TrialNode:
    told = None if watch is None else server_record(watch)
    counted: dict[str, Any] = dict.fromkeys(
        ("connections_counted", "moved_counted", "asked_counted", "cpu_share")
    )
    if told is not None and watch is not None:
        errors = None if watch.before.errors is None else told.errors
        counted = {
            # Ours cannot be told apart by node when the sampler had to connect again.
            "connections_counted": None if watch.own_connections else told.connections_counted,
            "moved_counted": None if errors is None else errors.get("MOVED", 0),
            "asked_counted": None if errors is None else errors.get("ASK", 0),
            "cpu_share": told.cpu_share,
        }
    return TrialNode(**_counts(address, share, slots), **counted, server=told)


def _case_node(address: str, share: NodeShare, each: Sequence[Node]) -> Node:
    shares = [node.cpu_share for node in each if node.cpu_share is not None]
    counts = _counts(address, share, next((node.slots for node in each), None))
    # Trials follow one another: what was open at once in each does not add up.
    counts["open_max"] = max((node.open_max for node in each), default=0)
    return Node(
        **counts,
        connections_counted=_sum(node.connections_counted for node in each),
        moved_counted=_sum(node.moved_counted for node in each),
        asked_counted=_sum(node.asked_counted for node in each),
        cpu_share=sum(shares) / len(shares) if shares else None,
    )


def _counts(address: str, share: NodeShare, slots: int | None) -> dict[str, Any]:
    return {
        "address": address,
        "slots": slots,
        "commands": share.commands,
        "connections": share.connections,
        "open_max": share.open_max,
        "in_use": in_use(share.in_use),
        "moved": share.moved,
        "asked": share.asked,
    }


def _sum(counts: Iterable[int | None]) -> int | None:
    """Add up; what one trial's node did not tell is unknown of all."""
    known = list(counts)
    return None if None in known else sum(count for count in known if count is not None)
