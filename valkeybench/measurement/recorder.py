"""Turns the instants handlers note into counts: vectorised, and in constant memory.

A handler packs a few integers for each command into a block of its own and hands the
block over when it is full; everything else (which commands belong to the window, the
phases, the intervals) is arithmetic on whole blocks, done here.
"""

from __future__ import annotations

import struct
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from valkeybench.measurement.histogram import HIGHEST_NS, LAYOUT, SIZE, Histogram
from valkeybench.measurement.measurement import Opening
from valkeybench.measurement.metrics import OPENING, FailureKind, Phase
from valkeybench.measurement.series import COARSE, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from valkeybench.measurement.histogram import Integers

COMMAND_ROW = struct.Struct("5q")
"""A command over a connection that was there: begun, held, replied, done, and what it saw
of the pool when it asked (a length the pool can turn into connections in use)."""

OPENED_ROW = struct.Struct("14q")
"""The same, and what was opened for it: the OPENING phases (0: did not happen), then how
many connections, set-up and TLS round trips, and refused set-up commands."""

FAILED_ROW = struct.Struct("8q")
"""A failed command: begun, done, what it saw of the pool, kind, and what it opened."""

KINDS = tuple(FailureKind)

_COMPLETED = (Phase.POOL_WAIT, *OPENING, Phase.COMMAND, Phase.RELEASE, Phase.SERVICE)


@dataclass(frozen=True, slots=True)
class Window:
    """When samples count: from `opens` until before `closes`, on the perf_counter clock.

    A command belongs to the window in which it ends. One that ends later, begun before it
    closed, is unfinished: a censored sample at its age.
    """

    opens: int
    closes: int

    @property
    def length_ns(self) -> int:
        """Give the length of the window."""
        return self.closes - self.opens


class Recorder:
    """Counts one process's commands. Safe to feed from many threads.

    `capacity` is the size of the pool and `in_use` turns what handlers saw of it into
    connections in use. Without a pool (None), the time before a connection is in hand is
    not spent waiting but building client objects.
    """

    def __init__(
        self,
        window: Window,
        *,
        capacity: int | None,
        in_use: Callable[[Integers], Integers] = lambda seen: seen,
    ) -> None:
        self.window = window
        self._pooled = capacity is not None
        self._in_use_of = in_use
        self._lock = threading.Lock()
        self._phases = {phase: _Tally() for phase in _COMPLETED}
        self._unfinished = _Tally()
        self._failed = _Tally()
        self._failures = np.zeros(len(KINDS), np.int64)
        self.in_use = np.zeros(0 if capacity is None else capacity + 1, np.int64)
        self.series = Series.blank(window.length_ns)
        self.warmup = Opening()
        self.opened = Opening()

    def record(self, packed: bytes | memoryview) -> int:
        """Count COMMAND_ROWs; give how many completed in the window."""
        rows = np.frombuffer(packed, np.int64).reshape(-1, 5)
        with self._lock:
            return self._record(rows, None)

    def record_opened(self, packed: bytes | memoryview) -> int:
        """Count OPENED_ROWs; give how many completed in the window."""
        rows = np.frombuffer(packed, np.int64).reshape(-1, 14)
        with self._lock:
            self._count_opened(rows[:, 3], rows[:, 10:])
            return self._record(rows[:, :5], rows[:, 5:10])

    def record_failed(self, packed: bytes | memoryview) -> None:
        """Count FAILED_ROWs."""
        rows = np.frombuffer(packed, np.int64).reshape(-1, 8)
        with self._lock:
            self._count_opened(rows[:, 1], rows[:, 4:])
            begun, done, seen, kind = rows.T[:4]
            inside = self._settle(begun, done)
            self._failed.count(done[inside] - begun[inside])
            np.add.at(self._failures, kind[inside], 1)
            intervals = self._intervals(done[inside])
            np.add.at(self.series.failed, intervals, 1)
            if self._pooled:
                self._count_in_use(seen[inside], intervals)

    def histograms(self) -> dict[Phase, Histogram]:
        """Give every phase that has samples. Unfinished commands are in `response` alone."""
        with self._lock:
            found = {phase: tally.histogram() for phase, tally in self._phases.items()}
            found[Phase.RESPONSE] = found[Phase.SERVICE] + self._unfinished.histogram()
            found[Phase.FAILED] = self._failed.histogram()
        return {phase: h for phase, h in found.items() if h.count or h.out_of_range}

    @property
    def completed(self) -> int:
        """Count the commands completed in the window."""
        return self._phases[Phase.SERVICE].seen

    @property
    def unfinished(self) -> int:
        """Count the commands begun in the window that ended after it closed."""
        return self._unfinished.seen

    @property
    def failures(self) -> Mapping[str, int]:
        """Count the commands that failed in the window, by kind."""
        counts = zip(KINDS, self._failures.tolist(), strict=True)
        return {kind.value: count for kind, count in counts if count}

    def abandon(self, begun: int) -> None:
        """Count a command that may never end as unfinished."""
        with self._lock:
            self._unfinished.count(np.array([self.window.closes - begun], np.int64))

    def _record(self, rows: Integers, opening: Integers | None) -> int:
        begun, held, replied, done, seen = rows.T
        inside = self._settle(begun, done)
        if not inside.all():
            begun, held, replied, done, seen = rows[inside].T
            opening = None if opening is None else opening[inside]
        service = done - begun
        before, command = held - begun, replied - held
        if opening is not None:
            before, command = self._count_opening(opening.T, before, command)
        if self._pooled:
            self._phases[Phase.POOL_WAIT].count(before)
        elif opening is None:
            self._phases[Phase.CONSTRUCT].count(before[before > 0])
        self._phases[Phase.COMMAND].count(command)
        self._phases[Phase.RELEASE].count(done - replied)
        self._phases[Phase.SERVICE].count(service)
        intervals = self._intervals(done)
        np.add.at(self.series.completed, intervals, 1)
        np.add.at(self.series.response, (intervals, _coarse(service)), 1)
        if self._pooled:
            np.add.at(self.series.pool_wait, (intervals, _coarse(before)), 1)
            self._count_in_use(seen, intervals)
        return int(done.size)

    def _settle(self, begun: Integers, done: Integers) -> NDArray[np.bool_]:
        """Count what ended too late as unfinished; tell which commands ended in the window."""
        late = done >= self.window.closes
        if late.any():
            self._unfinished.count(self.window.closes - begun[late])
        inside: NDArray[np.bool_] = (done >= self.window.opens) & ~late
        return inside

    def _count_opening(
        self, opening: Integers, before: Integers, command: Integers
    ) -> tuple[Integers, Integers]:
        """Count the opening phases that happened; give what they leave of before and command."""
        left = before - opening.sum(axis=0)
        # A retry opens its connection within the command: what is too much before belongs there.
        command = command + np.minimum(left, 0)
        left = np.maximum(left, 0)
        construct = opening[0]
        if not self._pooled:
            # Nobody waits for a pool that is not there: the rest is Python building things.
            construct, left = construct + left, np.zeros_like(left)
        for phase, lasted in zip(OPENING, (construct, *opening[1:]), strict=True):
            self._phases[phase].count(lasted[lasted > 0])
        return left, command

    def _count_opened(self, done: Integers, what: Integers) -> None:
        early = done < self.window.opens
        self.warmup += Opening(*what[early].sum(axis=0).tolist())
        self.opened += Opening(*what[~early].sum(axis=0).tolist())

    def _count_in_use(self, seen: Integers, intervals: Integers) -> None:
        in_use = self._in_use_of(seen)
        np.add.at(self.in_use, in_use, 1)
        np.add.at(self.series.acquires, intervals, 1)
        np.add.at(self.series.in_use_sum, intervals, in_use)
        np.maximum.at(self.series.in_use_max, intervals, in_use)

    def _intervals(self, done: Integers) -> Integers:
        return (done - self.window.opens) // self.series.interval_ns


class _Tally:
    """A histogram under way: counters that are added to in place."""

    __slots__ = ("counts", "maximum", "minimum", "out_of_range", "seen", "total")

    def __init__(self) -> None:
        self.counts = np.zeros(SIZE, np.int64)
        self.minimum = HIGHEST_NS
        self.maximum = 0
        self.total = 0
        self.seen = 0
        self.out_of_range = 0

    def count(self, values: Integers) -> None:
        if not values.size:
            return
        self.seen += values.size
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > HIGHEST_NS:
            kept = values[(values >= 0) & (values <= HIGHEST_NS)]
            self.out_of_range += values.size - kept.size
            self.seen -= kept.size
            self.count(kept)
            return
        np.add.at(self.counts, LAYOUT.index(values), 1)
        self.minimum = min(self.minimum, low)
        self.maximum = max(self.maximum, high)
        self.total += int(values.sum())

    def histogram(self) -> Histogram:
        if self.minimum > self.maximum:
            return Histogram(self.counts.copy(), None, None, 0, self.out_of_range)
        return Histogram(
            self.counts.copy(), self.minimum, self.maximum, self.total, self.out_of_range
        )


def _coarse(values: Integers) -> Integers:
    return COARSE.index(np.minimum(np.maximum(values, 0), HIGHEST_NS))
