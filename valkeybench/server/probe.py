"""What one more connection costs the server in memory: fresh, and once it has lain idle."""

from __future__ import annotations

import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    from collections.abc import Mapping

    from valkeybench.server.endpoint import Endpoint

_TIMEOUT_S = 5.0
_POLL_NS = 100 * MILLISECOND
_STEADY_NS = SECOND
"""How long nothing must change; the server looks at every client once a second."""
_LONGEST_NS = 10 * SECOND
_SETTLED_PART = 0.01
"""What share of the fresh cost counts as no change."""
_SHRUNK_PART = 0.9
"""A server that gives nothing back is not told from one that has yet to, but by waiting."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCost:
    """Bytes of the server's memory for one connection of ours, the average of many."""

    connections: int
    """How many were opened to find out."""
    tls: bool
    fresh: int
    """Just set up; by `used_memory`, which leaves out what the TLS library takes."""
    idle: int
    """After the server has shrunk its buffers; by the same."""
    resident: int | None
    """Just set up, everything together, by `used_memory_rss`: whole pages, and so a rough figure.

    None when the process did not grow, as when it had room left over.
    """


def connection_cost(endpoint: Endpoint, *, connections: int = 200) -> ConnectionCost:
    """Open so many connections, look what that does to the server's memory, and close them.

    Takes some seconds, for the server shrinks what lies idle in its own time; nothing else
    should be using it. Raises ServerError when the server refuses, goes away or may not be
    asked for its memory.
    """
    try:
        with ExitStack() as stack:
            contexts: list[ssl.SSLContext] = []
            watching = stack.enter_context(closing(_Probe(endpoint, contexts)))
            # The first answer grows the buffers of the one who asks.
            watching.memory()
            before = watching.memory()
            for _ in range(connections):
                stack.enter_context(closing(_Probe(endpoint, contexts)))
            opened_ns = time.perf_counter_ns()
            fresh = (watching.memory().used - before.used) / connections
            time.sleep(2 * _POLL_NS / SECOND)  # the server reads its own size that often
            resident = round((watching.memory().resident - before.resident) / connections)
            idle = fresh
            steady_ns = opened_ns
            while (now_ns := time.perf_counter_ns()) - opened_ns < _LONGEST_NS:
                used = (watching.memory().used - before.used) / connections
                if used < idle - fresh * _SETTLED_PART:
                    idle, steady_ns = used, now_ns
                if idle < fresh * _SHRUNK_PART and now_ns - steady_ns > _STEADY_NS:
                    break
                time.sleep(_POLL_NS / SECOND)
    except redis.RedisError as error:
        raise ServerError(
            f"{endpoint.address}: what a connection costs could not be found out: {error}",
            remedy="permit INFO to the user, and see that the server takes so many clients",
        ) from None
    return ConnectionCost(
        connections=connections,
        tls=endpoint.tls,
        fresh=round(fresh),
        idle=round(idle),
        resident=resident if resident > 0 else None,
    )
