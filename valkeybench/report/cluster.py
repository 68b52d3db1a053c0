"""What fell to each node of a cluster, and how many connections a pool for each comes to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.report.document import Align, Cell, Column, Note, Paragraph, Table, Tone
from valkeybench.report.labels import pool_of
from valkeybench.units import format_count, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord, Node

_INDENT = "\N{NO-BREAK SPACE}" * 2

_MOST_NODES = 6
"""Nodes of a case up to which each gets a row; of more, the busiest do."""


@dataclass(frozen=True, slots=True)
class _Clustered:
    """A case of a cluster, under the name the report has for it."""

    name: str
    case: CaseRecord
    nodes: Sequence[Node]

    @property
    def commands(self) -> int:
        return sum(node.commands for node in self.nodes)

    @property
    def busiest(self) -> Node:
        return max(self.nodes, key=lambda node: node.commands)


def cluster_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Block]:
    """Show every node's part in every case; nothing when it was no cluster."""
    found = [_Clustered(names[case.id], case, case.nodes) for case in cases if case.nodes]
    if not found:
        return
    yield _table(found)
    yield from _multiplied(found)
    yield from _concentrated(found)
    yield from _unpooled(found)
    yield _redirected(found)


def _table(found: Sequence[_Clustered]) -> Table:
    columns = (
        Column(title="case and node", align=Align.LEFT),
        Column(title="slots", priority=3),
        Column(title="commands"),
        Column(title="share", priority=1),
        Column(title="client", group="opened"),
        Column(title="server", group="opened"),
        Column(title="p99", group="in use"),
        Column(title="max", group="in use", priority=2),
        Column(title="server CPU", priority=4),
    )
    rows, left_out = [], False
    for each in found:
        shown = _shown(each.nodes)
        left_out |= len(shown) < len(each.nodes)
        rows.append((Cell(each.name, Tone.STRONG), *(Cell("") for _ in columns[1:])))
        rows += (_cells(node, each.commands) for node in shown)
    note = f"Of each case the {_MOST_NODES} busiest nodes are shown."
    return Table(columns=columns, rows=tuple(rows), notes=(Note(note),) if left_out else ())


def _shown(nodes: Sequence[Node]) -> Sequence[Node]:
    """Give the nodes that get a row, in the order they have."""
    busiest = sorted(nodes, key=lambda node: -node.commands)[:_MOST_NODES]
    return [node for node in nodes if node in busiest]


def _cells(node: Node, commands: int) -> tuple[Cell, ...]:
    seen = node.in_use
    agree = node.connections_counted in (None, node.connections)
    return (
        Cell(f"{_INDENT}{node.address.partition('://')[2].removesuffix('/0') or node.address}"),
        _count(node.slots),
        Cell(format_count(node.commands)),
        Cell(format_percent(node.commands / commands if commands else None)),
        Cell(format_count(node.connections)),
        Cell(format_count(node.connections_counted), Tone.PLAIN if agree else Tone.WARNING),
        _count(None if seen is None else seen.p99),
        _count(None if seen is None else seen.max),
        Cell(format_percent(node.cpu_share)),
    )


def _count(number: int | None) -> Cell:
    return Cell(format_count(number), Tone.QUIET if number is None else Tone.PLAIN)


def _multiplied(found: Sequence[_Clustered]) -> Iterable[Paragraph]:
    """Say what a pool for each node comes to, for the largest pool there was."""
    pooled = [each for each in found if _axis(each, "max_connections")]
    if not pooled:
        return
    largest = max(pooled, key=lambda each: _axis(each, "max_connections"))
    size, processes = _axis(largest, "max_connections"), max(_axis(largest, "processes"), 1)
    nodes = len([node for node in largest.nodes if node.slots])
    every = "each process" if processes > 1 else "a process"
    yield Paragraph(
        text=f"max_connections holds for each node's pool: with {format_count(size)} and "
        f"{format_count(nodes)} nodes {every} may open {format_count(size * nodes)} connections. "
        f"A fleet opens processes × nodes × pool (here {processes} × {nodes} × {size} = "
        f"{format_count(processes * nodes * size)}), and each node must take processes × pool. "
        "A size recommended here is the size of one node's pool."
    )


def _concentrated(found: Sequence[_Clustered]) -> Iterable[Paragraph]:
    """Say how much of the load one node had, where keys lie evenly and where they do not."""
    worst: dict[str, _Clustered] = {}
    for each in found:
        keys = str(each.case.axes.get("keys"))
        if each.commands and (keys not in worst or _share(each) > _share(worst[keys])):
            worst[keys] = each
    said = [
        f"{_KEYS.get(keys, keys)}, the busiest of {len(each.nodes)} nodes had up to "
        f"{format_percent(_share(each))} of the commands"
        for keys, each in worst.items()
    ]
    if not said:
        return
    pooled = [each for each in found if not _is_unpooled(each)]
    idle = max((sum(n.open_max for n in e.nodes if not n.commands) for e in pooled), default=0)
    rest = (
        f" Only its own pool serves them: up to {format_count(idle)} connections to the other "
        "nodes were open for nothing, and more nodes would not have helped."
        if idle
        else ""
    )
    text = "; ".join(said)
    yield Paragraph(text=f"{text[0].upper()}{text[1:]}.{rest}")


_KEYS = {"spread": "with keys spread", "one_slot": "with all keys in one slot (a hash tag)"}


def _unpooled(found: Sequence[_Clustered]) -> Iterable[Paragraph]:
    """Say what a client for each command has to do before it can send it."""
    # Of the window alone, as commands are: the nodes' connections are from first to last.
    without = [each.case.summary for each in found if _is_unpooled(each) and each.case.summary]
    commands = sum(seen.completed + seen.failed + seen.unfinished for seen in without)
    if commands:
        opened = sum(seen.connections.opened for seen in without)
        yield Paragraph(
            text=f"Without a pool a command took {opened / commands:.1f} connections: each new "
            "client asks for CLUSTER SLOTS and COMMAND over connections of their own before it "
            "sends anything. What that takes counts as handshake."
        )


def _is_unpooled(each: _Clustered) -> bool:
    pool = pool_of(each.case.axes)
    return pool is not None and not pool.is_pooled


def _redirected(found: Sequence[_Clustered]) -> Paragraph:
    """Say how often a command was sent to another node, by both ends' count."""
    nodes = [node for each in found for node in each.nodes]
    moved, asked = sum(node.moved for node in nodes), sum(node.asked for node in nodes)
    told = [n for n in nodes if n.moved_counted is not None and n.asked_counted is not None]
    counted = sum((n.moved_counted or 0) + (n.asked_counted or 0) for n in told)
    if not moved + asked + counted:
        whose = "by the client's count and the nodes' own" if told else "by the client's count"
        return Paragraph(text=f"No command was sent on to another node ({whose}).")
    theirs = f"; the nodes count {format_count(counted)}" if told else ""
    return Paragraph(
        text=f"Sent on to another node: {format_count(moved)} commands for good (MOVED), "
        f"{format_count(asked)} for once (ASK){theirs}. Slots were on the move; each of them "
        "cost a round trip more, within the phase command.",
        tone=Tone.WARNING,
    )


def _share(each: _Clustered) -> float:
    return each.busiest.commands / each.commands if each.commands else 0.0


def _axis(each: _Clustered, name: str) -> int:
    value = each.case.axes.get(name)
    return value if isinstance(value, int) else 0
