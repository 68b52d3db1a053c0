"""The line of a trial says what it saw, and no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runs import case_record
from valkeybench.cli.progress import PlainProgress, time_left
from valkeybench.plan.trial import make_plan
from valkeybench.scenario.model import Scenario

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord


def line(case: CaseRecord, capsys: pytest.CaptureFixture[str]) -> str:
    """Give the line for the first trial of a case."""
    PlainProgress().trial_done(
        make_plan(Scenario(), key_prefix="valkeybench:x:").trials[0], case.trials[0]
    )
    return capsys.readouterr().err


@pytest.mark.parametrize(("completed", "is_said"), [(300, True), (0, False)])
def test_a_percentile_needs_a_reply(
    completed: int,
    is_said: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What was unfinished alone has an age and no percentile."""
    case = case_record("none", failures={"reply_error": 39}, unfinished=1)
    (trial,) = case.trials[:1]
    summary = trial.summary.model_copy(update={"completed": completed})
    trials = [trial.model_copy(update={"summary": summary})]
    said = line(case.model_copy(update={"trials": trials}), capsys)
    assert is_said == ("p99" in said)
    assert (not is_said) == ("no reply" in said)
    assert "39 failed" in said


@pytest.mark.parametrize(
    ("seconds", "words"), [(3.4, "3 s"), (119.4, "119 s"), (119.6, "2 min"), (150, "2 min 30 s")]
)
def test_the_time_left_is_whole_seconds(seconds: float, words: str) -> None:
    """More figures would promise what nobody knows."""
    assert words == time_left(seconds)
