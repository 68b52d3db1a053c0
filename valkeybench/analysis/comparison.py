"""What changed between two cases, metric by metric: by how much, and whether that is sure.

The unit is a trial. Times and rates are compared by the ratio of their means over trials (of
logarithms), waits and counts, which may be zero, by their difference. Trials that took turns in
one run are compared in pairs, those of two runs as two samples (Student's and Welch's t, 95 %).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import expm1, log
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.doubt import doubt
from valkeybench.analysis.inference import difference_bounds, mean_bounds
from valkeybench.analysis.metric import THROUGHPUT, Metric
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.measurement.metrics import Phase
from valkeybench.units import MICROSECOND, format_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.agreement import Difference
    from valkeybench.analysis.matching import Matched, Matching
    from valkeybench.results.runfile import CaseRecord, RunFile, Trial

ALPHA = 0.05
"""Share of intervals that miss what they are about, both sides together."""


class Outcome(StrEnum):
    """What a comparison says of a metric."""

    CHANGED = "changed"
    """It is no chance, and not small."""
    NOT_SEEN = "no change seen"
    """A change of the size that counts is ruled out."""
    CANNOT_SAY = "can't say"
    """Neither is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """How a metric is compared, and from where a change counts."""

    metric: Metric
    threshold: float
    """Relative for a ratio, else in the metric's own unit."""
    is_ratio: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What became of one metric. A ratio's change and bounds are relative: 0.1 is 10 % more."""

    rule: Rule
    base: float | None
    """Of all trials together, as a report shows it; None when nothing of the kind was seen."""
    new: float | None
    change: float | None = None
    """From the means over trials; None when they cannot be had."""
    low: float | None = None
    high: float | None = None
    outcome: Outcome
    reason: str

    @property
    def is_better(self) -> bool | None:
        """Tell whether it changed for the better; None when it is not said to have changed."""
        if self.outcome is not Outcome.CHANGED or self.change is None:
            return None
        return (self.change > 0) == self.rule.metric.more_is_better

    def written(self, value: float | None) -> str:
        """Write a change, or a bound of it, with its sign."""
        return _signed(self.rule, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two cases and what changed from one to the other."""

    base: CaseRecord
    new: CaseRecord
    is_paired: bool
    changes: tuple[Change, ...]

    @property
    def is_measured(self) -> bool:
        """Tell whether anything completed in both."""
        return all(case.summary and case.summary.completed for case in (self.base, self.new))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """Two runs, or one, whose cases were put side by side."""

    base: RunFile
    new: RunFile
    """The base itself where cases of one run are compared."""
    differences: Sequence[Difference]
    matching: Matching
    comparisons: Sequence[Comparison]

    @property
    def is_within(self) -> bool:
        """Tell whether cases of one run are compared."""
        return self.new is self.base


def rule_for(metric: Metric, *, threshold: float | None = None) -> Rule:
    """Choose how a metric is compared.

    From where a change counts: 5 % for throughput and means, 10 % for p99 and beyond, whose
    scatter from run to run is many times as large; 0.1 ms or 0.1 % of the commands where
    nothing at all is usual. Judgements.
    """
    if metric.phase in (Phase.POOL_WAIT, Phase.LATENESS):
        return Rule(metric=metric, threshold=threshold or 100 * MICROSECOND, is_ratio=False)
    if metric.phase is not None:
        tail = (metric.quantile or 0.0) >= 0.99 or metric.stat == "max"  # noqa: PLR2004 - p99
        return Rule(metric=metric, threshold=threshold or (0.1 if tail else 0.05), is_ratio=True)
    if metric.stat == THROUGHPUT:
        return Rule(metric=metric, threshold=threshold or 0.05, is_ratio=True)
    usual = 0.05 if metric.stat == "fairness" else 0.001 if metric.is_share else 1.0
    return Rule(metric=metric, threshold=threshold or usual, is_ratio=False)


USUAL = (
    Metric(stat=THROUGHPUT),
    Metric(phase=Phase.RESPONSE, stat="p50"),
    Metric(phase=Phase.RESPONSE, stat="p99"),
    Metric(phase=Phase.POOL_WAIT, stat="p99"),
    Metric(stat="failed", is_share=True),
)
"""What is compared unless told otherwise."""


def compare_cases(
    pair: Matched, *, rules: Sequence[Rule], limits: Thresholds | None = None
) -> Comparison:
    """Compare two cases; metrics that neither has seen are left out."""
    limits = limits or Thresholds()
    changes = (_change(pair, rule, limits) for rule in rules)
    return Comparison(
        base=pair.base,
        new=pair.new,
        is_paired=pair.is_paired,
        changes=tuple(c for c in changes if not c.base is c.new is None),
    )


def _change(pair: Matched, rule: Rule, limits: Thresholds) -> Change:
    metric = rule.metric
    base, new = (
        None if case.summary is None else metric.measured(case.summary)
        for case in (pair.base, pair.new)
    )
    values = _values(pair, metric)
    reason = (
        _obstacle("base", pair.base, metric, limits)
        or _obstacle("new one", pair.new, metric, limits)
        or _too_little(rule, values)
    )
    if reason:
        return Change(rule=rule, base=base, new=new, outcome=Outcome.CANNOT_SAY, reason=reason)
    return _concluded(pair, rule, (base, new), values)


def _obstacle(name: str, case: CaseRecord, metric: Metric, limits: Thresholds) -> str:
    """Say why a side's value is none to compare; empty when it is one."""
    if case.summary is None:
        return f"no trial of the {name} was finished"
    if any(metric.measured(each.summary) is None for each in case.trials):
        return f"a trial of the {name} saw nothing of the kind"
    found = doubt(SeenCase(case, case.summary), metric, limits)
    return f"{name}: {found}" if found else ""


def _too_little(rule: Rule, values: tuple[list[float], list[float]]) -> str:
    """Say why values are too few, or too small, to bound a change; empty when they are not."""
    if min(map(len, values)) < 2:  # noqa: PLR2004 - the least that scatters
        return "one trial a side does not tell how much it scatters: use --repeats"
    if rule.is_ratio and min(map(min, values)) <= 0:
        return "it was 0 in a trial, and nothing is a multiple of that"
    return ""


def _values(pair: Matched, metric: Metric) -> tuple[list[float], list[float]]:
    """Give each trial's value, new and base; in the order of their turns where they took turns.

    Trials that saw nothing of the kind have none.
    """
    trials: tuple[Sequence[Trial], Sequence[Trial]] = (pair.new.trials, pair.base.trials)
    if pair.is_paired:
        by_turn = [{trial.repeat: trial for trial in side} for side in trials]
        both = sorted(by_turn[0].keys() & by_turn[1].keys())
        trials = ([by_turn[0][turn] for turn in both], [by_turn[1][turn] for turn in both])
    ours, theirs = (
        [value for trial in side if (value := metric.measured(trial.summary)) is not None]
        for side in trials
    )
    return ours, theirs


def _concluded(
    pair: Matched,
    rule: Rule,
    together: tuple[float | None, float | None],
    values: tuple[list[float], list[float]],
) -> Change:
    """Bound the change, and say what that shows."""
    ours, theirs = ([log(v) for v in side] for side in values) if rule.is_ratio else values
    if pair.is_paired:
        gaps = [one - other for one, other in zip(ours, theirs, strict=True)]
        bounds = mean_bounds(gaps, alpha=ALPHA / 2)
    else:
        bounds = difference_bounds(ours, theirs, alpha=ALPHA / 2)
    change, low, high = (
        (expm1(v) if rule.is_ratio else v) for v in (bounds.mean, bounds.low, bounds.high)
    )
    outcome, reason = _outcome(rule, change, low, high)
    return Change(
        rule=rule,
        base=together[0],
        new=together[1],
        change=change,
        low=low,
        high=high,
        outcome=outcome,
        reason=reason,
    )


def _outcome(rule: Rule, change: float, low: float, high: float) -> tuple[Outcome, str]:
    """Say what bounds show.

    Ten per cent more and the same undone count alike: the lower line of a ratio is
    1 / (1 + threshold).
    """
    up = rule.threshold
    down = 1 / (1 + up) - 1 if rule.is_ratio else -up
    written = _threshold(rule)
    if low > down and high < up:
        return Outcome.NOT_SEEN, f"less than {written} either way"
    if not low <= 0 <= high:
        if not down <= change <= up:
            return Outcome.CHANGED, "chance is ruled out"
        return Outcome.CANNOT_SAY, f"it changed, but whether by {written} is not shown"
    return (
        Outcome.CANNOT_SAY,
        f"trials scatter too much to show or to rule out {written}: use more or longer ones",
    )


def _threshold(rule: Rule) -> str:
    if rule.is_ratio:
        return format_percent(rule.threshold)
    metric = rule.metric
    if metric.is_share or metric.phase is not None or metric.stat == "fairness":
        return metric.written(rule.threshold)
    return f"{rule.threshold:g}"


def _signed(rule: Rule, value: float | None) -> str:
    if value is None:
        return "–"
    if rule.is_ratio:
        return _signed_ratio(value)
    sign = "+" if value > 0 else "−" if value < 0 else "±"
    return f"{sign}{rule.metric.written(abs(value))}"


_MANY_TIMES = 2.0
"""Growth beyond which a factor is easier to read than a percentage."""


def _signed_ratio(value: float) -> str:
    if value > _MANY_TIMES:
        return f"×{1 + value:.3g}"
    percent = round(100 * value, 1)
    return f"{percent:+.1f} %".replace("-", "−") if percent else "±0.0 %"
