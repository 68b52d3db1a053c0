"""Holds limits against a run: what must not be so, and whether it is, is not, or can't be told.

A limit on counts is held against the count. One on times, rates or quotients is held against
the bounds of its mean over trials (95 % each side): it fails where even the kinder bound is
beyond it, and passes only where even the harsher one is not. No samples is never a pass.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp, log
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.doubt import doubt
from valkeybench.analysis.inference import mean_bounds
from valkeybench.analysis.matching import agree
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.analysis.verdict import Finding, Ruling, Verdict
from valkeybench.errors import Problem, ScenarioError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from valkeybench.analysis.limits import Limit, Term
    from valkeybench.analysis.metric import Metric
    from valkeybench.results.runfile import CaseRecord, RunFile, Summary

    Axes = Mapping[str, object]
    Values = list[float | None]
    """One, or the two that are divided."""

ALPHA = 0.05
"""How often a bound may be wrong, each side by itself."""

_BY_ITSELF = "limit each by itself, as in failed > 1%"


def check_reach(limits: Sequence[Limit], cases: Sequence[Axes], *, place: str) -> None:
    """Raise ScenarioError for every limit that is about cases there are not."""
    problems = [
        Problem(
            place,
            f"»{limit}« is about cases there are not",
            "pick from those there are, or add them: every axis takes a list",
        )
        for limit in limits
        if not _targets(limit, cases)
    ]
    if problems:
        raise ScenarioError(problems)


def judge_limits(run: RunFile, limits: Sequence[Limit]) -> Verdict:
    """Rule on each limit for each case, or quotient of two, that it is about.

    A limit says what must not be so. Raises ScenarioError when it is about no case of the run.
    """
    axes = [case.axes for case in run.cases]
    check_reach(limits, axes, place="--fail-if")
    findings = [
        _judged(_Question(limit, run.cases[case], None if over is None else run.cases[over]))
        for limit in limits
        for case, over in _targets(limit, axes)
    ]
    if run.status == "complete":
        return Verdict(tuple(findings))
    why = f"the run was {run.status}, so some of it is missing"
    return Verdict(tuple(_unsure(finding, why) for finding in findings), (f"{why}.",))


def _targets(limit: Limit, cases: Sequence[Axes]) -> list[tuple[int, int | None]]:
    """Give the numbers of the cases a limit is about, each with the one it is divided by."""
    picked = [number for number, axes in enumerate(cases) if _has(axes, limit.term)]
    over = limit.over
    if over is None:
        return [(number, None) for number in picked]
    by = {pick.axis for pick in (*limit.term.picks, *over.picks)}
    return [
        (number, other)
        for number in picked
        for other, axes in enumerate(cases)
        if _has(axes, over) and (agree(cases[number], axes, by) if by else number == other)
    ]


def _has(axes: Axes, term: Term) -> bool:
    return all(axes.get(pick.axis) == pick.value for pick in term.picks)


@dataclass(frozen=True, slots=True)
class _Question:
    """A limit and the case, or two cases, it is held against."""

    limit: Limit
    case: CaseRecord
    over: CaseRecord | None

    @property
    def sides(self) -> list[tuple[CaseRecord, Metric]]:
        """Give each case with the metric asked of it."""
        sides = [(self.case, self.limit.term.metric)]
        if self.over is not None and self.limit.over is not None:
            sides.append((self.over, self.limit.over.metric))
        return sides

    @property
    def together(self) -> Values:
        """Give the value of all trials together; of a quotient, both."""
        return [_value(case.summary, metric) for case, metric in self.sides]

    def by_trial(self) -> list[Values]:
        """Give the values of each trial; of a quotient, of each turn."""
        found = [
            {trial.repeat: _value(trial.summary, metric) for trial in case.trials}
            for case, metric in self.sides
        ]
        turns = sorted(set.intersection(*(set(side) for side in found)))
        return [[side[turn] for side in found] for turn in turns]

    def finding(
        self, ruling: Ruling, reason: str, *, remedy: str = "", between: str = ""
    ) -> Finding:
        """Rule."""
        values, measured = self.together, _quotient(self.together)
        parts = zip(self.sides, values, strict=True)
        return Finding(
            limit=str(self.limit),
            cases=tuple(case.id for case, _ in self.sides),
            ruling=ruling,
            measured=" / ".join(metric.written(value) for (_, metric), value in parts)
            if _is_over_nothing(values)
            else self.limit.written(measured),
            reason=reason,
            remedy=remedy,
            between=between,
            numbers={"measured": measured, "allowed": self.limit.value},
        )


def _value(summary: Summary | None, metric: Metric) -> float | None:
    """Read a metric; None when nothing was seen, attempts included."""
    return metric.measured(summary) if summary is not None and summary.attempted else None


def _quotient(values: Values) -> float | None:
    """Divide, if there is anything to divide by; None when that cannot be done."""
    first, *rest = values
    for value in rest:
        first = first / value if first is not None and value else None
    return first


def _is_over_nothing(values: Values) -> bool:
    """Tell whether both were measured, and it was 0 that something was to be divided by."""
    _, *rest = values
    return None not in values and 0 in rest


def _judged(question: _Question) -> Finding:
    together = question.together
    if None in together:
        return question.finding(
            Ruling.FAIL,
            "nothing of the kind was measured, and no samples is never a pass",
            remedy="pick the cases that have it, as in [pool=none] or [tls=on]",
        )
    if _is_over_nothing(together):
        return _over_nothing(question)
    whole = _quotient(together)
    if question.over is None and question.limit.metric.is_count and whole is not None:
        is_so = question.limit.is_so(whole)
        return question.finding(Ruling.FAIL if is_so else Ruling.PASS, "counted")
    return _judged_by_trials(question)


def _judged_by_trials(question: _Question) -> Finding:
    """Rule on what scatters from trial to trial."""
    trials = question.by_trial()
    if any(None in values for values in trials):
        return question.finding(Ruling.FAIL, "a trial measured nothing of the kind")
    if any(map(_is_over_nothing, trials)):
        return question.finding(
            Ruling.CANNOT_SAY,
            "it was 0 in a trial what this is divided by, and nothing is a multiple of that",
            remedy=_BY_ITSELF,
        )
    values = [value for value in map(_quotient, trials) if value is not None]
    if len(values) < 2:  # noqa: PLR2004 - the least that scatters
        return question.finding(
            Ruling.CANNOT_SAY,
            "one trial does not tell how much it scatters",
            remedy="use --repeats 3 or more",
        )
    return _bounded(question, values)


def _over_nothing(question: _Question) -> Finding:
    """Rule on a quotient by 0: something is more than any multiple of it, 0 is none at all."""
    first = question.together[0]
    if first and not question.limit.is_upper:
        return question.finding(Ruling.FAIL, "it is more than any multiple of nothing")
    return question.finding(
        Ruling.CANNOT_SAY,
        "what this is divided by was 0, and nothing is a multiple of that",
        remedy=_BY_ITSELF,
    )


def _bounded(question: _Question, values: Sequence[float]) -> Finding:
    """Hold a limit against the bounds of what was measured."""
    ways: tuple[Callable[[float], float], Callable[[float], float]] = (log, exp)
    there, back = ways if min(values) > 0 else (float, float)
    bounds = mean_bounds([there(value) for value in values], alpha=ALPHA)
    low, high = back(bounds.low), back(bounds.high)
    limit = question.limit
    so = {limit.is_so(low), limit.is_so(high)}
    if so == {True}:
        ruling, reason, remedy = Ruling.FAIL, "it is so at both bounds", ""
    elif so == {False}:
        ruling, reason, remedy = Ruling.PASS, "it is not so at either bound", ""
    else:
        ruling, reason = Ruling.CANNOT_SAY, "the limit lies between the bounds"
        remedy = "use more or longer trials (--repeats, --duration)"
    found = question.finding(
        ruling, reason, remedy=remedy, between=f"{limit.written(low)} … {limit.written(high)}"
    )
    doubts = list(_doubts(question))
    numbered = replace(found, numbers={**found.numbers, "low": low, "high": high})
    return _unsure(numbered, doubts[0]) if doubts else numbered


def _doubts(question: _Question) -> Iterable[str]:
    """Say why a pass would mean nothing; a failure stands, as what is missing is worse still."""
    for case, metric in question.sides:
        if case.summary is not None:
            said = doubt(SeenCase(case, case.summary), metric, Thresholds())
            if said:
                yield said if question.over is None else f"{case.id}: {said}"


def _unsure(finding: Finding, why: str) -> Finding:
    """Take a pass back."""
    if finding.ruling is not Ruling.PASS:
        return finding
    return replace(finding, ruling=Ruling.CANNOT_SAY, reason=why)
