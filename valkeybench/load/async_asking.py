"""How a task gets a redis.asyncio client to ask with: the pool policies, each as one coroutine.

What `asking` is for threads.
"""

from __future__ import annotations

from dataclasses import replace
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any, Protocol, cast

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from valkeybench.load import asking
from valkeybench.load.asking import Library
from valkeybench.load.async_connections import (
    DelayedConnection,
    DelayedTlsConnection,
    DelayedUnixConnection,
    TimedConnection,
    TimedTlsConnection,
    TimedUnixConnection,
)
from valkeybench.load.async_pools import AsyncLease, FairPool, RaisingPool, WaitingPool
from valkeybench.load.tally import Replies, unread
from valkeybench.plan.workload import Batch
from valkeybench.scenario.model import Client, Clients, Pool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from valkeybench.load.async_glide_asking import AsyncGlideConnection, AsyncMultiplexed
    from valkeybench.load.async_pools import AnyPool
    from valkeybench.load.ledger import Shared, TaskLedger
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

    AnyConnectionClass = type[redis.asyncio.Connection | redis.asyncio.UnixDomainSocketConnection]


def client_settings(case: Case, endpoint: Endpoint, shared: Shared) -> dict[str, Any]:
    """Give redis.asyncio's keyword arguments for a case, nothing left to its defaults."""
    return {
        **asking.client_settings(case, endpoint, shared),
        # Here unix sockets have this timeout as well, and a default for it.
        "socket_connect_timeout": asking.in_seconds(case.connect_timeout_ns),
        "retry": _retry(case, shared),
    }


def connection_class(endpoint: Endpoint, *, rtt_ns: int = 0) -> AnyConnectionClass:
    """Choose the timed connection that reaches the endpoint, over an emulated distance or not."""
    if endpoint.path is not None:
        return DelayedUnixConnection if rtt_ns else TimedUnixConnection
    if endpoint.tls:
        return DelayedTlsConnection if rtt_ns else TimedTlsConnection
    return DelayedConnection if rtt_ns else TimedConnection


def library(case: Case) -> Library:
    """Choose the library a case asks for."""
    if case.client is Client.VALKEY_PY:
        from valkeybench.load.async_valkey_asking import async_valkey_py  # noqa: PLC0415 - optional

        return async_valkey_py()
    return Library(
        client=redis.asyncio.Redis,
        lease=AsyncLease,
        settings=client_settings,
        connection_class=connection_class,
        raising_pool=RaisingPool,
        waiting_pool=WaitingPool,
        fair_pool=FairPool,
    )


def make_common(
    case: Case, endpoint: Endpoint, ledger: TaskLedger
) -> AnyPool | AsyncGlideConnection | None:
    """Make what a case's handlers have in common: a pool, one connection, or nothing."""
    if case.pool is Pool.MULTIPLEXED:
        from valkeybench.load.async_glide_asking import AsyncGlideConnection  # noqa: PLC0415 - optional

        return AsyncGlideConnection(case, endpoint, ledger)
    return make_pool(case, endpoint, ledger) if case.pool.is_pooled else None


def make_pool(case: Case, endpoint: Endpoint, ledger: TaskLedger) -> AnyPool:
    """Build the pool a case's handlers share."""
    pool: AnyPool = asking.pool_of(library(case), case, endpoint, ledger)
    return pool


class CountingRetry(Retry):
    """redis.asyncio's retry with a count."""

    def __init__(self, retries: int, shared: Shared) -> None:
        super().__init__(asking.retry_backoff(), retries)
        self._shared = shared

    def __deepcopy__(self, memo: dict[int, Any]) -> CountingRetry:
        """Stay one: each connection copies its retry, and the count is common to all."""
        return self

    async def call_with_retry(
        self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Try, and count every time it is tried again."""
        counted = self._shared.counting(fail, self._retries)
        return await super().call_with_retry(do, counted, *args, **kwargs)


def _retry(case: Case, shared: Shared) -> Retry:
    # Not a CountingRetry with nothing to count: it would cost every command.
    return CountingRetry(case.retries, shared) if case.retries else Retry(NoBackoff(), 0)


class SharedClient:
    """Asks with one client kept over the common pool: the usual way."""

    def __init__(self, of: Library, pool: Any, ledger: TaskLedger) -> None:
        self.lease = of.lease(pool, pool.watched)
        self._ledger = ledger
        self._client = of.client(connection_pool=self.lease)
        self.ask = self._client.execute_command

    async def ask_batch(self, batch: Batch) -> Any:
        """Send a batch."""
        return await _execute(self._client, batch, self.lease, self._ledger)


class SuccessiveClients:
    """Asks with a new client for each command, over the common pool."""

    def __init__(self, of: Library, pool: Any, ledger: TaskLedger) -> None:
        self.lease = of.lease(pool, pool.watched)
        self._make_client = of.client
        self._ledger = ledger

    async def ask(self, *command: str) -> Any:
        """Build a client and send one command with it."""
        return await self._client().execute_command(*command)

    async def ask_batch(self, batch: Batch) -> Any:
        """Build a client and send a batch with it."""
        return await _execute(self._client(), batch, self.lease, self._ledger)

    def _client(self) -> Any:
        begun = clock()
        client = self._make_client(connection_pool=self.lease)
        self._ledger.notes.construct += clock() - begun
        self.lease.opened = True
        return client


class NoPool:
    """Asks with a new client and a new connection for each command, closed after it."""

    def __init__(self, of: Library, case: Case, endpoint: Endpoint, ledger: TaskLedger) -> None:
        self.lease = of.lease()
        self._make_client = of.client
        self._ledger = ledger
        self._connection_class = of.connection_class(endpoint, rtt_ns=case.rtt_ns)
        self._settings = of.settings(case, endpoint, ledger.shared)
        if endpoint.tls:
            self._settings["ssl"] = True
        if endpoint.path is not None:
            self._settings["unix_socket_path"] = self._settings.pop("path")

    async def ask(self, *command: str) -> Any:
        """Build a client, connect, send one command, close."""
        return await self._ask_with(lambda client: client.execute_command(*command))

    async def ask_batch(self, batch: Batch) -> Any:
        """Build a client, connect, send a batch, close."""
        return await self._ask_with(
            lambda client: _execute(client, batch, self.lease, self._ledger)
        )

    async def _ask_with(self, send: Callable[[Any], Awaitable[Any]]) -> Any:
        client = self._make_client(**self._settings)
        own = client.connection_pool
        own.connection_class = self._connection_class
        own.connection_kwargs["ledger"] = self._ledger
        if "path" in own.connection_kwargs:
            # The client keeps what it is told of this to itself when it is given a path.
            own.connection_kwargs["socket_connect_timeout"] = self._settings[
                "socket_connect_timeout"
            ]
        self.lease.turn_to(own)
        client.connection_pool = self.lease
        try:
            return await send(client)
        finally:
            client.connection_pool = own
            await client.aclose()


class Batching:
    """Asks as another does, and sends batches as pipelines and transactions of redis.asyncio."""

    def __init__(self, asker: SharedClient | SuccessiveClients | NoPool | AsyncMultiplexed) -> None:
        self._asker = asker
        self.lease = asker.lease

    async def ask(self, *request: Any) -> Any:
        """Send one command, given as its words, or one batch."""
        first = request[0]
        if isinstance(first, Batch):
            self.lease.commands = len(first.commands)
            return await self._asker.ask_batch(first)
        self.lease.commands = 1
        return await self._asker.ask(*request)


async def _execute(client: Any, batch: Batch, lease: AsyncLease, ledger: TaskLedger) -> Any:
    """Send a batch; raise what its first failed command raises."""
    begun = clock()
    pipeline: Any = client.pipeline(transaction=batch.transaction)
    for words in batch.commands:
        pipeline.execute_command(*words)
    ledger.notes.construct += clock() - begun
    lease.opened = True
    return await pipeline.execute()


class Tallied:
    """Asks as another does, and counts the distinct replies."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.replies = Replies()

    @property
    def lease(self) -> asking.Instants:
        """Give the lease of the one that asks."""
        return self._asker.lease

    async def ask(self, *command: Any) -> Any:
        """Send one command and count its reply."""
        reply = await self._asker.ask(*command)
        self.replies.count(reply)
        return reply


class Asker(Protocol):
    """What a handler awaits for each command; its lease holds the instants."""

    @property
    def lease(self) -> asking.Instants:
        """Give what noted the instants."""

    def ask(self, *command: Any) -> Coroutine[Any, Any, Any]:
        """Send one command and give its reply, when awaited."""


def make_asker(  # noqa: PLR0913 - how a handler asks depends on all of it
    case: Case,
    endpoint: Endpoint,
    common: AnyPool | AsyncGlideConnection | None,
    ledger: TaskLedger,
    *,
    batches: bool = False,
    as_given: bool = False,
) -> Asker:
    """Choose how one handler asks, over what it has in common with the others.

    `as_given` keeps the client from making anything of its own of the replies.
    """
    asker: SharedClient | SuccessiveClients | NoPool | AsyncMultiplexed
    of = library(case)
    if as_given:
        of = replace(of, client=unread(of.client))
    if case.pool is Pool.MULTIPLEXED:
        from valkeybench.load.async_glide_asking import AsyncMultiplexed  # noqa: PLC0415 - optional

        asker = AsyncMultiplexed(cast("AsyncGlideConnection", common), case, ledger)
    elif common is None:
        asker = NoPool(of, case, endpoint, ledger)
    elif case.clients is Clients.SUCCESSIVE:
        asker = SuccessiveClients(of, common, ledger)
    else:
        asker = SharedClient(of, common, ledger)
    return Batching(asker) if batches else asker
