"""redis.asyncio's pools as they are measured, and the lease through which a handler views one."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import redis.asyncio

from valkeybench.load.connections import NotesConstruction, PoolView

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sized

    from valkeybench.measurement.histogram import Integers

    _Mixed = redis.asyncio.ConnectionPool
else:
    # What is mixed into a library's classes is none of them itself.
    _Mixed = object


class Watched(NotesConstruction, _Mixed):
    """What every pool for tasks has besides the library's own."""

    @property
    def watched(self) -> Sized:
        """Give what a lease takes the length of when its handler asks: the taken ones."""
        return self._in_use_connections

    def in_use(self, lengths: Integers) -> Integers:
        """Turn those lengths into connections in use."""
        return lengths


class RaisingPool(Watched, redis.asyncio.ConnectionPool):
    """redis.asyncio's ConnectionPool."""


class WaitingPool(Watched, redis.asyncio.BlockingConnectionPool):
    """redis.asyncio's BlockingConnectionPool."""


class InTurn(Watched):
    """What puts a ConnectionPool behind a semaphore, whose waiters are served in order.

    The library's blocking pool lets a task that has just given its connection back take it
    again before the one it woke gets its turn, and takes no other queue. A semaphore in
    front is what an application can do about it.
    """

    def __init__(self, *, timeout: float | None, **settings: Any) -> None:
        super().__init__(**settings)
        self.timeout = timeout
        self._places = asyncio.Semaphore(self.max_connections)
        self._seated: set[Any] = set()

    async def get_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Take a connection when it is the caller's turn; raises redis.ConnectionError."""
        await self._wait_for_place()
        try:
            connection: Any = await super().get_connection(*args, **kwargs)
        except BaseException:
            self._places.release()
            raise
        self._seated.add(connection)
        return connection

    async def release(self, connection: Any) -> None:
        """Give a connection back, and its place to who waited longest."""
        try:
            await super().release(connection)
        finally:
            # redis-py also releases what it could not connect, and that never had a seat.
            if connection in self._seated:
                self._seated.remove(connection)
                self._places.release()

    async def _wait_for_place(self) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(self.timeout):
                await self._places.acquire()
        except TimeoutError as error:
            # In the words of redis-py's own blocking pools.
            raise redis.ConnectionError("No connection available.") from error


class FairPool(InTurn, redis.asyncio.ConnectionPool):
    """redis.asyncio's ConnectionPool, its waiters served in order."""


AnyPool = RaisingPool | WaitingPool | FairPool


class AsyncLease(PoolView):
    """One handler's view of a pool, which notes when a connection is taken and given back.

    It is to a task what `connections.Lease` is to a thread, and has the same attributes.
    """

    __slots__ = ()

    async def get_connection(self) -> Any:
        """Take a connection."""
        self.seen = len(self._watched)
        connection: Any = await self._take()
        if connection.opening_ns:
            self._claim(connection)
        self.held = clock()
        return connection

    def release(self, connection: Any) -> Awaitable[None]:
        """Give the connection back, when awaited."""
        # No coroutine of its own: redis-py awaits the pool's at once, and no command pays for two.
        self.replied = clock()
        if connection.opening_ns:
            # It was opened again within the command, by a retry. That belongs to the phases
            # of opening, as if it had happened before the connection was in hand.
            self.held += connection.opening_ns
            self._claim(connection)
        return self._give(connection)  # type: ignore[no-any-return]  # redis-py is untyped
