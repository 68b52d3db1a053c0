"""redis-py's connections and pools with the phases of opening a connection timed.

Nothing of redis-py is patched: connections are subclasses given by `connection_class=`,
pools are subclasses, and what they override is called only when something is opened or
closed. A command over a connection that is there runs redis-py's own code untouched.
"""

from __future__ import annotations

import socket
import ssl
from collections import deque
from functools import cache
from queue import Empty, Full
from threading import Lock
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import redis

from valkeybench.load.failures import is_reply_error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence, Sized

    from valkeybench.load.ledger import Ledger
    from valkeybench.measurement.histogram import Integers

    _Mixed = redis.Connection
else:
    # What is mixed into redis-py's classes is none of them itself.
    _Mixed = object


class Timed(_Mixed):
    """What timing adds to any of redis-py's connection classes."""

    _sock: socket.socket | None  # type: ignore[assignment]  # redis-py's types know only the None
    notes_socket_itself = False
    """Whether the class says when there is a socket, or leaves it to `_connect` here."""

    def __init__(self, *args: Any, ledger: Ledger, **kwargs: Any) -> None:
        self._ledger = ledger
        self._asked = ""
        self.opening_ns = 0
        """What opening it took, until a lease claims it; 0 is that there was nothing to open."""
        super().__init__(*args, **kwargs)

    def _connect(self) -> socket.socket:
        notes = self._ledger.notes
        begun, tls_before = clock(), notes.tls_context + notes.tls
        sock: socket.socket = super()._connect()
        lasted = clock() - begun
        notes.connect += lasted - (notes.tls_context + notes.tls - tls_before)
        self.opening_ns += lasted
        if not self.notes_socket_itself:
            self._note_opened()
        return sock

    def _note_opened(self) -> None:
        """Note that there is a socket."""
        self._ledger.notes.connections += 1
        self._ledger.shared.opened()

    def on_connect_check_health(self, check_health: bool = True) -> None:  # noqa: FBT001, FBT002 - redis-py's signature
        """Introduce the connection to the server."""
        self.time_handshake(super().on_connect_check_health, check_health)

    def time_handshake(self, introduce: Callable[..., None], *args: Any) -> None:
        """Note what introducing the connection takes, and what is said."""
        begun, quiet = clock(), type(self)
        # It counts for the length of the handshake only, so that no command pays for it.
        self.__class__ = _counting(quiet)  # type: ignore[arg-type]  # classes are hashable
        try:
            introduce(*args)
            self._ledger.shared.introduced()
        finally:
            self.__class__ = quiet
            lasted = clock() - begun
            self._ledger.notes.handshake += lasted
            self.opening_ns += lasted

    def disconnect(self, *args: Any, **kwargs: Any) -> None:
        """Close the connection, if it is open."""
        if self._sock is not None:
            self._ledger.shared.closed()
        super().disconnect(*args, **kwargs)


class _Counts(_Mixed):
    """What a connection does while it introduces itself: notes what it says and is refused."""

    _ledger: Ledger
    _asked: str

    def send_command(self, *args: Any, **kwargs: Any) -> None:
        self._asked = setup_name(args)
        self._ledger.shared.asked_in_setup(self._asked)
        self._ledger.notes.round_trips += 1
        super().send_command(*args, **kwargs)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().read_response(*args, **kwargs)
        except Exception as error:
            if is_reply_error(error):
                self._ledger.shared.refused_in_setup(self._asked)
                self._ledger.notes.refused += 1
            raise


@cache
def _counting(quiet: type) -> Any:
    """Give the variant of a connection class that counts."""
    return type(f"Counting{quiet.__name__}", (_Counts, quiet), {})


def setup_name(words: Sequence[Any]) -> str:
    """Name a set-up command so that no argument of it is repeated: one may be a password."""
    first, *rest = (str(word).upper() for word in words)
    if first == "HELLO":
        return "HELLO with AUTH" if "AUTH" in rest else first
    return " ".join([first, *rest[:1]]) if first == "CLIENT" else first


class TimedNegotiation(Timed):
    """What timing adds to a TLS connection: TCP, building the context and negotiating apart."""

    notes_socket_itself = True

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> socket.socket:
        begun = clock()
        self._note_opened()
        observed = _ObservedSocket(sock)
        try:
            wrapped: socket.socket = super()._wrap_socket_with_ssl(observed)  # type: ignore[misc]  # TLS
        except BaseException:
            observed.close()
            self._ledger.shared.closed()
            raise
        self._ledger.notes.tls_context += observed.wrapped_at - begun
        self._ledger.notes.tls += clock() - observed.wrapped_at
        self._ledger.notes.tls_round_trips += tls_round_trips(wrapped)
        return wrapped


class TimedConnection(Timed, redis.Connection):
    """A TCP connection that notes what opening it took."""


class TimedUnixConnection(Timed, redis.UnixDomainSocketConnection):
    """A unix socket connection that notes what opening it took."""


def tls_round_trips(sock: socket.socket | ssl.SSLObject) -> int:
    """Count the round trips negotiating took: one in TLS 1.3, two before (RFC 8446, section 2)."""
    version = sock.version() if isinstance(sock, (ssl.SSLSocket, ssl.SSLObject)) else None
    return 1 if version == "TLSv1.3" else 2


class Delayed(_Mixed):
    """What a network further away adds: one round trip wherever a real one would be waited for.

    It sleeps after connecting and negotiating, and before sending each command or pipeline:
    the server's own time comes on top. Whatever sits above times the sleep as part of the
    phase it falls in.
    """

    _ledger: Ledger

    def _connect(self) -> socket.socket:
        sock: socket.socket = super()._connect()
        self._ledger.travel()
        return sock

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> socket.socket:
        wrapped: socket.socket = super()._wrap_socket_with_ssl(sock)  # type: ignore[misc]  # TLS only
        self._ledger.travel(tls_round_trips(wrapped))
        return wrapped

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command or a pipeline, after a round trip."""
        self._ledger.travel()
        super().send_packed_command(*args, **kwargs)


class TimedTlsConnection(TimedNegotiation, redis.SSLConnection):
    """A TLS connection that notes what opening it took, TCP and TLS apart."""


class DelayedConnection(Timed, Delayed, redis.Connection):
    """A timed TCP connection over an emulated distance."""


class DelayedUnixConnection(Timed, Delayed, redis.UnixDomainSocketConnection):
    """A timed unix socket connection over an emulated distance."""


class DelayedTlsConnection(TimedTlsConnection, Delayed, redis.SSLConnection):
    """A timed TLS connection over an emulated distance."""


class _ObservedSocket(socket.socket):
    """A socket that notes when an SSL context takes it over.

    redis-py builds the context and negotiates in one method. The context takes the file
    descriptor with `detach` right before negotiating, which is the border between the two.
    """

    def __init__(self, sock: socket.socket) -> None:
        timeout = sock.gettimeout()
        super().__init__(sock.family, sock.type, sock.proto, fileno=sock.detach())
        self.settimeout(timeout)
        self.wrapped_at = clock()

    def detach(self) -> int:
        self.wrapped_at = clock()
        return super().detach()


class NotesConstruction:
    """Makes a pool note what building a connection object took."""

    connection_kwargs: dict[str, Any]

    def make_connection(self) -> Any:
        """Build a connection object."""
        notes = self.connection_kwargs["ledger"].notes
        begun = clock()
        try:
            return super().make_connection()  # type: ignore[misc]  # of the pool mixed with
        finally:
            notes.construct += clock() - begun


class RaisingPool(NotesConstruction, redis.ConnectionPool):
    """redis-py's ConnectionPool."""

    @property
    def watched(self) -> Sized:
        """Give what a lease takes the length of when its handler asks: the taken ones."""
        return self._in_use_connections

    def in_use(self, lengths: Integers) -> Integers:
        """Turn those lengths into connections in use."""
        return lengths


class WaitingPool(NotesConstruction, redis.BlockingConnectionPool):
    """redis-py's BlockingConnectionPool."""

    @property
    def watched(self) -> Sized:
        """Give what a lease takes the length of when its handler asks: the free ones."""
        return self.pool.queue  # type: ignore[no-any-return]  # redis-py's is untyped

    def in_use(self, lengths: Integers) -> Integers:
        """Turn those lengths into connections in use."""
        return self.max_connections - lengths


class FairQueue:
    """A last-in-first-out queue whose waiters are served first come, first served.

    redis-py's pool puts a connection back and only then wakes a waiter; a busy handler
    takes it again before the waiter runs, and with little think time the waiters starve.
    Here a connection that comes back goes straight to who waited longest. It has what
    `BlockingConnectionPool(queue_class=...)` asks of a queue.
    """

    def __init__(self, maxsize: int) -> None:
        self.maxsize = maxsize
        self.queue: list[Any] = []
        self._waiters: deque[_Waiter] = deque()
        self._lock = Lock()  # guards both; nothing is waited for while holding it

    def put_nowait(self, item: Any) -> None:
        """Hand the item to the longest waiter, or keep it; raises Full."""
        with self._lock:
            if self._waiters:
                self._waiters.popleft().serve(item)
            elif len(self.queue) < self.maxsize:
                self.queue.append(item)
            else:
                raise Full

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: FBT001, FBT002 - queue.Queue's signature
        """Take an item, waiting up to `timeout` seconds (None: for ever); raises Empty."""
        with self._lock:
            if self.queue:
                return self.queue.pop()
            if not block:
                raise Empty
            waiter = _Waiter()
            self._waiters.append(waiter)
        if waiter.served.acquire(timeout=-1 if timeout is None else max(timeout, 0)):
            return waiter.item
        with self._lock:
            # It may have been served between giving up and getting the lock.
            if waiter.served.acquire(blocking=False):
                return waiter.item
            self._waiters.remove(waiter)
        raise Empty


class _Waiter:
    __slots__ = ("item", "served")

    def __init__(self) -> None:
        self.item: Any = None
        self.served = Lock()
        self.served.acquire()

    def serve(self, item: Any) -> None:
        self.item = item
        self.served.release()


class PoolView:
    """What a lease has besides taking and giving back: the instants, and what a client reads."""

    __slots__ = (
        "_give", "_pool", "_take", "_watched", "commands", "held", "opened", "replied", "seen",
    )  # fmt: skip

    def __init__(self, pool: Any | None = None, watched: Sized = ()) -> None:
        self.held = self.replied = self.seen = 0
        self.commands = 1
        self.opened = False
        self._watched = watched
        if pool is not None:
            self.turn_to(pool)

    def turn_to(self, pool: Any) -> None:
        """View this pool from now on."""
        self._pool = pool
        self._take = pool.get_connection
        self._give = pool.release

    def _claim(self, connection: Any) -> None:
        connection.opening_ns = 0
        self.opened = True

    # Spelt out rather than passed on by __getattr__, which makes every attribute of a class
    # that has one several times as slow to read.

    @property
    def connection_kwargs(self) -> dict[str, Any]:
        """Give the pool's settings for connections; a client reads them when it is built."""
        return self._pool.connection_kwargs  # type: ignore[no-any-return]  # redis-py is untyped

    def get_protocol(self) -> int | None:
        """Give the pool's RESP version."""
        return self._pool.get_protocol()  # type: ignore[no-any-return]  # redis-py is untyped

    def get_encoder(self) -> Any:
        """Give the pool's encoder."""
        return self._pool.get_encoder()


class Lease(PoolView):
    """One handler's view of a pool, which notes when a connection is taken and given back.

    It stands where redis-py's client expects its pool. After a command, `held` and
    `replied` are the instants a connection was in hand and the reply was parsed, `opened`
    says whether anything had to be built or opened, and `seen` is the length of what the
    pool has to be `watched` when the handler asked. `commands` is how many a request held.
    """

    __slots__ = ()

    def get_connection(self) -> Any:
        """Take a connection."""
        self.seen = len(self._watched)
        connection: Any = self._take()
        if connection.opening_ns:
            self._claim(connection)
        self.held = clock()
        return connection

    def release(self, connection: Timed) -> None:
        """Give the connection back."""
        self.replied = clock()
        if connection.opening_ns:
            # It was opened again within the command, by a retry. That belongs to the phases
            # of opening, as if it had happened before the connection was in hand.
            self.held += connection.opening_ns
            self._claim(connection)
        self._give(connection)
