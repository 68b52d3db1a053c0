"""Makes pauses end on time, or tells how late they end: the kernel may add 50 µs to each."""

from __future__ import annotations

import ctypes
import sys
from contextlib import suppress
from time import perf_counter_ns, sleep

from valkeybench.units import MILLISECOND, SECOND

_PR_SET_TIMERSLACK = 29
_LEAST_NS = 1
_PAUSES = 24
_PAUSE_NS = MILLISECOND
_MOST_AWAKE_NS = 100_000


def lateness_of_pauses_ns() -> int:
    """Measure by how much a pause of this process ends late: the least of a few.

    What other processes do to some of them now they will not do to all, and a distance that
    is emulated too short would flatter whoever is measured.
    """
    late = []
    for _ in range(_PAUSES):
        begun = perf_counter_ns()
        sleep(_PAUSE_NS / SECOND)
        late.append(perf_counter_ns() - begun - _PAUSE_NS)
    return max(min(late), 0)


def head_start_ns() -> int:
    """Say how long before an instant an event loop had better wake up, to be there in time.

    As long as pauses end late here, but never so long that waiting awake costs much.
    """
    return min(lateness_of_pauses_ns(), _MOST_AWAKE_NS)


def be_punctual() -> None:
    """Ask Linux to round this process's pauses as little as it can; elsewhere do nothing.

    Threads started after it inherit it (prctl(2), PR_SET_TIMERSLACK).
    """
    if sys.platform == "linux":
        with suppress(OSError):
            ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, _LEAST_NS, 0, 0, 0)
