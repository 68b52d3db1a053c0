"""Writes a pool size the way each client and framework takes it, ready to paste."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Snippet
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

_URL = "redis://localhost:6379/0"
_FAIR_NOTE = "# with a queue_class that hands connections out first come, first served"


def pool_snippets(pool: Pool, size: int, *, timeout_ns: int | None) -> Iterator[Snippet]:
    """Write the configuration of redis-py, valkey-py, Django and Celery.

    `timeout_ns` is how long the pool waits, None for ever; it means nothing for a raising
    pool.
    """
    name = "ConnectionPool" if pool is Pool.RAISING else "BlockingConnectionPool"
    given = f'"{_URL}", max_connections={size}'
    waits = "" if pool is Pool.RAISING else f", timeout={_seconds(timeout_ns)}"
    note = (_FAIR_NOTE,) if pool is Pool.FAIR else ()
    yield Snippet(
        purpose="redis-py",
        lines=(
            *note,
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
