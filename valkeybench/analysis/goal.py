"""What a search looks for: the sizes worth telling apart, and how many trials it may take."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from valkeybench.analysis.enough import Yardstick
from valkeybench.analysis.inference import SequentialTest
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.thresholds import Thresholds

_STEP = 4 / 3
"""Ratio of neighbouring sizes: finer than noise can tell apart is not worth a trial."""

_SWEEP_REPEATS = 5
"""What telling sizes apart by trying all of them takes: so many trials of each."""

_SWEEP_SHARE = 3
"""A search takes at most this part of the trials of such a sweep..."""

_FEWEST_TRIALS = 9
"""...and ends when it has a size after one for each size of the grid, or after so many."""


class Confidence(StrEnum):
    """How sure the answer is to be."""

    QUICK = "quick"
    """One run, an estimate."""
    STANDARD = "standard"
    """The size itself was tried beside the base, and so was the next smaller one."""
    CERTIFIED = "certified"
    """Fresh pairs bound how much worse it can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is looked for, and how carefully."""

    handlers: int
    pool: Pool = Pool.BLOCKING
    cap: int | None = None
    confidence: Confidence = Confidence.STANDARD
    headroom: float = 0.25
    growth: float = 1.0
    yardstick: Yardstick = field(default_factory=Yardstick)

    @property
    def most(self) -> int:
        """Give the size of the base: a connection for each handler, or as many as may be."""
        return self.handlers if self.cap is None else min(self.handlers, self.cap)

    @property
    def slo(self) -> tuple[Limit, ...]:
        """Give the limits that are to be kept."""
        return self.yardstick.slo

    @property
    def limits(self) -> Thresholds:
        """Give where the lines are."""
        return self.yardstick.limits

    @property
    def grid(self) -> tuple[int, ...]:
        """Give the sizes worth telling apart, the base's own last."""
        sizes = [1]
        while sizes[-1] < self.most:
            sizes.append(min(max(sizes[-1] + 1, round(sizes[-1] * _STEP)), self.most))
        return tuple(sizes)

    @property
    def sweep_trials(self) -> int:
        """Count the trials of a sweep over the same sizes."""
        return _SWEEP_REPEATS * len(self.grid)

    @property
    def most_trials(self) -> int:
        """Count the trials no walk goes beyond, whatever it has found by then.

        Where certainty is asked for it may take twice as many, and ends long before as a rule.
        """
        return self._carefully(self.sweep_trials // _SWEEP_SHARE)

    @property
    def usual_trials(self) -> int:
        """Count the trials after which the walk ends once it has found a size that is enough."""
        return min(self._carefully(max(len(self.grid), _FEWEST_TRIALS)), self.most_trials)

    def _carefully(self, trials: int) -> int:
        return 2 * trials if self.confidence is Confidence.CERTIFIED else trials

    @property
    def most_fresh_trials(self) -> int:
        """Count the trials a certificate takes at most."""
        test = SequentialTest()
        certified = self.confidence is Confidence.CERTIFIED
        return 2 * test.looks[-1] * test.tries if certified else 0
