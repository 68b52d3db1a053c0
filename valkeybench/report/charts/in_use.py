"""How many connections handlers found in use when they asked: what a size rests on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.chart import Axis, Chart, Line, Scale, Shape, Unit, drawable
from valkeybench.report.charts.marks import recommended_marks
from valkeybench.report.document import Align, Cell, Column, Table
from valkeybench.units import format_count, format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord, Recommendation

_MOST_STEPS = 200
"""Beyond so many connections, neighbours share a step."""
_MOST_COLUMNS = 12


def in_use_chart(
    cases: Sequence[CaseRecord], names: Mapping[str, str], said: Sequence[Recommendation]
) -> Chart | None:
    """Draw the share of acquires that found so many taken or more; None where no pool was asked.

    What a size rests on is the tail, which a share of each number by itself would hide.
    """
    counts = {case.id: _counts(case) for case in cases}
    found = {each: held for each, held in counts.items() if sum(held)}
    if not found:
        return None
    widest = max(map(len, found.values()))
    each = -(-widest // _MOST_STEPS)
    lines, left_out = drawable(
        [
            Line(name=names[case_id], points=_points(held, each), shape=Shape.STEP)
            for case_id, held in found.items()
        ]
    )
    joined = f"Each step stands for {each} neighbouring counts." if each > 1 else ""
    return Chart(
        id="in-use",
        title="How many were taken, and how often",
        summary="For every pool the share of acquires that found at least so many of its "
        "connections taken. A size that fewer than one in a thousand found taken is enough; a "
        "line still high at its right end means the pool was the limit.",
        x=Axis(name="connections in use, of each process's pool", unit=Unit.COUNT),
        y=Axis(name="share that found at least so many", unit=Unit.SHARE, scale=Scale.LOG),
        lines=lines,
        table=_table(found, names),
        marks=recommended_marks(said),
        notes=tuple(filter(None, (left_out, joined))),
    )


def _counts(case: CaseRecord) -> list[int]:
    """Add up what the trials counted."""
    if len(case.trials) == 1:
        return case.trials[0].in_use_counts
    widest = max((len(trial.in_use_counts) for trial in case.trials), default=0)
    padded = (t.in_use_counts + [0] * (widest - len(t.in_use_counts)) for t in case.trials)
    return [sum(column) for column in zip(*padded, strict=True)]


def _points(counts: Sequence[int], each: int) -> tuple[tuple[float, float], ...]:
    total = sum(counts)
    beyond = ((start, sum(counts[start:])) for start in range(0, len(counts), each))
    return tuple((start, count / total) for start, count in beyond if count)


def _table(found: Mapping[str, Sequence[int]], names: Mapping[str, str]) -> Table:
    """Make a row for each case, and a column for each number in use, or for every so many."""
    widest = max(map(len, found.values()))
    each = -(-widest // _MOST_COLUMNS)
    starts = range(0, widest, each)
    rows = []
    for case_id, counts in found.items():
        total = sum(counts)
        beyond = (sum(counts[start:]) for start in starts)
        shares = (Cell(format_percent(count / total) if count else "–") for count in beyond)
        rows.append((Cell(names[case_id]), Cell(format_count(total)), *shares))
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="acquires"),
            *(Column(title=f"{start}", group="found at least") for start in starts),
        ),
        rows=tuple(rows),
    )
