"""Which event loop tasks run on, and how exactly it keeps time."""

from __future__ import annotations

import asyncio
import select
import selectors
from time import perf_counter_ns
from typing import TYPE_CHECKING

from valkeybench.scenario.model import EventLoop
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

_PAUSES = 24
_PAUSE_SECONDS = 0.001
_SHORT_SECONDS = 0.1
"""Waits longer than this may as well end a millisecond late."""


def loop_factory(
    event_loop: EventLoop | None, *, punctual: bool, head_start_ns: int = 0
) -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes the event loop of that name; None is asyncio's own.

    asyncio's loop on Linux rounds every pause up to whole milliseconds. A `punctual` one
    does not, for one more system call each time it waits, and wakes up `head_start_ns` before
    each instant, to be there on time. uvloop's timers are in whole milliseconds by design.
    """
    if event_loop is EventLoop.UVLOOP:
        import uvloop  # noqa: PLC0415 - optional

        return uvloop.new_event_loop
    if punctual and hasattr(selectors, "EpollSelector"):
        return lambda: asyncio.SelectorEventLoop(PunctualSelector(head_start_ns / SECOND))
    return asyncio.SelectorEventLoop


if hasattr(selectors, "EpollSelector"):

    class PunctualSelector(selectors.EpollSelector):
        """Waits on epoll to the microsecond; epoll by itself knows only milliseconds.

        It ends each wait some seconds early, and whoever asks again is not let sleep.
        """

        def __init__(self, early: float = 0.0) -> None:
            super().__init__()
            self._early = early

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """Wait for something to be ready, `timeout` seconds at most."""
            if timeout is not None and 0 < timeout < _SHORT_SECONDS:
                # An epoll descriptor can itself be waited for, and select takes microseconds.
                if timeout > self._early:
                    select.select([self.fileno()], [], [], timeout - self._early)
                timeout = 0
            return super().select(timeout)


async def lateness_of_pauses() -> float:
    """Measure by how many seconds a pause ends late on this loop: the least of a few."""
    late = []
    for _ in range(_PAUSES):
        begun = perf_counter_ns()
        await asyncio.sleep(_PAUSE_SECONDS)
        late.append((perf_counter_ns() - begun) / SECOND - _PAUSE_SECONDS)
    return max(min(late), 0.0)
