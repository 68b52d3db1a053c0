"""A pool that serves whoever waited longest: the ideal one, without a client library's doing."""

from __future__ import annotations

from collections import deque
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.load.wire.failure import TooLateError, WireError
from valkeybench.load.wire.loop import Task
from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from valkeybench.load.wire.connections import Connection
    from valkeybench.load.wire.loop import Loop

    Place = Connection | None
    """Room for a connection: with one in it, or None when one has still to be opened."""

    Waiting = Generator[None, None, Place]


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

    `free` are the places nobody has, the last of them the next to be taken, so that idle
    connections stay idle and none is opened while there is one. Whoever finds none may `wait`:
    a place that comes back goes straight to who waited longest, so nobody overtakes. `waits` is
    whether it lets takers wait, for `timeout_ns` (None: for ever).
    """

    def __init__(self, size: int, loop: Loop, *, waits: bool, timeout_ns: int | None) -> None:
        self.size = size
        self.free: list[Place] = [None] * size
        self.waiters: deque[Taker] = deque()
        self.lost: Callable[[], None] = _nothing
        """Told when a connection broke, or could not be opened: a place is empty."""
        self.filled: Callable[[int], None] = _nothing
        """Told when one was opened, and at which instant."""
        self._resumes = loop.resumes
        self._loop = loop
        self._waits = waits
        self._timeout_ns = timeout_ns
        self._watching = False

    @property
    def in_use(self) -> int:
        """Count the places somebody has."""
        return self.size - len(self.free)

    def admit(self, connection: Connection) -> None:
        """Let a connection be of this pool, in a place that was taken for it."""
        connection.watch()
        connection.idle = connection.look_up
        connection.lost = self._lose
        self.filled(clock())

    def wait(self, taker: Taker) -> Waiting:
        """Give the taker a place when one comes back; raises WireError when it may not wait."""
        if not self._waits:
            raise WireError(FailureKind.POOL_EXHAUSTED, "every connection of the pool is taken")
        taker.asked_at = clock()
        taker.served = False
        self.waiters.append(taker)
        if not self._watching and self._timeout_ns is not None:
            self._watching = True
            self._loop.at(taker.asked_at + self._timeout_ns, self._send_late_ones_away)
        while not taker.served:
            yield
        return taker.place

    def give(self, connection: Connection) -> None:
        """Take a connection back."""
        if self.waiters:
            self._serve(connection)
        else:
            self._resumes[connection.descriptor] = connection.idle
            self.free.append(connection)

    def give_up(self) -> None:
        """Take back the room a connection was to have, and may have had."""
        if self.waiters:
            self._serve(None)
        else:
            self.free.insert(0, None)

    def lose(self) -> None:
        """Take back the room of a connection that broke, or that could not be opened."""
        self.give_up()
        self.lost()

    def _lose(self, connection: Connection) -> None:
        """Forget a connection that broke while nobody used it."""
        self.free.remove(connection)
        self.free.insert(0, None)
        self.lost()

    def _serve(self, place: Place) -> None:
        taker = self.waiters.popleft()
        taker.place = place
        taker.served = True
        self._loop.soon(taker.resume)

    def _send_late_ones_away(self) -> None:
        """Raise TooLateError in takers whose time is up; look again when the next one's is."""
        timeout_ns = self._timeout_ns or 0
        late = clock() - timeout_ns
        while self.waiters and self.waiters[0].asked_at <= late:
            taker = self.waiters.popleft()
            taker.served = True
            words = "no connection came free in time"
            taker.steps.throw(TooLateError(FailureKind.POOL_TIMEOUT, words))
        self._watching = bool(self.waiters)
        if self._watching:
            self._loop.at(self.waiters[0].asked_at + timeout_ns, self._send_late_ones_away)


def _nothing(*_: object) -> None:
    """Tell nobody."""
