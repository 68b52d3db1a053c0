"""Where the time of each case's commands went, phase by phase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.report.document import Align, Bar, Bars, Cell, Column, Segment, Table, Tone
from valkeybench.units import format_duration, format_percent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord, Summary

MOST_BARS = 6
"""Cases up to which each gets a bar; more of them get a row of a table."""


def phase_name(phase: Phase) -> str:
    """Write a phase for people: `pool wait`, `TLS context`."""
    return phase.replace("_", " ").replace("tls", "TLS")


def phase_means(summary: Summary) -> dict[Phase, float]:
    """Give what each phase takes of the average command, in nanoseconds.

    A phase that only some commands go through counts for all: its mean, times its count,
    over the count of commands. The values add up to the mean service time. Raises KeyError
    where no command completed.
    """
    service = summary.phases[Phase.SERVICE]
    return {
        phase: summary.phases[phase].mean_ns * summary.phases[phase].count / service.count
        for phase in PARTS
        if phase in summary.phases
    }


def phase_block(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Bars | Table | None:
    """Show the cases' phases: bars for a few cases, a table of shares for many."""
    found = [
        (names[case.id], case.summary)
        for case in cases
        if case.summary is not None and Phase.SERVICE in case.summary.phases
    ]
    if not found:
        return None
    if len(found) > MOST_BARS:
        return _shares(found)
    bars = tuple(
        Bar(
            label=name,
            total=format_duration(summary.phases[Phase.SERVICE].mean_ns),
            segments=tuple(_segments(summary)),
        )
        for name, summary in found
    )
    return Bars(bars=bars, total_name="mean")


def _segments(summary: Summary) -> list[Segment]:
    whole = summary.phases[Phase.SERVICE].mean_ns
    return [
        Segment(
            phase=phase,
            name=phase_name(phase),
            value=format_duration(mean),
            share=_share(mean, whole),
            share_text=format_percent(_share(mean, whole)),
        )
        for phase, mean in phase_means(summary).items()
    ]


def _shares(found: Sequence[tuple[str, Summary]]) -> Table:
    """Make the compact form: a row for each case, a column for each phase that any has."""
    means = [phase_means(summary) for _, summary in found]
    totals = {phase: sum(mean.get(phase, 0.0) for mean in means) for phase in PARTS}
    phases = [phase for phase in PARTS if any(phase in mean for mean in means)]
    smallest_first = sorted(phases, key=lambda phase: totals[phase])
    priority = {phase: len(phases) - i for i, phase in enumerate(smallest_first)}
    rows = []
    for (name, summary), mean in zip(found, means, strict=True):
        whole = summary.phases[Phase.SERVICE].mean_ns
        cells = (
            Cell(format_percent(_share(mean[phase], whole))) if phase in mean else _NONE
            for phase in phases
        )
        rows.append((Cell(name), Cell(format_duration(whole)), *cells))
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="mean"),
            *(Column(title=phase_name(phase), priority=priority[phase]) for phase in phases),
        ),
        rows=tuple(rows),
    )


_NONE = Cell("–", Tone.QUIET)


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
