"""valkey-py's connections, pools and lease: redis-py's of before version 7, timed alike."""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import valkey

from valkeybench.load.connections import (
    Delayed,
    Lease,
    NotesConstruction,
    Timed,
    TimedNegotiation,
)

if TYPE_CHECKING:
    from collections.abc import Sized

    from valkeybench.measurement.histogram import Integers


class _Introduced(Timed):
    """What differs in valkey-py: how a connection is introduced to the server."""

    def on_connect(self) -> None:
        self.time_handshake(super().on_connect)


class TimedConnection(_Introduced, valkey.Connection):
    """A TCP connection that notes what opening it took."""


class TimedUnixConnection(_Introduced, valkey.UnixDomainSocketConnection):
    """A unix socket connection that notes what opening it took."""


class TimedTlsConnection(_Introduced, TimedNegotiation, valkey.SSLConnection):
    """A TLS connection that notes what opening it took, TCP and TLS apart."""


class DelayedConnection(_Introduced, Delayed, valkey.Connection):
    """A timed TCP connection over an emulated distance."""


class DelayedUnixConnection(_Introduced, Delayed, valkey.UnixDomainSocketConnection):
    """A timed unix socket connection over an emulated distance."""


class DelayedTlsConnection(_Introduced, TimedNegotiation, Delayed, valkey.SSLConnection):
    """A timed TLS connection over an emulated distance."""


class _Pool(NotesConstruction, valkey.ConnectionPool):
    """What a pool has besides valkey-py's own."""

    def get_connection(self, command_name: str = "", *keys: Any, **options: Any) -> Any:
        """Take a connection; what for need not be said."""
        return super().get_connection(command_name, *keys, **options)


class RaisingPool(_Pool):
    """valkey-py's ConnectionPool."""

    @property
    def watched(self) -> Sized:
        """Give what a lease takes the length of when its handler asks: the taken ones."""
        return self._in_use_connections

    def in_use(self, lengths: Integers) -> Integers:
        """Turn those lengths into connections in use."""
        return lengths


class WaitingPool(_Pool, valkey.BlockingConnectionPool):
    """valkey-py's BlockingConnectionPool."""

    @property
    def watched(self) -> Sized:
        """Give what a lease takes the length of when its handler asks: the free ones."""
        return self.pool.queue

    def in_use(self, lengths: Integers) -> Integers:
        """Turn those lengths into connections in use."""
        return self.max_connections - lengths


class ValkeyLease(Lease):
    """A lease as valkey-py's client expects its pool: it says what the connection is for."""

    __slots__ = ()

    def get_connection(self, command_name: str = "", *_keys: Any, **_options: Any) -> Any:
        """Take a connection."""
        self.seen = len(self._watched)
        connection: Any = self._take(command_name)
        if connection.opening_ns:
            self._claim(connection)
        self.held = clock()
        return connection
