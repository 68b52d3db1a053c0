"""redis-py's cluster client over timed pools, one for each node, and how handlers ask with it.

`RedisCluster` makes its node pools itself, of `connection_pool_class`, and only when it is
built with `url=`: with `host=` or `startup_nodes=` it takes a plain ConnectionPool and says
nothing. Of what it is given it passes on what is in a list of its own: not `ssl_min_version`,
not `ssl_ciphers`, nothing of ours. So the pool class it gets is a function, which adds the rest.
"""

from __future__ import annotations

import threading
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import redis
from redis.cluster import ClusterNode
from redis.exceptions import AskError, MovedError

from valkeybench.load.asking import client_settings, connection_class
from valkeybench.load.connections import FairQueue, RaisingPool, WaitingPool
from valkeybench.load.ledger import NodeLedger
from valkeybench.measurement.measurement import NodeShare, Opening
from valkeybench.measurement.metrics import OPENING
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from valkeybench.load.asking import AnyPool
    from valkeybench.load.ledger import Ledger
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

_NOT_FOR_NODES = ("host", "port", "db", "retry", "maint_notifications_config")
"""What the cluster client chooses for each node itself."""

_REINITIALIZE_STEPS = 5
"""After how many MOVED the whole topology is asked for again; redis-py's default."""


def make_cluster(case: Case, endpoint: Endpoint, ledger: Ledger) -> Cluster:
    """Make what one process's handlers reach a cluster with."""
    return Cluster(case, endpoint, ledger)


class Turn(threading.local):
    """Whose command the thread is on: the one the node pools tell what they hand out."""

    lease: NodeLease | Finding | None = None


class NodeLease:
    """What one handler's command went through, over whichever nodes' pools.

    As a Lease has it: `held`, `replied`, `opened` and `seen`. A command that is sent on to
    another node takes a connection there as well; what that takes belongs before the
    connection was in hand, and `seen` is of the pool that was asked last.
    """

    __slots__ = ("commands", "held", "opened", "replied", "seen")

    def __init__(self) -> None:
        self.begin()
        self.replied, self.opened, self.commands = 0, False, 1

    def begin(self) -> None:
        """Begin with a command: no pool was asked yet."""
        self.held, self.seen = 0, -1

    def taken(self, connection: Any, asked: int) -> None:
        """Note that a connection asked for at that instant is in hand."""
        if connection.opening_ns:
            self._claim(connection)
        now = clock()
        self.held = self.held + now - asked if self.held else now

    def given(self, connection: Any) -> None:
        """Note that the reply is parsed, and the connection on its way back."""
        self.replied = clock()
        if connection.opening_ns:  # it was opened again within the command
            self.held += connection.opening_ns
            self._claim(connection)

    def _claim(self, connection: Any) -> None:
        connection.opening_ns = 0
        self.opened = True


class Finding:
    """What a cluster client asks before it is ready, CLUSTER SLOTS and COMMAND, is set-up."""

    __slots__ = ("_asked", "_ledger", "seen")

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._asked = self.seen = 0

    def taken(self, _connection: Any, _asked: int) -> None:
        """Note that it is about to ask."""
        self._asked = clock()

    def given(self, _connection: Any) -> None:
        """Note that it has its answer."""
        self._ledger.notes.handshake += clock() - self._asked


class _OfNode:
    """Makes a pool tell whose turn it is what it hands out."""

    def __init__(self, *, turn: Turn, number: int, **settings: Any) -> None:
        self._turn = turn
        super().__init__(**settings)
        self._base = number * (self.max_connections + 1)  # type: ignore[attr-defined]  # of the pool mixed with

    def get_connection(self, *_: Any, **__: Any) -> Any:
        lease = self._turn.lease
        if lease is None:
            return super().get_connection()  # type: ignore[misc]  # as above
        asked = clock()
        lease.seen = self._base + len(self.watched)  # type: ignore[attr-defined]  # as above
        connection = super().get_connection()  # type: ignore[misc]  # as above
        lease.taken(connection, asked)
        return connection

    def release(self, connection: Any) -> None:
        if (lease := self._turn.lease) is not None:
            lease.given(connection)
        super().release(connection)  # type: ignore[misc]  # as above


class _RaisingNodePool(_OfNode, RaisingPool):
    """A node's ConnectionPool."""


class _WaitingNodePool(_OfNode, WaitingPool):
    """A node's BlockingConnectionPool."""


class _BriefNodePool(_RaisingNodePool):
    """A node's pool for one command: nobody counts what is in use of it."""

    def __init__(self, *, number: int, **settings: Any) -> None:
        super().__init__(number=number, **settings)
        self._base = number

    @property
    def watched(self) -> Sequence[object]:
        """Give what never grows."""
        return ()


class _CountingCluster(redis.RedisCluster):
    """redis-py's cluster client with its redirections and retries counted."""

    def __init__(self, *, cluster: Cluster, **settings: Any) -> None:
        self._cluster = cluster
        super().__init__(**settings)

    def _record_error_metric(
        self, error: Exception, connection: Any, *args: Any, **kwargs: Any
    ) -> None:
        # Called for every redirection and every error, never for a command that goes well.
        self._cluster.note(error, connection, **kwargs)
        super()._record_error_metric(error, connection, *args, **kwargs)


class Cluster:
    """One process's way to a cluster: a client for all handlers, or one for each command.

    Nodes have numbers, in the order of the endpoint's; one more stands for all others, which
    may join while the load runs.
    """

    def __init__(self, case: Case, endpoint: Endpoint, ledger: Ledger) -> None:
        self._case = case
        self._endpoint = endpoint
        self._ledger = ledger
        self._turn = Turn()
        self._names = [node.endpoint.address for node in endpoint.nodes]
        self._numbers = {
            (n.endpoint.host, n.endpoint.port): i for i, n in enumerate(endpoint.nodes)
        }
        self._nodes = [NodeLedger(ledger) for _ in range(self.numbers)]
        self._settings = client_settings(case, endpoint, ledger.shared)
        self._client: redis.RedisCluster | None = None
        self.discovery = Opening()
        """What finding the nodes opened, before any pool was filled."""

    @property
    def numbers(self) -> int:
        """Count the nodes, and one for all that are not among them."""
        return len(self._endpoint.nodes) + 1

    def find(self) -> None:
        """Build the client all handlers share, if they do; raises what redis-py raises."""
        if self._case.pool.is_pooled:
            self._ledger.notes.take()
            self._client = self.make_client()
            self.discovery = Opening(*self._ledger.notes.take()[len(OPENING) :])

    def make_client(self) -> redis.RedisCluster:
        """Build a client, which asks a node for all others before it is ready."""
        host = self._endpoint.host
        shown = f"[{host}]" if ":" in host else host
        known = [(node.endpoint.host, node.endpoint.port) for node in self._endpoint.nodes]
        names = ("decode_responses", "protocol", "retry", "maint_notifications_config")
        self._turn.lease = Finding(self._ledger)
        try:
            return _CountingCluster(
                cluster=self,
                startup_nodes=[ClusterNode(*place) for place in known],
                url=f"redis://{shown}:{self._endpoint.port}",
                connection_pool_class=self._make_pool,
                require_full_coverage=True,
                reinitialize_steps=_REINITIALIZE_STEPS,
                **{name: self._settings[name] for name in names if name in self._settings},
            )
        finally:
            self._turn.lease = None

    def pools(self) -> Sequence[AnyPool]:
        """Give the pool of every primary; none when each command has a client of its own."""
        if self._client is None:
            return ()
        nodes: Any = self._client.get_primaries()
        return [node.redis_connection.connection_pool for node in nodes]

    def make_asker(self) -> SharedCluster | SuccessiveClusters:
        """Give what one handler asks with."""
        if self._client is None:
            return SuccessiveClusters(self, self._turn)
        return SharedCluster(self._client, self._turn)

    def note(
        self,
        error: Exception,
        connection: Any,
        *,
        retry_attempts: int | None = None,
        is_internal: bool = True,
    ) -> None:
        """Note an error: a redirection, or one that the client is going to try again."""
        if isinstance(error, MovedError | AskError) and connection is not None:
            node = self._nodes[self._number(connection.host, connection.port)]
            node.shared.redirected(for_good=isinstance(error, MovedError))
        elif retry_attempts and is_internal:
            self._ledger.shared.retried()

    def shares(self, by_node: NDArray[Any]) -> dict[str, NodeShare]:
        """Say what fell to each node; commands by what handlers saw of its pool."""
        names = [*self._names, ELSEWHERE]
        found = {
            name: NodeShare(
                commands=int(asked.sum()),
                connections=node.shared.connections,
                open_max=node.shared.open_max,
                in_use=asked if self._client is not None else asked[:0],
                moved=node.shared.moved,
                asked=node.shared.asked,
            )
            for name, node, asked in zip(names, self._nodes, by_node, strict=True)
        }
        other = found.pop(ELSEWHERE)
        return found | ({ELSEWHERE: other} if other.commands or other.connections else {})

    def _number(self, host: str, port: int) -> int:
        return self._numbers.get((host, port), len(self._numbers))

    def _make_pool(self, **given: Any) -> AnyPool:
        """Make a node's pool of what the cluster client says of it, and of what it left out."""
        case, number = self._case, self._number(given["host"], given["port"])
        settings = {
            **given,
            **{name: value for name, value in self._settings.items() if name not in _NOT_FOR_NODES},
            "connection_class": connection_class(self._endpoint, rtt_ns=case.rtt_ns),
            "ledger": self._nodes[number],
            "turn": self._turn,
            "number": number,
        }
        if not case.pool.is_pooled:
            return _BriefNodePool(**settings)
        settings["max_connections"] = case.max_connections
        if case.pool is Pool.RAISING:
            return _RaisingNodePool(**settings)
        wait_ns = case.pool_timeout_ns
        settings["timeout"] = None if wait_ns is None else wait_ns / 1e9
        if case.pool is Pool.FAIR:
            settings["queue_class"] = FairQueue
        return _WaitingNodePool(**settings)


ELSEWHERE = "elsewhere"
"""Stands for nodes that were not there when the run began."""


class SharedCluster:
    """Asks with the one client all handlers of a process share: the usual way."""

    def __init__(self, client: redis.RedisCluster, turn: Turn) -> None:
        self.lease = NodeLease()
        self._turn = turn
        self._execute: Any = client.execute_command

    def ask(self, *command: str) -> Any:
        """Send one command to the node that holds its key."""
        lease = self._turn.lease = self.lease
        lease.begin()
        return self._execute(*command)


class SuccessiveClusters:
    """Asks with a new client for each command, which finds the nodes first; closed after it."""

    def __init__(self, cluster: Cluster, turn: Turn) -> None:
        self.lease = NodeLease()
        self._cluster = cluster
        self._turn = turn

    def ask(self, *command: str) -> Any:
        """Build a client, find the nodes, send one command, close every connection."""
        self.lease.begin()
        client: Any = self._cluster.make_client()
        self._turn.lease = self.lease
        try:
            return client.execute_command(*command)
        finally:
            self._turn.lease = None
            # Its own close() leaves the pools of a client built with url= open.
            client.disconnect_connection_pools()
            client.close()
