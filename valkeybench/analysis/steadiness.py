"""Tells a trial that had settled from one that was still on its way somewhere."""

from __future__ import annotations

from math import sqrt
from statistics import fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.thresholds import Thresholds
    from valkeybench.results.runfile import Interval, Trial

_FEWEST_INTERVALS = 3
"""A half of a series with fewer has no variance worth the name."""

_WHOLE_INTERVAL = 0.99
"""A last interval shorter than this share of the others was cut off."""


def drifting(trials: Sequence[Trial], limits: Thresholds) -> dict[str, list[float]]:
    """Give, for each quantity, the drifts of the trials in which it drifts.

    A drift is the second half's mean less the first's, as a share of the whole's; it counts
    when it is larger than the limit and than chance explains.
    """
    series = [_whole_intervals(trial) for trial in trials]
    quantities = {
        "throughput": [[i.throughput for i in one] for one in series],
        "the median response time": [
            [float(i.response_p50_ns) for i in one if i.response_p50_ns is not None]
            for one in series
        ],
    }
    return {
        name: [drift for values in each if (drift := _drift(values, limits)) is not None]
        for name, each in quantities.items()
    }


def _whole_intervals(trial: Trial) -> list[Interval]:
    """Give a trial's series without a last interval that was cut off."""
    series = list(trial.series)
    if len(series) > 1:
        usual = series[1].start_ns - series[0].start_ns
        if trial.duration_ns - series[-1].start_ns < _WHOLE_INTERVAL * usual:
            series.pop()
    return series


def _drift(values: Sequence[float], limits: Thresholds) -> float | None:
    """Compare the halves by Welch's standard error; None when chance explains the difference."""
    half = len(values) // 2
    if half < _FEWEST_INTERVALS or not any(values):
        return None
    first, second = values[:half], values[-half:]
    difference = fmean(second) - fmean(first)
    error = sqrt((variance(first) + variance(second)) / half)
    share = difference / fmean(values)
    if abs(share) <= limits.drift or abs(difference) <= limits.drift_errors * error:
        return None
    return share
