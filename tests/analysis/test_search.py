"""What the search tries next follows from what was seen, trial by trial."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.analysis.trying import enough_from, search, sight
from valkeybench.analysis.enough import Criterion, Pair, Yardstick, judge
from valkeybench.analysis.estimate import estimate
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.search import Answer, Stage, Step, Tried, next_step
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from valkeybench.analysis.enough import Sight

GOAL = Goal(handlers=50)


@given(st.integers(1, 2000))
def test_the_grid_holds_every_size_worth_telling_apart(handlers: int) -> None:
    """From one to a connection each, neighbours a third apart at most, or one."""
    grid = Goal(handlers=handlers).grid
    assert (1, handlers) == (grid[0], grid[-1])
    assert all(low < high <= max(low + 1, low * 4 / 3 + 0.5) for low, high in pairwise(grid))


def test_it_begins_with_a_pool_that_is_no_limit() -> None:
    """A connection for each handler, or as many as the cap allows."""
    for goal, size in ((GOAL, 50), (Goal(handlers=50, cap=20), 20)):
        step = next_step(goal, [])
        assert isinstance(step, Step)
        (attempt,) = step.attempts
        assert (Stage.BASE, size, True) == (attempt.stage, attempt.size, attempt.is_base)


def test_each_size_is_tried_beside_the_base_and_they_take_turns() -> None:
    """Base and candidate one after the other, and not always in the same order."""
    _, tried = search(GOAL, enough_from(9))
    walk = [each.attempt for each in tried if each.attempt.stage is not Stage.BASE]
    pairs = [walk[i : i + 2] for i in range(0, len(walk), 2)]
    assert all({True, False} == {each.is_base for each in pair} for pair in pairs)
    assert all(pair[0].pair == pair[1].pair for pair in pairs)
    assert {True, False} == {pair[0].is_base for pair in pairs}


@pytest.mark.parametrize("least", [4, 5, 7, 9])
def test_it_ends_between_what_is_enough_and_what_is_not(least: int) -> None:
    """Around what was in use: at the first size of the grid that is enough."""
    answer, _ = search(GOAL, enough_from(least))
    assert next(size for size in GOAL.grid if size >= least) == answer.size
    assert not answer.cut_short
    smaller = answer.next_smaller
    assert smaller is not None
    assert smaller.failed is not None
    assert Criterion.POOL_WAIT is smaller.failed.criterion


@pytest.mark.parametrize("least", [1, 2, 3, 12, 21, 37, 50])
def test_a_knee_far_from_where_it_began_is_found_or_the_search_says_it_was_cut_short(
    least: int,
) -> None:
    """What it names is always enough, and it never takes more than it may."""
    answer, tried = search(GOAL, enough_from(least))
    assert answer.size is not None
    assert answer.size >= least
    first = next(size for size in GOAL.grid if size >= least)
    assert answer.cut_short or first == answer.size
    assert len(tried) <= GOAL.most_trials


@given(data=st.data(), slo=st.booleans())
def test_no_search_takes_more_than_a_third_of_trying_every_size_five_times(
    data: st.DataObject, *, slo: bool
) -> None:
    """Whatever it sees, however few sizes there are; it names none it saw fail, or saw once."""
    handlers = data.draw(st.integers(1, 16))
    in_use = data.draw(st.integers(0, handlers - 1)) * [0] + [5000]
    said = data.draw(st.lists(st.sampled_from(list(SEEN)), min_size=1, max_size=12))
    yardstick = Yardstick(slo=tuple(parse_limits(["response.p99 < 5ms"], place="--slo")) * slo)
    goal = Goal(handlers=handlers, yardstick=yardstick)
    answer, tried = search(
        goal,
        lambda _attempt, number: {
            "in_use": in_use,
            "throughput": 4000.0,
            **SEEN[said[number % len(said)]],
        },
    )
    assert len(tried) <= 5 * len(goal.grid) / 3
    if answer.size is not None:
        named = answer.judged(answer.size)
        assert answer.size == goal.most or (named is not None and named.enough)
        assert named is None or len(named.pairs) > 1


SEEN: dict[str, dict[str, Any]] = {
    "well": {"p99_ms": 0.8},
    "near": {"p99_ms": 1.0},
    "short": {"p99_ms": 9.0, "failures": {"pool_timeout": 9}},
    "slow": {"p99_ms": 9.0},
    "stall": {"p99_ms": 0.8, "in_use": [4500] + 30 * [0] + [500]},
}
"""What a trial may show: nothing, a tail a bit longer, a pool far too small, a stall."""


def test_raising_pools_are_held_to_their_failures() -> None:
    """The size found is the first that never raised."""
    answer, _ = search(Goal(handlers=50, pool=Pool.RAISING), enough_from(12))
    assert 12 == answer.size
    assert answer.cure is None


def test_one_lucky_base_condemns_nobody() -> None:
    """A candidate no worse than some base run passes, though the base beside it was better."""
    bases = [sight(p99_ms=p99, repeat=0) for p99 in (1.0, 0.8)]
    candidate = sight(size=9, p99_ms=0.95)
    judged = judge(Pool.BLOCKING, 9, [Pair(base=bases[1], candidate=candidate)], bases, Yardstick())
    assert judged.agrees
    worse = sight(size=9, p99_ms=1.05)
    judged = judge(Pool.BLOCKING, 9, [Pair(base=bases[1], candidate=worse)], bases, Yardstick())
    assert not judged.agrees


@pytest.mark.parametrize(
    ("wishes", "criterion"),
    [
        ({"failures": {"pool_timeout": 1}}, Criterion.POOL_FAILURES),
        ({"starved": 20}, Criterion.STARVED),
        ({"throughput": 3000.0}, Criterion.THROUGHPUT),
        ({"p99_ms": 1.2}, Criterion.RESPONSE),
    ],
)
def test_each_criterion_can_fail_a_size(wishes: dict[str, Any], criterion: Criterion) -> None:
    """And says by how much, in words that hold a number."""
    base = sight()
    pairs = [Pair(base=base, candidate=sight(size=9, **wishes))] * 2
    judged = judge(Pool.BLOCKING, 9, pairs, [base], Yardstick())
    assert judged.enough is False
    assert judged.failed is not None
    assert criterion is judged.failed.criterion
    assert any(sign.isdigit() for sign in judged.failed.said)


def test_pairs_that_disagree_are_settled_by_a_third() -> None:
    """Two votes decide; failing by far needs none."""
    base, good, bad = sight(), sight(size=9), sight(size=9, p99_ms=0.95)

    def enough(*candidates: Sight) -> bool | None:
        pairs = [Pair(base=base, candidate=each) for each in candidates]
        return judge(Pool.BLOCKING, 9, pairs, [base], Yardstick()).enough

    assert enough(good) is None
    assert enough(good, bad) is None
    assert enough(good, bad, good) is True
    assert enough(good, bad, bad) is False
    assert enough(sight(size=9, p99_ms=9.0)) is False


def test_an_estimate_is_the_in_use_quantile_and_one() -> None:
    """One more than 99.9 % of the acquires found taken, one at least, and the base at most."""
    found = [8_990, 700, 200, 75, 21, 10, 4]
    assert 6 == estimate(GOAL, [sight(in_use=found)])
    assert 3 == estimate(Goal(handlers=50, cap=3), [sight(in_use=found)])


def test_a_trial_that_was_lost_is_asked_for_again() -> None:
    """Half a pair says nothing; the next step is the pair anew."""
    first = next_step(GOAL, [])
    assert isinstance(first, Step)
    tried = [Tried(attempt=first.attempts[0], sight=sight())]
    pair = next_step(GOAL, tried)
    assert isinstance(pair, Step)
    half = [*tried, Tried(attempt=pair.attempts[0], sight=sight(size=pair.attempts[0].size))]
    again = next_step(GOAL, half)
    assert isinstance(again, Step)
    assert {each.size for each in pair.attempts} == {each.size for each in again.attempts}


def test_it_tells_how_many_trials_are_likely_left() -> None:
    """About as many as it takes at first, next to none before the last."""
    tried: list[Tried] = []
    wished, left = enough_from(9), []
    while isinstance(step := next_step(GOAL, tried), Step):
        left.append(step.likely_after)
        for attempt in step.attempts:
            seen = sight(str(attempt.pool), attempt.size, **wished(attempt, 0))
            tried.append(Tried(attempt=attempt, sight=seen))
    assert isinstance(step, Answer)
    assert left[-1] <= 2
    assert left[0] >= len(tried) - 3


def test_it_tells_how_many_trials_a_certificate_takes_at_most() -> None:
    """Two tries of twelve pairs at the most, less with each pair, and the tries so far with it."""
    goal = Goal(handlers=50, confidence=Confidence.CERTIFIED)
    tried: list[Tried] = []
    wished, most = enough_from(9), []
    while isinstance(step := next_step(goal, tried), Step):
        if step.attempts[0].stage is Stage.CERTIFY:
            assert step.most_after is not None
            most.append(step.most_after + len(step.attempts))
            assert 9 == step.certificates[-1].size
        for attempt in step.attempts:
            seen = sight(str(attempt.pool), attempt.size, **wished(attempt, 0))
            tried.append(Tried(attempt=attempt, sight=seen))
    assert [48, 46, 44, 42] == most


def test_a_walk_of_one_who_wants_certainty_is_not_cut_short() -> None:
    """However far the knee is from where it began."""
    for least in (1, 2, 37):
        goal = Goal(handlers=50, confidence=Confidence.CERTIFIED)
        answer, _ = search(goal, enough_from(least))
        assert next(size for size in goal.grid if size >= least) == answer.size
        assert not answer.cut_short


def test_quick_asks_for_one_run() -> None:
    """An estimate from the base, and nothing is tried."""
    answer, tried = search(Goal(handlers=50, confidence=Confidence.QUICK), enough_from(9))
    assert 1 == len(tried)
    assert () == answer.walk
