"""Bounds from few runs are as wide as theory says, and a sequential test errs as rarely."""

from __future__ import annotations

from math import comb, exp, factorial, log, sqrt

import numpy as np
import pytest

from valkeybench.analysis.inference import (
    Conclusion,
    SequentialTest,
    difference_bounds,
    log_ratios,
    mean_bounds,
    negative_binomial_quantile,
    share_at_most,
    student_cdf,
    student_quantile,
)

CONFIDENT = 0.95


@pytest.mark.parametrize(
    ("share", "degrees", "published"),
    [
        (0.95, 1, 6.314),
        (0.975, 2, 4.303),
        (0.99, 5, 3.365),
        (0.975, 10, 2.228),
        (0.995, 30, 2.750),
        (0.05, 3, -2.353),
    ],
)
def test_students_t_is_as_printed_in_tables(share: float, degrees: int, published: float) -> None:
    """To the three decimals every textbook gives, for odd and even degrees of freedom."""
    assert published == pytest.approx(student_quantile(share, degrees), abs=5e-4)
    assert share == pytest.approx(student_cdf(published, degrees), abs=5e-4)


def test_bounds_hold_as_often_as_they_promise() -> None:
    """One-sided: the true mean lies above the upper bound in about alpha of all samples."""
    draw = np.random.default_rng(1)
    samples = draw.normal(0.3, 0.05, size=(4000, 5)).tolist()
    above = [mean_bounds(sample, alpha=0.05).high < 0.3 for sample in samples]
    below = [mean_bounds(sample, alpha=0.05).low > 0.3 for sample in samples]
    assert 0.05 == pytest.approx(float(np.mean(above)), abs=0.012)
    assert 0.05 == pytest.approx(float(np.mean(below)), abs=0.012)


def test_one_value_has_no_bounds() -> None:
    """What was seen once does not tell how it scatters."""
    with pytest.raises(ValueError, match="at least two"):
        mean_bounds([1.0], alpha=0.05)


def test_a_ratio_is_taken_pair_by_pair() -> None:
    """In logarithms, so that twice and half are equally far from no difference."""
    assert [log(2), -log(2)] == pytest.approx(log_ratios([4, 3], [2, 6]))


@pytest.mark.parametrize(("ratio", "most"), [(1.10, 0.05), (1.25, 0.001)])
def test_a_size_that_is_too_slow_is_hardly_ever_certified(ratio: float, most: float) -> None:
    """At the very limit in at most 5 % of all searches, two tries and four looks included."""
    test, draw = SequentialTest(), np.random.default_rng(2)
    searches = 1500
    false = sum(
        any(_passes(test, draw.normal(log(ratio), 0.05, 12).tolist()) for _ in range(test.tries))
        for _ in range(searches)
    )
    assert false <= most * searches


def test_a_size_that_is_as_good_is_usually_certified() -> None:
    """With 4 % of noise in each pair nine in ten are, and few pairs are needed."""
    test, draw = SequentialTest(), np.random.default_rng(3)
    passed = [_passes(test, draw.normal(0.0, 0.04, 12).tolist()) for _ in range(1000)]
    assert sum(passed) > 900


def test_it_concludes_only_when_it_looks() -> None:
    """Between looks it says nothing, however clear the pairs are."""
    test = SequentialTest()
    clear = [-0.1, -0.11, -0.09, -0.1, -0.1]
    assert Conclusion.HOLDS is test.at_most(clear[:4], 0.0)
    assert Conclusion.OPEN is test.at_most(clear, 0.0)
    assert Conclusion.BROKEN is test.at_most([-value for value in clear[:4]], 0.0)
    assert [4, 6, 12, None] == [test.next_look(pairs) for pairs in (0, 4, 11, 12)]


def _passes(test: SequentialTest, values: list[float]) -> bool:
    for look in test.looks:
        said = test.at_most(values[:look], log(1.10))
        if said is not Conclusion.OPEN:
            return said is Conclusion.HOLDS
    return False


@pytest.mark.parametrize("trials", [30, 1000, 100_000])
def test_no_failure_bounds_the_share_by_the_rule_of_three(trials: int) -> None:
    """Close to 3 / n, and exact: at the bound, none fail in 5 % of all cases."""
    bound = share_at_most(0, trials)
    assert 3 / trials == pytest.approx(bound, rel=0.06)
    assert 0.05 == pytest.approx((1 - bound) ** trials)


@pytest.mark.parametrize(("failures", "trials"), [(1, 40), (7, 200), (39, 40)])
def test_failures_bound_their_share_exactly(failures: int, trials: int) -> None:
    """At Clopper and Pearson's bound so few failures happen in 5 % of all cases."""
    bound = share_at_most(failures, trials)
    chances = (
        comb(trials, k) * bound**k * (1 - bound) ** (trials - k) for k in range(failures + 1)
    )
    assert 1 - CONFIDENT == pytest.approx(sum(chances), rel=1e-6)


def test_where_all_fail_there_is_no_bound_but_one() -> None:
    """And more failures than trials are nonsense."""
    assert 1.0 == share_at_most(9, 9)
    assert 0.186 < share_at_most(1800, 10_000) < 0.187
    with pytest.raises(ValueError, match="between none and all"):
        share_at_most(3, 2)


def test_without_bursts_occupancy_is_poisson() -> None:
    """Variance no larger than the mean: the quantile of a Poisson distribution."""
    mean = 7.0
    found = negative_binomial_quantile(0.999, mean=mean, variance=mean)
    reached = [
        sum(exp(-mean) * mean**k / factorial(k) for k in range(upto + 1))
        for upto in (found - 1, found)
    ]
    assert reached[0] < 0.999 <= reached[1]


def test_bursts_need_more() -> None:
    """As many as a gamma mixture of Poisson draws says, which is what bursts amount to."""
    mean, variance = 10.0, 40.0
    draw = np.random.default_rng(4)
    rates = draw.gamma(mean**2 / (variance - mean), (variance - mean) / mean, 400_000)
    drawn = float(np.quantile(draw.poisson(rates), 0.999))
    assert drawn == pytest.approx(
        negative_binomial_quantile(0.999, mean=mean, variance=variance), abs=1
    )
    assert 0 == negative_binomial_quantile(0.999, mean=0.0, variance=0.0)


def test_two_samples_are_bounded_as_tables_say() -> None:
    """Of equal spread they have the degrees of both; where one does not scatter, the other's."""
    alike = difference_bounds([1, 2, 3], [4, 5, 6], alpha=0.025)
    assert -3 == alike.mean
    assert 2.776 * sqrt(2 / 3) == pytest.approx(alike.high - alike.mean, rel=1e-3)

    lopsided = difference_bounds([7, 7, 7, 7], [1, 2, 3], alpha=0.025)
    assert (5, 4.303 * sqrt(1 / 3)) == pytest.approx(
        (lopsided.mean, lopsided.mean - lopsided.low), rel=1e-3
    )


def test_samples_that_do_not_scatter_have_no_doubt() -> None:
    """What is the same in every run is known."""
    bounds = difference_bounds([2, 2], [1, 1], alpha=0.025)
    assert (1, 1, 1) == (bounds.mean, bounds.low, bounds.high)


def test_one_value_bounds_nothing() -> None:
    """It does not tell how much it scatters."""
    with pytest.raises(ValueError, match="two values"):
        difference_bounds([1], [1, 2], alpha=0.025)
