"""valkey.asyncio as a library to ask with: its settings, where they differ from redis.asyncio's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import valkey.asyncio
from valkey.asyncio.retry import Retry
from valkey.backoff import ExponentialBackoff, NoBackoff

from valkeybench.load import valkey_asking
from valkeybench.load.asking import BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS, Library, in_seconds
from valkeybench.load.async_valkey_connections import (
    AsyncValkeyLease,
    DelayedConnection,
    DelayedTlsConnection,
    DelayedUnixConnection,
    FairPool,
    RaisingPool,
    TimedConnection,
    TimedTlsConnection,
    TimedUnixConnection,
    WaitingPool,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from valkeybench.load.ledger import Shared
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

_ONLY_FOR_THREADS = ("ssl_ca_path", "ssl_password")
"""What valkey-py takes for threads alone; that nobody has asked for it was seen before the load."""


def async_valkey_py() -> Library:
    """Give valkey-py for tasks."""
    return Library(
        client=valkey.asyncio.Valkey,
        lease=AsyncValkeyLease,
        settings=client_settings,
        connection_class=connection_class,
        raising_pool=RaisingPool,
        waiting_pool=WaitingPool,
        fair_pool=FairPool,
    )


def client_settings(case: Case, endpoint: Endpoint, shared: Shared) -> dict[str, Any]:
    """Give valkey.asyncio's keyword arguments for a case, nothing left to its defaults."""
    settings = valkey_asking.client_settings(case, endpoint, shared)
    for unknown in _ONLY_FOR_THREADS:
        settings.pop(unknown, None)
    retry = CountingRetry(case.retries, shared) if case.retries else Retry(NoBackoff(), 0)
    return settings | {
        # Here unix sockets have this timeout as well, and a default for it.
        "socket_connect_timeout": in_seconds(case.connect_timeout_ns),
        "retry": retry,
    }


def connection_class(endpoint: Endpoint, *, rtt_ns: int = 0) -> type[Any]:
    """Choose the timed connection that reaches the endpoint, over an emulated distance or not."""
    if endpoint.path is not None:
        return DelayedUnixConnection if rtt_ns else TimedUnixConnection
    if endpoint.tls:
        return DelayedTlsConnection if rtt_ns else TimedTlsConnection
    return DelayedConnection if rtt_ns else TimedConnection


class CountingRetry(Retry):
    """valkey.asyncio's retry with a count."""

    def __init__(self, retries: int, shared: Shared) -> None:
        backoff = ExponentialBackoff(base=BACKOFF_BASE_SECONDS, cap=BACKOFF_CAP_SECONDS)
        super().__init__(backoff, retries)
        self._shared = shared

    def __deepcopy__(self, memo: dict[int, Any]) -> CountingRetry:
        """Stay one: each connection copies its retry, and the count is common to all."""
        return self

    async def call_with_retry(
        self, do: Callable[[], Awaitable[Any]], fail: Callable[[Exception], Any]
    ) -> Any:
        """Try, and count every time it is tried again."""
        counted = self._shared.counting(fail, self._retries)
        return await super().call_with_retry(do, counted)
