"""Holds a run against a baseline that was kept: advice, unless it is asked to be more.

A kept baseline was measured at another time, so whatever the machine did meanwhile counts as
change. That is why it only warns, and why everything that can differ must not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.comparison import Outcome
from valkeybench.analysis.verdict import Finding, Ruling, Verdict
from valkeybench.errors import ResultError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.analysis.agreement import Difference
    from valkeybench.analysis.comparison import Change, Comparison, Rule, RunComparison

WHY_ADVICE = (
    "A kept baseline only warns: the machine drifts between runs, and unchanged metrics are seen "
    "as worse now and then. For a verdict let both sides take turns (--base and --new), or say "
    "--fail-on-baseline"
)


def refuse_any_difference(found: Sequence[Difference]) -> None:
    """Raise ResultError for anything two runs do not agree on."""
    if found:
        raise ResultError(
            "the baseline is none for this run: " + "; ".join(map(str, found)),
            remedy="keep a new baseline, or use it nonetheless: --even-if-different",
        )


def judge_against(compared: RunComparison, *, fails: bool, named: Sequence[Rule] = ()) -> Verdict:
    """Rule on each metric of each case both runs have, and on those somebody `named`.

    What was not measured is no advice: it can't be told whether it is worse.
    """
    findings = tuple(
        _finding(each, change, is_advice=not fails)
        for each in compared.comparisons
        for change in each.changes
    )
    missing = tuple(_missing(case.id) for case in compared.matching.only_base)
    seen = {change.rule.metric for each in compared.comparisons for change in each.changes}
    unseen = tuple(_unseen(str(r.metric)) for r in named if r.metric not in seen)
    if not findings and not missing and not unseen:
        unseen = (_unseen("any metric"),)
    notes = tuple(_notes(compared, fails=fails))
    return Verdict((*findings, *missing, *unseen), notes)


def _notes(compared: RunComparison, *, fails: bool) -> Iterator[str]:
    if compared.differences:
        yield "the runs do not agree on " + "; ".join(map(str, compared.differences))
    if not fails:
        yield WHY_ADVICE


def _finding(compared: Comparison, change: Change, *, is_advice: bool) -> Finding:
    metric = change.rule.metric
    worse = change.is_better is False
    unclear = change.outcome is Outcome.CANNOT_SAY
    unseen = change.base is None or change.new is None or not compared.is_measured
    known = change.low is not None and change.high is not None
    return Finding(
        limit=f"{metric} as the baseline",
        cases=(compared.new.id,),
        ruling=Ruling.FAIL if worse else Ruling.CANNOT_SAY if unclear else Ruling.PASS,
        measured=f"{metric.written(change.new)}, was {metric.written(change.base)}",
        between=f"{change.written(change.low)} … {change.written(change.high)}" if known else "",
        reason=f"{change.written(change.change)}: {change.reason}" if worse else change.reason,
        numbers={
            "measured": change.new,
            "baseline": change.base,
            "change": change.change,
            "low": change.low,
            "high": change.high,
            "allowed": change.rule.threshold,
        },
        is_advice=is_advice and not unseen,
    )


def _unseen(metric: str) -> Finding:
    return Finding(
        limit=f"{metric} as the baseline",
        cases=(),
        ruling=Ruling.CANNOT_SAY,
        measured="nothing",
        reason="neither the run nor the baseline measured it in any case",
        remedy="name a metric both have, or measure one that has it",
    )


def _missing(case: str) -> Finding:
    return Finding(
        limit="every case of the baseline is there",
        cases=(case,),
        ruling=Ruling.CANNOT_SAY,
        measured="nothing",
        reason="the baseline has this case, the run has not",
        remedy="run the scenario the baseline was made with",
    )
