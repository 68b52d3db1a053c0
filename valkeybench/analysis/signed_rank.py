"""Wilcoxon's signed-rank test, exact, and the estimate that belongs to it.

Differences lie along the last axis of an array; whatever comes before is done at once. The test
assumes no more of a difference without effect than that it is as likely to be positive as
negative, size by size: pairs whose order was drawn fulfil it, whatever noise is like.

Sources: F. Wilcoxon, "Individual comparisons by ranking methods", Biometrics Bulletin 1, 1945;
J. L. Hodges, E. L. Lehmann, "Estimates of location based on rank tests", Annals of Mathematical
Statistics 34, 1963.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def p_greater(differences: ArrayLike) -> Floats:
    """Give the chance of ranks so much for positive differences, or more, if there is no effect.

    Ties share their ranks, zeros are left out, and the distribution is that of the ranks as
    they are: exact in every case. Without any difference it is 1.
    """
    found = np.asarray(differences, np.float64)
    rows = found.reshape(-1, found.shape[-1])
    sizes = np.abs(rows)
    ordered = np.sort(sizes, axis=-1)
    plain = (ordered[:, 0] > 0) & (np.diff(ordered, axis=-1) > 0).all(axis=-1)
    chances = np.ones(len(rows))
    if plain.any():
        ranks = sizes[plain].argsort(axis=-1).argsort(axis=-1) + 1
        positive = (ranks * (rows[plain] > 0)).sum(axis=-1)
        chances[plain] = _upper_tail(tuple(range(1, rows.shape[-1] + 1)))[positive]
    for number in np.flatnonzero(~plain):
        chances[number] = _with_ties(rows[number])
    return chances.reshape(found.shape[:-1])


def hodges_lehmann(differences: ArrayLike) -> Floats:
    """Estimate the effect: the median of the means of all pairs of differences."""
    return np.asarray(np.median(_walsh_averages(differences), axis=-1))


def interval(differences: ArrayLike, *, alpha: float) -> tuple[Floats, Floats] | None:
    """Bound the effect, both sides together wrong in `alpha` of all cases at most.

    None where there are too few differences for that.
    """
    found = np.asarray(differences, np.float64)
    count = found.shape[-1]
    tail = _upper_tail(tuple(range(1, count + 1)))
    # By symmetry the chance of at most w is that of at least the whole less w.
    below = tail[::-1]
    inside = int(np.searchsorted(below, alpha / 2, side="right"))
    if inside == 0:
        return None
    averages = np.sort(_walsh_averages(found), axis=-1)
    return averages[..., inside - 1], averages[..., averages.shape[-1] - inside]


def _walsh_averages(differences: ArrayLike) -> Floats:
    found = np.asarray(differences, np.float64)
    one, other = np.triu_indices(found.shape[-1])
    averages: Floats = (found[..., one] + found[..., other]) / 2
    return averages


@lru_cache(maxsize=64)
def _upper_tail(ranks: tuple[int, ...]) -> Floats:
    """Give the chance that the ranks of positive differences add up to w or more, for each w."""
    counts: NDArray[Any] = np.zeros(sum(ranks) + 1)
    counts[0] = 1
    for rank in ranks:
        counts[rank:] += counts[: counts.size - rank].copy()
    tail: Floats = counts[::-1].cumsum()[::-1] / counts.sum()
    return tail


def _with_ties(row: Floats) -> float:
    """Test one row with ties or zeros; ranks are doubled, so that shared ones are whole."""
    known = row[row != 0]
    if not known.size:
        return 1.0
    _, which, counts = np.unique(np.abs(known), return_inverse=True, return_counts=True)
    doubled = (2 * counts.cumsum() - counts + 1)[which]
    positive = int(doubled[known > 0].sum())
    return float(_upper_tail(tuple(sorted(doubled.tolist())))[positive])
