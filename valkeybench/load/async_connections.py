"""redis.asyncio's connections with the phases of opening a connection timed.

What `connections` does for threads, for tasks: nothing is patched, `connection_class=` gets
subclasses, and what they override is called only when a connection is opened or closed.
"""

from __future__ import annotations

import ssl
from collections import deque
from functools import cache
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import redis.asyncio

from valkeybench.load.connections import setup_name, tls_round_trips
from valkeybench.load.failures import is_reply_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from valkeybench.load.ledger import TaskLedger

    _Mixed = redis.asyncio.Connection
    _MixedTls = redis.asyncio.SSLConnection
else:
    # What is mixed into redis-py's classes is none of them itself.
    _Mixed = _MixedTls = object


class Timed(_Mixed):
    """What timing adds to any of redis.asyncio's connection classes."""

    def __init__(self, *args: Any, ledger: TaskLedger, **kwargs: Any) -> None:
        self._ledger = ledger
        self._unanswered: deque[str] = deque()
        self._just_sent = False
        self._noted_open = False
        self.opening_ns = 0
        """What opening it took, until a lease claims it; 0 is that there was nothing to open."""
        super().__init__(*args, **kwargs)

    async def _connect(self) -> None:
        notes, opening_before = self._ledger.notes, self.opening_ns
        # Over a unix socket, redis.asyncio shakes hands within `_connect`, and again after it.
        begun, elsewhere = clock(), notes.tls_context + notes.tls + notes.handshake
        await super()._connect()
        lasted = clock() - begun
        elsewhere = notes.tls_context + notes.tls + notes.handshake - elsewhere
        notes.connect += lasted - elsewhere
        self.opening_ns = opening_before + lasted
        self._note_opened()

    async def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Introduce the connection to the server."""
        await self.time_handshake(super().on_connect_check_health, check_health)

    async def time_handshake(self, introduce: Callable[..., Awaitable[None]], *args: Any) -> None:
        """Note what introducing the connection takes, and what is said."""
        self._note_opened()
        self._unanswered.clear()
        begun, quiet = clock(), type(self)
        # It counts for the length of the handshake only, so that no command pays for it.
        self.__class__ = _counting(quiet)  # type: ignore[arg-type]  # classes are hashable
        try:
            await introduce(*args)
            self._ledger.shared.introduced()
        finally:
            self.__class__ = quiet
            lasted = clock() - begun
            self._ledger.notes.handshake += lasted
            self.opening_ns += lasted

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Close the connection, if it is open."""
        try:
            await super().disconnect(*args, **kwargs)
        finally:
            if not self.is_connected:
                self._note_closed()

    def _close(self) -> None:
        super()._close()
        self._note_closed()

    def _note_opened(self) -> None:
        """Note that there is a socket, once."""
        if not self._noted_open:
            self._noted_open = True
            self._ledger.notes.connections += 1
            self._ledger.shared.opened()

    def _note_closed(self) -> None:
        """Note that there is none any more, once."""
        if self._noted_open:
            self._noted_open = False
            self._ledger.shared.closed()


class _Counts(_Mixed):
    """What a connection does while it introduces itself: notes what it says and is refused.

    redis.asyncio sends some set-up commands together and reads their replies after, which
    is one round trip.
    """

    _ledger: TaskLedger
    _unanswered: deque[str]
    _just_sent: bool

    async def send_command(self, *args: Any, **kwargs: Any) -> None:
        name = setup_name(args)
        self._unanswered.append(name)
        self._just_sent = True
        self._ledger.shared.asked_in_setup(name)
        await super().send_command(*args, **kwargs)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        if self._just_sent:
            self._just_sent = False
            self._ledger.notes.round_trips += 1
        name = self._unanswered.popleft()
        try:
            return await super().read_response(*args, **kwargs)
        except Exception as error:
            if is_reply_error(error):
                self._ledger.shared.refused_in_setup(name)
                self._ledger.notes.refused += 1
            raise


@cache
def _counting(quiet: type) -> Any:
    """Give the variant of a connection class that counts."""
    return type(f"Counting{quiet.__name__}", (_Counts, quiet), {})


class _Negotiation(ssl.SSLObject):
    """A side of a TLS connection that says when negotiating begins."""

    def do_handshake(self) -> None:
        """Negotiate as far as possible without waiting; the loop calls it until it is done."""
        negotiating = getattr(self.context, "negotiating", None)
        if negotiating is not None:
            negotiating()
        super().do_handshake()


class TimedNegotiation(_MixedTls):
    """Tells building an SSL context, TCP and TLS apart.

    redis.asyncio builds the context when it is asked for the arguments of the connection;
    asyncio connects and negotiates in one call, and `_Negotiation` notes the border.
    """

    _ledger: TaskLedger
    _negotiating_since = 0

    def _connection_arguments(self) -> Mapping[str, Any]:
        begun = clock()
        arguments: Mapping[str, Any] = super()._connection_arguments()
        context: Any = arguments["ssl"]
        context.sslobject_class = _Negotiation
        context.negotiating = self._note_negotiating
        self._ledger.notes.tls_context += clock() - begun
        return arguments

    async def _connect(self) -> None:
        self._negotiating_since = 0
        try:
            await super()._connect()
        except BaseException:
            self._note_closed()  # type: ignore[attr-defined]  # of the connection mixed with
            raise
        finally:
            # A context that knows its connection would keep both until garbage is collected.
            if self.ssl_context.context is not None:
                self.ssl_context.context.negotiating = None  # type: ignore[attr-defined]  # ours
        self._ledger.notes.tls += clock() - self._negotiating_since
        self._ledger.notes.tls_round_trips += self._tls_round_trips()

    def _note_negotiating(self) -> None:
        if not self._negotiating_since:
            self._negotiating_since = clock()
            self._note_opened()  # type: ignore[attr-defined]  # of the connection mixed with

    def _tls_round_trips(self) -> int:
        writer: Any = self._writer
        return tls_round_trips(writer.get_extra_info("ssl_object"))


class Delayed(_Mixed):
    """What a network further away adds: one round trip wherever a real one would be waited for.

    It sleeps after connecting and negotiating, and before sending what does not follow
    something still unanswered: the server's own time comes on top.
    """

    _ledger: TaskLedger
    _travelling = False

    async def _connect(self) -> None:
        self._travelling = False
        await super()._connect()
        self._note_opened()  # type: ignore[attr-defined]  # of the connection mixed with
        await self._travel(1)

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command or a pipeline, after a round trip if it does not follow another."""
        if not self._travelling:
            await self._ledger.travel()
        self._travelling = True
        await super().send_packed_command(*args, **kwargs)

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        """Read a reply."""
        self._travelling = False
        return await super().read_response(*args, **kwargs)

    async def _travel(self, round_trips: int) -> None:
        try:
            await self._ledger.travel(round_trips)
        except BaseException:
            # Half open and back in the pool, it would pass for introduced.
            await self.disconnect(nowait=True)
            raise


class DelayedNegotiation(Delayed, TimedNegotiation):
    """The same with TLS, whose round trips belong to negotiating."""

    async def _connect(self) -> None:
        await super()._connect()
        begun = clock()
        await self._travel(self._tls_round_trips())
        self._ledger.notes.tls += clock() - begun


class TimedConnection(Timed, redis.asyncio.Connection):
    """A TCP connection that notes what opening it took."""


class TimedUnixConnection(Timed, redis.asyncio.UnixDomainSocketConnection):
    """A unix socket connection that notes what opening it took."""


class TimedTlsConnection(Timed, TimedNegotiation, redis.asyncio.SSLConnection):
    """A TLS connection that notes what opening it took, TCP and TLS apart."""


class DelayedConnection(Timed, Delayed, redis.asyncio.Connection):
    """A timed TCP connection over an emulated distance."""


class DelayedUnixConnection(Timed, Delayed, redis.asyncio.UnixDomainSocketConnection):
    """A timed unix socket connection over an emulated distance."""


class DelayedTlsConnection(Timed, DelayedNegotiation, redis.asyncio.SSLConnection):
    """A timed TLS connection over an emulated distance."""
