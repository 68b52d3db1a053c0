"""Writes a pool size the way each client and framework takes it, ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Snippet
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = "redis://localhost:6379/0"
_NODE_URL = "redis://any-node:6379"

_FAIR_QUEUE = """\
import collections, concurrent.futures, queue, threading

class FairQueue:
    \"\"\"Hands a connection that comes back to whoever has waited longest.\"\"\"

    def __init__(self, maxsize):
        self.maxsize, self.queue, self.waiters = maxsize, [], collections.deque()
        self.lock = threading.Lock()

    def put_nowait(self, item):
        with self.lock:
            if self.waiters:
                self.waiters.popleft().set_result(item)
            elif len(self.queue) < self.maxsize:
                self.queue.append(item)
            else:
                raise queue.Full

    def get(self, block=True, timeout=None):
        with self.lock:
            if self.queue:
                return self.queue.pop()
            if not block:
                raise queue.Empty
            turn = concurrent.futures.Future()
            self.waiters.append(turn)
        try:
            return turn.result(timeout)
        except concurrent.futures.TimeoutError:
            with self.lock:
                if turn.done():  # served between giving up and getting the lock
                    return turn.result()
                self.waiters.remove(turn)
            raise queue.Empty from None
"""


def pool_snippets(
    pool: Pool, size: int, *, timeout_ns: int | None, cluster: bool = False
) -> Iterator[Snippet]:
    """Write the configuration of redis-py, valkey-py, Django and Celery, or of a cluster's client.

    `timeout_ns` is how long the pool waits, None for ever; it means nothing for a raising
    pool. In a cluster `size` is that of each node's pool.
    """
    if cluster:
        yield _cluster_snippet(pool, size, timeout_ns)
        return
    if pool is Pool.FAIR:
        yield from fair_snippets(size, timeout_ns=timeout_ns)
        return
    name = "ConnectionPool" if pool is Pool.RAISING else "BlockingConnectionPool"
    given = f'"{_URL}", max_connections={size}'
    waits = "" if pool is Pool.RAISING else f", timeout={_seconds(timeout_ns)}"
    yield Snippet(
        purpose="redis-py",
        lines=(
            f"pool = redis.{name}.from_url({given}{waits})",
            "client = redis.Redis(connection_pool=pool)",
        ),
    )
    yield Snippet(
        purpose="redis-py, asyncio",
        lines=(
            f"pool = redis.asyncio.{name}.from_url({given}{waits})",
            "client = redis.asyncio.Redis(connection_pool=pool)",
        ),
    )
    yield Snippet(
        purpose="valkey-py",
        lines=(
            f"pool = valkey.{name}.from_url({given}{waits})",
            "client = valkey.Valkey(connection_pool=pool)",
        ),
    )
    yield from _frameworks(pool, name, size, timeout_ns)


def fair_snippets(size: int, *, timeout_ns: int | None) -> Iterator[Snippet]:
    """Write pools that serve first come, first served, which redis-py's own do not."""
    given = f'"{_URL}", max_connections={size}'
    waits = f"timeout={_seconds(timeout_ns)}, queue_class=FairQueue"
    yield Snippet(
        purpose="redis-py, first come, first served",
        lines=(
            *_FAIR_QUEUE.splitlines(),
            "",
            f"pool = redis.BlockingConnectionPool.from_url({given}, {waits})",
            "client = redis.Redis(connection_pool=pool)",
        ),
    )
    yield Snippet(
        purpose="redis-py, asyncio, first come, first served: its pool takes no other queue, so"
        " tasks stand in line before it",
        lines=(
            f"pool = redis.asyncio.ConnectionPool.from_url({given})",
            "client = redis.asyncio.Redis(connection_pool=pool)",
            f"turns = asyncio.Semaphore({size})  # serves in order",
            "",
            "async def ask(*command):",
            f"    async with asyncio.timeout({_seconds(timeout_ns)}):",
            "        await turns.acquire()",
            "    try:",
            "        return await client.execute_command(*command)",
            "    finally:",
            "        turns.release()",
        ),
    )


def _cluster_snippet(pool: Pool, size: int, timeout_ns: int | None) -> Snippet:
    name, lines = "redis.ConnectionPool", list[str]()
    if pool is not Pool.RAISING:
        # RedisCluster drops settings it does not know, the timeout among them.
        given = f"redis.BlockingConnectionPool, timeout={_seconds(timeout_ns)}"
        if pool is Pool.FAIR:
            lines += [*_FAIR_QUEUE.splitlines(), ""]
            given += ", queue_class=FairQueue"
        name = "node_pool"
        lines += [f"node_pool = functools.partial({given})"]
    given = f'url="{_NODE_URL}", connection_pool_class={name}, max_connections={size}'
    return Snippet(
        purpose="redis-py, cluster: each node has a pool of this size; only a client built with"
        " url= takes another kind of pool",
        lines=(*lines, f"client = redis.RedisCluster({given})"),
    )


def _frameworks(pool: Pool, name: str, size: int, timeout_ns: int | None) -> Iterator[Snippet]:
    options = [f'"pool_class": "redis.{name}"', f'"max_connections": {size}']
    if pool is not Pool.RAISING:
        options.append(f'"timeout": {_seconds(timeout_ns)}')
    yield Snippet(
        purpose="Django cache (settings.py); what stands in OPTIONS goes to the pool",
        lines=(
            'CACHES = {"default": {',
            '    "BACKEND": "django.core.cache.backends.redis.RedisCache",',
            f'    "LOCATION": "{_URL}",',
            f'    "OPTIONS": {{{", ".join(options)}}},',
            "}}",
        ),
    )
    yield Snippet(
        purpose="Celery broker and result backend",
        lines=(
            f"app.conf.broker_pool_limit = {size}",
            f'app.conf.broker_transport_options = {{"max_connections": {size}}}',
            f"app.conf.redis_max_connections = {size}",
        ),
    )


def _seconds(timeout_ns: int | None) -> str:
    return "None" if timeout_ns is None else f"{timeout_ns / SECOND:g}"
