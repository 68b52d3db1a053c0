"""Every error ends in its own exit code, and carries what the reader can do."""

from __future__ import annotations

import pytest

from valkeybench.errors import (
    ExitCode,
    LoadError,
    Problem,
    ResultError,
    ScenarioError,
    ServerError,
    ValkeybenchError,
)


@pytest.mark.parametrize(
    ("error", "code"),
    [(ValkeybenchError, 1), (ScenarioError, 2), (ServerError, 3), (LoadError, 4), (ResultError, 5)],
)
def test_each_error_has_its_exit_code(error: type[ValkeybenchError], code: int) -> None:
    """What stopped us can be told from the exit code alone."""
    assert code == error.exit_code


def test_exit_codes_are_what_is_promised() -> None:
    """The codes that are no errors are fixed too: scripts rely on them."""
    assert {"DONE": 0, "GATE_FAIL": 10, "GATE_INCONCLUSIVE": 11, "INTERRUPTED": 130} == {
        code.name: code.value for code in ExitCode if code.value not in range(1, 6)
    }


def test_an_error_carries_its_remedy() -> None:
    """Message and remedy are apart, so that each can be shown where it belongs."""
    error = ServerError("it went away", remedy="start it")
    assert ("it went away", "start it", "it went away") == (error.message, error.remedy, str(error))


def test_a_scenario_error_shows_every_problem() -> None:
    """One line for each problem: where, what, and what to do, if anything can be done."""
    problems = [Problem("a", "is wrong", "right it"), Problem("b", "is wrong too")]
    error = ScenarioError(problems)

    assert tuple(problems) == error.problems
    assert "a: is wrong; right it\nb: is wrong too" == str(error)
    assert (Problem("a", "is wrong", "right it"),) == ScenarioError.one(
        "a", "is wrong", "right it"
    ).problems
