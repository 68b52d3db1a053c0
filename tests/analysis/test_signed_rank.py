"""The signed-rank test is exact: it agrees with going through every sign there could be."""

from __future__ import annotations

from itertools import product
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pytest

from valkeybench.analysis.signed_rank import hodges_lehmann, interval, p_greater

if TYPE_CHECKING:
    from collections.abc import Sequence


def counted(differences: Sequence[float]) -> float:
    """Give the chance by counting every way the signs could have fallen."""
    known = [each for each in differences if each]
    sizes = sorted(map(abs, known))
    ranks = [np.mean([i + 1 for i, s in enumerate(sizes) if s == abs(each)]) for each in known]
    seen = sum(rank for rank, each in zip(ranks, known, strict=True) if each > 0)
    ways = [
        sum(r for r, up in zip(ranks, signs, strict=True) if up)
        for signs in product((0, 1), repeat=len(ranks))
    ]
    return sum(way >= seen for way in ways) / len(ways)


@pytest.mark.parametrize(
    "differences",
    [
        [1.0, 2.0, 3.0, 4.0, 5.0],
        [-1.0, -2.0, -3.0],
        [0.3, -0.1, 0.7, 0.2, -0.4, 0.9, 0.05, -0.02],
        [1.0, 1.0, -1.0, 2.0, 2.0, -3.0],
        [0.0, 0.0, 1.0, -1.0, 2.0],
        [0.0, 3.0],
    ],
)
def test_the_chance_is_exact(differences: list[float]) -> None:
    """Without ties, with ties and with zeros."""
    assert counted(differences) == pytest.approx(float(p_greater(differences)))


def test_without_any_difference_nothing_is_shown() -> None:
    """All pairs alike are no evidence of anything."""
    assert 1.0 == float(p_greater([0.0] * 9))


def test_many_rows_are_tested_at_once_as_one_by_one() -> None:
    """Rows with ties stand among rows without."""
    rows = np.array([[0.1, 0.2, -0.3, 0.4], [0.1, 0.1, -0.1, 0.4], [0.0, -0.2, -0.3, -0.4]])
    assert [counted(row) for row in rows.tolist()] == pytest.approx(p_greater(rows).tolist())


@pytest.mark.parametrize(("pairs", "least"), [(8, 2**-8), (12, 2**-12)])
def test_the_least_chance_is_a_half_for_each_pair(pairs: int, least: float) -> None:
    """That is why so many pairs are needed before a look can say anything."""
    assert least == pytest.approx(float(p_greater(range(1, pairs + 1))))


def test_the_estimate_is_the_median_of_all_means_of_two() -> None:
    """One outlier hardly moves it."""
    known = [1.0, 2.0, 4.0, 90.0]
    means = [(a + b) / 2 for i, a in enumerate(known) for b in known[i:]]
    assert median(means) == float(hodges_lehmann(known))


def test_the_interval_is_as_printed_in_tables() -> None:
    """Ten pairs, 95 %: the critical value is 8, so the ninth mean from either end."""
    known = [float(2**k) for k in range(10)]
    means = sorted((a + b) / 2 for i, a in enumerate(known) for b in known[i:])
    bounds = interval(known, alpha=0.05)
    assert bounds is not None
    assert (means[8], means[-9]) == (float(bounds[0]), float(bounds[1]))


def test_too_few_pairs_bound_nothing() -> None:
    """Five cannot be wrong in less than one of sixteen cases."""
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0], alpha=0.05) is None
    assert interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], alpha=0.05) is not None


def test_the_interval_holds_as_often_as_it_says() -> None:
    """In at least 95 of 100 cases, whatever the noise, as long as it has no side."""
    dice = np.random.default_rng(5)
    noise = dice.standard_t(2, (4000, 10))
    bounds = interval(noise, alpha=0.05)
    assert bounds is not None
    assert ((bounds[0] <= 0) & (bounds[1] >= 0)).mean() > 0.945
