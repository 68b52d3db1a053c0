"""Where no pool size is an answer, the search says why and what would help instead."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.analysis.trying import WAITS, enough_from, search
from tests.runs import case_record
from valkeybench.analysis.enough import Sight, Yardstick
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.refusal import refuse_base
from valkeybench.analysis.search import Stage
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from valkeybench.analysis.refusal import Refusal
    from valkeybench.analysis.search import Attempt

GOAL = Goal(handlers=50)


def refusal(goal: Goal = GOAL, **base: Any) -> Refusal:  # noqa: ANN401 - every wish of a case
    """Give the reason why a load like this gets no size."""
    answer, _ = search(goal, enough_from(7, **base))
    assert answer.size is None
    assert answer.refusal is not None
    return answer.refusal


@pytest.mark.parametrize(
    ("wishes", "cause", "remedy"),
    [
        ({"cpu_share": 0.97}, "client_saturated", "more processes"),
        ({"server_cpu_share": 0.9}, "server_saturated", "replicas"),
        ({"starved": 9}, "starved", "without an answer"),
        ({"fairness": 0.5, "starved": 20}, "starved", ""),
        ({"think": "0"}, "no_think", "--think"),
        ({"failures": {"timeout": 900}}, "failures", "socket-timeout"),
        ({"lost": True}, "server_lost", "log"),
        ({"duration_ms": 100}, "few_samples", "--duration"),
        ({"rate": 4000.0, "dropped": 900}, "behind_schedule", "--rate"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_health_check_finds_in_the_base_ends_the_search(
    wishes: dict[str, Any], cause: str, remedy: str
) -> None:
    """Saturation, starvation, failures, a lost server: after the first run, with a remedy."""
    found = refusal(**wishes)
    assert cause == found.cause
    assert found.message
    assert any(part in found.remedy for part in remedy.split("|"))


def test_runs_that_never_agree_are_unsteady() -> None:
    """A base whose p99 is threefold one time and not the next tells no sizes apart."""

    def wished(_: Attempt, number: int) -> dict[str, Any]:
        return {"p99_ms": 0.8 if number % 3 else 3.6}

    answer, tried = search(GOAL, wished)
    assert answer.refusal is not None
    assert "unsteady" == answer.refusal.cause
    assert "between" in answer.refusal.message
    assert len(tried) > 1


def test_one_run_that_the_machine_spoilt_is_forgiven() -> None:
    """A base run four times as slow as the others is a hiccup, and no obstacle to a size."""

    def wished(attempt: Attempt, number: int) -> dict[str, Any]:
        if attempt.is_base:
            return {"p99_ms": 3.6 if number == 4 else 0.8}
        return {"p99_ms": 0.8 if attempt.size >= 7 else 9.0}

    answer, _ = search(GOAL, wished)
    assert answer.refusal is None
    assert 7 == answer.size


def test_repeats_that_ask_for_different_sizes_are_no_one_load() -> None:
    """Unless an SLO says what is good enough: that holds or not, whatever the repeats need."""

    def wished(attempt: Attempt, number: int) -> dict[str, Any]:
        few, many = [90, 9, 1], [50, 20, 10, 8, 6, 2, 1, 1, 1, 1]
        return {"in_use": [few, many][number % 2]} if attempt.is_base else {"p99_ms": 0.82}

    answer, _ = search(GOAL, wished)
    assert answer.refusal is not None
    assert "repeats_disagree" == answer.refusal.cause
    assert "--repeats" not in answer.refusal.remedy
    goal = Goal(handlers=50, yardstick=_slo("response.p99 < 40ms"))
    assert 1 == search(goal, wished)[0].size


@pytest.mark.parametrize(("cpu_share", "refused"), [(0.3, False), (0.7, True)])
def test_a_busy_client_must_be_steadier(cpu_share: float, refused: bool) -> None:
    """A machine's noise is forgiven; near saturation the same scatter is two states of one load."""

    def wished(attempt: Attempt, number: int) -> dict[str, Any]:
        p99_ms = (0.8, 0.8, 1.1)[number % 3] if attempt.is_base else 0.85
        return {"p99_ms": p99_ms, "cpu_share": cpu_share}

    answer, _ = search(GOAL, wished)
    assert refused == (answer.refusal is not None)
    assert not refused or answer.refusal is None or "unsteady" == answer.refusal.cause


def test_an_unsteady_tail_is_no_obstacle_to_an_slo_it_keeps() -> None:
    """What is asked for holds in the worst run as in the best."""
    goal = Goal(handlers=50, yardstick=_slo("response.p99 < 40ms"))

    def wished(_: Attempt, number: int) -> dict[str, Any]:
        return {"p99_ms": 0.8 if number % 3 else 3.6}

    answer, _ = search(goal, wished)
    assert 1 == answer.size


def test_bursts_have_no_size() -> None:
    """Connections in use that jump between none and thirty: variance far beyond the mean."""
    found = refusal(in_use=[90, 0, *[0] * 27, 10])
    assert "bursts" == found.cause
    assert "pipeline" in found.remedy


def test_two_kinds_of_commands_have_two_sizes() -> None:
    """Nine in ten are quick, one in a hundred takes twenty times that."""
    record = case_record(max_connections=50, repeats=1, p99_ms=0.8)
    (trial,) = record.trials
    response = trial.summary.phases["response"]
    slow = response.model_copy(update={"p99_ns": 20 * response.p90_ns})
    phases = {**trial.summary.phases, "response": slow}
    summary = trial.summary.model_copy(update={"phases": phases})
    trials = [trial.model_copy(update={"summary": summary})]
    base = Sight.of(record.model_copy(update={"trials": trials}))
    found = refuse_base([base], slo=(), cap=None, limits=Thresholds())
    assert found is not None
    assert "two_kinds" == found.cause
    assert "pool of their own" in found.remedy


def spread_tails(attempt: Attempt, number: int) -> dict[str, Any]:
    """Wish for a tail that is threefold every other time, whatever the size; few is not enough."""
    few = {"failures": {"pool_exhausted": 40}} if attempt.size < 7 else {}
    return {"p99_ms": 2.4 if number % 2 else 0.8, **few}


def test_a_pool_in_which_nobody_waits_is_sized_by_what_fails() -> None:
    """A tail that does one thing now and another then says nothing of a raising pool's size."""
    answer, _ = search(replace(GOAL, pool=Pool.RAISING), spread_tails)
    assert answer.refusal is None
    assert answer.size is not None
    assert 7 <= answer.size < 12

    answer, _ = search(GOAL, spread_tails)
    assert answer.refusal is not None


def test_a_smaller_pool_that_does_better_is_a_limiter() -> None:
    """Its p99 is clearly below every base run's: the size is not what is wrong."""

    def wished(attempt: Attempt, cpu_share: float) -> dict[str, Any]:
        return {"p99_ms": 0.8 if attempt.is_base else 0.5, "cpu_share": cpu_share}

    answer, _ = search(GOAL, lambda attempt, _: wished(attempt, 0.7))
    assert answer.refusal is not None
    assert "smaller_is_better" == answer.refusal.cause

    # Nothing was busy, so nothing was relieved: that was luck, and no reason to name no size.
    answer, _ = search(GOAL, lambda attempt, _: wished(attempt, 0.25))
    assert answer.refusal is None
    assert answer.size is not None


def test_sizes_that_rank_both_ways_have_no_order() -> None:
    """More done with a longer tail: by throughput one size is best, by p99 another."""

    def wished(attempt: Attempt, _: int) -> dict[str, Any]:
        if attempt.is_base:
            return {"throughput": 4000.0}
        return {"throughput": 4400.0, "p99_ms": 1.0}

    answer, _ = search(GOAL, wished)
    assert answer.refusal is not None
    assert "ranks_differ" == answer.refusal.cause
    assert "--slo" in answer.refusal.remedy


def test_an_slo_that_no_pool_keeps_is_refused() -> None:
    """Not even a connection for each handler keeps it: the size is not the trouble."""
    found = refusal(Goal(handlers=50, yardstick=_slo("response.p99 < 500us")))
    assert "slo" == found.cause
    assert "800 µs" in found.message


def test_a_cap_that_binds_hides_the_need() -> None:
    """One acquire in a thousand finds all six taken: how many more are needed is not seen."""
    found = refusal(Goal(handlers=50, cap=6), in_use=[50, 20, 10, 8, 5, 4, 3])
    assert "cap" == found.cause
    assert "--cap" in found.remedy


def _slo(words: str) -> Yardstick:
    return Yardstick(slo=parse_limits([words], place="--slo"))


@pytest.mark.parametrize(("base_ms", "pairs"), [(0.8, 1), (4.5, 2)])
def test_keeping_an_slo_by_far_is_no_proof_where_the_base_hardly_keeps_it(
    base_ms: float, pairs: int
) -> None:
    """One pair is enough to go on to a smaller size only if both have so much to spare."""
    goal = Goal(handlers=50, yardstick=_slo("response.p99 < 5ms"))

    def wished(attempt: Attempt, _: int) -> dict[str, Any]:
        return {"p99_ms": base_ms if attempt.is_base else 0.8}

    answer, _ = search(goal, wished)
    on_the_way = [judged for judged in answer.walk if judged.size != answer.size]
    assert {pairs} == {len(judged.pairs) for judged in on_the_way}


def test_a_size_that_is_named_was_seen_twice_however_far_it_keeps_an_slo() -> None:
    """A size that breaks it then is not named; for a last look it may take a pair too many."""
    goal = Goal(handlers=50, yardstick=_slo("response.p99 < 5ms"))
    lucky: list[int] = []

    def wished(attempt: Attempt, _: int) -> dict[str, Any]:
        if attempt.is_base or attempt.size > 2:
            return {"p99_ms": 0.8}
        lucky.append(attempt.size)
        return {"p99_ms": 0.8 if lucky.count(attempt.size) == 1 else 9.0}

    answer, tried = search(goal, wished)
    assert answer.size is not None
    assert answer.size > 2
    named = answer.judged(answer.size)
    assert named is not None
    assert 2 == len(named.pairs)
    assert len(tried) <= goal.most_trials + 2


@pytest.mark.parametrize(("stalls", "cause"), [({0}, None), ({0, 1}, "bursts")])
def test_one_stall_of_the_machine_is_no_burst_of_the_load(
    stalls: set[int], cause: str | None
) -> None:
    """What the first base run alone shows is looked at once more before anything is refused."""
    bursts = [90, 0, *[0] * 27, 10]

    def wished(attempt: Attempt, number: int) -> dict[str, Any]:
        if number in stalls:
            return {"in_use": bursts}
        return {} if attempt.size >= 7 else {"phases": WAITS, "p99_ms": 7.0}

    answer, tried = search(Goal(handlers=50), wished)
    assert [True, True] == [each.attempt.is_base for each in tried[:2]]
    assert cause == (answer.refusal and answer.refusal.cause)
    assert (7 if cause is None else None) == answer.size
    assert cause is None or 2 == len(tried)


def test_what_fresh_pairs_disprove_is_not_named() -> None:
    """The walk saw sizes that were enough; all that was tried again was not: that is no answer."""
    goal = Goal(handlers=50, confidence=Confidence.CERTIFIED)

    def wished(attempt: Attempt, _: int) -> dict[str, Any]:
        if attempt.is_base:
            return {}
        fresh, walked = attempt.stage is Stage.CERTIFY, attempt.size >= 7
        return {"phases": WAITS, "p99_ms": 7.0} if fresh or not walked else {}

    answer, _ = search(goal, wished)
    assert answer.size is None
    assert answer.refusal is not None
    assert "unsteady" == answer.refusal.cause
    assert "7 and 9" in answer.refusal.message
