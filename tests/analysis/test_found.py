"""What a search found is said in words a person can check, with the numbers beside them."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from tests.analysis.trying import enough_from, search, sight
from valkeybench.analysis.explanation import bounds, grown, rules
from valkeybench.analysis.found import recommendation, with_headroom
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.inference import share_at_most
from valkeybench.analysis.search import Stage, answer_so_far
from valkeybench.analysis.sizing import Need
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.results.runfile import RunFile
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from valkeybench.analysis.search import Attempt
    from valkeybench.results.runfile import Recommendation


def found(goal: Goal, least: int = 7, **base: Any) -> Recommendation:  # noqa: ANN401 - every wish of a case
    """Search, and give the recommendation."""
    answer, tried = search(goal, enough_from(least, **base))
    return recommendation(goal, tried, answer, cpus=4)


def test_a_measured_size_says_what_was_tried_and_why_not_less() -> None:
    """The size, what it was measured beside, the next smaller with its failure, the headroom."""
    one = found(Goal(handlers=50))
    assert ("size", "measured", 7, 7) == (
        one.verdict,
        one.basis,
        one.max_connections,
        one.minimum,
    )
    assert (
        "7 was enough, measured in 2 pairs of trials: response p99 800 µs, beside 800 µs"
        in one.reason
    )
    assert "With 5 one in a hundred waited" in one.reason
    assert "with 25 % it is 9" in one.reason
    assert 5 == one.evidence["next_smaller"]["max_connections"]  # type: ignore[index, call-overload]


def test_no_more_is_said_of_a_smaller_pool_than_the_trials_there_were_can_say() -> None:
    """Of two handlers there is one pair, which is none too many to name what it tried."""
    one = found(Goal(handlers=2), least=1, concurrency=2, in_use=[1], throughput=4000.0)
    assert 2 == one.max_connections
    assert "No smaller pool was shown to be enough in two pairs: 2 is what each" in one.reason
    assert "No smaller pool was enough: 50 is" in found(Goal(handlers=50), least=50).reason


def test_the_evidence_says_which_trials_it_rests_on() -> None:
    """Each size with its runs, and the base runs beside them: all of them are in the file."""
    one = found(Goal(handlers=50))
    evidence: dict[str, Any] = one.evidence
    assert [5, 7] == [each["max_connections"] for each in evidence["walk"]]
    for each in evidence["walk"]:
        assert len(each["repeats"]) == len(each["beside"]) == len(each["p99_ns"])
    assert evidence["trials"] <= evidence["sweep_trials"] / 3


def test_an_estimate_says_it_was_not_tried() -> None:
    """One run: basis `estimated`, and nothing claimed beyond it."""
    one = found(Goal(handlers=50, confidence=Confidence.QUICK))
    assert "estimated" == one.basis
    assert "not tried" in one.reason


def test_a_raising_pool_that_was_not_tried_is_one_that_nobody_found_exhausted() -> None:
    """Whoever finds no connection free fails, so one in a thousand is too many."""
    waits = found(Goal(handlers=50, confidence=Confidence.QUICK))
    raises = found(Goal(handlers=50, confidence=Confidence.QUICK, pool=Pool.RAISING))
    risk: dict[str, Any] = raises.evidence["exhaustion"]  # type: ignore[assignment]
    assert 0 == risk["failed"] < risk["acquires"]
    assert (waits.max_connections or 0) <= (raises.max_connections or 0)
    assert "acquires would have found it exhausted, so with 95 % confidence" in raises.reason


def test_a_certificate_says_what_it_proves() -> None:
    """Confidence, load, machine, and both clauses; the bounds stand in the evidence."""
    one = found(Goal(handlers=50, confidence=Confidence.CERTIFIED))
    assert "certified" == one.basis
    assert "with 95 % confidence, at this load and on this machine" in one.reason
    evidence: dict[str, Any] = one.evidence
    (certificate,) = evidence["certificates"]
    assert ["holds", "holds"] == [each["conclusion"] for each in certificate["clauses"]]


@pytest.mark.parametrize(
    ("confidence", "end"),
    [
        (Confidence.STANDARD, "may do as well (--confidence certified)."),
        (Confidence.CERTIFIED, "may do as well."),
    ],
)
def test_a_longer_search_is_offered_to_who_did_not_have_it(
    confidence: Confidence, end: str
) -> None:
    """What was asked for is no remedy."""
    goal = Goal(handlers=50, confidence=confidence)
    answer, tried = search(goal, enough_from(7))
    said = recommendation(goal, tried, replace(answer, cut_short=True), cpus=4).reason
    assert f"The search ended there; a smaller pool {end}" in said


def certifying(seven: float, nine: float) -> Recommendation:
    """Certify with 7 enough by the walk, and fresh pairs with such p99 for 7 and for 9."""
    goal, tail = Goal(handlers=50, confidence=Confidence.CERTIFIED), count()

    def wished(attempt: Attempt, _: int) -> dict[str, Any]:
        if attempt.is_base or attempt.stage is not Stage.CERTIFY:
            return dict(enough_from(7)(attempt, 0))
        p99_ms = seven if attempt.size == 7 else nine
        return {"p99_ms": p99_ms * (1 + 0.1 * (next(tail) % 2))}

    answer, tried = search(goal, wished)
    return recommendation(goal, tried, answer, cpus=4)


def test_the_next_size_is_certified_where_the_first_cannot_be() -> None:
    """It is named with its own numbers, though the walk never came to it."""
    one = certifying(seven=0.86, nine=0.78)
    assert ("certified", 9) == (one.basis, one.max_connections)
    assert "9 was enough, measured in" in one.reason
    assert "No smaller pool" not in one.reason


def test_a_size_that_fresh_pairs_disproved_gives_way_to_one_they_left_open() -> None:
    """Nothing is certified then, and each says what became of it."""
    one = certifying(seven=1.2, nine=0.86)
    assert ("measured", 9) == (one.basis, one.max_connections)
    assert (
        "Not certified: 4 fresh pairs disproved that 7 is enough and 12 fresh pairs" in one.reason
    )
    assert "proved neither that 9 is enough nor that it is not" in one.reason


def test_what_is_not_certified_says_so() -> None:
    """A size no pair can prove is measured, not certified."""
    one = found(Goal(handlers=1, confidence=Confidence.CERTIFIED), least=1, duration_ms=30_000)
    assert "measured" == one.basis
    assert "Not certified" in one.reason


def test_a_raising_pool_says_how_sure_it_is_that_it_never_raises() -> None:
    """No failure in so many acquires bounds the share: the rule of three."""
    one = found(Goal(handlers=50, pool=Pool.RAISING))
    risk: dict[str, Any] = one.evidence["exhaustion"]  # type: ignore[assignment]
    assert 0 == risk["failed"]
    assert share_at_most(0, risk["acquires"]) == pytest.approx(risk["share_at_most"])
    assert "would" in one.reason


def test_a_raising_pool_with_a_connection_for_each_handler_cannot_raise() -> None:
    """What is certain needs no bound, and a pool that waits would do with fewer."""
    one = found(Goal(handlers=6, pool=Pool.RAISING), least=6)
    assert 6 == one.max_connections
    assert one.evidence["exhaustion"] is None
    assert "cannot be exhausted" in one.reason


@pytest.mark.parametrize(
    ("trials", "size", "said"),
    [(1, None, None), (5, None, "stopped before it found"), (7, 12, "search was stopped")],
)
def test_a_search_that_is_stopped_says_what_it_had_found(
    trials: int, size: int | None, said: str | None
) -> None:
    """Nothing before a size was tried; then the sizes tried, and the smallest that was enough."""
    goal = Goal(handlers=50, confidence=Confidence.CERTIFIED)
    _, tried = search(goal, enough_from(10, in_use=[50, 20, 10, 8, 6, 2, 1, 1, 1, 1]))
    answer = answer_so_far(goal, tried[:trials])
    if answer is None:
        assert said is None
        return
    one = recommendation(goal, tried[:trials], answer, cpus=4)
    assert size == one.max_connections
    assert said is not None
    assert said in one.reason
    assert one.evidence["walk"]
    assert size is None or "Not certified: the search was stopped" in one.reason


def test_a_refusal_keeps_its_walk() -> None:
    """Why there is no size, what to do, and everything that was tried until then."""
    one = found(Goal(handlers=50), cpu_share=0.99)
    assert ("no_size", None) == (one.verdict, one.max_connections)
    assert ["client_saturated"] == one.evidence["causes"]
    assert one.evidence["remedy"]


def test_headroom_is_no_more_than_a_connection_each() -> None:
    """Rounded up, and never past what handlers can use."""
    assert 9 == with_headroom(Goal(handlers=50), 7)
    assert 50 == with_headroom(Goal(handlers=50), 48)
    assert 8 == with_headroom(Goal(handlers=50, headroom=0.0), 8)


def test_operational_bounds_are_arithmetic_on_what_was_measured() -> None:
    """Pool: connections over hold. Client: commands over CPU time. The tightest first."""
    need = Need.read(sight(cpu_share=0.5, server_cpu_share=0.1).case, Thresholds())
    rate = need.case.summary.throughput
    said = {bound.resource: bound.rate for bound in bounds(need, 7)}
    assert 7e9 / need.hold_ns == pytest.approx(said["pool"])
    assert 50e9 / (need.think_ns + need.hold_ns) == pytest.approx(said["handlers"])
    assert 2 * rate == pytest.approx(said["client CPU"])
    assert 10 * rate == pytest.approx(said["server CPU"])
    rates = [bound.rate for bound in bounds(need, 7)]
    assert sorted(rates) == rates
    assert rate <= rates[0] * 1.02


def test_rules_of_thumb_are_told_with_their_cost() -> None:
    """Too many connections are counted; too few by the acquires that would have waited."""
    need = Need.read(sight(in_use=[50, 30, 15, 5]).case, Thresholds())
    said = {rule.name: rule for rule in rules(need, 4, cpus=4)}
    assert 55 == said["concurrency + 10 %"].max_connections
    assert 51 == said["concurrency + 10 %"].extra
    assert 9 == said["HikariCP: 2 × cores + 1"].max_connections
    little = said["Little's law × 1.5"]
    assert (2, -2) == (little.max_connections, little.extra)
    assert 0.20 == pytest.approx(little.waiting, abs=0.001)
    assert "HikariCP: 2 × cores + 1" not in {rule.name for rule in rules(need, 4, cpus=None)}


def test_a_grown_load_needs_more_but_less_than_in_proportion() -> None:
    """And beyond twice the load, or with a busy client, it is not to be trusted."""
    need = Need.read(sight(cpu_share=0.2).case, Thresholds())
    more = grown(need, 7, 2.0, Thresholds())
    assert 7 < more.max_connections < 14
    assert more.trusted
    assert not grown(need, 7, 3.0, Thresholds()).trusted
    busy = Need.read(sight(cpu_share=0.6).case, Thresholds())
    assert not grown(busy, 7, 1.5, Thresholds()).trusted


def test_what_it_keeps_fits_the_run_file() -> None:
    """Evidence is plain JSON without NaN or Infinity, whatever the verdict."""
    for goal in (
        Goal(handlers=50),
        Goal(handlers=50, confidence=Confidence.CERTIFIED),
        Goal(handlers=50, pool=Pool.RAISING),
    ):
        for cpu_share in (0.35, 0.99):
            text = found(goal, cpu_share=cpu_share).model_dump_json(by_alias=True)
            assert "NaN" not in text
            assert "Infinity" not in text
    assert "recommendations" in RunFile.model_fields
