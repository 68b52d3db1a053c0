"""Reads the limits of a scenario before its load starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.gate import check_reach
from valkeybench.analysis.limits import parse_limits
from valkeybench.scenario.model import plain

if TYPE_CHECKING:
    from valkeybench.analysis.limits import Limit
    from valkeybench.scenario.model import Scenario

PLACE = "--fail-if"


def limits_of(scenario: Scenario) -> tuple[Limit, ...]:
    """Read a scenario's limits before its load starts.

    Raises ScenarioError for one that cannot be read, or is about cases there are not.
    """
    limits = parse_limits(scenario.fail_if, place=PLACE, across_cases=True)
    check_reach(limits, [plain(case) for case in scenario.cases()], place=PLACE)
    return limits
