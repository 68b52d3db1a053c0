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
from valkeybench.measurement.reply_codes import ReplyCodes
from valkeybench.measurement.series import COARSE, Series

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from valkeybench.measurement.histogram import Integers

COMMAND_ROW = struct.Struct("6q")
"""A command over a connection that was there: due, begun, held, replied, done, and what it
saw of the pool when it asked (a length the pool can turn into connections in use). In a
closed loop a command is due when its handler begins on it."""

OPENED_ROW = struct.Struct("15q")
"""The same, and what was opened for it: the OPENING phases (0: did not happen), then how
many connections, set-up and TLS round trips, and refused set-up commands."""

FAILED_ROW = struct.Struct("9q")
"""A failed command: due, begun, done, what it saw of the pool, kind, and what it opened."""

KINDS = tuple(FailureKind)

_UNFINISHED = "unfinished"
_TALLIED = (
    Phase.POOL_WAIT, Phase.COMMAND, Phase.RELEASE, Phase.SERVICE, Phase.LATENESS, Phase.RESPONSE,
    *OPENING, Phase.FAILED, _UNFINISHED,
)  # fmt: skip
"""What is counted, in an order that keeps together what is counted together."""


@dataclass(frozen=True, slots=True)
class Window:
    """When samples count: from `opens` until before `closes`, on the perf_counter clock.

    A command belongs to the window in which it ends. One that ends later, begun before it
    closed, is unfinished: a censored sample at its age since it was due.
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
    not spent waiting but building client objects. `from_outside` says that a client shows no
    more of a command than when it was begun and when it was done: held and replied are 0, and
    all that was not building a batch counts as the command. `arrivals_open` says that commands are
    due by a schedule, and not when their handlers begin on them. Where there are `pools`,
    one for each node of a cluster, what a handler saw has the number of the pool times one
    more than the capacity added to it; less than zero is that it came to none. A `fine` series
    has short intervals.
    """

    def __init__(  # noqa: PLR0913 - all that tells rows apart
        self,
        window: Window,
        *,
        capacity: int | None,
        in_use: Callable[[Integers], Integers] = lambda seen: seen,
        arrivals_open: bool = False,
        from_outside: bool = False,
        pools: int = 0,
        fine: bool = False,
    ) -> None:
        self.window = window
        self._pooled = capacity is not None
        self._open = arrivals_open
        self._from_outside = from_outside
        self._in_use_of = in_use
        self._stride = (capacity or 0) + 1
        self._lock = threading.Lock()
        self._tallies = _Tallies()
        self._failures = np.zeros(len(KINDS), np.int64)
        self.in_use = np.zeros(0 if capacity is None else capacity + 1, np.int64)
        self.by_pool = np.zeros((pools, self._stride), np.int64)
        self.series = Series.blank(window.length_ns, fine=fine)
        self.warmup = Opening()
        self.opened = Opening()
        self.error_replies = ReplyCodes()
        """Of commands that failed in the window, by code."""

    def record(self, packed: bytes | memoryview) -> int:
        """Count COMMAND_ROWs; give how many completed in the window."""
        rows = np.frombuffer(packed, np.int64).reshape(-1, 6)
        with self._lock:
            return self._record(rows, None)

    def record_opened(self, packed: bytes | memoryview) -> int:
        """Count OPENED_ROWs; give how many completed in the window."""
        rows = np.frombuffer(packed, np.int64).reshape(-1, 15)
        with self._lock:
            self._count_opened(rows[:, 4], rows[:, 11:])
            return self._record(rows[:, :6], rows[:, 6:11])

    def record_failed(self, packed: bytes | memoryview) -> None:
        """Count FAILED_ROWs."""
        rows = np.frombuffer(packed, np.int64).reshape(-1, 9)
        with self._lock:
            self._count_opened(rows[:, 2], rows[:, 5:])
            due, begun, done, seen, kind = rows.T[:5]
            inside = self._settle(due, done)
            self._tallies.count(Phase.FAILED, done[inside] - begun[inside])
            np.add.at(self._failures, kind[inside], 1)
            intervals = self._intervals(done[inside])
            np.add.at(self.series.failures, (intervals, kind[inside]), 1)
            self._count_asked(seen[inside], intervals)

    def count_opened_unasked(self, rows: Sequence[tuple[int, ...]]) -> None:
        """Count connections opened for no command: when that was done, and an OPENED_ROW's end."""
        if rows:
            whole = np.array(rows, np.int64)
            with self._lock:
                self._count_opened(whole[:, 0], whole[:, 1:])

    def count_codes(self, codes: Mapping[str, int]) -> None:
        """Count the error replies to commands that failed in the window."""
        with self._lock:
            for code, times in codes.items():
                self.error_replies.count(code, times)

    def histograms(self) -> dict[Phase, Histogram]:
        """Give every phase that has samples. Unfinished commands are in `response` alone."""
        with self._lock:
            found = {p: self._tallies.histogram(p) for p in _TALLIED if isinstance(p, Phase)}
            answered = found[Phase.RESPONSE if self._open else Phase.SERVICE]
            found[Phase.RESPONSE] = answered + self._tallies.histogram(_UNFINISHED)
        return {phase: h for phase, h in found.items() if h.count or h.out_of_range}

    @property
    def completed(self) -> int:
        """Count the commands completed in the window."""
        return self._tallies.seen(Phase.SERVICE)

    @property
    def unfinished(self) -> int:
        """Count the commands begun before the window closed that ended after."""
        return self._tallies.seen(_UNFINISHED)

    @property
    def failures(self) -> Mapping[str, int]:
        """Count the commands that failed in the window, by kind."""
        counts = zip(KINDS, self._failures.tolist(), strict=True)
        return {kind.value: count for kind, count in counts if count}

    def abandon(self, due: int) -> None:
        """Count a command that may never end as unfinished."""
        with self._lock:
            self._tallies.count(_UNFINISHED, np.array([self.window.closes - due], np.int64))

    def _record(self, rows: Integers, opening: Integers | None) -> int:
        inside = self._settle(rows[:, 0], rows[:, 4])
        if not inside.all():
            rows = rows[inside]
            opening = None if opening is None else opening[inside]
        if not rows.size:
            return 0
        if self._from_outside:
            rows = _seen_from_outside(rows, opening)
        spans = self._spans(rows.T)
        if opening is not None:
            self._count_opening(opening.T, spans)
        elif not self._pooled:
            self._tallies.count(Phase.CONSTRUCT, spans[0, spans[0] > 0])
        if self._pooled:
            indices = self._tallies.count_together(Phase.POOL_WAIT, spans)
        elif self._from_outside:
            self._tallies.count(Phase.COMMAND, spans[1])
            indices = self._tallies.count_together(Phase.SERVICE, spans[3:])
        else:
            indices = self._tallies.count_together(Phase.COMMAND, spans[1:])
        self._count_intervals(rows[:, 4], rows[:, 5], _TO_COARSE[indices[[0, -1]]])
        return len(rows)

    def _spans(self, columns: Integers) -> Integers:
        """Give before, command, release and service; then lateness and response, if they differ."""
        due, begun, _, _, done, _ = columns
        spans = np.empty((6 if self._open else 4, due.size), np.int64)
        np.subtract(columns[2:5], columns[1:4], out=spans[:3])
        np.subtract(done, begun, out=spans[3])
        if self._open:
            np.subtract(begun, due, out=spans[4])
            np.subtract(done, due, out=spans[5])
        return spans

    def _settle(self, due: Integers, done: Integers) -> NDArray[np.bool_]:
        """Count what ended too late as unfinished; tell which commands ended in the window."""
        late = done >= self.window.closes
        if late.any():
            self._tallies.count(_UNFINISHED, self.window.closes - due[late])
        inside: NDArray[np.bool_] = (done >= self.window.opens) & ~late
        return inside

    def _count_opening(self, opening: Integers, spans: Integers) -> None:
        """Count the opening phases that happened; leave the rest in `spans`."""
        left = spans[0] - opening.sum(axis=0)
        # A retry opens its connection within the command: what is too much before belongs there.
        spans[1] += np.minimum(left, 0)
        left = np.maximum(left, 0)
        construct = opening[0]
        if not self._pooled:
            # Nobody waits for a pool that is not there: the rest is Python building things.
            construct, left = construct + left, np.zeros_like(left)
        for phase, lasted in zip(OPENING, (construct, *opening[1:]), strict=True):
            self._tallies.count(phase, lasted[lasted > 0])
        spans[0] = left

    def _count_opened(self, done: Integers, what: Integers) -> None:
        early = done < self.window.opens
        inside = ~early & (done < self.window.closes)
        np.add.at(self.series.opened, self._intervals(done[inside]), what[inside, 0])
        self.warmup += Opening(*what[early].sum(axis=0).tolist())
        self.opened += Opening(*what[~early].sum(axis=0).tolist())

    def _count_intervals(self, done: Integers, seen: Integers, coarse: Integers) -> None:
        """Count into the series; `coarse` has the counters of the first span and of response."""
        intervals = self._intervals(done)
        np.add.at(self.series.completed, intervals, 1)
        rows = intervals * COARSE.size
        np.add.at(self.series.response.reshape(-1), rows + coarse[1], 1)
        if self._pooled:
            np.add.at(self.series.pool_wait.reshape(-1), rows + coarse[0], 1)
        self._count_asked(seen, intervals)

    def _count_asked(self, seen: Integers, intervals: Integers) -> None:
        """Count which pool was asked, and how many of its connections were in use then."""
        pool = None
        if self.by_pool.size:
            asked = seen >= 0
            pool, seen = np.divmod(seen[asked], self._stride)
            intervals = intervals[asked]
        in_use = self._in_use_of(seen)
        if pool is not None:
            np.add.at(self.by_pool, (pool, in_use), 1)
        if not self._pooled:
            return
        np.add.at(self.in_use, in_use, 1)
        np.add.at(self.series.acquires, intervals, 1)
        np.add.at(self.series.in_use_sum, intervals, in_use)
        np.maximum.at(self.series.in_use_max, intervals, in_use)

    def _intervals(self, done: Integers) -> Integers:
        return (done - self.window.opens) // self.series.interval_ns


def _seen_from_outside(rows: Integers, opening: Integers | None) -> Integers:
    """Let a command last from when its batch, if it is one, was built until it was done."""
    rows = rows.copy()
    rows[:, 2] = rows[:, 1] + (0 if opening is None else opening.sum(axis=1))
    rows[:, 3] = rows[:, 4]
    return rows


class _Tallies:
    """Histograms under way: one table of counters that is added to in place."""

    __slots__ = ("_counts", "_maximum", "_minimum", "_out_of_range", "_total")

    def __init__(self) -> None:
        rows = len(_TALLIED)
        self._counts = np.zeros((rows, SIZE), np.int64)
        self._minimum = np.full(rows, HIGHEST_NS)
        self._maximum = np.zeros(rows, np.int64)
        self._total = np.zeros(rows, np.int64)
        self._out_of_range = np.zeros(rows, np.int64)

    def count(self, what: str, values: Integers) -> None:
        """Count values of one kind."""
        if values.size:
            self.count_together(what, values[np.newaxis])

    def count_together(self, first: str, values: Integers) -> Integers:
        """Count (kinds, samples) values, the kinds as they follow in the table from `first`.

        Gives the counter of each. Values out of range are counted apart, their counter is
        that of the nearest value in range.
        """
        row = _TALLIED.index(first)
        low, high = values.min(axis=1), values.max(axis=1)
        if low.min() < 0 or high.max() > HIGHEST_NS:
            return self._count_those_in_range(row, values)
        rows = slice(row, row + len(values))
        indices = LAYOUT.index(values)
        # One addition for all kinds: each call of numpy costs as much as a hundred samples.
        firsts = np.arange(row, row + len(values))[:, np.newaxis] * SIZE
        np.add.at(self._counts.reshape(-1), (indices + firsts).reshape(-1), 1)
        self._minimum[rows] = np.minimum(self._minimum[rows], low)
        self._maximum[rows] = np.maximum(self._maximum[rows], high)
        self._total[rows] += values.sum(axis=1)
        return indices

    def seen(self, what: str) -> int:
        """Count the values of one kind, in range or not."""
        row = _TALLIED.index(what)
        return int(self._counts[row].sum() + self._out_of_range[row])

    def histogram(self, what: str) -> Histogram:
        """Give what was counted of one kind."""
        row = _TALLIED.index(what)
        counts, outside = self._counts[row].copy(), int(self._out_of_range[row])
        low, high = int(self._minimum[row]), int(self._maximum[row])
        if low > high:
            return Histogram(counts, None, None, 0, outside)
        return Histogram(counts, low, high, int(self._total[row]), outside)

    def _count_those_in_range(self, row: int, values: Integers) -> Integers:
        for number, line in enumerate(values):
            kept = line[(line >= 0) & (line <= HIGHEST_NS)]
            self._out_of_range[row + number] += line.size - kept.size
            self.count(_TALLIED[row + number], kept)
        return LAYOUT.index(np.clip(values, 0, HIGHEST_NS))


_TO_COARSE = COARSE.index(LAYOUT.lowest(np.arange(SIZE)))
"""The counter of a series for each counter of a histogram, which is never cut in two by it."""
