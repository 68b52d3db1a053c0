"""The percentile ladder climbs as HdrHistogram's; moments are those of the Python library."""

from __future__ import annotations

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram

from valkeybench.measurement.histogram import HIGHEST_NS, LAYOUT, LOWEST_NS, Histogram
from valkeybench.measurement.percentiles import BUCKETS, SUB_BUCKETS, Step, ladder, moments

VALUES = [*range(1, 3000, 7), *(x * x for x in range(50, 9000, 31)), 59 * 60 * 10**9]


def library(values: list[int]) -> HdrHistogram:
    """Give the library's own histogram of these values."""
    histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, LAYOUT.digits)
    for value in values:
        histogram.record_value(value)
    return histogram


def test_steps_halve_what_is_left() -> None:
    """Ten to the median, five on each half of what remains, and one for the largest value."""
    steps = ladder(Histogram.of(range(1, 1025)))

    assert [0.0, 0.1, 0.2, 0.3, 0.4, 0.5] == [round(step.share, 9) for step in steps[:6]]
    assert [0.55, 0.6, 0.65, 0.7, 0.75, 0.775] == [round(s.share, 9) for s in steps[6:12]]
    assert Step(512, 0.5, 512) == steps[5]
    assert Step(1024, 1.0, 1024) == steps[-1]


def test_every_step_holds_its_share() -> None:
    """As many values as it says are no larger, and one counter less would be too few."""
    held = Histogram.of(VALUES)
    for step in ladder(held):
        assert step.share * held.count <= step.count + 1e-6
        assert int((LAYOUT.highest(LAYOUT.index(np.array(VALUES))) <= step.value_ns).sum()) == (
            step.count
        )


def test_the_moments_are_the_librarys() -> None:
    """Mean and standard deviation, from the middles of counters."""
    theirs = library(VALUES)
    mean, deviation = moments(Histogram.of(VALUES))

    assert pytest.approx(theirs.get_mean_value(), rel=1e-6) == mean
    assert pytest.approx(theirs.get_stddev(), rel=1e-6) == deviation


def test_the_layout_is_named_as_the_library_names_it() -> None:
    """Buckets and counters in the first of them."""
    assert (library([1]).bucket_count, library([1]).sub_bucket_count) == (BUCKETS, SUB_BUCKETS)


def test_nothing_has_no_ladder() -> None:
    """No step, and moments of zero."""
    assert [] == ladder(Histogram.empty())
    assert (0.0, 0.0) == moments(Histogram.empty())
