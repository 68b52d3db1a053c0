"""Which event loop tasks run on, and how exactly it keeps time."""

from __future__ import annotations

import asyncio
import select
import selectors
from typing import TYPE_CHECKING

from valkeybench.scenario.model import EventLoop

if TYPE_CHECKING:
    from collections.abc import Callable

_SHORT_SECONDS = 0.1
"""Waits longer than this may as well end a millisecond late."""


def loop_factory(
    event_loop: EventLoop | None, *, punctual: bool
) -> Callable[[], asyncio.AbstractEventLoop]:
    """Give what makes the event loop of that name; None is asyncio's own.

    asyncio's loop on Linux rounds every pause up to whole milliseconds. A `punctual` one
    does not, for one more system call each time it waits. uvloop's timers are in whole
    milliseconds by design.
    """
    if event_loop is EventLoop.UVLOOP:
        import uvloop  # noqa: PLC0415 - optional

        return uvloop.new_event_loop
    if punctual and hasattr(selectors, "EpollSelector"):
        return lambda: asyncio.SelectorEventLoop(PunctualSelector())
    return asyncio.SelectorEventLoop


if hasattr(selectors, "EpollSelector"):

    class PunctualSelector(selectors.EpollSelector):
        """Waits on epoll to the microsecond; epoll by itself knows only milliseconds."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """Wait for something to be ready, `timeout` seconds at most."""
            if timeout is not None and 0 < timeout < _SHORT_SECONDS:
                # An epoll descriptor can itself be waited for, and select takes microseconds.
                select.select([self.fileno()], [], [], timeout)
                timeout = 0
            return super().select(timeout)
