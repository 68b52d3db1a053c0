"""How late an event loop gets round to what is due: a probe with a known period."""

from __future__ import annotations

import ctypes
import os
import sys
from array import array
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.measurement.histogram import Histogram
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    import asyncio

    from valkeybench.measurement.recorder import Window

PERIOD_NS = 10 * MILLISECOND
"""Often enough for 300 samples in a window of 3 s, seldom enough to cost nothing: about
0.2 % of a core."""

_MOST_NOTED = 1 << 14
"""Notes before they are counted: those of three minutes, so that a window of an hour takes no
more memory, and a short one is not held up to count them."""

_CLOCK_MONOTONIC, _ABSOLUTE = 1, 1


class LoopLag:
    """Notes by how much a loop misses each of a row of instants, within a window.

    A loop that is held up for longer than the period misses several, and each counts by
    how late it was: a reply that had come in then would have waited as long.

    On Linux the kernel's own timer (timerfd_create(2)) wakes the loop like a socket would:
    asyncio's and uvloop's timers round to milliseconds, which is no fault of the load.
    """

    def __init__(self, window: Window) -> None:
        self._due = window.opens
        self._closes = window.closes
        self._late = array("q")
        self._counted = Histogram.empty()
        self._timer: int | None = None
        self._next: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin; nothing before the window opens is noted."""
        self._loop = loop
        if sys.platform == "linux":
            self._timer = _periodic_timer(self._due)
            loop.add_reader(self._timer, self._wake)
        else:
            self._wake()

    def stop(self) -> None:
        """End, and note what was missed until now."""
        self._note()
        if self._timer is not None and self._loop is not None:
            self._loop.remove_reader(self._timer)
            os.close(self._timer)
            self._timer = None
        if self._next is not None:
            self._next.cancel()

    def histogram(self) -> Histogram:
        """Give by how much the instants were missed."""
        return self._counted + Histogram.of(self._late)

    def _wake(self) -> None:
        self._note()
        if self._timer is not None:
            os.read(self._timer, 8)
        elif self._loop is not None:
            seconds = max(self._due - clock(), 0) / SECOND
            self._next = self._loop.call_later(seconds, self._wake)

    def _note(self) -> None:
        now = clock()
        while self._due <= now and self._due < self._closes:
            self._late.append(now - self._due)
            self._due += PERIOD_NS
        if len(self._late) >= _MOST_NOTED:
            self._counted += Histogram.of(self._late)
            del self._late[:]


def _periodic_timer(first: int) -> int:
    """Give a descriptor that becomes readable at an instant and every period after.

    The perf_counter clock is CLOCK_MONOTONIC on Linux.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    timer: int = libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
    # struct itimerspec: the interval, then the first instant; each seconds and nanoseconds.
    times = (ctypes.c_long * 4)(*divmod(PERIOD_NS, SECOND), *divmod(first, SECOND))
    if timer < 0 or libc.timerfd_settime(timer, _ABSOLUTE, times, None):
        raise OSError(ctypes.get_errno(), "no timer to measure the event loop with")
    return timer
