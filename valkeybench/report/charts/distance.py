"""Response time against the emulated round trip, with the line fitted to each set of cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.latency import latency_lines
from valkeybench.report.chart import Axis, Chart, Line, Shape, Unit, drawable
from valkeybench.report.document import Align, Cell, Column, Table
from valkeybench.report.labels import axes_labels
from valkeybench.units import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.latency import LatencyLine
    from valkeybench.results.runfile import CaseRecord


def distance_chart(cases: Sequence[CaseRecord]) -> Chart | None:
    """Draw the median response by round trip; None where distance was not varied."""
    fitted = latency_lines(cases)
    if not fitted:
        return None
    labels = axes_labels([line.axes for line in fitted])
    lines: list[Line] = []
    for label, line in zip(labels, fitted, strict=True):
        lines.append(Line(name=label, points=line.points, shape=Shape.DOTS))
        lines.append(Line(name=f"{label}: fitted", points=_ends(line), dashed=True, of=label))
    drawn, left_out = drawable(lines)
    slopes = "; ".join(
        f"{label} {line.round_trips:.2f}" for label, line in zip(labels, fitted, strict=True)
    )
    return Chart(
        id="distance",
        title="Response time against distance",
        summary="Dots are measured medians, lines are fitted. The slope is the number of round "
        f"trips a command pays: {slopes}.",
        x=Axis(name="emulated round trip", unit=Unit.DURATION),
        y=Axis(name="response p50", unit=Unit.DURATION),
        lines=drawn,
        table=_table(labels, fitted),
        notes=tuple(filter(None, (left_out,))),
    )


def _ends(line: LatencyLine) -> tuple[tuple[float, float], ...]:
    """Give both ends of the fitted line."""
    rtts = [rtt for rtt, _ in line.points]
    return tuple((x, line.base_ns + line.round_trips * x) for x in (min(rtts), max(rtts)))


def _table(labels: Sequence[str], fitted: Sequence[LatencyLine]) -> Table:
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="rtt"),
            Column(title="response p50"),
            Column(title="fitted"),
        ),
        rows=tuple(
            (
                Cell(label),
                Cell(format_duration(rtt)),
                Cell(format_duration(p50)),
                Cell(format_duration(line.base_ns + line.round_trips * rtt)),
            )
            for label, line in zip(labels, fitted, strict=True)
            for rtt, p50 in line.points
        ),
    )
