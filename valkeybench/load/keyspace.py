"""The keys of a run: all under one prefix of its own, loaded before and removed after."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import redis

from valkeybench.errors import ServerError
from valkeybench.load.asking import client_settings, connection_class
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.plan.workload import keys_to_load, keys_touched
from valkeybench.scenario.model import Case, Handshake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from valkeybench.scenario.model import Scenario
    from valkeybench.server.endpoint import Endpoint

_TOGETHER = 1000
"""Keys in one pipeline: a few milliseconds of a server's time."""


@dataclass(slots=True)
class Keyspace:
    """What became of a run's keys."""

    left_behind: str = ""
    """Why keys could not be removed; empty when they were."""


@contextmanager
def own_keyspace(endpoint: Endpoint, scenario: Scenario, *, prefix: str) -> Iterator[Keyspace]:
    """Load the keys that reads need, and remove every key the commands name afterwards.

    Raises ServerError when keys cannot be loaded. That they cannot be removed is no error:
    it is said in the Keyspace, for whoever reports.
    """
    keyspace, commands = Keyspace(), scenario.commands
    value = "x" * max(scenario.axes.value_size)
    client = _client(endpoint)
    try:
        _load(client, keys_to_load(commands, prefix=prefix), value)
        yield keyspace
    finally:
        try:
            _remove(client, keys_touched(commands, prefix=prefix))
        except redis.RedisError as error:
            keyspace.left_behind = f"those beginning with {prefix}: {error}"
        client.close()


def _client(endpoint: Endpoint) -> redis.Redis:
    ledger = Ledger(Shared())
    pool = redis.ConnectionPool(
        connection_class=connection_class(endpoint),
        ledger=ledger,
        **client_settings(Case(handshake=Handshake.MINIMAL), endpoint, ledger.shared),
    )
    return redis.Redis.from_pool(pool)


def _load(client: redis.Redis, keys: Iterable[str], value: str) -> None:
    try:
        for some in _batches(keys):
            pipeline = client.pipeline(transaction=False)
            for key in some:
                pipeline.set(key, value)
            pipeline.execute()
    except redis.RedisError as error:
        raise ServerError(
            f"the keys that the commands read could not be written: {error}",
            remedy="the user needs SET and UNLINK on keys that begin with valkeybench:",
        ) from None


def _remove(client: redis.Redis, keys: Iterable[str]) -> None:
    for some in _batches(keys):
        client.unlink(*some)


def _batches(keys: Iterable[str]) -> Iterator[list[str]]:
    remaining = iter(keys)
    while some := list(islice(remaining, _TOGETHER)):
        yield some
