"""What one more connection costs the server in memory: fresh, and once it has lain idle."""

from __future__ import annotations

import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from valkeybench.errors import ServerError
from valkeybench.measurement.cost import ConnectionCost
from valkeybench.measurement.reading import parse_info
from valkeybench.server.endpoint import Provider
from valkeybench.server.serving import TlsProvider
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Iterator

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan
    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.serving import Serving

_TIMEOUT_S = 5.0
_POLL_NS = 100 * MILLISECOND
_CRON_NS = 250 * MILLISECOND
"""How long the server may take to look at what its allocator says."""
_STEADY_NS = 1_200 * MILLISECOND
"""How long nothing must change; the server looks at each client once a second."""
_LONGEST_NS = 10 * SECOND
_CHANGE = 0.01
"""What part of the fresh cost is a change."""
_GIVEN_BACK_NS = 2 * SECOND
_LEFT = 0.2
"""What part of the idle cost may be left once all is closed; more is somebody else's."""

_USUAL = 200
_FEWEST = 10
"""Fewer are lost in what else goes on in the server."""
_ENOUGH_FOR_ALLOCATOR = 100
"""The allocator's figure moves by hundreds of kilobytes by itself."""
_TLS_LIBRARY = 8 * 1024
"""The least a TLS session takes; a figure that grew by less does not hold the TLS library's."""

WORTH_IT_NS = 15 * SECOND
"""A shorter load is not made to wait for it."""

_TOO_SHORT = f"not looked at before a load of less than {WORTH_IT_NS // SECOND} s"
_NOT_PERMITTED = "the server does not let this user use INFO"
_RELAYED = "a relay of ours does the TLS, and the server's memory knows nothing of it"
_TOO_FEW = f"the load opens too few connections to tell (fewer than {_FEWEST})"
_DISTURBED = "the server's memory did not come back afterwards: somebody else was using it"
_NO_ALLOCATOR = "what the allocator holds is not told, or moves too much for so few connections"
_APART = "the TLS library's memory is in none of the server's figures"


def connection_costs(
    serving: Serving, facts: ServerFacts, plan: Plan, *, always: bool = False
) -> tuple[ConnectionCost, ...]:
    """Find out what a connection costs over each way the plan goes; a note where it cannot be.

    Opens no more connections to somebody else's server than the load will, and takes its time
    only before a load that takes longer, unless it is to be looked at `always`.
    """
    ways = sorted({case.tls for case in plan.cases})
    if not always and plan.duration_ns < WORTH_IT_NS:
        return tuple(ConnectionCost(tls=tls, note=_TOO_SHORT) for tls in ways)
    return tuple(_cost_or_note(serving, facts, plan, tls=tls) for tls in ways)


def _cost_or_note(serving: Serving, facts: ServerFacts, plan: Plan, *, tls: bool) -> ConnectionCost:
    endpoint, connections, note = serving.endpoint(tls=tls), _USUAL, ""
    if endpoint.provider is Provider.EXTERNAL:
        connections = min(_USUAL, plan.most_connections)
    if tls and serving.tls_provider is TlsProvider.RELAY:
        note = _RELAYED
    elif "INFO" in facts.missing:
        note = _NOT_PERMITTED
    elif connections < _FEWEST:
        note = _TOO_FEW
    if note:
        return ConnectionCost(tls=tls, note=note)
    try:
        return connection_cost(endpoint, connections=connections)
    except ServerError as error:
        return ConnectionCost(tls=tls, note=error.message)


def connection_cost(endpoint: Endpoint, *, connections: int = _USUAL) -> ConnectionCost:
    """Open so many connections, look what that does to the server's memory, and close them.

    Takes some seconds, for the server shrinks what lies idle in its own time. Where closing
    them does not give the memory back, somebody else was using the server meanwhile, and
    nothing is claimed. Raises ServerError when the server refuses, goes away or may not be
    asked for its memory.
    """
    contexts: list[ssl.SSLContext] = []
    try:
        with _connected(endpoint, contexts) as watching:
            # The first answer grows the buffers of the one who asks.
            _memory(watching)
            _pause(_CRON_NS)
            before = _memory(watching)
            with ExitStack() as stack:
                for _ in range(connections):
                    stack.enter_context(_connected(endpoint, contexts))
                used = _memory(watching).used
                _pause(_CRON_NS)
                fresh = _Memory(used=used, allocated=_memory(watching).allocated)
                idle = _settled(watching, fresh, change=_CHANGE * (used - before.used))
            undisturbed = _is_given_back(watching, before.used, grown=idle.used - before.used)
    except redis.RedisError as error:
        raise _explained(error, endpoint) from None
    if not undisturbed:
        return ConnectionCost(tls=endpoint.tls, connections=connections, note=_DISTURBED)
    return _cost(endpoint, connections, before, fresh, idle)


def _cost(
    endpoint: Endpoint, connections: int, before: _Memory, fresh: _Memory, idle: _Memory
) -> ConnectionCost:
    known = ConnectionCost(
        tls=endpoint.tls,
        connections=connections,
        used_fresh=round((fresh.used - before.used) / connections),
        used_idle=round((idle.used - before.used) / connections),
    )
    allocated = [_each(memory.allocated, before.allocated, connections) for memory in (fresh, idle)]
    if None in allocated or connections < _ENOUGH_FOR_ALLOCATOR:
        return replace(known, note=_NO_ALLOCATOR)
    if endpoint.tls and (allocated[0] or 0) < (known.used_fresh or 0) + _TLS_LIBRARY:
        return replace(known, note=_APART)
    return replace(known, allocated_fresh=allocated[0], allocated_idle=allocated[1])


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


def _is_given_back(watching: _Connection, before: int, *, grown: int) -> bool:
    """Wait for the server to drop what is closed; tell whether it has nearly all of it back."""
    give_up_at_ns = time.perf_counter_ns() + _GIVEN_BACK_NS
    while abs(_memory(watching).used - before) > _LEFT * grown:
        if time.perf_counter_ns() > give_up_at_ns:
            return False
        _pause(_POLL_NS)
    return True


def _memory(connection: _Connection) -> _Memory:
    """Ask for the memory; raises RedisError when the server may not or cannot say."""
    connection.send_command("INFO", "memory")
    info = parse_info(str(connection.read_response()))
    if "used_memory" not in info:
        raise redis.ResponseError("INFO says nothing of its memory")
    # One that counts nothing itself repeats used_memory.
    counts = not info.get("mem_allocator", "libc").startswith("libc")
    allocated = info.get("allocator_allocated") if counts else None
    return _Memory(used=int(info["used_memory"]), allocated=int(allocated) if allocated else None)


def _each(after: int | None, before: int | None, connections: int) -> int | None:
    if after is None or before is None:
        return None
    return max(0, round((after - before) / connections))


def _pause(duration_ns: int) -> None:
    time.sleep(duration_ns / SECOND)


def _explained(error: redis.RedisError, endpoint: Endpoint) -> ServerError:
    said = endpoint.masked(str(error))
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
