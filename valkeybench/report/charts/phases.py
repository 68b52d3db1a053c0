"""Where the time of each case's commands went, as stacked bars: in time, and in shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.report.chart import Axis, Chart, Line, Scale, Shape, Unit
from valkeybench.report.document import Align, Cell, Column, Table
from valkeybench.report.palette import PHASE_COLOURS
from valkeybench.report.phases import phase_means, phase_name
from valkeybench.units import format_duration, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord

    Means = Mapping[Phase, float]

MOST_BARS = 24


def phase_charts(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Chart]:
    """Draw the mean command of each case, cut into its phases, twice: as time and as shares."""
    found = [
        (names[case.id], phase_means(case.summary))
        for case in cases
        if case.summary is not None and Phase.SERVICE in case.summary.phases
    ]
    if not found:
        return
    drawn = found[:MOST_BARS]
    left_out = f"Drawn are the first {MOST_BARS} of {len(found)} cases." if drawn != found else ""
    phases = [phase for phase in PARTS if any(phase in means for _, means in drawn)]
    largest = max(phases, key=lambda phase: sum(means.get(phase, 0) for _, means in drawn))
    summary = (
        f"One bar for each case: the mean time of a command, cut into {len(phases)} phases. "
        f"Taken together {phase_name(largest)} is the largest. {_longest(drawn)}"
    )
    yield Chart(
        id="phases",
        title="The mean command, phase by phase",
        summary=summary,
        x=Axis(name="mean time of a command", unit=Unit.DURATION),
        y=_cases(drawn),
        lines=tuple(_line(phase, drawn, as_share=False) for phase in phases),
        table=_table(drawn, phases),
        notes=tuple(filter(None, [left_out])),
        is_sideways=True,
    )
    yield Chart(
        id="phase-shares",
        title="The same, as shares of the command",
        summary="The same bars drawn to one length, so that short commands can be read as well.",
        x=Axis(name="share of the mean command", unit=Unit.SHARE),
        y=_cases(drawn),
        lines=tuple(_line(phase, drawn, as_share=True) for phase in phases),
        table=_table(drawn, phases),
        is_sideways=True,
        is_printed_bare=True,
    )


def _longest(found: Sequence[tuple[str, Means]]) -> str:
    name, means = max(found, key=lambda each: sum(each[1].values()))
    return f"The longest is {name} with {format_duration(sum(means.values()))}."


def _cases(found: Sequence[tuple[str, Means]]) -> Axis:
    names = tuple(name for name, _ in found)
    return Axis(name="case", unit=Unit.NONE, scale=Scale.CATEGORY, categories=names)


def _line(phase: Phase, found: Sequence[tuple[str, Means]], *, as_share: bool) -> Line:
    return Line(
        name=phase_name(phase),
        points=tuple(
            (i, None if phase not in means else means[phase] / _whole(means, as_share=as_share))
            for i, (_, means) in enumerate(found)
        ),
        shape=Shape.BARS,
        ink=PHASE_COLOURS[phase],
    )


def _whole(means: Means, *, as_share: bool) -> float:
    return sum(means.values()) or 1 if as_share else 1


def _table(found: Sequence[tuple[str, Means]], phases: Sequence[Phase]) -> Table:
    rows = []
    for name, means in found:
        whole = sum(means.values())
        cells = (
            Cell(f"{format_duration(means[p])} ({format_percent(means[p] / (whole or 1))})")
            if p in means
            else Cell("–")
            for p in phases
        )
        rows.append((Cell(name), Cell(format_duration(whole)), *cells))
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="mean"),
            *(Column(title=phase_name(phase)) for phase in phases),
        ),
        rows=tuple(rows),
    )
