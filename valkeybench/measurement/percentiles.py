"""The percentile ladder of a histogram: values at ever finer steps towards the maximum.

The steps and the moments are HdrHistogram's own (Gil Tene, `PercentileIterator`), so that what
is written from them is what any other implementation writes of the same counters.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log2, sqrt
from typing import TYPE_CHECKING

import numpy as np

from valkeybench.measurement.histogram import HIGHEST_NS, LAYOUT

if TYPE_CHECKING:
    from valkeybench.measurement.histogram import Histogram

TICKS_PER_HALF_DISTANCE = 5
"""Steps on every half of what is left to 100 %, which is what everybody writes."""

SUB_BUCKETS = 2 << LAYOUT.shift
BUCKETS = (HIGHEST_NS // SUB_BUCKETS).bit_length() + 1


@dataclass(frozen=True, slots=True)
class Step:
    """The value that a share of the samples (0 to 1) do not exceed, and how many do not."""

    value_ns: int
    share: float
    count: int


def ladder(histogram: Histogram, ticks: int = TICKS_PER_HALF_DISTANCE) -> list[Step]:
    """Climb from the smallest value to the largest; no step where there are no values."""
    total = histogram.count
    if not total:
        return []
    filled = np.flatnonzero(histogram.counts)
    values = LAYOUT.highest(filled).tolist()
    reached = np.cumsum(histogram.counts[filled]).tolist()
    steps: list[Step] = []
    level = 0.0
    for value, count in zip(values, reached, strict=True):
        while 100.0 * count / total >= level:
            steps.append(Step(value, level / 100, count))
            if count == total:
                break
            halves = floor(log2(100.0 / (100.0 - level))) + 1
            level += 100.0 / (ticks * 2**halves)
    return [*steps, Step(values[-1], 1.0, total)]


def moments(histogram: Histogram) -> tuple[float, float]:
    """Give mean and standard deviation in nanoseconds, every value at its counter's middle.

    Zeros where there are no values.
    """
    filled = np.flatnonzero(histogram.counts)
    if not filled.size:
        return 0.0, 0.0
    counts = histogram.counts[filled].astype(np.float64)
    low = LAYOUT.lowest(filled)
    middles = (low + (LAYOUT.highest(filled) - low + 1) // 2).astype(np.float64)
    mean = float(np.dot(middles, counts) / counts.sum())
    return mean, sqrt(float(np.dot((middles - mean) ** 2, counts) / counts.sum()))
