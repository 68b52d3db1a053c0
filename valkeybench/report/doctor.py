"""The report of a check-up: what was looked at, what was seen, what to do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.fitness import Check, Status
from valkeybench.report.document import (
    Align,
    Callout,
    Cell,
    Column,
    Document,
    Heading,
    Kind,
    Paragraph,
    Table,
    Tone,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.report.document import Block


_TONES = {Status.OK: Tone.GOOD, Status.WARN: Tone.WARNING, Status.FAIL: Tone.BAD}


def doctor_document(checks: Sequence[Check]) -> Document:
    """Make the report of a check-up: all checks, then what to do, the worst first."""
    return Document(
        (
            Heading(text="Fit to measure?", level=1),
            Table(
                columns=(
                    Column(title="check", align=Align.LEFT),
                    Column(title="", align=Align.LEFT),
                    Column(title="seen", align=Align.LEFT, wraps=True),
                ),
                rows=tuple(
                    (
                        Cell(check.name),
                        Cell(check.status.value, _TONES[check.status]),
                        Cell(check.seen),
                    )
                    for check in checks
                ),
            ),
            *_callouts(checks),
            _conclusion(checks),
        )
    )


def _callouts(checks: Sequence[Check]) -> Iterable[Block]:
    for status, kind in ((Status.FAIL, Kind.BAD), (Status.WARN, Kind.WARNING)):
        for check in checks:
            if check.status is status and check.remedy:
                yield Callout(kind=kind, title=check.name, remedy=check.remedy)


def _conclusion(checks: Sequence[Check]) -> Paragraph:
    failed = sum(check.status is Status.FAIL for check in checks)
    warned = sum(check.status is Status.WARN for check in checks)
    if failed:
        return Paragraph(
            text=f"Not fit to measure: {_times(failed, 'check')} failed.", tone=Tone.BAD
        )
    if warned:
        return Paragraph(
            text=f"Fit to measure, with {_times(warned, 'warning')}.", tone=Tone.WARNING
        )
    return Paragraph(text="Fit to measure.", tone=Tone.GOOD)


def _times(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"
