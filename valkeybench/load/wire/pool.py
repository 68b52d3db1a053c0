"""A pool that serves whoever waited longest: the ideal one, without a client library's doing."""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.load.wire.failure import TooLateError, WireError
from valkeybench.load.wire.loop import Task
from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    from valkeybench.load.wire.connections import Connection
    from valkeybench.load.wire.loop import Loop, Steps

    Place = Connection | None
    """Room for a connection: with one in it, or None when one has still to be opened."""


class Taker(Task):
    """A task that takes connections from a pool. What it was given is `place`, once `served`."""

    __slots__ = ("asked_at", "place", "served")

    def __init__(self) -> None:
        super().__init__()
        self.place: Place = None
        self.served = True
        self.asked_at = 0


class FifoPool:
    """As many places as it may have connections, given out first come, first served.

    A connection that comes back goes straight to who waited longest, so nobody overtakes. One
    that nobody waits for is the next to be taken, so that idle ones stay idle. `waits` is
    whether it makes takers wait when all places are taken, for `timeout_ns` (None: for ever).
    """

    def __init__(self, size: int, loop: Loop, *, waits: bool, timeout_ns: int | None) -> None:
        self.size = size
        self.free: list[Connection] = []
        self.unopened = size
        self._resumes = loop.resumes
        self._loop = loop
        self._waits = waits
        self._timeout_ns = timeout_ns
        self._waiters: deque[Taker] = deque()
        self._watching = False

    def take(self, taker: Taker) -> Steps:
        """Give the taker a place, when there is one; raises WireError when there is none."""
        taker.place = None
        if self.free:
            taker.place = self.free.pop()
        elif self.unopened:
            self.unopened -= 1
        elif self._waits:
            yield from self._queue(taker)
        else:
            raise WireError(FailureKind.POOL_EXHAUSTED, "every connection of the pool is taken")

    def give(self, connection: Connection) -> None:
        """Take a connection back."""
        if self._waiters:
            self._serve(connection)
        else:
            self._resumes[connection.descriptor] = connection.look_up
            self.free.append(connection)

    def give_up(self) -> None:
        """Take back the room a connection had, or was to have."""
        if self._waiters:
            self._serve(None)
        else:
            self.unopened += 1

    def lose(self, connection: Connection) -> None:
        """Forget a connection that broke while nobody used it."""
        self.free.remove(connection)
        self.unopened += 1

    def _serve(self, place: Place) -> None:
        taker = self._waiters.popleft()
        taker.place = place
        taker.served = True
        self._loop.soon(taker.resume)

    def _queue(self, taker: Taker) -> Steps:
        taker.asked_at = clock()
        taker.served = False
        self._waiters.append(taker)
        if not self._watching and self._timeout_ns is not None:
            self._watching = True
            self._loop.at(taker.asked_at + self._timeout_ns, self._send_late_ones_away)
        while not taker.served:
            yield

    def _send_late_ones_away(self) -> None:
        """Raise TooLateError in takers whose time is up; look again when the next one's is."""
        timeout_ns = self._timeout_ns or 0
        late = clock() - timeout_ns
        while self._waiters and self._waiters[0].asked_at <= late:
            taker = self._waiters.popleft()
            taker.served = True
            words = "no connection came free in time"
            taker.steps.throw(TooLateError(FailureKind.POOL_TIMEOUT, words))
        self._watching = bool(self._waiters)
        if self._watching:
            self._loop.at(self._waiters[0].asked_at + timeout_ns, self._send_late_ones_away)
