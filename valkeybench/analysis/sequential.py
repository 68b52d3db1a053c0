"""When enough pairs have been seen: a test with a few looks, and what it could have found.

At each look a metric fails where a change for the worse is no chance *and* its estimate is
beyond what counts; it passes where a change of that size is ruled out; else more pairs are run.

What all looks of all metrics together may be wrong is shared out among them (Bonferroni over
looks and metrics, a simple spending of alpha: K. K. G. Lan, D. L. DeMets, "Discrete sequential
boundaries for clinical trials", Biometrika 70, 1983).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, sqrt
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from valkeybench.analysis.signed_rank import hodges_lehmann, p_greater

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_SPENT = (0.004, 0.003, 0.003, 0.003)
"""What each look may be wrong in calling an unchanged metric worse."""

_STEPS = (0, 4, 8, 16)
"""Pairs beyond the first look at which the others are."""

_PASS_ALPHA = 0.05
"""What a look may be wrong in passing a metric that is worse by just what counts."""

_POWER = 0.8
"""How often the smallest change that can be found is found."""

_EXACT = 0.35
"""Standard errors by which the exact test of two dozen pairs asks more than the normal one.

From simulation: without it 72 to 74 % were found instead of 80 %.
"""

_EFFICIENCY = 3 / np.pi
"""Of the signed-rank test beside Student's t, where noise is normal."""

_TO_SIGMA = 1.4826
"""From the median absolute deviation to the standard deviation, where noise is normal."""


@dataclass(frozen=True, slots=True)
class Design:
    """How many pairs until each look, for so many metrics."""

    metrics: int = 1

    @property
    def looks(self) -> tuple[int, ...]:
        """Give the pairs at each look; the first has enough for a chance that small to show."""
        first = ceil(log2(self.metrics / _SPENT[0]))
        return tuple(first + step for step in _STEPS)

    @property
    def most(self) -> int:
        """Give the pairs after which it is at an end."""
        return self.looks[-1]

    def alpha(self, pairs: int) -> float:
        """Give what the look after so many pairs may be wrong for each metric."""
        return _SPENT[self.looks.index(pairs)] / self.metrics

    def next_look(self, pairs: int) -> int | None:
        """Give how many pairs the next look needs; None after the last one."""
        return next((look for look in self.looks if look > pairs), None)

    def fails(self, worse: ArrayLike, line: float) -> NDArray[np.bool_]:
        """Tell where a look fails, by how much worse each pair was (along the last axis)."""
        found = np.asarray(worse, np.float64)
        chances = p_greater(found)
        return np.asarray((chances < self.alpha(found.shape[-1])) & (hodges_lehmann(found) > line))

    def passes(self, worse: ArrayLike, line: float) -> NDArray[np.bool_]:
        """Tell where a look rules out that it is worse by as much as the line."""
        return np.asarray(p_greater(line - np.asarray(worse, np.float64)) < _PASS_ALPHA)

    def least_found(self, sigma: float, line: float) -> float:
        """Give the least change for the worse that is found in four of five gates.

        `sigma` is the scatter of pairs. Found is what is beyond chance and beyond the line.
        """
        error = sigma / sqrt(_EFFICIENCY * self.most)
        normal = NormalDist()
        chance = normal.inv_cdf(1 - self.alpha(self.most))
        power = normal.inv_cdf(_POWER)
        return max((chance + power + _EXACT) * error, line + power * error)


def scatter(worse: ArrayLike) -> float:
    """Give the standard deviation of pairs, by a measure that outliers do not move."""
    found = np.asarray(worse, np.float64)
    return float(_TO_SIGMA * np.median(np.abs(found - np.median(found))))
