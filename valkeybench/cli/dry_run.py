"""`--dry-run`: what `run` and `size` would do, shown instead of done."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.analysis.search import Step, next_step
from valkeybench.cli.consoles import show
from valkeybench.cli.run import load_scenario
from valkeybench.cli.size import prepare
from valkeybench.errors import ExitCode, Problem, ScenarioError
from valkeybench.report.preview import preview_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from valkeybench.cli.size import Wishes

    Flags = Mapping[str, str | list[str]]


def dry_run_of_run(
    word: str | None, flags: Flags, *, output: Path | None, as_json: bool
) -> ExitCode:
    """Show what a run would do; give the exit code."""
    _check_unkept(output, as_json=as_json)
    show(preview_document(workflow.preview(load_scenario(word, flags))))
    return ExitCode.DONE


def dry_run_of_size(
    word: str | None, flags: Flags, wishes: Wishes, *, output: Path | None, as_json: bool
) -> ExitCode:
    """Show what a search would do, as far as that is known before it; give the exit code."""
    _check_unkept(output, as_json=as_json)
    scenario, goal = prepare(word, flags, wishes)
    first = next_step(goal, [])
    likely = len(first.attempts) + first.likely_after if isinstance(first, Step) else None
    found = replace(workflow.preview(scenario, goal), sizes=goal.grid, likely_trials=likely)
    show(preview_document(found))
    return ExitCode.DONE


def _check_unkept(output: Path | None, *, as_json: bool) -> None:
    """Refuse what would keep a result; there is none."""
    asked = {"--output": output is not None, "--json": as_json}
    reason = "a dry run has no result"
    unfit = [Problem(flag, reason, "leave it out") for flag, was in asked.items() if was]
    if unfit:
        raise ScenarioError(unfit)
