"""The keys of a run: all under one prefix of its own, loaded before and removed after."""

from __future__ import annotations

from collections import defaultdict
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import redis
from redis.exceptions import RedisClusterException, ResponseError

from valkeybench.errors import ServerError
from valkeybench.load.asking import client_settings, connection_class
from valkeybench.load.cluster import make_cluster
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.load.reply_code import reply_code
from valkeybench.measurement.measurement import Loaded
from valkeybench.plan.dataset import keys_touched, writes
from valkeybench.plan.footprint import data_seed, key_beginnings
from valkeybench.scenario.model import Case, Handshake, Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from valkeybench.scenario.model import Scenario
    from valkeybench.server.endpoint import Endpoint

    AnyClient = redis.Redis | redis.RedisCluster
    Commands = Iterable[tuple[str, ...]]

_ERRORS = (redis.RedisError, RedisClusterException)
"""What redis-py raises; the second is of the cluster client alone, and not one of the first."""

_RIGHTS = (
    "the user needs SET (or HSET, RPUSH and LTRIM, SADD, ZADD, XADD) and UNLINK or DEL on keys "
    "that begin with valkeybench:"
)
_REMEDIES = {
    "OOM": "raise the server's maxmemory, or load less: fewer keys, a smaller --value-size, or "
    "none with --no-data-set",
    "READONLY": "name the primary: this is a replica of it",
    "": "see the server's log, and that nothing in between cuts connections",
}
"""What to do when the keys cannot be written, by what the server says; nothing: it is gone."""

_TOGETHER = 1000
"""Commands in one pipeline: a few milliseconds of a server's time."""
_BYTES_TOGETHER = 4 * 2**20
"""Bytes from which a pipeline is sent off, however few commands it holds."""


@dataclass(slots=True)
class Keyspace:
    """What became of a run's keys."""

    loaded: Loaded = field(default_factory=Loaded)
    left_behind: str = ""
    """Why keys could not be removed; empty when they were."""
    life: str | None = None
    """The start of the server that has them, as far as it tells."""
    load: Callable[[], Loaded] = Loaded
    """Writes what the commands read; raises ServerError."""

    def follow(self, life: str | None) -> None:
        """Write the keys again where a server lost them: one that was started anew since.

        Raises ServerError.
        """
        if life != self.life:
            self.load()
            self.life = life


@contextmanager
def own_keyspace(
    endpoint: Endpoint, scenario: Scenario, *, prefix: str, life: str | None = None
) -> Iterator[Keyspace]:
    """Load what reads expect to find, and remove every key the commands name afterwards.

    `life` is the server's, as it says itself. Raises ServerError when it cannot be loaded, or when
    it is plain before that it could not be removed again. That keys cannot be removed is no error:
    it is said in the Keyspace, for whoever reports.
    """
    keyspace = Keyspace(life=life)
    prefixes = [prefix for _, prefix in key_beginnings(scenario, prefix)]
    client = _client(endpoint)
    try:
        if scenario.data_set:
            _see_that_it_can_go(client, scenario, prefix)
            keyspace.load = partial(_load, client, endpoint, scenario, prefix)
            keyspace.loaded = keyspace.load()
        yield keyspace
    finally:

        def touched() -> Iterator[str]:
            for each in prefixes:
                yield from keys_touched(scenario.commands, prefix=each)

        trouble = (
            _remove_everywhere(client, touched) if endpoint.nodes else _remove(client, touched())
        )
        if trouble:
            said = f"those beginning with {prefix}: {trouble}"
            keyspace.left_behind = endpoint.masked(said)
        if isinstance(client, redis.RedisCluster):
            client.disconnect_connection_pools()
        client.close()


def open_client(endpoint: Endpoint) -> redis.Redis:
    """Make a client for what is asked around the load, over at most one connection."""
    ledger = Ledger(Shared())
    pool = redis.ConnectionPool(
        connection_class=connection_class(endpoint),
        ledger=ledger,
        **client_settings(Case(handshake=Handshake.MINIMAL), endpoint, ledger.shared),
    )
    return redis.Redis.from_pool(pool)


def _client(endpoint: Endpoint) -> AnyClient:
    """Make a client that reaches every key: of all nodes, when it is a cluster."""
    if not endpoint.nodes:
        return open_client(endpoint)
    case = Case(pool=Pool.RAISING, handshake=Handshake.MINIMAL)
    try:
        return make_cluster(case, endpoint, Ledger(Shared())).make_client()
    except _ERRORS as error:
        said = endpoint.masked(f"{endpoint.address}: the cluster cannot be used: {error}")
        raise ServerError(said) from None


def _see_that_it_can_go(client: AnyClient, scenario: Scenario, prefix: str) -> None:
    """Remove a key that is not there; raises ServerError when the user may not remove any."""
    wanted = (
        writes(scenario.commands, seed="", prefix=each, value_size=size)
        for size, each in key_beginnings(scenario, prefix)
    )
    key, _ = next(chain.from_iterable(wanted), ("", []))
    if not key:
        return
    try:
        _Removing()(client, [f"{key}:gone"])
    except _ERRORS as error:
        if reply_code(error) != "NOPERM DEL":
            return  # what else is wrong shows when it is loaded
        raise ServerError(
            "the user may use neither UNLINK nor DEL: the keys that the commands read, written "
            "before the load, would be left behind",
            remedy="permit one of them (ACL SETUSER <name> +unlink), or load no keys with "
            "--no-data-set",
        ) from None


def _load(client: AnyClient, endpoint: Endpoint, scenario: Scenario, prefix: str) -> Loaded:
    keys = size = 0
    begun = clock()
    sending = _Sending(client)
    try:
        for value_size, each in key_beginnings(scenario, prefix):
            for _, commands in writes(
                scenario.commands, seed=data_seed(scenario), prefix=each, value_size=value_size
            ):
                keys += 1
                size += sending.add(commands)
        sending.send()
        if isinstance(client, redis.Redis) and any(scenario.axes.disturb):
            # Whose connections are killed, and counted, is the load's. Otherwise ours is kept: a
            # server that is full by the end might not let us in to remove the keys.
            client.connection_pool.disconnect()
    except _ERRORS as error:
        raise ServerError(
            endpoint.masked(f"the keys that the commands read could not be written: {error}"),
            remedy=_REMEDIES.get(reply_code(error), _RIGHTS),
        ) from None
    return Loaded(keys, size, clock() - begun) if keys else Loaded()


class _Sending:
    """Sends commands in pipelines: neither too many at once nor too much."""

    def __init__(self, client: AnyClient) -> None:
        self._pipeline: Any = client.pipeline(transaction=False)
        self._size = 0

    def add(self, commands: Commands) -> int:
        """Send these with others, now or later; give the bytes of their words."""
        size = 0
        for words in commands:
            self._pipeline.execute_command(*words)
            size += sum(len(word.encode()) for word in words[1:])
        self._size += size
        if len(self._pipeline) >= _TOGETHER or self._size >= _BYTES_TOGETHER:
            self.send()
        return size

    def send(self) -> None:
        """Send what is left."""
        self._pipeline.execute()
        self._size = 0


def _remove(client: AnyClient, keys: Iterable[str]) -> str:
    """Remove keys; give why they could not be, or nothing."""
    remove = _Removing()
    try:
        for some in _batches(keys):
            remove(client, some)
    except _ERRORS as error:
        return str(error)
    return ""


def _remove_everywhere(client: Any, keys: Callable[[], Iterable[str]]) -> str:
    """Remove keys from a cluster, also from a replica that took a primary's place meanwhile."""
    trouble, slots = _remove_from_nodes(client, keys())
    if trouble:
        with suppress(*_ERRORS):
            client.nodes_manager.initialize()
        left = (key for key in keys() if client.keyslot(key) in slots)
        trouble, _ = _remove_from_nodes(client, left)
    return "; ".join(f"on {node}: {error}" for node, error in sorted(trouble.items()))


def _remove_from_nodes(client: Any, keys: Iterable[str]) -> tuple[dict[str, str], set[int]]:
    """Remove keys node by node: one that is gone must not keep them on the others.

    Gives what was wrong with each node, and the slots whose keys it may have left.
    """
    trouble: dict[str, str] = {}
    slots: set[int] = set()
    remove = _Removing()
    for some in _batches(keys):
        by_node = defaultdict(list)
        for key in some:
            by_node[client.get_node_from_key(key).name].append(key)
        for node, its in by_node.items():
            if node not in trouble:
                try:
                    remove(client, its)
                except _ERRORS as error:
                    trouble[node] = str(error)
            if node in trouble:
                slots.update(map(client.keyslot, its))
    return trouble, slots


class _Removing:
    """Removes keys by UNLINK; by DEL, which takes the server longer, once that is refused."""

    def __init__(self) -> None:
        self._word = "UNLINK"

    def __call__(self, client: AnyClient, keys: Sequence[str]) -> None:
        """Remove these, which are on one node."""
        try:
            self._send(client, keys)
        except ResponseError:
            if self._word == "DEL":
                raise
            self._word = "DEL"
            self._send(client, keys)
        except redis.ConnectionError:  # cut off: once more, over a new connection
            self._send(client, keys)

    def _send(self, client: AnyClient, keys: Sequence[str]) -> None:
        if not isinstance(client, redis.RedisCluster):
            client.execute_command(self._word, *keys)
            return
        pipeline: Any = client.pipeline()
        for key in keys:
            pipeline.execute_command(self._word, key)
        pipeline.execute()


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while some := list(islice(remaining, _TOGETHER)):
        yield some
