"""Latency by percentile, the tail drawn out: each nine takes as much room as the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.samples import merged
from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.percentiles import ladder
from valkeybench.report.chart import Axis, Chart, Line, Scale, Unit, drawable
from valkeybench.report.charts.marks import limit_marks
from valkeybench.report.document import Align, Cell, Column, Note, Table
from valkeybench.report.outcome import percentile_cell
from valkeybench.units import format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.measurement.histogram import Histogram
    from valkeybench.report.chart import Point
    from valkeybench.report.charts.marks import Asked
    from valkeybench.results.runfile import CaseRecord

_SHARES = (
    ("p50", 0.5),
    ("p75", 0.75),
    ("p90", 0.9),
    ("p95", 0.95),
    ("p99", 0.99),
    ("p99.9", 0.999),
    ("p99.99", 0.9999),
)
_KEPT = {"p50": "p50_ns", "p90": "p90_ns", "p99": "p99_ns", "p99.9": "p999_ns"}


def percentile_chart(
    cases: Sequence[CaseRecord], names: Mapping[str, str], limits: Sequence[Asked]
) -> Chart | None:
    """Draw every case's response times; None where nothing was answered.

    Raises ResultError when a histogram in the file cannot be read.
    """
    samples = {case.id: merged(case, Phase.RESPONSE) for case in cases}
    found = [Line(name=names[each], points=_points(held)) for each, held in samples.items()]
    lines, left_out = drawable(found)
    if not lines:
        return None
    return Chart(
        id="percentiles",
        title="Response time by percentile",
        summary=_summary(cases, names),
        x=Axis(name="percentile", unit=Unit.PERCENTILE, scale=Scale.TAIL),
        y=Axis(name="response time", unit=Unit.DURATION, scale=Scale.LOG),
        lines=lines,
        table=_table(cases, names, samples),
        marks=limit_marks(limits, lambda metric: metric.phase is Phase.RESPONSE),
        notes=tuple(
            filter(
                None,
                (
                    "From due to having the reply; both axes are logarithmic.",
                    left_out,
                ),
            )
        ),
    )


def _points(samples: Histogram) -> tuple[Point, ...]:
    """Give (1 / (1 - share), value); no sample stands further out than the last of so many."""
    count = samples.count
    return tuple(
        (min(count, 1 / (1 - step.share)) if step.share < 1 else count, max(step.value_ns, 1))
        for step in ladder(samples)
    )


def _summary(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> str:
    tails = [
        (case.summary.phases[Phase.RESPONSE].p99_ns, names[case.id])
        for case in cases
        if case.summary is not None and Phase.RESPONSE in case.summary.phases
    ]
    if not tails:
        return "A line for each case, from the fastest response to the slowest."
    least, most = min(tails), max(tails)
    said = f"A line for each case, from the fastest response to the slowest. {least[1]} has the "
    said += f"lowest p99, {format_duration(least[0])}"
    if least == most:
        return f"{said}."
    return f"{said}; {most[1]} the highest, {format_duration(most[0])}."


def _table(
    cases: Sequence[CaseRecord], names: Mapping[str, str], samples: Mapping[str, Histogram]
) -> Table:
    rows = []
    for case in cases:
        held = samples[case.id]
        if not held.count or case.summary is None:
            continue
        values = held.quantiles([share for _, share in _SHARES])
        cells = (
            percentile_cell(case.summary, _KEPT[title], share)
            if title in _KEPT
            else Cell(format_duration(value))
            for (title, share), value in zip(_SHARES, values, strict=True)
        )
        count, most = format_count(held.count), format_duration(held.maximum)
        rows.append((Cell(names[case.id]), Cell(count), *cells, Cell(most)))
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="samples"),
            *(Column(title=title) for title, _ in _SHARES),
            Column(title="max"),
        ),
        rows=tuple(rows),
        notes=(
            Note("~ fewer than 10 samples lie beyond it: a hint.", sign="~"),
            Note("≥ at least: too many were unfinished for more.", sign="≥"),
        ),
    )
