"""A fleet against what its server takes: connections and memory by number of processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.chart import Along, Axis, Chart, Line, Mark, Unit
from valkeybench.report.document import Align, Cell, Column, Table
from valkeybench.units import format_bytes, format_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valkeybench.analysis.fleet import FleetPlan
    from valkeybench.analysis.quantity import Quantity


def fleet_charts(plan: FleetPlan) -> Iterable[Chart]:
    """Draw what is known of fleets from nothing to beyond the largest that fits."""
    x = Axis(name="processes in all pods", unit=Unit.COUNT)
    here = plan.inputs.processes * plan.inputs.pods
    at = [_mark(Along.X, here, f"this fleet: {format_count(here)}")]
    if plan.largest_fleet.value is not None and plan.largest_fleet.value != here:
        largest = plan.largest_fleet.value
        at.append(_mark(Along.X, largest, f"largest safe: {format_count(largest)}"))
    table = _table(plan)
    points = plan.growth
    yield Chart(
        id="fleet-connections",
        title="Connections at the server",
        summary="For fleets of more and more processes: now, while a deploy runs old and new "
        "processes side by side, and after a failover with dead peers, against what the server "
        "takes.",
        x=x,
        y=Axis(name="connections", unit=Unit.COUNT),
        lines=(
            Line(name="now", points=tuple((p.processes, p.now) for p in points)),
            Line(name="during a deploy", points=tuple((p.processes, p.deploy) for p in points)),
            Line(name="after a failover", points=tuple((p.processes, p.failover) for p in points)),
        ),
        table=table,
        marks=(*at, *_limit(plan.effective, "maxclients"), *_limit(plan.safe, "safe")),
    )
    memory = (
        Line(name="all idle", points=tuple((p.processes, p.memory_idle) for p in points)),
        Line(
            name="all just used, at the peak",
            points=tuple((p.processes, p.memory_fresh) for p in points),
        ),
    )
    known = tuple(line for line in memory if any(y is not None for _, y in line.points))
    if known:
        yield Chart(
            id="fleet-memory",
            title="Server memory of connections",
            summary="What the connections of such a fleet take of the server's memory, against "
            "the room there is for them.",
            x=x,
            y=Axis(name="memory", unit=Unit.BYTES),
            lines=known,
            table=table,
            marks=(*at, *_limit(plan.memory_room, "room")),
            is_printed_bare=True,
        )


def _mark(along: Along, value: float, label: str) -> Mark:
    return Mark(along=along, value=value, label=label)


def _limit(limit: Quantity, name: str) -> tuple[Mark, ...]:
    """Mark a limit where it is known."""
    if limit.value is None:
        return ()
    return (_mark(Along.Y, limit.value, f"{name}: {limit.text}"),)


def _table(plan: FleetPlan) -> Table:
    return Table(
        columns=(
            Column(title="processes", align=Align.LEFT),
            Column(title="now", group="connections"),
            Column(title="deploy", group="connections"),
            Column(title="failover", group="connections"),
            Column(title="idle", group="memory"),
            Column(title="just used", group="memory"),
        ),
        rows=tuple(
            (
                Cell(format_count(point.processes)),
                *(Cell(format_count(n)) for n in (point.now, point.deploy, point.failover)),
                *(Cell(format_bytes(n)) for n in (point.memory_idle, point.memory_fresh)),
            )
            for point in plan.growth
        ),
    )
