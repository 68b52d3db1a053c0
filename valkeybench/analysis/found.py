"""Turns what a search found into a recommendation: its reason in words, its evidence in numbers."""

from __future__ import annotations

from dataclasses import asdict
from math import ceil, isfinite
from statistics import median
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.explanation import bounds, further, grown, rules, waiting_share
from valkeybench.analysis.goal import Confidence
from valkeybench.analysis.inference import Conclusion, share_at_most
from valkeybench.analysis.refusal import Refusal, together
from valkeybench.analysis.search import Stage
from valkeybench.analysis.sizing import Need
from valkeybench.results.runfile import Recommendation
from valkeybench.scenario.model import Pool
from valkeybench.units import format_count, format_duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.analysis.certificate import Certificate
    from valkeybench.analysis.enough import Judged, Sight
    from valkeybench.analysis.goal import Goal
    from valkeybench.analysis.search import Answer, Tried

_UNFINISHED = "the search was stopped before it found a pool that is enough"
_GROWTHS = (1.25, 1.5, 2.0)
_BASES = {
    Confidence.QUICK: "estimated",
    Confidence.STANDARD: "measured",
    Confidence.CERTIFIED: "certified",
}


def recommendation(
    goal: Goal, tried: Sequence[Tried], answer: Answer, *, cpus: int | None
) -> Recommendation:
    """Say what was found; `cpus` is how many the machine has, for a rule of thumb."""
    bases = [each.sight for each in tried if each.attempt.is_base]
    case = together(bases)
    evidence: dict[str, Any] = {
        "case": case.id,
        "confidence": goal.confidence.value,
        "trials": len(tried),
        "walk_trials": sum(each.attempt.stage is not Stage.CERTIFY for each in tried),
        "sweep_trials": goal.sweep_trials,
        "slo": [str(limit) for limit in goal.slo],
        "client_cpu": case.client_cpu,
        "server_cpu": case.server_cpu,
        "pool": goal.pool.value,
        "base": _sights(bases) | {"max_connections": goal.most},
        "walk": [_judged(each) for each in answer.walk],
    }
    if answer.refusal is not None or answer.size is None:
        refusal = answer.refusal or Refusal(cause="unfinished", message=_UNFINISHED, remedy="")
        return Recommendation(
            applies_to=case.load,
            verdict="no_size",
            max_connections=None,
            minimum=None,
            basis="measured" if answer.walk else "estimated",
            reason=refusal.message,
            evidence=evidence | {"causes": [str(refusal.cause)], "remedy": refusal.remedy},
        )
    need = Need.read(case, goal.limits)
    return Recommendation.model_validate(
        {
            "applies_to": case.load,
            "verdict": "size",
            "max_connections": answer.size,
            "minimum": answer.size,
            "basis": _BASES[answer.basis],
            "reason": " ".join(_sentences(goal, need, answer)),
            "evidence": evidence | _size_evidence(goal, need, answer, cpus),
        }
    )


def with_headroom(goal: Goal, size: int) -> int:
    """Add room for what was not measured, up to a connection for each handler."""
    return min(ceil(size * (1 + goal.headroom) - 1e-9), max(goal.most, size))


def _size_evidence(goal: Goal, need: Need, answer: Answer, cpus: int | None) -> dict[str, Any]:
    size = answer.size or goal.most
    smaller, cure = answer.next_smaller, answer.cure
    return {
        "next_smaller": None if smaller is None else _judged(smaller),
        "cut_short": answer.cut_short,
        "cure": None if cure is None else _judged(cure),
        "certificates": [_certificate(each) for each in answer.certificates],
        "headroom": goal.headroom,
        "with_headroom": with_headroom(goal, size),
        "acquires": need.acquires,
        "hold_ns": round(need.hold_ns),
        "think_ns": round(need.think_ns),
        "littles_law": round(need.load, 3),
        "bounds": [asdict(each) for each in bounds(need, size)],
        "further": [
            {"max_connections": each, "waiting": share}
            for each, share in further(need.counts, size, goal.most)
        ],
        "rules": [asdict(each) for each in rules(need, size, cpus=cpus)],
        "growth": [asdict(grown(need, size, k, goal.limits)) for k in _factors(goal)],
        "exhaustion": _exhaustion(goal, need, answer),
    }


def _factors(goal: Goal) -> list[float]:
    return sorted({*_GROWTHS, goal.growth} - {1.0})


def _sights(sights: Sequence[Sight]) -> dict[str, Any]:
    """Keep what runs of one pool showed, and which trials of the file they are."""
    return {
        "repeats": [each.repeat for each in sights],
        "p99_ns": [round(each.p99_ns) if isfinite(each.p99_ns) else None for each in sights],
        "wait_p99_ns": [round(each.wait_p99_ns) for each in sights],
        "throughput": [each.throughput for each in sights],
    }


def _judged(judged: Judged) -> dict[str, Any]:
    failed = judged.failed if judged.enough is not True and not judged.agrees else None
    return {
        "pool": judged.pool.value,
        "max_connections": judged.size,
        "enough": judged.enough,
        "beside": [pair.base.repeat for pair in judged.pairs],
        "failed": None
        if failed is None
        else {
            "criterion": failed.criterion.value,
            "measured": failed.measured if isfinite(failed.measured) else None,
            "allowed": failed.allowed,
            "said": failed.said,
        },
        **_sights([pair.candidate for pair in judged.pairs]),
    }


def _certificate(certificate: Certificate) -> dict[str, Any]:
    return {
        "max_connections": certificate.size,
        "pairs": certificate.pairs,
        "failures": certificate.failures,
        "conclusion": certificate.conclusion.value,
        "clauses": [
            {
                "claim": clause.claim,
                "low": clause.low,
                "high": clause.high,
                "conclusion": clause.conclusion.value,
            }
            for clause in certificate.clauses
        ],
    }


def _exhaustion(goal: Goal, need: Need, answer: Answer) -> dict[str, Any] | None:
    """Bound how often a raising pool of the size found fails, by all its runs together.

    Of a size that was not tried, by the acquires of the base that found as many taken.
    """
    size = answer.size or 0
    judged = answer.judged(size)
    if goal.pool is not Pool.RAISING or size in (0, goal.handlers):
        return None
    if judged is None:
        asked, failed = need.acquires, sum(need.counts[size:])
    else:
        asked = sum(sum(pair.candidate.case.in_use_counts) for pair in judged.pairs)
        failed = sum(pair.candidate.case.pool_failures for pair in judged.pairs)
    share = share_at_most(failed, asked) if asked else None
    return {"acquires": asked, "failed": failed, "share_at_most": share, "confidence": 0.95}


def _sentences(goal: Goal, need: Need, answer: Answer) -> Iterator[str]:
    size = answer.size or goal.most
    yield _how_found(goal, need, answer, size)
    yield from _why_not_less(goal, answer, size)
    yield from _certified(goal, answer)
    yield from _risk(goal, need, answer)
    if need.case.processes > 1:
        yield (
            f"Each of the {need.case.processes} processes has a pool of its own:"
            f" {format_count(size * need.case.processes)} connections in all."
        )
    if with_headroom(goal, size) > size:
        yield (
            f"Headroom is not in it: with {100 * goal.headroom:.4g} % it is"
            f" {with_headroom(goal, size)}."
        )


def _how_found(goal: Goal, need: Need, answer: Answer, size: int) -> str:
    judged = answer.judged(size)
    if answer.basis is Confidence.QUICK:
        share = waiting_share(need.counts, size)
        return (
            f"Estimated from one run with {goal.most} connections, and not tried: of"
            f" {format_count(need.acquires)} acquires {100 * share:.2g} % found {size} or more"
            " taken."
        )
    if judged is None or size == goal.most:
        shown = "shown to be enough in two pairs" if answer.cut_short else "enough"
        return (
            f"No smaller pool was {shown}: {size} is what"
            f" {'each handler having its own' if size == goal.handlers else '--cap'} gives."
        )
    p99s = [pair.candidate.p99_ns for pair in judged.pairs]
    beside = [pair.base.p99_ns for pair in judged.pairs]
    kept = f"kept {', '.join(map(str, goal.slo))}" if goal.slo else "was enough"
    # Judged is what pairs say, whose trials had the same weather; medians of each side may not.
    change = median(mine / theirs for mine, theirs in zip(p99s, beside, strict=True)) - 1
    counts = "" if goal.slo else f" ({100 * change:+.0f} % within a pair, in the median)"
    return (
        f"{size} {kept}, measured in {plural(len(judged.pairs), 'pair')} of trials: response p99"
        f" {format_duration(median(p99s))}, beside {format_duration(median(beside))} with"
        f" {goal.most}{counts}."
    )


def _why_not_less(goal: Goal, answer: Answer, size: int) -> Iterator[str]:
    smaller = answer.next_smaller
    if smaller is not None and smaller.failed is not None:
        yield f"With {smaller.size} {smaller.failed.said}."
    if answer.stopped and answer.cut_short:
        yield "The search was stopped there; a smaller pool may do as well."
    elif answer.cut_short:
        # Whoever asked for certainty had the longer search already.
        longer = "" if goal.confidence is Confidence.CERTIFIED else " (--confidence certified)"
        yield f"The search ended there; a smaller pool may do as well{longer}."
    elif size == 1 and goal.confidence is not Confidence.QUICK:
        yield "There is no smaller pool."
    cure = answer.cure
    if cure is not None:
        pair = cure.pairs[0]
        done = "would do" if cure.agrees else "would not do either"
        yield (
            f"A pool that serves in order (--pool fair) {done} with {cure.size}: p99 wait"
            f" {format_duration(pair.candidate.wait_p99_ns)}, response p99"
            f" {format_duration(pair.candidate.p99_ns)}."
        )


def _certified(goal: Goal, answer: Answer) -> Iterator[str]:
    if goal.confidence is not Confidence.CERTIFIED:
        return
    if answer.stopped:
        yield "Not certified: the search was stopped before that."
        return
    for certificate in answer.certificates:
        if certificate.conclusion is Conclusion.HOLDS:
            limits = goal.limits
            said = (
                ", ".join(map(str, goal.slo)) + " holds"
                if goal.slo
                else f"p99 is at most {100 * (limits.size_p99 - 1):.0f} % above"
            )
            yield (
                f"Certified by {certificate.pairs} fresh pairs: with 95 % confidence, at this load"
                f" and on this machine, {said}, and throughput at most"
                f" {100 * (1 - limits.size_throughput):.0f} % below, the unconstrained pool's."
            )
            return
    tried = " and ".join(map(_unproved, answer.certificates))
    yield (
        f"Not certified: {tried}; longer trials can prove more (--duration 10s)."
        if tried
        else "Not certified: there is no smaller pool to prove anything of."
    )


def _unproved(certificate: Certificate) -> str:
    pairs = f"{certificate.pairs} fresh pairs"
    if certificate.conclusion is Conclusion.BROKEN:
        return f"{pairs} disproved that {certificate.size} is enough"
    return f"{pairs} proved neither that {certificate.size} is enough nor that it is not"


def _risk(goal: Goal, need: Need, answer: Answer) -> Iterator[str]:
    found = _exhaustion(goal, need, answer)
    if goal.pool is Pool.RAISING and answer.size == goal.handlers:
        yield (
            "A connection for each handler cannot be exhausted, whatever the load. A blocking pool"
            " would do with fewer: it lets who finds none free wait a moment."
        )
    if found is not None and found["share_at_most"] is not None:
        tried = answer.judged(answer.size or 0) is not None
        yield (
            f"{format_count(found['failed'])} of {format_count(found['acquires'])} acquires"
            f" {'found' if tried else 'would have found'} it exhausted, so with 95 % confidence"
            " fewer than one in"
            f" {format_count(int(1 / found['share_at_most']))} would. A blocking pool lets them"
            " wait a moment instead."
        )
