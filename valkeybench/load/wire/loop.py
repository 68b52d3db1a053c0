"""An event loop: resumes whoever waits for a socket, for an instant, or for somebody else.

Tasks are generators. A task says what it waits for and yields. It may be resumed without
cause, so whoever waits looks for itself whether what it waited for has come.
"""

from __future__ import annotations

import select
from collections import deque
from heapq import heappop, heappush
from itertools import count
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.load.wire.failure import TooLateError
from valkeybench.measurement.metrics import FailureKind
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    Steps = Generator[None, None, None]
    Resume = Callable[[], object]

READABLE, WRITABLE = select.EPOLLIN, select.EPOLLOUT

_EVENTS_TOGETHER = 256
_COARSE_NS = 2 * MILLISECOND
"""epoll waits whole milliseconds, rounded up; less than this is left to select, which is exact."""


class Task:
    """A generator under way, and how patient it is with the server.

    `since` is the instant it began to wait for the server; 0 is that it does not. When it has
    waited for `patience_ns` (None: for ever), a TooLateError of the kind `lateness` is raised
    in it.
    """

    __slots__ = ("lateness", "patience_ns", "resume", "since", "steps")

    def __init__(self) -> None:
        self.since = 0
        self.patience_ns: int | None = None
        self.lateness = FailureKind.TIMEOUT

    def begins(self, steps: Steps) -> None:
        """Be this generator, of which nothing has run."""
        self.steps = steps
        self.resume: Resume = steps.__next__


class Loop:
    """Runs tasks until they have all ended.

    `resumes` says who is resumed when something happens on a file descriptor that is
    watched. `least_patience_ns` is the shortest time any task waits for the server before it
    is told that it is too late; None is that all wait for ever. `head_start_ns` is how long
    before an instant the loop wakes up, to be there on time.
    """

    def __init__(self, *, least_patience_ns: int | None = None, head_start_ns: int = 0) -> None:
        self.resumes: dict[int, Resume] = {}
        self._epoll = select.epoll()
        self._timers: list[tuple[int, int, Resume]] = []
        self._order = count()
        self._ready: deque[Resume] = deque()
        self._looking: deque[Resume] = deque()
        self._tasks: set[Task] = set()
        self._least_patience_ns = least_patience_ns
        self._head_start_ns = head_start_ns
        self._stopped = False
        self.watch, self.watch_for = self._epoll.register, self._epoll.modify
        self.unwatch = self._epoll.unregister
        self.soon: Callable[[Resume], None] = self._ready.append
        """Resume somebody in the next turn, without waiting for anything before."""
        self.look_soon: Callable[[Resume], None] = self._looking.append
        """Resume somebody at the beginning of the next turn, to see whether something has come."""

    def close(self) -> None:
        """Let go of the epoll descriptor."""
        self._epoll.close()

    def spawn(self, task: Task) -> None:
        """Begin a task in the next turn."""
        self._tasks.add(task)
        self._ready.append(task.resume)

    def end(self, task: Task) -> Steps:
        """End a task: the last thing it does. It sleeps through whatever still resumes it."""
        task.since = 0
        self._tasks.discard(task)
        while True:
            yield

    def at(self, instant: int, resume: Resume) -> None:
        """Resume somebody at an instant of the perf_counter clock."""
        heappush(self._timers, (instant, next(self._order), resume))

    def pause(self, task: Task, until: int) -> Steps:
        """Wait for an instant."""
        self.at(until, task.resume)
        while clock() < until:
            yield

    def run(self, *, until: int | None = None) -> Iterable[Task]:
        """Run until every task has ended, or until an instant; give those that have not."""
        if until is not None:
            self.at(until, self._stop)
        if self._least_patience_ns is not None:
            self.at(clock() + self._least_patience_ns, self._tell_who_is_late)
        self._stopped = False
        poll = self._epoll.poll
        ready, looking, timers = self._ready, self._looking, self._timers
        resumes, tasks = self.resumes, self._tasks
        while tasks and not self._stopped:
            for _ in range(len(looking)):
                looking.popleft()()
            for _ in range(len(ready)):  # and not for ever, if they are ready again at once
                ready.popleft()()
            if timers:
                now = clock()
                while timers and timers[0][0] <= now:
                    heappop(timers)[2]()
            # Who is busy has events already, and need not be told how long to wait for them.
            for descriptor, _ in poll(0, _EVENTS_TOGETHER) or self._events():
                resumes[descriptor]()
        timers.clear()
        return tuple(tasks)

    def _events(self) -> list[tuple[int, int]]:
        """Wait for events, but not beyond the next instant somebody waits for."""
        poll = self._epoll.poll
        if self._ready or self._looking or not self._tasks:
            return []
        if not self._timers:
            return poll(-1, _EVENTS_TOGETHER)
        left = self._timers[0][0] - clock() - self._head_start_ns
        if left > _COARSE_NS:
            return poll((left - MILLISECOND) / SECOND, _EVENTS_TOGETHER)
        if left > 0:
            # An epoll descriptor is readable when it has events.
            select.select((self._epoll,), (), (), left / SECOND)
        return poll(0, _EVENTS_TOGETHER)

    def _stop(self) -> None:
        self._stopped = True

    def _tell_who_is_late(self) -> None:
        """Interrupt tasks whose patience is at its end, and look again when the next one's is.

        Whoever begins to wait from now on is patient for the least patience at least, so no
        end of patience is passed over, and no command pays for being watched.
        """
        now = clock()
        again = now + (self._least_patience_ns or 0)
        for task in tuple(self._tasks):
            if not task.since or task.patience_ns is None:
                continue
            end = task.since + task.patience_ns
            if end <= now:
                task.since = 0
                words = f"no answer from the server within {task.patience_ns / SECOND:g} s"
                task.steps.throw(TooLateError(task.lateness, words))
            else:
                again = min(again, end)
        self.at(again, self._tell_who_is_late)
