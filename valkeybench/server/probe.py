"""What one more connection costs the server in memory: fresh, and once it has lain idle."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from valkeybench.errors import ServerError
from valkeybench.measurement.reading import parse_info
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator

    from valkeybench.server.endpoint import Endpoint

_TIMEOUT_S = 5.0
_POLL_NS = 100 * MILLISECOND
_CRON_NS = 250 * MILLISECOND
"""How long the server may take to look at what its allocator says."""
_STEADY_NS = 1_200 * MILLISECOND
"""How long nothing must change; the server looks at each client once a second."""
_LONGEST_NS = 10 * SECOND
_CHANGE = 0.01
"""What part of the fresh cost is a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCost:
    """Bytes of the server's memory for one connection of ours, the average of many."""

    connections: int
    """How many were opened to find out."""
    tls: bool
    fresh: int
    """Just set up, by `used_memory`: what the server itself asked for."""
    idle: int
    """After the server has shrunk its buffers, by the same."""
    allocated_fresh: int | None
    """Just set up, by `allocator_allocated`, which holds what the TLS library takes as well
    when the two share an allocator. Good to a few kilobytes; None when the server is silent."""
    allocated_idle: int | None
    """After the server has shrunk its buffers, by the same."""


def connection_cost(endpoint: Endpoint, *, connections: int = 200) -> ConnectionCost:
    """Open so many connections, look what that does to the server's memory, and close them.

    Takes some seconds, for the server shrinks what lies idle in its own time; nothing else
    should be using it. Raises ServerError when the server refuses, goes away or may not be
    asked for its memory.
    """
    try:
        with ExitStack() as stack:
            contexts: list[ssl.SSLContext] = []
            watching = stack.enter_context(_connected(endpoint, contexts))
            # The first answer grows the buffers of the one who asks.
            _memory(watching)
            _pause(_CRON_NS)
            before = _memory(watching)
            for _ in range(connections):
                stack.enter_context(_connected(endpoint, contexts))
            used = _memory(watching).used
            _pause(_CRON_NS)
            fresh = _Memory(used=used, allocated=_memory(watching).allocated)
            idle = _settled(watching, fresh, change=_CHANGE * (used - before.used))
    except redis.RedisError as error:
        raise _explained(error, endpoint) from None
    return ConnectionCost(
        connections=connections,
        tls=endpoint.tls,
        fresh=round((fresh.used - before.used) / connections),
        idle=round((idle.used - before.used) / connections),
        allocated_fresh=_each(fresh.allocated, before.allocated, connections),
        allocated_idle=_each(idle.allocated, before.allocated, connections),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Memory:
    """The server's memory at one instant, in bytes."""

    used: int
    allocated: int | None


def _settled(watching: _Connection, fresh: _Memory, *, change: float) -> _Memory:
    """Wait until the server has shrunk what is idle and goes on no more, or has had its time."""
    start_ns = changed_ns = time.perf_counter_ns()
    least = fresh
    while (now_ns := time.perf_counter_ns()) - start_ns < _LONGEST_NS:
        now = _memory(watching)
        if now.used < least.used - change:
            least, changed_ns = now, now_ns
        # Before anything has shrunk, that nothing changes means nothing.
        elif least is not fresh and now_ns - changed_ns > _STEADY_NS:
            return now
        _pause(_POLL_NS)
    return least


def _memory(connection: _Connection) -> _Memory:
    """Ask for the memory; raises RedisError when the server may not or cannot say."""
    connection.send_command("INFO", "memory")
    info = parse_info(str(connection.read_response()))
    if "used_memory" not in info:
        raise redis.ResponseError("INFO says nothing of its memory")
    allocated = info.get("allocator_allocated")
    return _Memory(used=int(info["used_memory"]), allocated=int(allocated) if allocated else None)


def _each(after: int | None, before: int | None, connections: int) -> int | None:
    if after is None or before is None:
        return None
    return max(0, round((after - before) / connections))


def _pause(duration_ns: int) -> None:
    time.sleep(duration_ns / SECOND)


def _explained(error: redis.RedisError, endpoint: Endpoint) -> ServerError:
    said = str(error)
    if endpoint.password is not None:
        said = said.replace(endpoint.password.reveal(), "***")
    return ServerError(
        f"{endpoint.address}: what a connection costs could not be found out: {said}",
        remedy="permit INFO to the user, and see that the server takes so many clients",
    )


class _Connection(Protocol):
    """What we use of redis-py's connections, which come without types."""

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_command(self, *words: str) -> None: ...
    def read_response(self) -> object: ...


@contextmanager
def _connected(endpoint: Endpoint, contexts: list[ssl.SSLContext]) -> Iterator[_Connection]:
    """Open a connection that says no more than it must; close it in the end."""
    kwargs: dict[str, Any] = {
        **endpoint.connection_kwargs(),
        "client_name": None,
        "protocol": 2,
        "retry": Retry(NoBackoff(), 0),
        "driver_info": None,
        "maint_notifications_config": MaintNotificationsConfig(enabled=False),
        "socket_timeout": _TIMEOUT_S,
        "socket_connect_timeout": _TIMEOUT_S,
        "decode_responses": True,
    }
    if endpoint.tls:
        # One context for all: they must be open before the first grows idle.
        kind: Any = partial(_SharingTls, contexts)
    else:
        kind = redis.Connection if endpoint.path is None else redis.UnixDomainSocketConnection
    connection: _Connection = kind(**kwargs)
    try:
        connection.connect()
        yield connection
    finally:
        connection.disconnect()


class _SharingTls(redis.SSLConnection):
    """Makes its SSL context once, and shares it with all that share the list."""

    def __init__(self, contexts: list[ssl.SSLContext], **kwargs: Any) -> None:  # noqa: ANN401 - what redis-py takes
        super().__init__(**kwargs)
        self._contexts = contexts

    def _wrap_socket_with_ssl(self, sock: socket.socket) -> ssl.SSLSocket:
        if self._contexts:
            return self._contexts[0].wrap_socket(sock, server_hostname=self.host)
        wrapped: ssl.SSLSocket = super()._wrap_socket_with_ssl(sock)  # type: ignore[no-untyped-call]
        self._contexts.append(wrapped.context)
        return wrapped
