"""How a trial went from moment to moment: what handlers saw, and what the server said meanwhile.

One trial of each case is drawn, the first: trials follow one another, and their moments have
nothing in common.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from valkeybench.report.chart import Axis, Chart, Line, Scale, Unit
from valkeybench.report.document import Align, Cell, Column, Table
from valkeybench.units import (
    SECOND,
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from valkeybench.report.chart import Point
    from valkeybench.results.runfile import CaseRecord, Interval, Reading, Trial

    Series = Mapping[str, Sequence[Point]]

MOST_POINTS = 240
"""Instants of one line; of more, every so many is left out."""

_MOST_CASES = 12
_MOST_ROWS = 30

_WRITERS: Mapping[Unit, Callable[[float | None], str]] = {
    Unit.DURATION: format_duration,
    Unit.RATE: format_rate,
    Unit.COUNT: format_count,
    Unit.SHARE: format_percent,
    Unit.BYTES: format_bytes,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _View:
    """One thing to be followed through the window."""

    id: str
    title: str
    summary: str
    unit: Unit
    scale: Scale = Scale.LINEAR
    of_client: Callable[[Interval], float | None] | None = None
    of_server: Callable[[Sequence[Reading]], list[Point]] | None = None


def timeline_charts(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Chart]:
    """Draw each view of which there is anything."""
    begun = [case for case in cases if case.trials]
    trials = {names[case.id]: case.trials[0] for case in begun[:_MOST_CASES]}
    notes = ["The first trial of each case."]
    if len(begun) > _MOST_CASES:
        notes = [f"The first trial of the first {_MOST_CASES} of {len(begun)} cases."]
    for view in _views():
        found, cut = _seen(trials, view)
        lines = tuple(
            _line(name, points)
            for name, points in found.items()
            if any(y is not None for _, y in points)
        )
        if not lines:
            continue
        thinned = f"Of more than {MOST_POINTS} instants every so many is left out."
        yield Chart(
            id=view.id,
            title=view.title,
            summary=view.summary,
            x=Axis(name="since the window opened", unit=Unit.DURATION),
            y=Axis(name=view.title, unit=view.unit, scale=view.scale),
            lines=lines,
            table=_table(found, view.unit),
            notes=(*notes, thinned) if cut else tuple(notes),
            is_printed_bare=True,
        )


_BY_SERVER = ": by the server"


def _line(name: str, points: Sequence[Point]) -> Line:
    """Draw what the server says dashed, in the colour of what the client says."""
    client = name.removesuffix(_BY_SERVER)
    if client == name:
        return Line(name=name, points=tuple(points))
    return Line(name=name, points=tuple(points), dashed=True, of=client)


def _views() -> Iterable[_View]:
    yield _View(
        id="time-p99",
        title="Response p99 in each interval",
        summary="A steady load has level lines; a rising one had not settled.",
        unit=Unit.DURATION,
        scale=Scale.LOG,
        of_client=lambda interval: interval.response_p99_ns,
    )
    yield _View(
        id="time-throughput",
        title="Requests a second",
        summary="Completed requests by the client's count; dashed the commands the server says "
        "it processed, set-up commands and whatever else it was asked among them.",
        unit=Unit.RATE,
        of_client=lambda interval: interval.throughput,
        of_server=lambda readings: _rate(readings, "commands_processed", SECOND),
    )
    yield _View(
        id="time-connections",
        title="Connections",
        summary="Open connections by the client's count; dashed the clients the server says were "
        "connected, the one that asks it among them.",
        unit=Unit.COUNT,
        of_client=lambda interval: interval.open_connections,
        of_server=lambda readings: [(r.at_ns, r.connected_clients) for r in readings],
    )
    yield _View(
        id="time-cpu",
        title="Server CPU",
        summary="What the server's main thread used of a core.",
        unit=Unit.SHARE,
        of_server=lambda readings: _rate(readings, "cpu_ns", 1),
    )
    yield _View(
        id="time-memory",
        title="Server memory",
        summary="What the server says it uses (used_memory), data and connections together.",
        unit=Unit.BYTES,
        of_server=lambda readings: [(r.at_ns, r.used_memory) for r in readings],
    )


def _rate(readings: Sequence[Reading], counter: str, per_ns: int) -> list[Point]:
    """Give how fast a counter grew between readings, at the later one; gaps where it is unknown."""
    points: list[Point] = []
    for before, after in pairwise(readings):
        first, last = getattr(before, counter), getattr(after, counter)
        took = after.at_ns - before.at_ns
        if first is None or last is None or last < first or took <= 0:
            points.append((after.at_ns, None))
        else:
            points.append((after.at_ns, (last - first) * per_ns / took))
    return points


def _seen(trials: Mapping[str, Trial], view: _View) -> tuple[dict[str, list[Point]], bool]:
    """Give each line's points, and whether any was thinned out."""
    found: dict[str, list[Point]] = {}
    for name, trial in trials.items():
        if view.of_client is not None:
            found[name] = [(each.start_ns, view.of_client(each)) for each in trial.series]
        if view.of_server is not None and trial.server is not None:
            inside = [r for r in trial.server.samples if 0 <= r.at_ns <= trial.duration_ns]
            end = name + (_BY_SERVER if view.of_client is not None else "")
            found[end] = view.of_server(inside)
    cut = any(len(points) > MOST_POINTS for points in found.values())
    return {name: _thinned(points, MOST_POINTS) for name, points in found.items()}, cut


def _thinned(points: Sequence[Point], most: int) -> list[Point]:
    step = -(-len(points) // most) if points else 1
    return list(points[::step])


def _table(found: Mapping[str, Sequence[Point]], unit: Unit) -> Table:
    """Make a row for each line and instant; long lines are thinned out."""
    write = _WRITERS[unit]
    rows = tuple(
        (Cell(name), Cell(format_duration(x)), Cell(write(y)))
        for name, points in found.items()
        for x, y in _thinned(points, _MOST_ROWS)
    )
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="since the window opened"),
            Column(title="value"),
        ),
        rows=rows,
    )
