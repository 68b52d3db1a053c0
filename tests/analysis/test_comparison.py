"""What a comparison says of a metric: changed, no change seen, or that it can't say, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record
from valkeybench.analysis.comparison import USUAL, Change, Outcome, compare_cases, rule_for
from valkeybench.analysis.matching import Matched
from valkeybench.analysis.metric import parse_metric

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord

STEADY = (4870.0, 4860.0, 4880.0)


def change(
    base: CaseRecord, new: CaseRecord, metric: str = "throughput", *, is_paired: bool = False
) -> Change:
    """Compare two cases by one metric."""
    pair = Matched(base=base, new=new, is_paired=is_paired)
    (found,) = compare_cases(pair, rules=[rule_for(parse_metric(metric))]).changes
    return found


def test_what_is_more_than_scatter_has_changed() -> None:
    """By how much, between which bounds, and whether that is good: more work is, more time not."""
    slower = change(
        case_record(throughput=STEADY), case_record(throughput=[rate * 0.8 for rate in STEADY])
    )

    assert (Outcome.CHANGED, False) == (slower.outcome, slower.is_better)
    assert slower.change == pytest.approx(-0.2)
    assert slower.low is not None
    assert slower.high is not None
    assert -0.25 < slower.low < -0.2 < slower.high < -0.15

    quicker = change(case_record(p99_ms=4.0), case_record(p99_ms=2.0), "response.p99")
    assert (Outcome.CHANGED, True) == (quicker.outcome, quicker.is_better)
    assert "−50" in quicker.written(quicker.change)


def test_what_stays_within_the_line_is_no_change() -> None:
    """Both bounds lie nearer than the change that counts."""
    same = change(case_record(throughput=STEADY), case_record(throughput=STEADY[::-1]))
    assert (Outcome.NOT_SEEN, None) == (same.outcome, same.is_better)


def test_half_and_double_are_equally_far() -> None:
    """A change and the same change undone have the same outcome."""
    up = change(case_record(throughput=STEADY), case_record(throughput=[x * 1.06 for x in STEADY]))
    down = change(
        case_record(throughput=[x * 1.06 for x in STEADY]), case_record(throughput=STEADY)
    )

    assert up.outcome is down.outcome is Outcome.CHANGED
    assert up.change is not None
    assert down.change is not None
    assert 1 == pytest.approx((1 + up.change) * (1 + down.change))


@pytest.mark.parametrize(
    ("base", "new", "why"),
    [
        ({"throughput": (4000, 5000, 6000)}, {"throughput": (4500, 5500, 6500)}, "scatter"),
        ({"throughput": STEADY}, {"throughput": [x * 1.03 for x in STEADY]}, None),
        ({"throughput": (4900, 4905, 4895)}, {"throughput": (5100, 5110, 5190)}, "it changed, but"),
        ({"repeats": 1}, {}, "one trial"),
        ({"repeats": 0}, {}, "no trial of the base"),
        ({}, {"lost": True}, "went away"),
    ],
)
def test_what_cannot_be_said_has_a_reason(
    base: dict[str, Any], new: dict[str, Any], why: str | None
) -> None:
    """Scatter, too few trials, a server that was gone; never a verdict without ground."""
    found = change(case_record(**base), case_record(**new))
    if why is None:
        assert found.outcome is Outcome.NOT_SEEN
        return
    assert found.outcome is Outcome.CANNOT_SAY
    assert why in found.reason


@pytest.mark.parametrize(
    ("wish", "metric", "why"),
    [
        ({"starved": 40}, "response.p50", "starved"),
        ({"unfinished": 900}, "response.p99", "unfinished"),
        ({"duration_ms": 100}, "response.p99", "samples lie beyond"),
    ],
)
def test_a_percentile_that_means_nothing_is_not_compared(
    wish: dict[str, Any], metric: str, why: str
) -> None:
    """Starved handlers, commands that never ended, a handful of samples."""
    found = change(case_record(), case_record(**wish), metric)
    assert found.outcome is Outcome.CANNOT_SAY
    assert why in found.reason


def test_what_one_side_never_saw_cannot_be_compared() -> None:
    """Nothing is no time: it is not zero."""
    found = change(case_record(), case_record("none"), "connect.p50")
    assert (Outcome.CANNOT_SAY, None) == (found.outcome, found.base)
    assert "saw nothing" in found.reason


def test_what_neither_saw_is_left_out() -> None:
    """A table of nothing helps nobody."""
    pair = Matched(base=case_record(), new=case_record(), is_paired=False)
    found = compare_cases(pair, rules=[rule_for(parse_metric("tls.p50"))])
    assert () == found.changes


def test_waits_are_compared_by_what_they_add() -> None:
    """Ten times nothing is still nothing: a wait counts from a tenth of a millisecond on."""
    little, more, much = (
        case_record(phases={"pool_wait": wait, "command": 0.17}) for wait in (0.001, 0.01, 5.0)
    )

    assert change(little, more, "pool_wait.p99").outcome is Outcome.NOT_SEEN
    waits = change(little, much, "pool_wait.p99")
    assert (Outcome.CHANGED, False) == (waits.outcome, waits.is_better)
    assert waits.written(waits.change).endswith("ms")


def test_taking_turns_cancels_what_both_suffer() -> None:
    """A machine that gets slower for both hides the difference of two runs, not that of pairs."""
    drift = (1.0, 0.9, 0.8)
    base = case_record(throughput=[5000 * d for d in drift])
    new = case_record("fair", throughput=[4500 * d for d in drift])

    assert change(base, new).outcome is Outcome.CANNOT_SAY
    assert change(base, new, is_paired=True).outcome is Outcome.CHANGED


def test_failures_are_compared_as_shares() -> None:
    """Against a side without any: there is no ratio, but there is a difference."""
    rule = rule_for(USUAL[-1])
    pair = Matched(
        base=case_record(), new=case_record(failures={"pool_timeout": 3000}), is_paired=False
    )
    (found,) = compare_cases(pair, rules=[rule]).changes
    assert (Outcome.CHANGED, False, 0.0) == (found.outcome, found.is_better, found.base)


@pytest.mark.parametrize(
    ("metric", "value", "written"),
    [
        ("throughput", 0.123, "+12.3 %"),
        ("throughput", -0.5, "−50.0 %"),
        ("throughput", 0.0004, "±0.0 %"),
        ("throughput", 19.0, "×20"),
        ("pool_wait.p99", -1500.0, "−1.50 µs"),
        ("starved", 0.0, "±0"),
    ],
)
def test_a_change_is_written_with_its_sign(metric: str, value: float, written: str) -> None:
    """Ratios in per cent until a factor is easier to read, differences in their unit."""
    whole = change(case_record(), case_record(), metric)
    assert written == whole.written(value)
