"""Shows how two sides that take turns get on: a line for each pair, and the time left."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from valkeybench.analysis.regression import as_change
from valkeybench.cli.consoles import Lines
from valkeybench.cli.progress import START_UP_SECONDS, Silence, time_left
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from valkeybench.analysis.regression import Look
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan
    from valkeybench.server.endpoint import Endpoint


class SilentTurns(Silence):
    """Says nothing."""

    def turn_of(self, side: str) -> None:
        """Say nothing."""

    def looked(self, look: Look) -> None:
        """Say nothing."""


class PlainTurns(SilentTurns):
    """Writes a line for each side and one for each pair, to standard error."""

    def __init__(self) -> None:
        self._console = Lines()
        self._began: float | None = None
        self._each = 0.0

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Say against whom a side runs."""
        self._each += plan.duration_ns / SECOND + START_UP_SECONDS
        flavour = f"{facts.flavour or 'server'} {facts.version or ''}".strip()
        self._console.print(f"{flavour} at {endpoint.address} ({endpoint.provider})")

    def turn_of(self, side: str) -> None:
        """Note when the first turn began."""
        self._began = self._began or monotonic()

    def looked(self, look: Look) -> None:
        """Say what the pairs so far come to, and when there is the next look."""
        if self._began is not None and look.pairs:
            self._each = (monotonic() - self._began) / look.pairs
        goal = next((n for n in look.design.looks if n >= look.pairs), look.design.most)
        left = round((goal - look.pairs) * self._each)
        changes = (as_change(each) for each in look.seen)
        said = ", ".join(f"{each.rule.metric} {each.written(each.change)}" for each in changes)
        until = f"{time_left(left)} to the look at {goal}" if left else f"look at {goal}"
        self._console.print(f"pair {look.pairs} of {look.design.most} at most: {said}  ({until})")


def make_turns_progress(*, quiet: bool) -> SilentTurns:
    """Choose how to show progress."""
    return SilentTurns() if quiet else PlainTurns()
