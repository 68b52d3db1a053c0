"""How an open load kept to its schedule, beside the results it explains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.cases import seen
from valkeybench.analysis.delivery import delivery
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.report.document import Align, Cell, Column, Note, Table, Tone
from valkeybench.units import format_count, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.analysis.delivery import Delivery
    from valkeybench.results.runfile import CaseRecord

_COLUMNS = (
    Column(title="case", align=Align.LEFT),
    Column(title="offered"),
    Column(title="done"),
    Column(title="never sent"),
    Column(title="late p99"),
)


def schedule_table(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Table | None:
    """Show what was offered, done, dropped and late; None without an open load."""
    limits = Thresholds()
    rows = tuple(
        _row(names[case.id], found, behind=found.is_behind(limits))
        for case in seen(cases)
        if (found := delivery(case)) is not None
    )
    if not rows:
        return None
    return Table(columns=_COLUMNS, rows=rows, notes=(Note(_EXPLAINED),))


_EXPLAINED = (
    "Commands are due by the schedule, whatever became of the ones before. Late: from due until a "
    "handler began on it; response counts from when it was due."
)


def _row(name: str, found: Delivery, *, behind: bool) -> tuple[Cell, ...]:
    tone = Tone.WARNING if behind else Tone.PLAIN
    late = found.lateness_p99_ns
    return (
        Cell(name),
        Cell(format_rate(found.rate)),
        Cell(format_percent(min(found.achieved, 1)), tone),
        Cell(format_count(found.dropped), Tone.BAD if found.dropped and behind else Tone.PLAIN),
        Cell("–" if late is None else format_duration(late)),
    )
