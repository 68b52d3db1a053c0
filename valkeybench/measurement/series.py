"""How a trial went from interval to interval, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from valkeybench.measurement.histogram import Layout
from valkeybench.measurement.metrics import FailureKind
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.measurement.histogram import Integers

COARSE = Layout(2)
"""Interval quantiles are kept at two significant digits (1 %): 4 608 counters each."""

_MOST_INTERVALS, _SHORTEST_NS = 60, 100 * MILLISECOND
_MOST_FINE, _FINEST_NS = 200, 50 * MILLISECOND
_KINDS = tuple(FailureKind)


def interval_for(duration_ns: int, *, fine: bool = False) -> int:
    """Choose the interval length for a window: whole tenths of a second, sixty at most.

    A `fine` series, to read an instant from, has whole twentieths, two hundred at most.
    """
    most, shortest = (_MOST_FINE, _FINEST_NS) if fine else (_MOST_INTERVALS, _SHORTEST_NS)
    return max(1, -(-duration_ns // (most * shortest))) * shortest


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """Per-interval counts; every array has one row for each interval of the window.

    `response` and `pool_wait` are (intervals, COARSE.size) counters, `failures` are (intervals,
    failure kinds); `opened` counts the connections that were opened. `open_connections` is -1
    where it was not looked at. Series of one trial's processes add up.
    """

    interval_ns: int
    completed: Integers
    failures: Integers
    opened: Integers
    acquires: Integers
    in_use_sum: Integers
    in_use_max: Integers
    open_connections: Integers
    response: Integers
    pool_wait: Integers

    @classmethod
    def blank(cls, duration_ns: int, *, fine: bool = False) -> Series:
        """Make the series of a window in which nothing happened yet."""
        interval = interval_for(duration_ns, fine=fine)
        length = -(-duration_ns // interval)
        return cls.of_length(length, interval)

    @classmethod
    def of_length(cls, length: int, interval_ns: int) -> Series:
        """Make an empty series of `length` intervals."""

        def zeros() -> Integers:
            return np.zeros(length, np.int64)

        return cls(
            interval_ns,
            completed=zeros(),
            failures=np.zeros((length, len(_KINDS)), np.int64),
            opened=zeros(),
            acquires=zeros(),
            in_use_sum=zeros(),
            in_use_max=zeros(),
            open_connections=np.full(length, -1, np.int64),
            response=np.zeros((length, COARSE.size), np.int64),
            pool_wait=np.zeros((length, COARSE.size), np.int64),
        )

    @property
    def failed(self) -> Integers:
        """Count the failed commands of each interval, whatever the kind."""
        return np.asarray(self.failures.sum(axis=1), np.int64)

    def failures_in(self, interval: int) -> dict[str, int]:
        """Count the failed commands of one interval by kind; kinds without any are left out."""
        counts = self.failures[interval].tolist()
        return {k.value: count for k, count in zip(_KINDS, counts, strict=True) if count}

    @property
    def length(self) -> int:
        """Give the number of intervals."""
        return int(self.completed.size)

    def __add__(self, other: Series) -> Series:
        """Put two processes' series of the same window together."""
        if not self.length:
            return other
        if not other.length:
            return self
        if self.interval_ns != other.interval_ns:
            raise ValueError("bug: series of different interval lengths were added")
        if self.length != other.length:
            longest = max(self.length, other.length)
            return self._padded(longest) + other._padded(longest)
        seen = (self.open_connections >= 0) & (other.open_connections >= 0)
        both = self.open_connections + other.open_connections
        either = np.maximum(self.open_connections, other.open_connections)
        return Series(
            self.interval_ns,
            self.completed + other.completed,
            self.failures + other.failures,
            self.opened + other.opened,
            self.acquires + other.acquires,
            self.in_use_sum + other.in_use_sum,
            np.maximum(self.in_use_max, other.in_use_max),
            np.where(seen, both, either),
            self.response + other.response,
            self.pool_wait + other.pool_wait,
        )

    def _padded(self, length: int) -> Series:
        """Lengthen with intervals in which nothing happened."""
        padded = Series.of_length(length, self.interval_ns)
        for f in fields(self)[1:]:
            getattr(padded, f.name)[: self.length] = getattr(self, f.name)
        return padded


def coarse_quantile(counts: Integers, share: float) -> int | None:
    """Give the nearest-rank quantile of one interval's counters, ±1 %; None when empty."""
    count = int(counts.sum())
    if not count:
        return None
    rank = max(int(np.ceil(share * count - 1e-9)), 1)
    index = np.searchsorted(np.cumsum(counts), [rank])
    return int(COARSE.highest(index)[0])
