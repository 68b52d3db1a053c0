"""Whether an open load was delivered as it was offered, and if not, who held it up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.analysis.finding import Finding
from valkeybench.analysis.remedies import keep_up
from valkeybench.measurement.metrics import Phase
from valkeybench.units import format_count, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from valkeybench.analysis.cases import SeenCase
    from valkeybench.analysis.finding import Look
    from valkeybench.analysis.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What became of an open load: commands due in the windows of all trials, and done."""

    rate: float
    """Commands per second that were asked for, all processes together."""
    offered: int
    completed: int
    failed: int
    dropped: int
    lateness_p99_ns: int | None
    lateness_share: float
    """Lateness over response, in the mean: how much of it commands waited for a handler."""

    @property
    def achieved(self) -> float:
        """Give the part of what was offered that was completed, failures not counted."""
        return self.completed / self.offered

    def is_behind(self, limits: Thresholds) -> bool:
        """Tell whether the load was less than was asked for, or late enough to change it."""
        return self.is_short(limits) or self.lateness_share > limits.lateness

    def is_short(self, limits: Thresholds) -> bool:
        """Tell whether less was sent than was due; what failed was sent, and is said elsewhere."""
        ended = self.completed + self.failed
        # One or two due in the last instant of a window are nobody's fault.
        missing = max(self.dropped, self.offered - ended)
        return missing > (1 - limits.achieved) * self.offered


def delivery(case: SeenCase) -> Delivery | None:
    """Read off what became of a case's schedule; None for a closed load."""
    summary, rate = case.summary, case.rate
    if rate is None or not summary.offered:
        return None
    lateness = summary.phases.get(Phase.LATENESS)
    response = case.mean_ns(Phase.RESPONSE)
    return Delivery(
        rate=rate,
        offered=summary.offered,
        completed=summary.completed,
        failed=summary.failed,
        dropped=summary.dropped,
        lateness_p99_ns=None if lateness is None else lateness.p99_ns,
        lateness_share=case.mean_ns(Phase.LATENESS) / response if response else 0.0,
    )


def behind_schedule(look: Look) -> Finding | None:
    """Find an open load that was not delivered as it was offered."""
    found = delivery(look.case)
    if found is None or not found.is_behind(look.limits):
        return None
    what = (
        f"the load fell behind its schedule: {_said(found)}"
        if found.is_short(look.limits)
        else f"commands began late, though none was left out: {_said(found)}, which is"
        f" {format_percent(found.lateness_share)} of what they took, in the mean"
    )
    return Finding(
        f"{what}; response counts from when a command was due, so it holds the wait for a handler",
        keep_up(look.case),
    )


def _said(found: Delivery) -> str:
    words = [
        f"of {format_rate(found.rate)} offered {format_percent(min(found.achieved, 1))} were done"
    ]
    if found.dropped:
        words.append(f"{format_count(found.dropped)} were due and never sent")
    if found.lateness_p99_ns:
        words.append(
            f"one in a hundred began {format_duration(found.lateness_p99_ns)} or more after it"
            " was due"
        )
    return "; ".join(words)
