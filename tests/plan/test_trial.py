"""Trials interleave, their order is drawn and can be repeated, and each is fully determined."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.plan.trial import Plan, key_prefixes, make_plan
from valkeybench.scenario.model import Axes, Pool, Scenario
from valkeybench.scenario.values import Values
from valkeybench.units import MILLISECOND, SECOND

PREFIX = "p:"


def planned(cases: int = 4, repeats: int = 3, seed: int = 1) -> Plan:
    """Plan a scenario with so many cases and repeats."""
    axes = Axes(pool=(Pool.BLOCKING,), max_connections=tuple(range(1, cases + 1)))
    return make_plan(Scenario(axes=axes, repeats=repeats, seed=seed), key_prefix=PREFIX)


@given(st.integers(1, 8), st.integers(1, 5), st.integers(0, 2**63 - 1))
@settings(deadline=None)
def test_each_repeat_runs_every_case_once(cases: int, repeats: int, seed: int) -> None:
    """Trials interleave: a repeat begins when every case has had its turn."""
    plan = planned(cases, repeats, seed)

    assert cases * repeats == len(plan.trials)
    for repeat in range(repeats):
        turn = plan.trials[repeat * cases : (repeat + 1) * cases]
        assert {repeat} == {trial.repeat for trial in turn}
        assert set(range(cases)) == {trial.case_index for trial in turn}
    assert all(plan.cases[trial.case_index] == trial.case for trial in plan.trials)


def test_the_order_is_drawn_and_can_be_repeated() -> None:
    """The same seed gives the same order, others another; repeats differ among themselves."""
    orders = {
        seed: [trial.case_index for trial in planned(6, 4, seed).trials] for seed in range(50)
    }

    assert orders[7] == [trial.case_index for trial in planned(6, 4, 7).trials]
    assert 50 == len({tuple(order) for order in orders.values()})
    assert any(order[:6] != order[6:12] for order in orders.values())


def test_every_case_follows_every_other() -> None:
    """Over many seeds no case has a neighbour it never has, or always."""
    followers = {
        (one.case_index, other.case_index)
        for seed in range(200)
        for one, other in pairwise(planned(4, 1, seed).trials)
    }
    assert {(i, j) for i in range(4) for j in range(4) if i != j} == followers


def test_each_trial_draws_for_itself() -> None:
    """No two trials draw the same commands and pauses; another seed changes all of them."""
    seeds = {trial.seed for trial in planned(seed=1).trials}
    assert 12 == len(seeds)
    assert not seeds & {trial.seed for trial in planned(seed=2).trials}


def test_a_trial_knows_all_it_needs() -> None:
    """What a load process must know of the scenario travels with the trial."""
    scenario = Scenario(
        duration_ns=2 * SECOND,
        warmup_ns=MILLISECOND,
        prewarm=False,
        commands=("PING",),
        tally_replies=True,
        axes=Axes(pool=(Pool.NONE,)),
        repeats=1,
    )
    (trial,) = make_plan(scenario, key_prefix=PREFIX).trials

    assert (2 * SECOND, MILLISECOND, False) == (trial.duration_ns, trial.warmup_ns, trial.prewarm)
    assert (("PING",), True, PREFIX) == (trial.commands, trial.tally_replies, trial.key_prefix)
    assert None is trial.pin


def test_a_plan_knows_its_length_and_its_most_connections() -> None:
    """The time of windows and warm-ups, and what the greediest case can hold."""
    axes = Axes(pool=(Pool.NONE, Pool.FAIR), max_connections=(5, 80), processes=(1, 3))
    scenario = Scenario(axes=axes, repeats=2, duration_ns=SECOND, warmup_ns=MILLISECOND)
    plan = make_plan(scenario, key_prefix=PREFIX)

    assert 2 * 6 * (SECOND + MILLISECOND) == plan.duration_ns
    assert 240 == plan.most_connections  # a pool of 80 in 3 processes; 50 handlers need fewer


def test_a_plan_can_be_placed() -> None:
    """Every load process goes where it is told; nothing else changes."""
    plan = planned()
    placed = plan.placed(frozenset({0, 1}))

    assert {frozenset({0, 1})} == {trial.pin for trial in placed.trials}
    assert plan == placed.placed(None)


def test_each_size_of_values_has_its_own_keys() -> None:
    """A case reads values of its own size; with one size there is no more than one prefix."""
    sizes = (64, Values(1, 9))
    plan = make_plan(Scenario(axes=Axes(value_size=sizes)), key_prefix=PREFIX)

    assert {64: "p:0:", sizes[1]: "p:1:"} == key_prefixes(
        Scenario(axes=Axes(value_size=sizes)), PREFIX
    )
    assert {(64, "p:0:"), (sizes[1], "p:1:")} == {
        (trial.case.value_size, trial.key_prefix) for trial in plan.trials
    }
    assert {PREFIX} == {trial.key_prefix for trial in planned().trials}


def test_pipelines_are_written_into_the_commands() -> None:
    """As many of each command in one request as the case says; one is the command as it was."""
    scenario = Scenario(axes=Axes(pipeline=(1, 10)), commands=("GET k @3", "PING"))
    assert {
        1: ("GET k @3", "PING"),
        10: ("PIPELINE 10 GET k @3", "PIPELINE 10 PING"),
    } == {
        trial.case.pipeline: trial.commands
        for trial in make_plan(scenario, key_prefix=PREFIX).trials
    }
