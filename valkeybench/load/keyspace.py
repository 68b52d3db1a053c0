"""The keys of a run: all under one prefix of its own, loaded before and removed after."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

import redis

from valkeybench.errors import ServerError
from valkeybench.load.asking import client_settings, connection_class
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.measurement.measurement import Loaded
from valkeybench.plan.dataset import keys_touched, writes
from valkeybench.plan.trial import key_prefixes
from valkeybench.scenario.model import Case, Handshake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from valkeybench.scenario.model import Scenario
    from valkeybench.server.endpoint import Endpoint

    Commands = Iterable[tuple[str, ...]]

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


@contextmanager
def own_keyspace(endpoint: Endpoint, scenario: Scenario, *, prefix: str) -> Iterator[Keyspace]:
    """Load what reads expect to find, and remove every key the commands name afterwards.

    Raises ServerError when it cannot be loaded. That keys cannot be removed is no error:
    it is said in the Keyspace, for whoever reports.
    """
    keyspace = Keyspace()
    prefixes = key_prefixes(scenario, prefix)
    client = open_client(endpoint)
    try:
        if scenario.data_set:
            keyspace.loaded = _load(client, scenario, prefix)
        yield keyspace
    finally:
        try:
            for each in prefixes.values():
                _remove(client, keys_touched(scenario.commands, prefix=each))
        except redis.RedisError as error:
            keyspace.left_behind = f"those beginning with {prefix}: {error}"
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


def _load(client: redis.Redis, scenario: Scenario, prefix: str) -> Loaded:
    keys = size = 0
    begun = clock()
    sending = _Sending(client)
    try:
        for value_size, each in key_prefixes(scenario, prefix).items():
            for _, commands in writes(
                scenario.commands,
                seed=f"{scenario.seed}/data",
                prefix=each,
                value_size=value_size,
            ):
                keys += 1
                size += sending.add(commands)
        sending.send()
    except redis.RedisError as error:
        raise ServerError(
            f"the keys that the commands read could not be written: {error}",
            remedy="the user needs SET (or HSET, RPUSH and LTRIM, SADD, ZADD, XADD) and UNLINK "
            "on keys that begin with valkeybench:",
        ) from None
    return Loaded(keys, size, clock() - begun) if keys else Loaded()


class _Sending:
    """Sends commands in pipelines: neither too many at once nor too much."""

    def __init__(self, client: redis.Redis) -> None:
        self._pipeline = client.pipeline(transaction=False)
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


def _remove(client: redis.Redis, keys: Iterable[str]) -> None:
    for some in _batches(keys):
        client.unlink(*some)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while some := list(islice(remaining, _TOGETHER)):
        yield some
