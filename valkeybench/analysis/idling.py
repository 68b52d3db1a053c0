"""Knows what a server does to connections that rest, and how many of ours it did it to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.results.runfile import RunWarning
from valkeybench.units import SECOND, format_duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.results.runfile import CaseRecord, Trial

_REMEDY = (
    "switch it off on the server (timeout 0), or count with it: who asks next opens the connection "
    "again, and waits for that"
)


def idle_notes(facts: ServerFacts, cases: Sequence[CaseRecord]) -> Iterable[RunWarning]:
    """Say that the server closes idle connections, and how many of ours it closed, by case."""
    timeouts = [each.idle_timeout_s for each in facts.nodes or (facts,) if each.idle_timeout_s]
    if not timeouts:
        return
    patience = format_duration(min(timeouts) * SECOND)
    closes = f"the server closes connections that are idle for {patience} (timeout)"
    counts = {case.id: sum(map(_opened_again, case.trials)) for case in cases if _is_pooled(case)}
    for case, count in counts.items():
        if count:
            yield RunWarning(
                code="idle_timeout",
                message=f"{closes}: {plural(count, 'connection')} of ours "
                f"{'was' if count == 1 else 'were'} closed and opened again, without a failure",
                remedy=_REMEDY,
                case=case,
            )
    if not any(counts.values()):
        yield RunWarning(
            code="idle_timeout",
            message=f"{closes}: none of ours was idle for so long",
            remedy=_REMEDY,
        )


def _opened_again(trial: Trial) -> int:
    """Count connections that stood in for others: more than were ever open at once.

    One that broke with its command, or while it was opened, is a failure, and not counted.
    """
    connections = trial.summary.connections
    opened = connections.prewarmed + connections.opened
    failed = trial.summary.failed + sum(connections.reopening_failed.values())
    return max(opened - connections.open_max - failed, 0)


def _is_pooled(case: CaseRecord) -> bool:
    return case.axes.get("max_connections") is not None
