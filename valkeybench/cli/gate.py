"""`valkeybench gate`: from a run that was kept, or two sides to run, to a verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.analysis.gate import check_reach
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.verdict import joined
from valkeybench.cli.compare import rules_of
from valkeybench.cli.verdicts import publish
from valkeybench.errors import ScenarioError
from valkeybench.report.labels import labels
from valkeybench.results.store import read_run
from valkeybench.scenario.model import plain

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from valkeybench.analysis.limits import Limit
    from valkeybench.cli.verdicts import Outlets
    from valkeybench.errors import ExitCode
    from valkeybench.results.runfile import RunFile
    from valkeybench.scenario.model import Scenario

PLACE = "--fail-if"


def limits_of(scenario: Scenario) -> tuple[Limit, ...]:
    """Read a scenario's limits before its load starts.

    Raises ScenarioError for one that cannot be read, or is about cases there are not.
    """
    limits = parse_limits(scenario.fail_if, place=PLACE, across_cases=True)
    check_reach(limits, [plain(case) for case in scenario.cases()], place=PLACE)
    return limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """A baseline that was kept, and how to take it."""

    path: Path
    fails: bool = False
    """Whether it fails the gate, and does not only warn."""
    even_if_different: bool = False


def gate_run(
    path: Path,
    *,
    fail_if: Sequence[str],
    against: Against | None,
    metrics: Sequence[str],
    outlets: Outlets,
) -> ExitCode:
    """Hold limits, or else the scenario's own, and a baseline against a run that was kept."""
    limits = parse_limits(fail_if, place=PLACE, across_cases=True)
    rules = rules_of(metrics)
    run = read_run(path)
    limits = limits or _own_limits(run, path)
    if not limits and against is None:
        raise ScenarioError.one(
            PLACE,
            f"{path} was run without limits, and none are named",
            "name some: --fail-if 'response.p99 > 5ms', or a --baseline",
        )
    verdicts = [workflow.gate(run, limits)] if limits else []
    if against is not None:
        verdicts.append(
            workflow.gate_against(
                run,
                read_run(against.path),
                rules=rules,
                fails=against.fails,
                even_if_different=against.even_if_different,
            )
        )
    return publish(joined(verdicts), labels(run.cases), outlets)


def _own_limits(run: RunFile, path: Path) -> tuple[Limit, ...]:
    """Read the limits a run was made with."""
    written = run.scenario.get("fail_if")
    texts = [str(each) for each in written] if isinstance(written, list) else []
    return parse_limits(texts, place=f"{path}: fail_if", across_cases=True)
