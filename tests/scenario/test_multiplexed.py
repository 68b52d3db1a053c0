"""valkey-glide has one connection for all handlers: no pool, no size, and few levers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scenario.reading import problems, read
from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import Case, Client, Driver, Pool
from valkeybench.scenario.sizing import one_load

GLIDE = {"client": "valkey-glide"}
ALL = {"client": "redis-py,valkey-py,valkey-glide"}


def policies(flags: dict[str, str]) -> list[tuple[Client | None, Pool]]:
    """Say which client has which policy, case by case."""
    return [(case.client, case.pool) for case in read(flags=flags).cases()]


def test_alone_it_is_one_case_of_one_policy_that_nobody_has_to_name() -> None:
    """Sizes and timeouts of pools, which it has not, do not multiply it."""
    scenario = read(flags={**GLIDE, "max_conn": "5,10", "pool_timeout": "1s,2s"})
    [case] = scenario.cases()
    assert (Pool.MULTIPLEXED,) == scenario.axes.pool
    assert (Pool.MULTIPLEXED, None, None) == (case.pool, case.max_connections, case.clients)
    assert case == case.meaningful()
    assert scenario == read(flags={**GLIDE, "max_conn": "5,10", "pool_timeout": "1s,2s"} | POOL)


POOL = {"pool": "multiplexed"}


@pytest.mark.parametrize("pools", ["none,blocking", "none,blocking,multiplexed"])
def test_beside_others_each_has_the_policies_it_can_have(pools: str) -> None:
    """Pool policies are the pooled clients', and it comes last, once."""
    assert (
        [
            (Client.REDIS_PY, Pool.NONE),
            (Client.VALKEY_PY, Pool.NONE),
            (Client.REDIS_PY, Pool.BLOCKING),
            (Client.VALKEY_PY, Pool.BLOCKING),
            (Client.VALKEY_GLIDE, Pool.MULTIPLEXED),
        ]
        == policies({**ALL, "pool": pools})
        == policies(ALL)
    )


def test_the_bare_wire_has_its_own_pools_whatever_client_stands_beside_it() -> None:
    """No client library is none of it."""
    found = read(flags={**GLIDE, "driver": "threads,wire", "pool": "fair"}).cases()
    assert [(Driver.WIRE, Pool.FAIR), (Driver.THREADS, Pool.MULTIPLEXED)] == [
        (case.driver, case.pool) for case in found
    ]


def test_levers_of_other_clients_are_left_to_them() -> None:
    """They neither multiply its cases nor show in them."""
    levers = {"handshake": "minimal", "decode_responses": "true", "retries": "2"}
    found = read(flags={**ALL, **levers, "clients": "shared,successive"}).cases()
    [glide] = [case for case in found if case.client is Client.VALKEY_GLIDE]
    assert Case(client=Client.VALKEY_GLIDE).meaningful() == glide


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (GLIDE | {"pool": "blocking"}, "--pool: valkey-glide has one connection for all handlers"),
        (GLIDE | {"pool": "none,multiplexed"}, "--pool: valkey-glide has one connection"),
        (GLIDE | {"clients": "successive"}, "--clients: to valkey-glide a new client is"),
        (GLIDE | {"handshake": "minimal"}, "--handshake: valkey-glide introduces itself in one"),
        (GLIDE | {"decode_responses": "true"}, "--decode-responses: valkey-glide decodes nothing"),
        (GLIDE | {"retries": "1"}, "--retries: valkey-glide tries no command again"),
        (GLIDE | {"cluster": "true"}, "--client: a cluster is measured with redis-py only"),
        (POOL, "--pool: one connection for all handlers is what valkey-glide has"),
        (ALL | POOL, "--pool: leaves redis-py, valkey-py without a pool policy"),
        (POOL | {"driver": "wire"}, "--pool: one connection for all handlers is what"),
        (GLIDE | POOL | {"driver": "threads,wire"}, "--pool: leaves the driver wire without"),
        (GLIDE | {"tls": "on", "ciphers": "X"}, "valkey-glide has no such lever"),
        (ALL | {"tls": "on", "tls_min_version": "1.3"}, "valkey-glide has no such lever"),
    ],
)
def test_what_makes_no_sense_is_refused(flags: dict[str, Any], said: str) -> None:
    """Where, why, and what to do instead."""
    [problem] = problems(flags=flags)
    assert said in problem


def test_there_is_no_size_to_search_for() -> None:
    """Of one connection, or of a pool that no client library has."""
    for flags, said in (
        (GLIDE, "valkey-glide has one connection and no pool"),
        ({"driver": "wire", "pool": "fair"}, "the bare wire has no client library"),
    ):
        with pytest.raises(ScenarioError, match=said):
            one_load(read(flags=flags))
