"""How a handler gets a client to ask with: the pool policies, each as one callable.

An `Asker` is what a handler calls for each command. Its lease holds the instants.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any, Protocol, cast

import redis
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from valkeybench.load.connections import (
    DelayedConnection,
    DelayedTlsConnection,
    DelayedUnixConnection,
    FairQueue,
    Lease,
    RaisingPool,
    TimedConnection,
    TimedTlsConnection,
    TimedUnixConnection,
    WaitingPool,
)
from valkeybench.load.tally import Replies, unread
from valkeybench.plan.workload import Batch, command_table
from valkeybench.scenario.model import Client, Clients, Handshake, Pool

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.load.glide_asking import GlideConnection, Multiplexed
    from valkeybench.load.ledger import Ledger, Shared, TaskLedger
    from valkeybench.plan.trial import Trial
    from valkeybench.plan.workload import Request
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

    AnyPool = RaisingPool | WaitingPool
    AnyConnectionClass = type[redis.Connection | redis.UnixDomainSocketConnection]

BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS = 0.01, 1.0
"""What redis-py 8 uses for its own retries; here only when a scenario asks for retries."""


def client_settings(case: Case, endpoint: Endpoint, shared: Shared) -> dict[str, Any]:
    """Give redis-py's keyword arguments for a case, nothing left to its defaults."""
    settings = {
        **endpoint.connection_kwargs(),
        "socket_timeout": in_seconds(case.socket_timeout_ns),
        "socket_connect_timeout": in_seconds(case.connect_timeout_ns),
        "decode_responses": case.decode_responses,
        "protocol": case.protocol,
        "retry": _retry(case, shared),
    }
    if endpoint.path is not None:
        del settings["socket_connect_timeout"]
    if case.handshake is Handshake.MINIMAL:
        settings["driver_info"] = None
        settings["maint_notifications_config"] = MaintNotificationsConfig(enabled=False)
    return settings


def connection_class(endpoint: Endpoint, *, rtt_ns: int = 0) -> AnyConnectionClass:
    """Choose the timed connection that reaches the endpoint, over an emulated distance or not."""
    if endpoint.path is not None:
        return DelayedUnixConnection if rtt_ns else TimedUnixConnection
    if endpoint.tls:
        return DelayedTlsConnection if rtt_ns else TimedTlsConnection
    return DelayedConnection if rtt_ns else TimedConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """A client library of redis-py's family, for threads or tasks: what pool policies are of."""

    client: Callable[..., Any]
    lease: Callable[..., Any]
    settings: Callable[[Case, Endpoint, Shared], dict[str, Any]]
    connection_class: Callable[..., Any]
    raising_pool: Callable[..., Any]
    waiting_pool: Callable[..., Any]
    fair_pool: Callable[..., Any]


def library(case: Case) -> Library:
    """Choose the library a case asks for."""
    if case.client is Client.VALKEY_PY:
        from valkeybench.load.valkey_asking import valkey_py  # noqa: PLC0415 - optional

        return valkey_py()
    return Library(
        client=redis.Redis,
        lease=Lease,
        settings=client_settings,
        connection_class=connection_class,
        raising_pool=RaisingPool,
        waiting_pool=WaitingPool,
        fair_pool=partial(WaitingPool, queue_class=FairQueue),
    )


def make_common(case: Case, endpoint: Endpoint, ledger: Ledger) -> AnyPool | GlideConnection | None:
    """Make what a case's handlers have in common: a pool, one connection, or nothing."""
    if case.pool is Pool.MULTIPLEXED:
        from valkeybench.load.glide_asking import GlideConnection  # noqa: PLC0415 - optional

        return GlideConnection(case, endpoint, ledger)
    return make_pool(case, endpoint, ledger) if case.pool.is_pooled else None


def make_pool(case: Case, endpoint: Endpoint, ledger: Ledger) -> AnyPool:
    """Build the pool a case's handlers share."""
    pool: AnyPool = pool_of(library(case), case, endpoint, ledger)
    return pool


def pool_of(of: Library, case: Case, endpoint: Endpoint, ledger: Ledger | TaskLedger) -> Any:
    """Build the pool of a library that a case asks for."""
    settings = {
        **of.settings(case, endpoint, ledger.shared),
        "connection_class": of.connection_class(endpoint, rtt_ns=case.rtt_ns),
        "max_connections": case.max_connections,
        "ledger": ledger,
    }
    if case.pool is Pool.RAISING:
        return of.raising_pool(**settings)
    settings["timeout"] = in_seconds(case.pool_timeout_ns)
    make = of.fair_pool if case.pool is Pool.FAIR else of.waiting_pool
    return make(**settings)


def retry_backoff() -> ExponentialWithJitterBackoff:
    """Give the pauses between attempts."""
    return ExponentialWithJitterBackoff(base=BACKOFF_BASE_SECONDS, cap=BACKOFF_CAP_SECONDS)


class CountingRetry(Retry):
    """redis-py's retry with a count."""

    def __init__(self, retries: int, shared: Shared) -> None:
        super().__init__(retry_backoff(), retries)
        self._shared = shared

    def __deepcopy__(self, memo: dict[int, Any]) -> CountingRetry:
        """Stay one: each connection copies its retry, and the count is common to all."""
        return self

    def call_with_retry(
        self, do: Callable[[], Any], fail: Callable[..., Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Try, and count every time it is tried again."""
        counted = self._shared.counting(fail, self._retries)
        return super().call_with_retry(do, counted, *args, **kwargs)


def _retry(case: Case, shared: Shared) -> Retry:
    """Give what a case asks for; never what redis-py defaults to, which differs by class."""
    # Not a CountingRetry with nothing to count: it would cost every command.
    return CountingRetry(case.retries, shared) if case.retries else Retry(NoBackoff(), 0)


class SharedClient:
    """Asks with one client kept over the common pool: the usual way."""

    def __init__(self, of: Library, pool: Any, ledger: Ledger) -> None:
        self.lease = of.lease(pool, pool.watched)
        self._ledger = ledger
        self._client = of.client(connection_pool=self.lease)
        self.ask = self._client.execute_command

    def ask_batch(self, batch: Batch) -> Any:
        """Send a batch."""
        return _execute(self._client, batch, self.lease, self._ledger)


class SuccessiveClients:
    """Asks with a new client for each command, over the common pool."""

    def __init__(self, of: Library, pool: Any, ledger: Ledger) -> None:
        self.lease = of.lease(pool, pool.watched)
        self._make_client = of.client
        self._ledger = ledger

    def ask(self, *command: str) -> Any:
        """Build a client and send one command with it."""
        return self._client().execute_command(*command)

    def ask_batch(self, batch: Batch) -> Any:
        """Build a client and send a batch with it."""
        return _execute(self._client(), batch, self.lease, self._ledger)

    def _client(self) -> Any:
        begun = clock()
        client = self._make_client(connection_pool=self.lease)
        self._ledger.notes.construct += clock() - begun
        self.lease.opened = True
        return client


class NoPool:
    """Asks with a new client and a new connection for each command, closed after it."""

    def __init__(self, of: Library, case: Case, endpoint: Endpoint, ledger: Ledger) -> None:
        self.lease = of.lease()
        self._make_client = of.client
        self._ledger = ledger
        self._connection_class = of.connection_class(endpoint, rtt_ns=case.rtt_ns)
        self._settings = of.settings(case, endpoint, ledger.shared)
        if endpoint.tls:
            self._settings["ssl"] = True
        if endpoint.path is not None:
            self._settings["unix_socket_path"] = self._settings.pop("path")

    def ask(self, *command: str) -> Any:
        """Build a client, connect, send one command, close."""
        return self._ask_with(lambda client: client.execute_command(*command))

    def ask_batch(self, batch: Batch) -> Any:
        """Build a client, connect, send a batch, close."""
        return self._ask_with(lambda client: _execute(client, batch, self.lease, self._ledger))

    def _ask_with(self, send: Callable[[Any], Any]) -> Any:
        client = self._make_client(**self._settings)
        own = client.connection_pool
        own.connection_class = self._connection_class
        own.connection_kwargs["ledger"] = self._ledger
        self.lease.turn_to(own)
        client.connection_pool = self.lease
        try:
            return send(client)
        finally:
            # The client closes what it holds now and once more when it is collected,
            # possibly in the middle of the next command: not through the lease, then.
            client.connection_pool = own
            client.close()


class Batching:
    """Asks as another does, and sends batches as pipelines and transactions of redis-py.

    `arguments` turns a request into what `ask` takes, so that whoever asks for single
    commands alone pays nothing for batches.
    """

    def __init__(self, asker: SharedClient | SuccessiveClients | NoPool | Multiplexed) -> None:
        self._asker = asker
        self.lease = asker.lease

    def ask(self, *request: Any) -> Any:
        """Send one command, given as its words, or one batch."""
        first = request[0]
        if isinstance(first, Batch):
            self.lease.commands = len(first.commands)
            return self._asker.ask_batch(first)
        self.lease.commands = 1
        return self._asker.ask(*request)


def arguments(request: Request) -> tuple[Any, ...]:
    """Give what to call `ask` with: the words of a command, or a batch alone."""
    return (request,) if isinstance(request, Batch) else request


def drawn(trial: Trial, *, process: int) -> list[tuple[Any, ...]]:
    """Draw what one process's handlers ask, as what to call `ask` with.

    Before anybody waits for it: a table of large batches takes its time.
    """
    seed = f"{trial.seed}/{process}"
    table = command_table(
        trial.commands, seed=seed, prefix=trial.key_prefix, value_size=trial.case.value_size
    )
    return [arguments(request) for request in table]


def _execute(client: Any, batch: Batch, lease: Lease, ledger: Ledger) -> Any:
    """Send a batch; raise what its first failed command raises.

    Building the pipeline happens before a connection is asked for, so it is no waiting.
    """
    begun = clock()
    pipeline = client.pipeline(transaction=batch.transaction)
    for words in batch.commands:
        pipeline.execute_command(*words)
    ledger.notes.construct += clock() - begun
    lease.opened = True
    return pipeline.execute()


class Tallied:
    """Asks as another does, and counts the distinct replies."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker
        self.replies = Replies()

    @property
    def lease(self) -> Instants:
        """Give the lease of the one that asks."""
        return self._asker.lease

    def ask(self, *command: Any) -> Any:
        """Send one command and count its reply."""
        reply = self._asker.ask(*command)
        self.replies.count(reply)
        return reply


class Instants(Protocol):
    """What a lease says of the command just sent."""

    held: int
    replied: int
    opened: bool
    seen: int
    commands: int


class Asker(Protocol):
    """What a handler calls for each command; its lease holds the instants."""

    @property
    def lease(self) -> Instants:
        """Give what noted the instants."""

    def ask(self, *command: Any) -> Any:
        """Send one command and give its reply."""


def make_asker(  # noqa: PLR0913 - how a handler asks depends on all of it
    case: Case,
    endpoint: Endpoint,
    common: AnyPool | GlideConnection | None,
    ledger: Ledger,
    *,
    batches: bool = False,
    as_given: bool = False,
) -> Asker:
    """Choose how one handler asks, over what it has in common with the others.

    `as_given` keeps the client from making anything of its own of the replies.
    """
    asker: SharedClient | SuccessiveClients | NoPool | Multiplexed
    of = library(case)
    if as_given:
        of = replace(of, client=unread(of.client))
    if case.pool is Pool.MULTIPLEXED:
        from valkeybench.load.glide_asking import Multiplexed  # noqa: PLC0415 - optional

        asker = Multiplexed(cast("GlideConnection", common), case, ledger)
    elif common is None:
        asker = NoPool(of, case, endpoint, ledger)
    elif case.clients is Clients.SUCCESSIVE:
        asker = SuccessiveClients(of, common, ledger)
    else:
        asker = SharedClient(of, common, ledger)
    return Batching(asker) if batches else asker


def in_seconds(nanoseconds: int | None) -> float | None:
    """Say a timeout in redis-py's unit; None is for ever."""
    return None if nanoseconds is None else nanoseconds / 1e9
