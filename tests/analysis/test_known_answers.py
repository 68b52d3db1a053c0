"""On modelled applications whose best size is known, the search finds it or says it cannot.

The truth was found by trying every size for long (`benchmarks/sizing_model.py --truth`); the
search sees short, noisy trials, and goes through its guards like any other.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, median
from typing import TYPE_CHECKING

import pytest

from tests.analysis.model import Setting
from tests.analysis.searching import (
    MISSED,
    P99_TOLERANCE,
    Found,
    measure_truth,
    read_truth,
    search,
    true_minimum,
)
from tests.analysis.settings import HOPELESS, WELL_BEHAVED
from valkeybench.analysis.enough import Criterion, Yardstick
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.inference import Conclusion
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.search import Stage
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    Truth = Mapping[str, Mapping[int, tuple[float, float]]]

COMMANDS = 8000
"""In each modelled trial: what fifty handlers do in about two seconds."""

SMALL = Setting(name="small", handlers=24, think_ms=6, rtt_ms=1.0)


@pytest.fixture(scope="module")
def truth() -> Truth:
    """Read what every size really does."""
    return read_truth()


@pytest.fixture(scope="module")
def found() -> dict[str, Found]:
    """Search once on every setting."""
    return {
        setting.name: search(setting, Goal(handlers=setting.handlers), commands=COMMANDS)
        for setting in (*WELL_BEHAVED, *HOPELESS)
    }


def test_the_truth_is_that_of_these_settings(truth: Truth) -> None:
    """Trying one setting again, for less long, finds the same sizes good enough."""
    assert {setting.name for setting in (*WELL_BEHAVED, *HOPELESS)} == set(truth)
    for setting in (WELL_BEHAVED[3], WELL_BEHAVED[0]):
        known = truth[setting.name]
        again = measure_truth(setting, tuple(known), commands=20_000, replicates=1)
        best = min(p99 for p99, _ in again.values())
        assert again[true_minimum(known)][0] <= P99_TOLERANCE * 1.05 * best


def test_recommendations_hardly_ever_miss(found: dict[str, Found], truth: Truth) -> None:
    """At most 2 % of them leave the true p99 more than 15 % above the best."""
    missed = [
        name
        for name, each in found.items()
        if each.answer.size is not None
        and truth[name][each.answer.size][0] > MISSED * min(p99 for p99, _ in truth[name].values())
    ]
    recommended = sum(each.answer.size is not None for each in found.values())
    assert recommended >= 24
    assert len(missed) <= 0.02 * recommended, missed


def test_recommendations_are_not_much_too_large(found: dict[str, Found], truth: Truth) -> None:
    """In the median at most 1.5 times the true minimum, and never as much as three times."""
    ratios = [
        each.answer.size / true_minimum(truth[name])
        for name, each in found.items()
        if each.answer.size is not None
    ]
    assert median(ratios) <= 1.5
    assert max(ratios) < 3


@pytest.mark.parametrize("setting", WELL_BEHAVED, ids=lambda setting: setting.name)
def test_a_size_is_found_where_there_is_one(setting: Setting, found: dict[str, Found]) -> None:
    """Measured, with the next smaller one known not to do or the search said to be cut short."""
    answer = found[setting.name].answer
    assert answer.refusal is None
    assert Confidence.STANDARD is answer.basis
    assert answer.size is not None
    smaller = answer.next_smaller
    assert answer.cut_short or answer.size == 1 or smaller is not None
    assert smaller is None or smaller.size < answer.size


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("cpu-bound", "client_saturated"),
        ("cpu-bound-convoy", "client_saturated"),
        ("server-bound", "server_saturated"),
        ("bursts", "bursts"),
        ("limiter", "smaller_is_better"),
        ("two-kinds", "two_kinds"),
        ("slow-blocks", "bursts"),
    ],
)
def test_where_no_size_is_an_answer_the_cause_is_named(
    name: str, cause: str, found: dict[str, Found]
) -> None:
    """Saturated, bursty and bimodal loads get the cause and a remedy in place of a size."""
    answer = found[name].answer
    assert answer.size is None
    assert answer.refusal is not None
    assert cause == str(answer.refusal.cause)
    assert answer.refusal.remedy


def test_it_takes_a_third_of_the_time_of_trying_every_size(found: dict[str, Found]) -> None:
    """Of three trials of every size of the same grid, where there are nine sizes or more."""
    shares = []
    for setting in WELL_BEHAVED:
        goal = Goal(handlers=setting.handlers)
        share = len(found[setting.name].tried) / goal.sweep_trials
        shares.append(share)
        if len(goal.grid) >= 9:
            assert share <= 1 / 3 + 1e-9, setting.name
    assert fmean(shares) <= 1 / 3


def test_a_cpu_bound_client_is_refused_after_one_trial(found: dict[str, Found]) -> None:
    """What can be seen at once costs no more than that."""
    assert 1 == len(found["cpu-bound"].tried)


def test_quick_takes_one_run() -> None:
    """And says that its size is an estimate."""
    one = search(SMALL, Goal(handlers=24, confidence=Confidence.QUICK), commands=COMMANDS)
    assert 1 == len(one.tried)
    assert Confidence.QUICK is one.answer.basis
    assert one.answer.size is not None
    assert 4 <= one.answer.size <= 12


def test_certified_proves_it_with_fresh_pairs() -> None:
    """The certificate rests on pairs run after the walk, and on none of the walk's."""
    goal = Goal(handlers=24, confidence=Confidence.CERTIFIED)
    one = search(SMALL, goal, commands=COMMANDS, seed=2)
    assert Confidence.CERTIFIED is one.answer.basis
    held = one.answer.certificates[-1]
    assert Conclusion.HOLDS is held.conclusion
    fresh = [tried for tried in one.tried if tried.attempt.stage is Stage.CERTIFY]
    assert sum(each.pairs for each in one.answer.certificates) * 2 == len(fresh)
    assert all(clause.high is not None for clause in held.clauses)


def test_what_cannot_be_proved_is_not_certified() -> None:
    """With trials that differ by a quarter, fresh pairs leave it open, and it says so."""
    noisy = replace(SMALL, noise=0.25)
    goal = Goal(handlers=24, confidence=Confidence.CERTIFIED)
    one = search(noisy, goal, commands=2000, seed=3)
    assert Confidence.CERTIFIED is not one.answer.basis
    assert all(each.conclusion is not Conclusion.HOLDS for each in one.answer.certificates)


def test_an_slo_makes_do_with_less() -> None:
    """A limit far above the best tail is kept by fewer connections, and the next fewer break it."""
    slo = parse_limits(["response.p99 < 12ms"], place="--slo")
    setting = next(each for each in WELL_BEHAVED if each.name == "remote-50")
    goal = Goal(handlers=50, yardstick=Yardstick(slo=slo))
    strict = search(setting, Goal(handlers=50), commands=COMMANDS).answer
    lax = search(setting, goal, commands=COMMANDS).answer
    assert lax.size is not None
    assert strict.size is not None
    assert lax.size < strict.size
    known = read_truth()["remote-50"]
    assert known[lax.size][0] < 12 * 1.05
    assert lax.next_smaller is not None
    assert lax.next_smaller.failed is not None
    assert lax.next_smaller.failed.criterion in (Criterion.SLO, Criterion.THROUGHPUT)


def test_a_raising_pool_is_sized_until_it_never_raises() -> None:
    """Its size saw no exhausted pool at all, and the next smaller one did."""
    one = search(SMALL, Goal(handlers=24, pool=Pool.RAISING), commands=COMMANDS).answer
    judged = one.judged(one.size or 0)
    assert judged is not None
    assert 0 == sum(pair.candidate.case.pool_failures for pair in judged.pairs)
    assert one.next_smaller is not None
    assert one.next_smaller.failed is not None
    assert Criterion.POOL_FAILURES is one.next_smaller.failed.criterion


def test_a_cap_below_the_need_is_refused() -> None:
    """With a cap at the limit the need cannot be seen; above it, the cap changes nothing."""
    refused = search(SMALL, Goal(handlers=24, cap=4), commands=COMMANDS).answer
    assert refused.refusal is not None
    assert "cap" == refused.refusal.cause
    roomy = search(SMALL, Goal(handlers=24, cap=20), commands=COMMANDS).answer
    assert roomy.size is not None
    assert roomy.size < 20


def test_a_pool_that_serves_in_order_is_tried_beside_one_that_does_not() -> None:
    """At the size that was not enough, so that the cure stands beside the ill."""
    answer = search(SMALL, Goal(handlers=24), commands=COMMANDS).answer
    assert answer.cure is not None
    assert answer.next_smaller is not None
    assert (Pool.FAIR, answer.next_smaller.size) == (answer.cure.pool, answer.cure.size)


def test_one_handler_needs_one_connection() -> None:
    """And no second trial to find that out."""
    lonely = search(replace(SMALL, handlers=1), Goal(handlers=1), commands=COMMANDS)
    assert (1, 1) == (lonely.answer.size, len(lonely.tried))
