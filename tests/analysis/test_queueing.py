"""Queueing formulas agree with published tables, closed forms, each other and a simulation."""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from math import exp, factorial, inf
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.analysis.queueing import (
    FiniteSource,
    allen_cunneen,
    erlang_b,
    erlang_c,
    erlang_mean_wait,
    erlang_wait_exceeds,
    smallest_erlang_pool,
    smallest_pool,
)

loads = st.floats(0.01, 60)
times = st.floats(0.01, 1000)
sizes = st.integers(1, 60)


@st.composite
def finite_sources(draw: st.DrawFn) -> FiniteSource:
    """Draw closed loops from nearly idle to hopelessly crowded."""
    return FiniteSource(
        handlers=draw(sizes), connections=draw(sizes), think_ns=draw(times), hold_ns=draw(times)
    )


@pytest.mark.parametrize(
    ("servers", "load"),
    # The column for 1 % of any printed Erlang B table; 15 servers carry 8.108 erlangs.
    [(1, 0.0101), (2, 0.1526), (5, 1.361), (10, 4.461), (15, 8.108), (20, 12.03), (100, 84.06)],
)
def test_erlang_b_agrees_with_the_printed_table(servers: int, load: float) -> None:
    """At the loads printed for it, one call in a hundred is blocked."""
    assert pytest.approx(0.01, rel=2e-3) == erlang_b(load, servers)


@pytest.mark.parametrize(
    ("load", "servers", "waits"),
    [(1, 2, 1 / 3), (2, 3, 4 / 9), (3, 4, 27 / 53), (4, 5, 0.5541), (8, 10, 0.4092)],
)
def test_erlang_c_agrees_with_textbook_values(load: float, servers: int, waits: float) -> None:
    """The classroom examples of M/M/c come out as printed."""
    assert pytest.approx(waits, rel=2e-4) == erlang_c(load, servers)


@given(loads, sizes)
def test_erlang_b_is_the_truncated_poisson(load: float, servers: int) -> None:
    """The recursion agrees with the sum Erlang wrote down."""
    terms = [load**k / factorial(k) for k in range(servers + 1)]

    assert pytest.approx(terms[-1] / sum(terms), rel=1e-9) == erlang_b(load, servers)


@given(loads, sizes)
def test_more_servers_never_make_more_wait(load: float, servers: int) -> None:
    """Blocking and waiting fall as servers are added, and stay probabilities."""
    assert 0 <= erlang_b(load, servers + 1) < erlang_b(load, servers) <= 1
    assert 0 <= erlang_c(load, servers + 1) <= erlang_c(load, servers) <= 1
    assert erlang_b(load, servers) <= erlang_c(load, servers)


@given(st.floats(0.01, 0.99))
def test_one_server_waits_as_often_as_it_is_busy(load: float) -> None:
    """M/M/1: P(wait) is the load, the wait's tail is the load times an exponential."""
    assert pytest.approx(load) == erlang_c(load, 1)
    assert pytest.approx(load * exp(-(1 - load) * 3)) == erlang_wait_exceeds(
        30, load=load, servers=1, hold_ns=10
    )
    assert pytest.approx(load / (1 - load) * 10) == erlang_mean_wait(
        load=load, servers=1, hold_ns=10
    )


def test_the_mean_wait_is_the_area_under_the_tail() -> None:
    """Mean and distribution of the same wait agree."""
    tail = [erlang_wait_exceeds(t, load=7, servers=9, hold_ns=100) for t in range(3000)]

    assert pytest.approx(float(np.trapezoid(tail)), rel=1e-3) == erlang_mean_wait(
        load=7, servers=9, hold_ns=100
    )


def test_an_overloaded_queue_grows_for_ever() -> None:
    """At a load of all servers or more everyone waits, without end."""
    assert 1 == erlang_c(5, 5)
    assert 1 == erlang_wait_exceeds(10**9, load=6, servers=5, hold_ns=1)
    assert inf == erlang_mean_wait(load=5, servers=5, hold_ns=1)


@given(loads, st.floats(1e-6, 0.9))
def test_the_smallest_erlang_pool_is_enough_and_one_less_is_not(
    load: float, waiting: float
) -> None:
    """The size found keeps the promise, the size below breaks it."""
    size = smallest_erlang_pool(load, waiting=waiting)

    assert erlang_c(load, size) <= waiting
    assert 1 == size or erlang_c(load, size - 1) > waiting


@pytest.mark.parametrize(
    ("arrivals", "service", "factor"), [(1, 1, 1), (1, 0, 0.5), (1, 3, 2), (0, 0, 0)]
)
def test_allen_cunneen_is_exact_where_the_exact_is_known(
    arrivals: float, service: float, factor: float
) -> None:
    """M/M: nothing changes; M/D/1 waits half (Pollaczek-Khinchine); D/D never waits."""
    assert factor == allen_cunneen(arrivals, service)


@pytest.mark.parametrize(("load", "servers"), [(-1, 1), (1, 0)])
def test_impossible_queues_are_refused(load: float, servers: int) -> None:
    """A negative load or no server at all is a mistake, not a queue."""
    with pytest.raises(ValueError, match="a queue needs"):
        erlang_b(load, servers)


def test_impossible_promises_and_variabilities_are_refused() -> None:
    """A share of one or of none, and a negative variance, are mistakes."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        smallest_erlang_pool(1, waiting=0)
    with pytest.raises(ValueError, match="not negative"):
        allen_cunneen(-1, 1)


@pytest.mark.parametrize("field", ["handlers", "connections", "think_ns", "hold_ns"])
def test_a_closed_loop_needs_positive_numbers(field: str) -> None:
    """No handlers, no connections, no think time or no hold time is no such queue."""
    numbers = {"handlers": 5, "connections": 2, "think_ns": 30, "hold_ns": 3}

    with pytest.raises(ValueError, match="positive"):
        FiniteSource(**{**numbers, field: 0})


def test_five_machines_and_two_repairmen() -> None:
    """The example of Gross and Harris: 30 h between failures, 3 h repairs; p0 0.619, L 0.465."""
    shop = FiniteSource(handlers=5, connections=2, think_ns=30, hold_ns=3)
    busy = shop.busy()

    assert pytest.approx(0.619, abs=5e-4) == busy[0]
    assert pytest.approx(0.465, abs=5e-4) == busy @ np.arange(6)


@given(st.integers(1, 40), times, times)
def test_one_connection_has_a_closed_form(handlers: int, think: float, hold: float) -> None:
    """With c = 1, p0 is 1 / sum of N!/(N-k)! (h/Z)^k."""
    pool = FiniteSource(handlers=handlers, connections=1, think_ns=think, hold_ns=hold)
    terms = [
        factorial(handlers) / factorial(handlers - k) * (hold / think) ** k
        for k in range(handlers + 1)
    ]

    assert pytest.approx([term / sum(terms) for term in terms]) == list(pool.busy())


@given(st.integers(1, 40), times, times)
def test_a_connection_for_everyone_is_a_coin_each(handlers: int, think: float, hold: float) -> None:
    """With c = N, handlers are independent, so the mean busy is N h/(Z+h) and nobody waits."""
    pool = FiniteSource(handlers=handlers, connections=handlers, think_ns=think, hold_ns=hold)

    assert pytest.approx(handlers * hold / (think + hold)) == pool.busy() @ np.arange(handlers + 1)
    assert pytest.approx(handlers / (think + hold)) == pool.throughput()
    assert 0 == pool.wait_probability()
    assert 0 == pool.wait_quantile(0.99)


@given(finite_sources())
def test_an_asking_handler_sees_the_others(pool: FiniteSource) -> None:
    """The arrival theorem agrees with weighting each state by who is still thinking."""
    thinking = (pool.handlers - np.arange(pool.handlers + 1)) * pool.busy()

    assert pytest.approx(list(thinking[:-1] / thinking.sum()), abs=1e-12) == list(pool.found())


@given(finite_sources())
def test_throughput_is_what_the_connections_do(pool: FiniteSource) -> None:
    """Commands begun (by thinkers) equal commands ended (by connections)."""
    held = np.minimum(np.arange(pool.handlers + 1), pool.connections) @ pool.busy()

    assert pytest.approx(held / pool.hold_ns, rel=1e-9) == pool.throughput()


@given(finite_sources(), times)
def test_more_connections_never_make_handlers_wait_more(pool: FiniteSource, wait: float) -> None:
    """Probability to wait, tail and p99 of the wait all fall as the pool grows."""
    larger = FiniteSource(
        handlers=pool.handlers,
        connections=pool.connections + 1,
        think_ns=pool.think_ns,
        hold_ns=pool.hold_ns,
    )
    slack = 1 + 1e-9

    assert 0 <= larger.wait_probability() <= pool.wait_probability() * slack <= slack
    assert larger.wait_exceeds(wait) <= pool.wait_exceeds(wait) * slack
    assert larger.wait_quantile(0.99) <= pool.wait_quantile(0.99) * slack


@given(finite_sources(), st.floats(0.01, 0.999))
def test_the_wait_quantile_inverts_the_tail(pool: FiniteSource, share: float) -> None:
    """Either that share does not wait at all, or the tail at the quantile is the rest."""
    quantile = pool.wait_quantile(share)

    if quantile == 0:
        assert pool.wait_probability() <= 1 - share + 1e-12
    else:
        assert pytest.approx(1 - share, rel=1e-6) == pool.wait_exceeds(quantile)


@pytest.mark.parametrize(("load", "servers"), [(0.5, 1), (3.0, 4), (8.0, 10)])
def test_countless_handlers_are_erlang_c(load: float, servers: int) -> None:
    """M/M/c//N goes to M/M/c as N grows with the rate kept: half the way at twice the N."""
    hold = 10.0

    def gaps(handlers: int) -> tuple[float, float]:
        pool = FiniteSource(
            handlers=handlers, connections=servers, think_ns=handlers * hold / load, hold_ns=hold
        )
        tail = erlang_wait_exceeds(hold, load=load, servers=servers, hold_ns=hold)
        return (
            1 - pool.wait_probability() / erlang_c(load, servers),
            1 - pool.wait_exceeds(hold) / tail,
        )

    far, near = gaps(20_000), gaps(40_000)

    assert [True, True] == [0 < gap < 0.02 for gap in near]
    assert pytest.approx((0.5, 0.5), abs=0.02) == (near[0] / far[0], near[1] / far[1])


@given(finite_sources(), st.floats(1e-4, 0.5))
def test_the_smallest_pool_is_enough_and_one_less_is_not(
    pool: FiniteSource, waiting: float
) -> None:
    """The size found keeps the promise, the size below breaks it, and N always does."""

    def waits(connections: int) -> float:
        return FiniteSource(
            handlers=pool.handlers,
            connections=connections,
            think_ns=pool.think_ns,
            hold_ns=pool.hold_ns,
        ).wait_probability()

    size = smallest_pool(
        handlers=pool.handlers, think_ns=pool.think_ns, hold_ns=pool.hold_ns, waiting=waiting
    )

    assert 1 <= size <= pool.handlers
    assert waits(size) <= waiting
    assert 1 == size or waits(size - 1) > waiting


def test_a_promise_on_the_wait_needs_fewer_than_a_promise_on_waiting() -> None:
    """A bound on the p99 wait is kept by the size found and by none smaller."""
    size = smallest_pool(handlers=50, think_ns=10, hold_ns=2, wait_p99_ns=1)

    def wait_p99(connections: int) -> float:
        pool = FiniteSource(handlers=50, connections=connections, think_ns=10, hold_ns=2)
        return pool.wait_quantile(0.99)

    assert wait_p99(size) <= 1 < wait_p99(size - 1)
    assert size < smallest_pool(handlers=50, think_ns=10, hold_ns=2, waiting=0.001)


def test_a_simulation_agrees_with_the_finite_source() -> None:
    """Handlers that really think, queue and hold wait as often and as long as predicted."""
    pool = FiniteSource(handlers=20, connections=4, think_ns=10.0, hold_ns=2.0)
    waits = np.array(_simulate(pool, acquires=200_000, seed=7))

    assert pytest.approx(pool.wait_probability(), rel=0.03) == (waits > 0).mean()
    assert pytest.approx(pool.wait_exceeds(2.0), rel=0.05) == (waits > 2.0).mean()
    assert pytest.approx(pool.wait_quantile(0.99), rel=0.05) == np.quantile(waits, 0.99)


def _simulate(pool: FiniteSource, *, acquires: int, seed: int) -> list[float]:
    """Let handlers run in simulated time, first come first served; give every wait."""
    draw = Random(seed).expovariate  # noqa: S311 - the same handlers every time
    free = [0.0] * pool.connections
    asking: list[float] = []
    for _ in range(pool.handlers):
        heappush(asking, draw(1 / pool.think_ns))
    waits = []
    for _ in range(acquires):
        asked = heappop(asking)
        held = max(asked, free[0])
        done = held + draw(1 / pool.hold_ns)
        heapreplace(free, done)
        heappush(asking, done + draw(1 / pool.think_ns))
        waits.append(held - asked)
    return waits
