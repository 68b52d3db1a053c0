"""valkey.asyncio's connections, pools and lease: an older redis.asyncio's, timed alike."""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import Any

import valkey.asyncio

from valkeybench.load.async_connections import (
    Delayed,
    DelayedNegotiation,
    Timed,
    TimedNegotiation,
)
from valkeybench.load.async_pools import AsyncLease, InTurn, Watched


class _Introduced(Timed):
    """What differs in valkey-py: how a connection is introduced to the server."""

    async def on_connect(self) -> None:
        await self.time_handshake(super().on_connect)


class TimedConnection(_Introduced, valkey.asyncio.Connection):
    """A TCP connection that notes what opening it took."""


class TimedUnixConnection(_Introduced, valkey.asyncio.UnixDomainSocketConnection):
    """A unix socket connection that notes what opening it took."""


class TimedTlsConnection(_Introduced, TimedNegotiation, valkey.asyncio.SSLConnection):
    """A TLS connection that notes what opening it took, TCP and TLS apart."""


class DelayedConnection(_Introduced, Delayed, valkey.asyncio.Connection):
    """A timed TCP connection over an emulated distance."""


class DelayedUnixConnection(_Introduced, Delayed, valkey.asyncio.UnixDomainSocketConnection):
    """A timed unix socket connection over an emulated distance."""


class DelayedTlsConnection(_Introduced, DelayedNegotiation, valkey.asyncio.SSLConnection):
    """A timed TLS connection over an emulated distance."""


class _Pool(valkey.asyncio.ConnectionPool):
    """A pool that need not be told what a connection is for."""

    async def get_connection(self, command_name: str = "", *keys: Any, **options: Any) -> Any:
        """Take a connection."""
        return await super().get_connection(command_name, *keys, **options)


class RaisingPool(Watched, _Pool):
    """valkey.asyncio's ConnectionPool."""


class WaitingPool(Watched, _Pool, valkey.asyncio.BlockingConnectionPool):
    """valkey.asyncio's BlockingConnectionPool."""


class FairPool(InTurn, _Pool):
    """valkey.asyncio's ConnectionPool, its waiters served in order."""


class AsyncValkeyLease(AsyncLease):
    """A lease as valkey-py's client expects its pool: it says what the connection is for."""

    __slots__ = ()

    async def get_connection(self, command_name: str = "", *_keys: Any, **_options: Any) -> Any:
        """Take a connection."""
        self.seen = len(self._watched)
        connection: Any = await self._take(command_name)
        if connection.opening_ns:
            self._claim(connection)
        self.held = clock()
        return connection
