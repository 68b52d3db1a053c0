"""A series has enough intervals for its window, not too many, and adds up interval by interval."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measurement.measurements import INTERVAL_NS, differences, serieses
from valkeybench.measurement.metrics import FailureKind
from valkeybench.measurement.series import COARSE, Series, coarse_quantile, interval_for
from valkeybench.units import HOUR, MILLISECOND, SECOND

NOTHING = Series.of_length(0, 0)


@given(st.integers(1, 24 * HOUR))
@settings(deadline=None)
def test_intervals_cover_the_window(duration_ns: int) -> None:
    """Whole tenths of a second, sixty at most, the last one possibly cut short."""
    series = Series.blank(duration_ns)

    assert 1 <= series.length <= 60
    assert 0 == series.interval_ns % (100 * MILLISECOND)
    assert (series.length - 1) * series.interval_ns < duration_ns
    assert duration_ns <= series.length * series.interval_ns


@given(st.integers(1, 24 * HOUR))
@settings(deadline=None)
def test_fine_intervals_are_half_as_long(duration_ns: int) -> None:
    """Whole twentieths of a second, two hundred at most: what an instant is read from."""
    series = Series.blank(duration_ns, fine=True)

    assert 1 <= series.length <= 200
    assert 0 == series.interval_ns % (50 * MILLISECOND)
    assert duration_ns <= series.length * series.interval_ns
    assert series.interval_ns <= max(interval_for(duration_ns), 50 * MILLISECOND)


def test_failures_are_counted_by_kind_and_interval() -> None:
    """Their sums are the failed; kinds without any are not named."""
    series = Series.of_length(2, INTERVAL_NS)
    kinds = list(FailureKind)
    series.failures[1, kinds.index(FailureKind.RESET)] = 3
    series.failures[1, kinds.index(FailureKind.TLS)] = 1

    assert [0, 4] == series.failed.tolist()
    assert ({}, {"reset": 3, "tls": 1}) == (series.failures_in(0), series.failures_in(1))


@pytest.mark.parametrize(
    ("duration_ns", "interval_ns"),
    [
        (1, 100 * MILLISECOND),
        (3 * SECOND, 100 * MILLISECOND),
        (6 * SECOND, 100 * MILLISECOND),
        (6 * SECOND + 1, 200 * MILLISECOND),
        (60 * SECOND, SECOND),
    ],
)
def test_intervals_grow_with_the_window(duration_ns: int, interval_ns: int) -> None:
    """Short as long as sixty are enough."""
    assert interval_ns == interval_for(duration_ns)


@given(serieses(), serieses(), serieses())
@settings(deadline=None, max_examples=50)
def test_series_add_up(a: Series, b: Series, c: Series) -> None:
    """In any order and any grouping, and the empty one changes nothing."""
    assert [] == differences((a + b) + c, a + (b + c))
    assert [] == differences(a + b, b + a)
    assert [] == differences(a, a + NOTHING)
    assert [] == differences(a, NOTHING + a)


def test_open_connections_add_up_where_they_were_looked_at() -> None:
    """A process that did not look adds nothing, and nobody looked stays so."""
    a, b = Series.of_length(3, INTERVAL_NS), Series.of_length(3, INTERVAL_NS)
    a.open_connections[:] = [5, 5, -1]
    b.open_connections[:] = [3, -1, -1]

    assert [8, 5, -1] == (a + b).open_connections.tolist()


def test_the_most_in_use_is_that_of_the_fullest_pool() -> None:
    """Each process has its own pool, so the greatest counts, not the sum."""
    a, b = Series.of_length(1, INTERVAL_NS), Series.of_length(1, INTERVAL_NS)
    a.in_use_max[:], b.in_use_max[:] = 7, 4
    assert [7] == (a + b).in_use_max.tolist()


def test_series_of_other_intervals_are_not_added() -> None:
    """Interval i is not the same stretch of time in both."""
    with pytest.raises(ValueError, match="interval"):
        _ = Series.of_length(2, INTERVAL_NS) + Series.of_length(2, 2 * INTERVAL_NS)


@given(st.lists(st.integers(0, HOUR), min_size=1, max_size=50), st.floats(0.01, 1))
@settings(deadline=None)
def test_quantiles_of_an_interval_are_within_a_percent(values: list[int], share: float) -> None:
    """Nearest rank, at the precision of an interval."""
    counts = np.bincount(COARSE.index(np.array(values, np.int64)), minlength=COARSE.size)
    exact = sorted(values)[max(int(np.ceil(share * len(values) - 1e-9)), 1) - 1]
    seen = coarse_quantile(counts, share)

    assert seen is not None
    assert exact <= seen <= exact * (1 + 1 / 128)


def test_an_interval_without_samples_has_no_quantile() -> None:
    """Nothing is None, never 0."""
    assert None is coarse_quantile(Series.of_length(1, INTERVAL_NS).response[0], 0.5)
