"""What can be concluded from runs that scatter: bounds on ratios, on shares, and when to stop.

The unit is a run, never a sample inside one: within a run response times depend on each
other, and intervals made from them are several times too narrow.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import atan, comb, cos, exp, expm1, log, log1p, pi, sin, sqrt
from statistics import NormalDist, fmean, stdev
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_HALVINGS = 80
"""Halving an interval this often leaves nothing a float could tell apart."""


class Conclusion(StrEnum):
    """What a sequential test says at one of its looks."""

    HOLDS = "holds"
    BROKEN = "broken"
    OPEN = "open"
    """Neither is shown yet; after the last look, neither was."""


def log_ratios(values: Sequence[float], references: Sequence[float]) -> list[float]:
    """Give ln(value / reference) for each pair. Raises ValueError unless all are positive."""
    return [log(value / reference) for value, reference in zip(values, references, strict=True)]


@dataclass(frozen=True, slots=True)
class Bounds:
    """A mean with one-sided bounds; each holds with the confidence asked for."""

    mean: float
    low: float
    high: float


def mean_bounds(values: Sequence[float], *, alpha: float) -> Bounds:
    """Bound the mean of at least two values, each side wrong in `alpha` of all cases.

    Source: Student, "The probable error of a mean", Biometrika 6, 1908. It takes run-level
    noise in logarithms as roughly normal. Raises ValueError below two values.
    """
    if len(values) < 2:  # noqa: PLR2004 - the least that scatters
        raise ValueError("bounds need at least two values")
    mean = fmean(values)
    reach = student_quantile(1 - alpha, len(values) - 1) * stdev(values) / sqrt(len(values))
    return Bounds(mean, mean - reach, mean + reach)


def difference_bounds(values: Sequence[float], others: Sequence[float], *, alpha: float) -> Bounds:
    """Bound how much the mean of values lies above that of others, at least two of each.

    Each side is wrong in `alpha` of all cases. Source: B. L. Welch, "The generalization of
    'Student's' problem when several different population variances are involved",
    Biometrika 34, 1947; degrees of freedom are rounded down. Raises ValueError below two.
    """
    if min(len(values), len(others)) < 2:  # noqa: PLR2004 - the least that scatters
        raise ValueError("bounds need at least two values")
    parts = [stdev(each) ** 2 / len(each) for each in (values, others)]
    mean, variance = fmean(values) - fmean(others), sum(parts)
    if not variance:
        return Bounds(mean, mean, mean)
    spent = sum(
        part**2 / (len(each) - 1) for part, each in zip(parts, (values, others), strict=True)
    )
    degrees = max(int(variance**2 / spent + 1e-9), 1)
    reach = student_quantile(1 - alpha, degrees) * sqrt(variance)
    return Bounds(mean, mean - reach, mean + reach)


def student_cdf(t: float, degrees: int) -> float:
    """Give P(T <= t) of Student's t, by its finite series for whole degrees of freedom.

    Source: M. Abramowitz, I. A. Stegun, "Handbook of Mathematical Functions", 1964,
    26.7.3 and 26.7.4. Raises ValueError below one degree.
    """
    if degrees < 1:
        raise ValueError("Student's t has at least one degree of freedom")
    angle = atan(abs(t) / sqrt(degrees))
    sine, cosine = sin(angle), cos(angle)
    odd = degrees % 2
    term, total = (cosine, 0.0) if odd else (1.0, 0.0)
    for k in range(odd, degrees - 1, 2):
        total += term
        term *= cosine * cosine * (k + 1) / (k + 2)
    inside = 2 / pi * (angle + sine * total) if odd else sine * total
    return 0.5 + inside / 2 if t >= 0 else 0.5 - inside / 2


def student_quantile(share: float, degrees: int) -> float:
    """Give the t below which Student's t lies in that share of all cases, for 0 < share < 1."""
    if not 0 < share < 1:
        raise ValueError("a share lies between 0 and 1")
    low, high = -1.0, 1.0
    while student_cdf(low, degrees) > share:
        low *= 2
    while student_cdf(high, degrees) < share:
        high *= 2
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if student_cdf(middle, degrees) < share else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SequentialTest:
    """Looks at fresh pairs a few times and stops as soon as it can say something.

    The chance of a false HOLDS is at most `alpha` over all looks of all tries together
    (Bonferroni), however many looks were needed.
    """

    looks: tuple[int, ...] = (4, 6, 9, 12)
    """After how many pairs to look."""
    tries: int = 2
    alpha: float = 0.05

    @property
    def each(self) -> float:
        """Give what a single look may be wrong."""
        return self.alpha / self.tries / len(self.looks)

    def at_most(self, values: Sequence[float], limit: float) -> Conclusion:
        """Conclude whether the mean is at most the limit."""
        if len(values) not in self.looks:
            return Conclusion.OPEN
        found = mean_bounds(values, alpha=self.each)
        if found.high <= limit:
            return Conclusion.HOLDS
        return Conclusion.BROKEN if found.low > limit else Conclusion.OPEN

    def next_look(self, pairs: int) -> int | None:
        """Give how many pairs the next look needs; None after the last one."""
        return next((look for look in self.looks if look > pairs), None)


def share_at_most(failures: int, trials: int, *, confidence: float = 0.95) -> float:
    """Give the upper bound of a share of which `failures` were seen in `trials`.

    With no failure it is close to 3 / trials, the rule of three. Source: C. J. Clopper,
    E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26, 1934. Raises ValueError unless 0 <= failures <= trials.
    """
    if not 0 <= failures <= trials or not trials:
        raise ValueError("there are between none and all failures, of at least one trial")
    if failures == trials:
        return 1.0
    if failures == 0:
        return -expm1(log(1 - confidence) / trials)
    low, high = failures / trials, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        likely = _at_most(failures, trials, middle) > 1 - confidence
        low, high = (middle, high) if likely else (low, middle)
    return high


def negative_binomial_quantile(share: float, *, mean: float, variance: float) -> int:
    """Give the count that `share` of the cases do not exceed, by mean and variance.

    A negative binomial where the variance is more than the mean, else Poisson: how many
    are at work at once when arrivals come in bursts, or do not. Raises ValueError for a
    share outside 0 to 1 or a mean below 0.
    """
    if not 0 < share < 1 or mean < 0:
        raise ValueError("a quantile needs a share between 0 and 1 and a mean of 0 or more")
    if mean == 0:
        return 0
    bursts = variance > mean * (1 + 1e-9)
    size = mean * mean / (variance - mean) if bursts else 0.0
    stays = mean / variance if bursts else 0.0
    # In logarithms: the probability of nothing at all may be too small for a float.
    term = size * log(stays) if bursts else -mean
    reached, count = exp(term), 0
    # Nothing lies beyond so many deviations, whatever rounding did to the sum.
    most = mean + 60 * sqrt(max(variance, mean)) + 60
    while reached < share and count < most:
        term += (
            log((count + size) / (count + 1) * (1 - stays)) if bursts else log(mean / (count + 1))
        )
        count += 1
        reached += exp(term)
    return count


def _at_most(failures: int, trials: int, chance: float) -> float:
    """Give the probability of so few failures or fewer; normal where there are very many."""
    if failures > _MANY:
        deviation = sqrt(trials * chance * (1 - chance))
        if not deviation:
            return float(trials * chance <= failures)
        return NormalDist(trials * chance, deviation).cdf(failures + 0.5)
    return (
        sum(
            exp(log(comb(trials, k)) + k * log(chance) + (trials - k) * log1p(-chance))
            for k in range(failures + 1)
        )
        if chance < 1
        else 0.0
    )


_MANY = 1000
"""Failures from which the normal approximation errs by less than anyone would notice."""
