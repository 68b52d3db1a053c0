"""Whether one side is worse than another whose runs it took turns with.

The unit is a pair of runs. How much worse a pair's new side was is a difference of logarithms,
or of waits and shares as they are; more pairs are asked for until every metric is settled.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1, log, log1p
from typing import TYPE_CHECKING

from valkeybench.analysis.agreement import differences
from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.comparison import Change, Outcome
from valkeybench.analysis.doubt import doubt
from valkeybench.analysis.sequential import Design, scatter
from valkeybench.analysis.signed_rank import hodges_lehmann, interval
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.analysis.verdict import Finding, Ruling, Verdict
from valkeybench.units import format_percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.analysis.comparison import Rule
    from valkeybench.results.runfile import CaseRecord, RunFile

_INTERVAL_ALPHA = 0.05
_MORE_FAILURES = 0.001
"""Share of commands by which failures may grow: 1 in 1000."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the pairs so far say of one metric. A ratio's numbers are relative."""

    rule: Rule
    base: float | None
    new: float | None
    worse: tuple[float, ...]
    """How much worse each pair's new side was; of a ratio, as a logarithm."""
    ruling: Ruling
    is_settled: bool
    """Whether more pairs would change nothing."""
    reason: str

    @property
    def sigma(self) -> float | None:
        """Give the scatter of the pairs; None below two."""
        return scatter(self.worse) if len(self.worse) > 1 else None


@dataclass(frozen=True, slots=True)
class Look:
    """What the pairs so far say of every metric."""

    pairs: int
    seen: tuple[Seen, ...]
    design: Design
    failures: Finding

    @property
    def is_over(self) -> bool:
        """Tell whether it is decided, or there is no further look."""
        if all(each.is_settled for each in self.seen):
            return True
        rulings = {self.failures.ruling, *(each.ruling for each in self.seen)}
        fails = self.pairs in self.design.looks and Ruling.FAIL in rulings
        return fails or self.design.next_look(self.pairs) is None


def look_at(base: CaseRecord, new: CaseRecord, *, rules: Sequence[Rule]) -> Look:
    """Look at the pairs of two sides; trials of the same turn are a pair."""
    design = Design(len(rules))
    turns = _turns(base, new)
    return Look(
        pairs=len(turns),
        seen=tuple(_seen(base, new, rule, turns, design) for rule in rules),
        design=design,
        failures=_failures(base, new),
    )


def _turns(base: CaseRecord, new: CaseRecord) -> list[int]:
    return sorted({t.repeat for t in base.trials} & {t.repeat for t in new.trials})


def line_of(rule: Rule) -> float:
    """Give the line between a change that counts and one that does not, as pairs are measured."""
    return log1p(rule.threshold) if rule.is_ratio else rule.threshold


def relative(rule: Rule, worse: float) -> float:
    """Give how much worse as a person says it: of a ratio, as a share."""
    return expm1(worse) if rule.is_ratio else worse


def _seen(
    base: CaseRecord, new: CaseRecord, rule: Rule, turns: Sequence[int], design: Design
) -> Seen:
    metric = rule.metric
    values = [
        {trial.repeat: metric.measured(trial.summary) for trial in side.trials}
        for side in (base, new)
    ]
    together = [None if s.summary is None else metric.measured(s.summary) for s in (base, new)]
    worse: tuple[float, ...] = ()
    ruling, reason = Ruling.CANNOT_SAY, _obstacle(base, new, rule, turns)
    settled = bool(turns)
    if not reason:
        worse = tuple(_worse(rule, values[0][turn], values[1][turn]) for turn in turns)
        ruling, settled, reason = _ruled(rule, worse, design)
    return Seen(
        rule=rule,
        base=together[0],
        new=together[1],
        worse=worse,
        ruling=ruling,
        is_settled=settled,
        reason=reason,
    )


def _obstacle(base: CaseRecord, new: CaseRecord, rule: Rule, turns: Sequence[int]) -> str:
    """Say why pairs are none to judge by, however many there are; empty when they are."""
    for name, side in (("base", base), ("new side", new)):
        if side.summary is None or not turns:
            return f"no pair was finished, nothing is known of the {name}"
        values = [rule.metric.measured(t.summary) for t in side.trials if t.repeat in set(turns)]
        if any(value is None for value in values):
            return f"a trial of the {name} saw nothing of the kind"
        if rule.is_ratio and any(value is not None and value <= 0 for value in values):
            return f"it was 0 in a trial of the {name}, and nothing is a multiple of that"
        found = doubt(SeenCase(side, side.summary), rule.metric, Thresholds())
        if found:
            return f"{name}: {found}"
    return ""


def _worse(rule: Rule, base: float | None, new: float | None) -> float:
    if base is None or new is None:
        raise AssertionError("bug: a pair without values was to be judged")
    gap = log(new / base) if rule.is_ratio else new - base
    return -gap if rule.metric.more_is_better else gap


def _ruled(rule: Rule, worse: Sequence[float], design: Design) -> tuple[Ruling, bool, str]:
    """Rule on a metric: what, whether that is the last word, and why."""
    line, pairs = line_of(rule), len(worse)
    if pairs not in design.looks:
        return Ruling.CANNOT_SAY, False, "more pairs are under way"
    if design.fails(worse, line):
        return Ruling.FAIL, True, "chance is ruled out, and it is more than counts"
    if design.passes(worse, line):
        return Ruling.PASS, True, f"a change of {written_threshold(rule)} is ruled out"
    least = relative(rule, design.least_found(scatter(worse), line))
    reason = (
        f"after {plural(pairs, 'pair')} neither is shown; {_written(rule, least)} worse is found "
        "in four of five such gates"
    )
    return Ruling.CANNOT_SAY, False, reason


def written_threshold(rule: Rule) -> str:
    """Write from where a change for the worse counts."""
    return _written(rule, rule.threshold)


def _written(rule: Rule, value: float) -> str:
    return format_percent(value) if rule.is_ratio else rule.metric.written(value)


def _failures(base: CaseRecord, new: CaseRecord) -> Finding:
    """Hold the failures of one side against the other's: counted, as they should not be."""
    shares = [
        side.summary.failed / side.summary.attempted
        if side.summary is not None and side.summary.attempted
        else None
        for side in (base, new)
    ]
    was, now = shares
    if was is None or now is None:
        ruling, reason = Ruling.CANNOT_SAY, "nothing was attempted"
    elif now > was + _MORE_FAILURES:
        ruling, reason = Ruling.FAIL, "more commands fail"
    else:
        ruling, reason = Ruling.PASS, "counted"
    return Finding(
        limit=f"failed more by {format_percent(_MORE_FAILURES)}",
        cases=(new.id,),
        ruling=ruling,
        measured=f"{format_percent(now)}, was {format_percent(was)}",
        reason=reason,
        numbers={"measured": now, "baseline": was, "allowed": _MORE_FAILURES},
    )


def apart(base: RunFile, new: RunFile) -> str:
    """Say in what two sides differ: axes, and whatever else runs should agree on."""
    one, other = base.cases[0].axes, new.cases[0].axes
    axes = [
        f"{name} {one.get(name)} and {other.get(name)}"
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    ]
    said = [*axes, *(str(each) for each in differences(base, new))]
    if not said:
        return "the sides differ in nothing: whatever is found is noise"
    return f"the sides differ in {'; '.join(said)}"


def verdict_of(look: Look, case: str, *, notes: Sequence[str] = ()) -> Verdict:
    """Give the verdict of a look at its end; `case` is the id of the new side."""
    findings = (*(_finding(each, look, case) for each in look.seen), look.failures)
    return Verdict(findings, (*notes, *_notes(look)))


def _finding(seen: Seen, look: Look, case: str) -> Finding:
    change = as_change(seen)
    metric = seen.rule.metric
    known = change.low is not None and change.high is not None
    unsettled = seen.ruling is Ruling.CANNOT_SAY and not seen.is_settled
    least = least_found(seen, look.design)
    return Finding(
        limit=f"{metric} worse by {written_threshold(seen.rule)}",
        cases=(case,),
        ruling=seen.ruling,
        measured=_measured(seen, change),
        between=f"{change.written(change.low)} … {change.written(change.high)}" if known else "",
        reason=seen.reason,
        remedy="use longer trials (--duration)" if unsettled else "",
        numbers={
            "measured": seen.new,
            "baseline": seen.base,
            "change": change.change,
            "low": change.low,
            "high": change.high,
            "allowed": seen.rule.threshold,
            "pairs": float(len(seen.worse)),
            "scatter": seen.sigma,
            "least_found": least,
        },
    )


def _measured(seen: Seen, change: Change) -> str:
    metric = seen.rule.metric
    values = f"{metric.written(seen.new)}, was {metric.written(seen.base)}"
    return f"{change.written(change.change)} ({values})" if seen.worse else values


def as_change(seen: Seen) -> Change:
    """Give what pairs say as a change from base to new, with its exact 95 % interval."""
    rule = seen.rule
    if not seen.worse:
        return Change(
            rule=rule, base=seen.base, new=seen.new, outcome=Outcome.CANNOT_SAY, reason=seen.reason
        )
    sign = -1 if rule.metric.more_is_better else 1
    bounds = interval(seen.worse, alpha=_INTERVAL_ALPHA)
    ends = [] if bounds is None else sorted(relative(rule, sign * float(b)) for b in bounds)
    return Change(
        rule=rule,
        base=seen.base,
        new=seen.new,
        change=relative(rule, sign * float(hodges_lehmann(seen.worse))),
        low=ends[0] if ends else None,
        high=ends[1] if ends else None,
        outcome=Outcome.CANNOT_SAY,
        reason=seen.reason,
    )


def least_found(seen: Seen, design: Design) -> float | None:
    """Give the least change for the worse that four of five such gates would find."""
    sigma = seen.sigma
    return (
        None
        if sigma is None
        else relative(seen.rule, design.least_found(sigma, line_of(seen.rule)))
    )


def _notes(look: Look) -> Iterator[str]:
    yield (
        f"{plural(look.pairs, 'pair')} of runs that took turns, of {look.design.most} at most. "
        "Where nothing changed it fails in 1.3 % of gates at the very most, all metrics and "
        "looks together (exact signed-rank test)"
    )
    found = [
        f"{each.rule.metric} {_written(each.rule, least)}"
        for each in look.seen
        if (least := least_found(each, look.design)) is not None
    ]
    if found:
        yield f"found in four of five such gates is what is worse by: {', '.join(found)}"
