"""Small measurements drawn at random, and how two of them differ."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
from hypothesis import strategies as st

from valkeybench.measurement.histogram import HIGHEST_NS, Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.measurement.series import COARSE, Series
from valkeybench.units import MILLISECOND

INTERVAL_NS = 100 * MILLISECOND

_powers = st.integers(0, 41).flatmap(
    lambda bits: st.sampled_from([-1, 0, 1]).map((1 << bits).__add__)
)

durations = st.integers(0, HIGHEST_NS) | st.integers(0, 5000) | _powers
"""Nanoseconds a histogram can hold, often at a border of its counters."""

anything = durations | st.integers(-5, HIGHEST_NS + 5) | st.integers(-(2**60), 2**60)
"""The same, and what it cannot hold."""

histograms = st.lists(anything, max_size=6).map(Histogram.of)
counts = st.integers(0, 1000)
openings = st.builds(Opening, *[counts] * len(fields(Opening)))


def tallies(names: type[FailureKind] | list[str]) -> st.SearchStrategy[dict[str, int]]:
    """Draw counts by name, zeros included."""
    return st.dictionaries(st.sampled_from([str(name) for name in names]), counts, max_size=3)


@st.composite
def serieses(draw: st.DrawFn) -> Series:
    """Draw a series of up to three intervals; without any it has no interval length either."""
    length = draw(st.integers(0, 3))
    series = Series.of_length(length, INTERVAL_NS if length else 0)
    for name in ("completed", "failed", "acquires", "in_use_sum", "in_use_max"):
        getattr(series, name)[:] = draw(st.lists(counts, min_size=length, max_size=length))
    open_now = st.lists(st.integers(-1, 50), min_size=length, max_size=length)
    series.open_connections[:] = draw(open_now)
    for row in (*series.response, *series.pool_wait):
        row[draw(st.integers(0, COARSE.size - 1))] = draw(counts)
    return series


phases = st.dictionaries(st.sampled_from(Phase), histograms, max_size=2)

measurements = st.builds(
    Measurement,
    window_ns=counts,
    completed=counts,
    unfinished=counts,
    dropped=counts,
    retries=counts,
    abandoned=counts,
    failures=tallies(FailureKind),
    histograms=phases,
    prewarm=phases,
    prewarm_ns=counts,
    prewarmed=openings,
    warmup=openings,
    opened=openings,
    open_max=counts,
    in_use=st.lists(counts, max_size=4).map(lambda some: np.array(some, np.int64)),
    handlers=st.lists(counts, max_size=4).map(lambda some: tuple(sorted(some))),
    replies=tallies(["1", "2", "OK"]),
    setup=tallies(["HELLO", "SELECT"]),
    setup_refused=tallies(["HELLO", "SELECT"]),
    series=serieses(),
    cpu_ns=counts,
    voluntary_switches=counts,
    involuntary_switches=counts,
    loop_lag=st.none() | histograms,
)


def differences(one: Any, other: Any) -> list[str]:  # noqa: ANN401 - two records of a kind
    """Name the attributes in which two measurements or series differ."""
    assert type(one) is type(other)
    return [
        field.name
        for field in fields(one)
        if not _same(getattr(one, field.name), getattr(other, field.name))
    ]


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 - any attribute
    if isinstance(one, Series):
        return not differences(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return bool(one == other)
