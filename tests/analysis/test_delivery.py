"""An open load that was not delivered as offered is named, and nothing is sized from it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runs import case_record
from valkeybench.analysis.cases import seen
from valkeybench.analysis.delivery import delivery
from valkeybench.analysis.finding import Code
from valkeybench.analysis.health import health
from valkeybench.analysis.sizing import recommend
from valkeybench.analysis.thresholds import Thresholds


def is_behind(**wishes: Any) -> bool:  # noqa: ANN401 - whatever a case can be
    """Tell whether such a case counts as behind its schedule."""
    found = delivery(seen([case_record(**wishes)])[0])
    assert found is not None
    return found.is_behind(Thresholds())


def test_a_closed_load_has_no_schedule() -> None:
    """So it cannot be behind it."""
    assert delivery(seen([case_record()])[0]) is None


@pytest.mark.parametrize(
    ("wishes", "behind"),
    [
        ({}, False),
        ({"dropped": 1}, False),
        ({"dropped": 40}, True),
        ({"throughput": 895.0}, False),
        ({"throughput": 885.0}, True),
        ({"late_ms": 0.01}, False),
        ({"late_ms": 50}, True),
    ],
)
def test_behind_is_dropped_fewer_or_late(wishes: dict[str, Any], behind: bool) -> None:
    """Under 99 % done, over 1 % never sent, or more time waiting for a handler than served."""
    assert behind == is_behind(rate=900.0, **wishes)


def test_nothing_is_sized_from_a_load_behind_its_schedule() -> None:
    """The in-use counts are of another load than was asked for."""
    [late] = recommend([case_record(rate=900.0, dropped=40)])
    [timely] = recommend([case_record(rate=900.0)])

    assert ("no_size", [Code.BEHIND_SCHEDULE]) == (late.verdict, late.evidence["causes"])
    assert "size" == timely.verdict


@pytest.mark.parametrize(("command_ms", "were_busy"), [(0.17, False), (55.0, True)])
def test_the_warning_says_how_to_keep_up(command_ms: float, were_busy: bool) -> None:
    """Less load, more handlers or processes; a quieter machine where handlers had nothing to do."""
    phases = {"pool_wait": 0.01, "command": command_ms, "release": 0.01}
    wishes: dict[str, Any] = {
        "rate": 900.0,
        "dropped": 80,
        "duration_ms": 6000,
        "throughput": 880.0,
    }
    found = health([case_record(phases=phases, **wishes)])
    [warning] = [each for each in found if each.code == Code.BEHIND_SCHEDULE]

    for way in ("--rate", "--concurrency 100", "--processes 2"):
        assert way in warning.remedy
    assert ("a quieter machine" not in warning.remedy) is were_busy


def test_what_failed_was_sent() -> None:
    """A pool that raises fails commands in time; that it does is said elsewhere."""
    failing = {"rate": 900.0, "throughput": 700.0, "failures": {"pool_exhausted": 600}}
    assert not is_behind(**failing)
    assert is_behind(rate=900.0, throughput=700.0)


def test_what_was_late_and_done_is_not_said_to_be_missing() -> None:
    """All were done, and waited for a handler for most of their time."""
    found = health([case_record(rate=900.0, late_ms=50, throughput=900.0, duration_ms=6000)])
    [warning] = [each for each in found if each.code == Code.BEHIND_SCHEDULE]
    assert "commands began late, though none was left out" in warning.message


def test_handlers_that_wait_for_a_pool_are_busy() -> None:
    """They hang in it when the window closes, and so in no mean of what was served."""
    wishes: dict[str, Any] = {"rate": 5000.0, "dropped": 9000, "throughput": 900.0}
    found = health([case_record(unfinished=40, **wishes)])
    [warning] = [each for each in found if each.code == Code.BEHIND_SCHEDULE]
    assert "a quieter machine" not in warning.remedy
