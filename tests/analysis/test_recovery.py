"""Recovery is read off courses of throughput whose truth is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.disturbances import INTERVAL, USUAL, WINDOW, course, disturbed
from tests.runs import case_record
from valkeybench.analysis.finding import Code
from valkeybench.analysis.health import health
from valkeybench.analysis.recovery import find_recovery, recovery, with_recovery
from valkeybench.analysis.sizing import recommend
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence


def found(rates: Sequence[float], began_ns: int) -> int | None:
    """Find the recovery time."""
    return find_recovery(rates, interval_ns=INTERVAL, began_ns=began_ns).recovery_ns


@given(
    st.integers(500 * MILLISECOND, 2 * SECOND),
    st.integers(1 * MILLISECOND, SECOND),
    st.sampled_from([0.0, 0.3, 0.8]),
)
@settings(deadline=None)
def test_an_outage_of_known_length_is_found_within_an_interval(
    began: int, lasted: int, depth: float
) -> None:
    """Whenever it begins, however long and deep it is."""
    seen = found(course((began, began + lasted), depth=depth), began)
    assert seen is not None
    assert abs(seen - lasted) <= INTERVAL


@given(st.integers(500 * MILLISECOND, 2 * SECOND), st.integers(200, 1000), st.integers(0, 5))
@settings(deadline=None)
def test_noise_hides_no_outage(began: int, lasted_ms: int, percent: int) -> None:
    """It is never said to be over while it lasts, and soon after it is."""
    lasted = lasted_ms * MILLISECOND
    seen = found(course((began, began + lasted), noise=percent / 100), began)
    assert seen is not None
    assert lasted - INTERVAL <= seen <= lasted + 4 * INTERVAL


def test_what_does_not_come_back_is_not_back() -> None:
    """Neither when it stays away nor when it stays at 90 %."""
    for depth in (0.0, 0.9):
        assert None is found(course((SECOND, WINDOW), depth=depth), SECOND)


def test_what_dips_again_is_not_back_before() -> None:
    """It has to stay; a second outage of a quarter of the rest is no chance."""
    rates = course((SECOND, 1200 * MILLISECOND), (2 * SECOND, 2800 * MILLISECOND))
    seen = found(rates, SECOND)
    assert seen is not None
    assert abs(seen - 1800 * MILLISECOND) <= INTERVAL


def test_a_backlog_caught_up_hides_no_hole() -> None:
    """An open load does twice as much after the hole, and its average is as ever."""
    rates = course((1010 * MILLISECOND, 1200 * MILLISECOND))
    for index in range(24, 28):
        rates[index] *= 2
    seen = found(rates, 1010 * MILLISECOND)
    assert seen is not None
    assert abs(seen - 190 * MILLISECOND) <= INTERVAL


def test_an_outage_that_sets_in_late_counts_from_the_disturbance() -> None:
    """A hole after good intervals is one, though a backlog that is caught up makes up for it."""
    rates = course((1150 * MILLISECOND, 1300 * MILLISECOND))
    for index in range(26, 29):
        rates[index] *= 2
    assert 300 * MILLISECOND == found(rates, SECOND)


def test_a_dip_shorter_than_an_interval_is_nothing_more() -> None:
    """No more than one interval is said."""
    assert 0 == found(course(), SECOND)


def test_a_slow_return_ends_where_it_is_at_95_percent() -> None:
    """A ramp over a second from nothing reaches it after 950 ms."""
    rates = course()
    for index in range(20, 40):
        rates[index] = USUAL * (index + 0.5 - 20) / 20
    seen = found(rates, SECOND)
    assert seen is not None
    # A stretch that averages 95 % may begin a little below it.
    assert 800 * MILLISECOND <= seen <= 950 * MILLISECOND


@pytest.mark.parametrize(
    ("rates", "began", "note"),
    [
        (course(), 4 * INTERVAL, "too little of the window"),
        ([0.0] * 80, SECOND, "nothing completed before"),
        ([0.0, 2 * USUAL] * 40, SECOND, "scattered by 100 %"),
        ([], SECOND, "too little of the window"),
    ],
)
def test_what_cannot_be_told_is_not_told(rates: list[float], began: int, note: str) -> None:
    """There is a reason instead of a figure."""
    seen = find_recovery(rates, interval_ns=INTERVAL, began_ns=began)
    assert None is seen.recovery_ns
    assert note in seen.note


def test_a_case_has_the_median_the_range_and_all_failures() -> None:
    """One that did not come back took longer than any that did."""
    back = [course((SECOND, SECOND + ms * MILLISECOND)) for ms in (200, 400)]
    case = disturbed([*back, course((SECOND, WINDOW))], failed={20: {"reset": 2}, 30: {"auth": 1}})
    seen = recovery(case)
    assert seen is not None
    assert (400 * MILLISECOND, 200 * MILLISECOND, None) == (
        seen.median_ns,
        seen.least_ns,
        seen.most_ns,
    )
    assert 2 == seen.recovered
    assert {"auth": 3, "reset": 6} == seen.failures
    assert [0.0] * 3 == [trial.lowest for trial in seen.trials]
    assert [USUAL] * 3 == [trial.baseline for trial in seen.trials]
    # Back in interval 24: its stretch of ten ends with interval 33.
    assert 34 * MILLISECOND == seen.trials[0].p99_worst_ns


def test_half_of_them_back_is_no_median() -> None:
    """Of two one of which did not come back the middle is not known."""
    seen = recovery(disturbed([course((SECOND, 2 * SECOND)), course((SECOND, WINDOW))]))
    assert seen is not None
    assert (None, SECOND, None) == (seen.median_ns, seen.least_ns, seen.most_ns)


def test_what_was_not_disturbed_did_not_recover() -> None:
    """There is nothing to say of it, and nothing is kept."""
    case = case_record()
    assert None is recovery(case)
    assert [None] == [kept.recovery for kept in with_recovery([case])]


def test_a_disturbed_run_is_not_called_unsteady_but_disturbed() -> None:
    """What the disturbance brings about is no finding; that there was one is."""
    noisy: dict[str, Any] = {
        "unfinished": 300,
        "retried": 9,
        "failures": {"reset": 50},
        "rejected": 4,
    }
    case = disturbed([course((SECOND, 3 * SECOND))] * 3, failed={25: {"reset": 50}}, **noisy)
    assert [Code.DISTURBED] == [warning.code for warning in health([case])]


def test_what_failed_before_it_is_told() -> None:
    """Then not all failures are of its doing."""
    case = disturbed([course((SECOND, 2 * SECOND))] * 3, failed={3: {"auth": 5}})
    [first, failures] = health([case])
    assert (Code.DISTURBED, Code.FAILURES) == (first.code, failures.code)
    assert "15 commands failed before" in failures.message


def test_no_size_comes_out_of_a_disturbed_run() -> None:
    """It is refused with the reason; a case that was let be is sized as ever."""
    case = disturbed([course((SECOND, 2 * SECOND))] * 3)
    [alone] = recommend([case])
    assert ("no_size", [Code.DISTURBED]) == (alone.verdict, alone.evidence["causes"])
    assert "disturbed on purpose" in alone.reason
    peaceful = case_record()
    assert recommend([peaceful]) == recommend([case, peaceful])
