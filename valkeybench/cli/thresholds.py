"""Reads which metrics two sides are gated on, and from where a change of each counts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.analysis.comparison import rule_for
from valkeybench.analysis.metric import THROUGHPUT, Metric, MetricError, parse_metric
from valkeybench.analysis.noise import Asked
from valkeybench.errors import Problem, ScenarioError
from valkeybench.measurement.metrics import Phase
from valkeybench.scenario.wording import legible
from valkeybench.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.comparison import Rule

GATED = (
    Metric(stat=THROUGHPUT),
    Metric(phase=Phase.RESPONSE, stat="p50"),
    Metric(phase=Phase.RESPONSE, stat="p99"),
)
"""What is gated unless told otherwise: few, as each further metric makes all of them less sharp."""


def regression_rules(metrics: Sequence[str], thresholds: Sequence[str]) -> Asked:
    """Read what is to be gated, and which thresholds are named; raises ScenarioError."""
    problems: list[Problem] = []
    found: dict[Metric, Rule] = {}
    for word in metrics:
        try:
            metric = parse_metric(word)
        except MetricError as error:
            problems.append(Problem("--metric", f"{word}: {error.reason}", error.remedy))
        else:
            found[metric] = rule_for(metric)
    fixed = set()
    found = found or {metric: rule_for(metric) for metric in GATED}
    for word in thresholds:
        try:
            rule = _threshold(word)
        except ValueError as error:
            remedy = getattr(error, "remedy", "write it like response.p99=10%")
            problems.append(Problem("--threshold", f"{legible(word)}: {error}", remedy))
        else:
            found.pop(replace(rule.metric, is_share=False), None)
            found[rule.metric] = rule
            fixed.add(rule.metric)
    if problems:
        raise ScenarioError(problems)
    return Asked(tuple(found.values()), frozenset(fixed))


def _threshold(word: str) -> Rule:
    """Read `response.p99=10%` or `pool_wait.p99=200us`; raises ValueError."""
    name, _, value = word.partition("=")
    metric, value = parse_metric(name.strip()), value.strip()
    # A count by itself says nothing: what is compared is its share of the attempted.
    rule = rule_for(replace(metric, is_share=True) if metric.has_share else metric)
    if rule.is_ratio or rule.metric.is_share:
        number = _percent(value)
    else:
        number = float(parse_duration(value) if rule.metric.phase else float(value))
    if not 0 < number < _MOST:
        raise ValueError("that is no change that could count")
    return replace(rule, threshold=number)


def _percent(value: str) -> float:
    if not value.endswith("%"):
        raise ValueError("how many per cent is meant")
    return float(value[:-1]) / 100


_MOST = 1e12
