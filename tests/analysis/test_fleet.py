"""A plan is arithmetic: each figure against numbers worked by hand, and against common sense."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.fleets import HAND_WORKED, a_storm, inputs, plan
from valkeybench.analysis.fleet import plan_fleet
from valkeybench.analysis.quantity import Fit, Quantity, Unit
from valkeybench.units import MICROSECOND, SECOND

hand_worked = partial(plan, tls=True, **HAND_WORKED)


def test_connections_are_processes_times_pods_times_pool() -> None:
    """40 × 25 × 12, a quarter more during a deploy, and twice as many with dead peers."""
    seen = plan(max_connections=12)
    assert [12_000, 15_000, 24_000] == [moment.connections.value for moment in seen.moments]
    assert "processes × pods × pool = 40 × 25 × 12" == seen.moments[0].connections.how


def test_a_fleet_worked_by_hand() -> None:
    """200 processes of 10 + 1: 2 200, 4 400 blue/green: 44 % of 10 000; 75.7 MB when just used."""
    seen = hand_worked(server_memory=2**30)
    now, deploy, failover = (moment.connections.value for moment in seen.moments)
    assert (2200, 4400, 2200) == (now, deploy, failover)
    assert 8000 == seen.safe.value
    assert 4400 * 17_200 == seen.moments[1].memory_fresh.value
    assert 4400 * 1_750 == seen.moments[1].memory_idle.value
    fits = {check.name: check.fit for check in seen.checks}
    assert Fit.FITS is fits["connections during a deploy"]
    assert Fit.FITS is fits["memory during a deploy"]


def test_that_fleet_is_just_outside_the_storm_rule() -> None:
    """2 200 ÷ 477 = 4.6 s is over 0.8 × 5 s, and within 5 s."""
    [storm] = hand_worked().storms
    assert pytest.approx(4.61 * SECOND, rel=1e-3) == storm.ideal.value
    assert Fit.TIGHT is storm.fit
    assert pytest.approx(6.92 * SECOND, rel=1e-3) == storm.spread_needed.value
    [simulated] = storm.simulations
    assert pytest.approx(storm.ideal.value) == simulated.immediate.recovered_ns


def test_the_largest_pool_and_fleet_by_hand() -> None:
    """8 000 ÷ (200 × 2) − 1 = 19 and 8 000 ÷ (11 × 2) = 363; the storm: 1 908 ÷ 200 − 1 = 8."""
    connections, memory, storm, cpu = hand_worked().bounds
    assert (19, 363) == (connections.pool.value, connections.processes.value)
    assert (8, 173) == (storm.pool.value, storm.processes.value)
    assert (None, None) == (memory.pool.value, memory.processes.value)
    assert (None, None) == (cpu.pool.value, cpu.processes.value)
    assert 8 == hand_worked().largest_pool.value


def test_memory_bounds_by_hand() -> None:
    """80 % of 64 MiB are 53 687 091 bytes: 3 121 connections, ÷ 400 − 1 = 6, ÷ 22 = 141."""
    _, memory, _, _ = hand_worked(server_memory=64 * 2**20).bounds
    assert (6, 141) == (memory.pool.value, memory.processes.value)


def test_memory_now_is_that_of_those_at_work_and_of_those_that_rest() -> None:
    """As many fresh as the run saw in use in each process, the others idle; never more than all."""
    seen = hand_worked()
    used = 200 * (seen.inputs.in_use.value or 0)
    assert 0 < used < 2200
    assert used * 17_200 + (2200 - used) * 1_750 == seen.memory_now.value
    crowded = plan(tls=True, **{**HAND_WORKED, "max_connections": 1, "dedicated": 0})
    assert 200 * 17_200 == crowded.memory_now.value


def test_the_server_keeps_files_for_itself() -> None:
    """min(maxclients, file limit − 32)."""
    seen = plan(maxclients=10_000, file_limit=4096, reserved=0)
    assert 4064 == seen.effective.value
    assert (
        "min(maxclients, file limit − 32) = min(10 000, 4 096 − 32)".replace(
            " 000", "\N{NARROW NO-BREAK SPACE}000"
        ).replace("4 096", "4\N{NARROW NO-BREAK SPACE}096")
        == seen.effective.how
    )
    assert int(0.8 * 4064) == seen.safe.value


def test_cpu_is_rate_times_cost() -> None:
    """100 000 commands a second at 6 µs keep the thread 60 % busy; 70 % are 1 166 processes."""
    seen = plan(rate=100_000.0, cpu_per_command_ns=6 * MICROSECOND)
    assert pytest.approx(0.6) == seen.cpu.value
    assert 1166 == seen.bounds[-1].processes.value


@pytest.mark.parametrize(
    ("rate", "at_most", "fit"),
    [
        (100_000.0, True, Fit.FITS),
        (150_000.0, True, Fit.UNKNOWN),
        (1_000_000.0, True, Fit.UNKNOWN),
        (150_000.0, False, Fit.TIGHT),
        (1_000_000.0, False, Fit.EXCEEDS),
    ],
)
def test_an_upper_bound_of_cpu_condemns_nobody(rate: float, fit: Fit, *, at_most: bool) -> None:
    """What fits at the most a command can cost fits; what does not may do."""
    known = inputs(rate=rate, cpu_per_command_ns=6 * MICROSECOND)
    seen = plan_fleet(replace(known, cpu_is_at_most=at_most))
    assert fit is next(check.fit for check in seen.checks if check.name == "server CPU")
    by_cpu = seen.bounds[-1].processes.value or 0
    assert (seen.largest_fleet.value == by_cpu) is (not at_most and by_cpu < 500)


def test_a_cluster_is_planned_for_each_node() -> None:
    """A client holds a pool for every node: as many connections at each, a third of commands."""
    one = plan(rate=90_000.0, cpu_per_command_ns=6 * MICROSECOND)
    three = plan(rate=90_000.0, cpu_per_command_ns=6 * MICROSECOND, nodes=3)
    assert one.moments[0].connections.value == three.moments[0].connections.value
    assert pytest.approx((one.cpu.value or 0) / 3) == three.cpu.value
    assert 16 == three.inputs.reserved.value
    assert (1296, 3888) == (one.bounds[-1].processes.value, three.bounds[-1].processes.value)


def test_churn_is_a_share_of_what_the_server_opens() -> None:
    """10 % of 477: 2 200 connections may be renewed every 46 s, a blue/green deploy takes 92 s."""
    churn = hand_worked(cpu_per_opening_ns=2_000 * MICROSECOND).churn
    assert pytest.approx(47.7) == churn.budget.value
    assert pytest.approx(46.12 * SECOND, rel=1e-3) == churn.lifetime.value
    assert pytest.approx(92.24 * SECOND, rel=1e-3) == churn.rollout.value
    assert pytest.approx(0.0954) == churn.cpu.value


@pytest.mark.parametrize(
    ("pool", "fit"), [(3, Fit.FITS), (4, Fit.TIGHT), (5, Fit.EXCEEDS), (50, Fit.EXCEEDS)]
)
def test_what_is_over_the_safe_share_is_tight_and_what_is_over_the_limit_exceeds(
    pool: int, fit: Fit
) -> None:
    """1 000 processes at a server that takes 10 000, every peer dead once."""
    seen = plan(max_connections=pool, maxclients=10_000)
    assert fit is seen.checks[2].fit


def test_what_is_not_known_is_not_made_up() -> None:
    """No memory, no storm, no churn: unknown with the flag that fills it, and no bound."""
    seen = plan()
    assert ["memory after a failover", "server CPU", "everybody reconnecting at once"] == [
        check.name for check in seen.unknown
    ]
    for quantity in (seen.memory_room, seen.memory_now, seen.churn.budget, seen.storms[0].ideal):
        assert quantity.value is None
        assert "--" in quantity.how
    assert () == seen.storms[0].simulations
    assert [None, None] == [seen.growth[-1].memory_idle, seen.growth[-1].memory_fresh]


def test_a_storm_measured_by_a_slow_client_condemns_nobody() -> None:
    """900 a second were seen, 2 500 are possible by CPU: between the two it is not known.

    More than 10 000 clients are safe by neither, and by what was seen too many.
    """
    fits = {
        pool: plan(None, a_storm(), tls=True, max_connections=pool, patience_ns=5 * SECOND)
        .storms[0]
        .fit
        for pool in (3, 4, 6, 9, 11, 13)
    }
    assert {
        3: Fit.FITS,
        4: Fit.TIGHT,
        6: Fit.UNKNOWN,
        9: Fit.UNKNOWN,
        11: Fit.EXCEEDS,
        13: Fit.EXCEEDS,
    } == fits


def test_a_way_the_fleet_does_not_go_stands_second() -> None:
    """Both were measured: plain first, as the run went, and TLS beside it."""
    assert [False, True] == [storm.tls for storm in plan(None, a_storm()).storms]
    assert [True, False] == [storm.tls for storm in plan(None, a_storm(), tls=True).storms]


def test_spreading_reconnects_makes_a_storm_safe() -> None:
    """2 200 at 477 a second need 6.9 s."""
    assert Fit.FITS is hand_worked(spread_ns=7 * SECOND).storms[0].fit
    assert Fit.FITS is not hand_worked(spread_ns=6 * SECOND).storms[0].fit


def test_a_spread_says_both_branches_of_what_is_safe() -> None:
    """The larger of what is safe at once and over the spread; the one that holds is the check."""
    for seconds, clients, checked in (
        (1, 1908, "everybody reconnecting at once"),
        (7, 2226, "everybody reconnecting, spread"),
    ):
        planned = hand_worked(spread_ns=seconds * SECOND)
        safe = planned.storms[0].safe_clients
        assert clients == safe.value
        assert safe.how.startswith(
            "max(0.8 × handshakes per second × timeout, handshakes per second × spread ÷ 1.5)"
        )
        assert checked in [check.name for check in planned.checks]


def test_clients_without_a_timeout_never_give_up() -> None:
    """There is no livelock then, however long it takes."""
    patient = replace(
        inputs(tls=True, **HAND_WORKED), patience=Quantity(None, Unit.NANOSECONDS, "for ever")
    )
    assert Fit.FITS is plan_fleet(patient).storms[0].fit


SHAPES = {
    "processes": st.integers(1, 500),
    "pods": st.integers(1, 50),
    "max_connections": st.integers(1, 200),
    "dedicated": st.integers(0, 5),
    "surge": st.floats(0, 2),
    "dead": st.floats(0, 2),
}


@given(shape=st.fixed_dictionaries(SHAPES), more=st.sampled_from([*SHAPES]))
def test_more_of_anything_never_is_fewer_connections(shape: dict[str, Any], more: str) -> None:
    """One more process, pod, connection, or more surge: every moment has as many or more."""
    common: dict[str, Any] = {"maxclients": 10_000, "server_memory": 2**30, "memory_fresh": 17_000,
              "memory_idle": 2_000, "rate": 10.0}  # fmt: skip
    small = plan(**common, **shape)
    large = plan(**common, **{**shape, more: shape[more] + 1})
    for before, after in zip(small.moments, large.moments, strict=True):
        assert (before.connections.value or 0) <= (after.connections.value or 0)
        assert (before.memory_fresh.value or 0) <= (after.memory_fresh.value or 0)


@given(shape=st.fixed_dictionaries(SHAPES))
def test_the_largest_safe_pool_is_safe_and_one_more_is_not(shape: dict[str, Any]) -> None:
    """Planned with it, nothing is over its safe share; with one more, something is."""
    common: dict[str, Any] = {"maxclients": 50_000, "server_memory": 2**31, "memory_fresh": 17_000,
              "memory_idle": 2_000, "rate": 10.0}  # fmt: skip
    most = plan(**common, **shape).largest_pool.value
    assert most is not None
    worst = {
        step: plan(**common, **{**shape, "max_connections": int(most) + step}).fit
        for step in (0, 1)
        if most + step > 0
    }
    assert Fit.FITS is worst.get(0, Fit.FITS)
    assert Fit.FITS is not worst[1]


def test_growth_is_ready_for_a_chart() -> None:
    """From nothing to twice the fleet, or beyond the largest safe one; this fleet's line is in."""
    seen = plan(None, a_storm(), max_connections=2, maxclients=10_000)
    assert 0 == seen.growth[0].processes
    assert 2000 <= seen.growth[-1].processes
    assert all(point.now == 2 * point.processes for point in seen.growth)
    assert all(point.failover == 2 * point.now for point in seen.growth)
