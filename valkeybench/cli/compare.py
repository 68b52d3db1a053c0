"""`valkeybench compare`: from two run files, or one and an axis, to what changed."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.analysis.comparison import USUAL, rule_for
from valkeybench.analysis.metric import MetricError, parse_metric
from valkeybench.cli.consoles import show
from valkeybench.errors import ExitCode, Problem, ScenarioError
from valkeybench.report.compare import compare_document, comparison_record
from valkeybench.scenario.axis import axis_name, find_axis
from valkeybench.scenario.kinds import UnfitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from valkeybench.analysis.comparison import Rule


def compare(
    paths: Sequence[Path],
    *,
    by: Sequence[str],
    metrics: Sequence[str],
    even_if_different: bool,
    as_json: bool,
) -> ExitCode:
    """Compare and report; give the exit code."""
    axes, rules = _axes(by), rules_of(metrics)
    if len(paths) == 1 and not axes:
        raise ScenarioError.one(
            "NEW",
            "there is only one run to compare",
            "name a second one, or an axis whose cases to compare: --by pool",
        )
    compared = workflow.compare(paths, rules=rules, by=axes, even_if_different=even_if_different)
    if as_json:
        sys.stdout.write(json.dumps(comparison_record(compared), indent=1) + "\n")
    else:
        show(compare_document(compared, paths=[str(path) for path in paths]))
    return ExitCode.DONE


def rules_of(words: Sequence[str]) -> list[Rule]:
    """Read which metrics to compare; the usual ones unless some are named."""
    found, problems = [], []
    for word in words:
        try:
            found.append(rule_for(parse_metric(word)))
        except MetricError as error:
            problems.append(Problem("--metric", f"{word}: {error.reason}", error.remedy))
    if problems:
        raise ScenarioError(problems)
    return found or [rule_for(metric) for metric in USUAL]


def _axes(words: Sequence[str]) -> list[str]:
    found, problems = [], []
    for word in (each for group in words for each in group.split(",")):
        try:
            found.append(axis_name(find_axis(word)))
        except UnfitError as error:
            problems.append(Problem("--by", error.reason, error.remedy))
    if problems:
        raise ScenarioError(problems)
    return found
