"""Knows when no pool size is an answer, and what would help instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log
from statistics import stdev
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.sizing import causes
from valkeybench.units import format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.enough import Judged, Sight
    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.thresholds import Thresholds

_TELLING_BASES = 3
"""Base runs whose scatter means something."""


class Cause(StrEnum):
    """Why no size is given, beside what health checks know. Stable: scripts match on them."""

    CAP = "cap"
    SLO = "slo"
    UNSTEADY = "unsteady"
    BURSTS = "bursts"
    TWO_KINDS = "two_kinds"
    SMALLER_IS_BETTER = "smaller_is_better"
    RANKS_DIFFER = "ranks_differ"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is no answer, and what to do instead."""

    cause: str
    message: str
    remedy: str


def refuse_base(
    bases: Sequence[Sight], *, slo: Sequence[Limit], cap: int | None, limits: Thresholds
) -> Refusal | None:
    """Find what makes any size meaningless, in the runs of the unconstrained pool."""
    together = together(bases)
    for cause, finding in causes(together, limits):
        return Refusal(cause=str(cause), message=finding.message, remedy=finding.remedy)
    return (
        _broken_slo(bases, slo)
        or (None if slo else _bound_by_cap(together, cap, limits))
        or _scattered(bases, limits)
        or _in_bursts(together, limits)
        or (None if slo else _two_kinds(bases[0], limits))
    )


def refuse_walk(
    walk: Sequence[Judged], bases: Sequence[Sight], *, slo: Sequence[Limit], limits: Thresholds
) -> Refusal | None:
    """Find sizes that rank one way by p99 and another by throughput, or backwards."""
    for judged in walk:
        found = [(p.candidate.p99_ns, p.candidate.throughput) for p in judged.pairs]
        if len(found) < 2:  # noqa: PLR2004 - once is luck
            continue
        best_p99 = min(base.p99_ns for base in bases)
        best_rate = max(base.throughput for base in bases)
        if not slo and all(p99 < limits.size_better * best_p99 for p99, _ in found):
            return _smaller_is_better(judged, bases)
        faster = all(rate > best_rate / limits.size_throughput for _, rate in found)
        worst_p99 = max(base.p99_ns for base in bases)
        if faster and all(p99 > limits.size_p99 * worst_p99 for p99, _ in found):
            return _ranks_differ(judged, bases)
    return None


def together(bases: Sequence[Sight]) -> SeenCase:
    """Put the base runs into one case; its summary is that of the first."""
    first = bases[0].case
    trials = [trial for base in bases for trial in base.case.trials]
    return SeenCase(first.record.model_copy(update={"trials": trials}), first.summary)


def _broken_slo(bases: Sequence[Sight], slo: Sequence[Limit]) -> Refusal | None:
    """Find a limit that even the unconstrained pool breaks, in most of its runs."""
    for limit in slo:
        broken = [base for base in bases if limit.is_true(base.case.summary) is not True]
        if 2 * len(broken) > len(bases):
            measured = limit.written(limit.measured(broken[0].case.summary))
            return Refusal(
                cause=Cause.SLO,
                message=f"even with a connection for each handler {limit.metric} was {measured},"
                f" and {limit} is asked: no pool size can keep that",
                remedy="relax the limit, or take away what the time goes into: see the phases of"
                " `valkeybench run`",
            )
    return None


def _bound_by_cap(base: SeenCase, cap: int | None, limits: Thresholds) -> Refusal | None:
    if cap is None or not base.is_pool_bound(limits):
        return None
    return Refusal(
        cause=Cause.CAP,
        message=f"a pool of {base.max_connections}, the most that --cap {cap} allows, was the"
        " limit itself: what the load needs is more, and how much more cannot be seen",
        remedy="raise --cap; or name what would do with --slo; or take load off each process"
        f" (--processes {2 * base.processes} --concurrency {-(-base.concurrency // 2)})",
    )


def _scattered(bases: Sequence[Sight], limits: Thresholds) -> Refusal | None:
    p99s = [base.p99_ns for base in bases if base.response is not None]
    if len(p99s) < _TELLING_BASES:
        return None
    spread = stdev(map(log, p99s))
    if spread <= limits.size_base_spread:
        return None
    low, high = map(format_duration, (min(p99s), max(p99s)))
    return Refusal(
        cause=Cause.UNSTEADY,
        message=f"the same pool showed a p99 between {low} and {high} (deviation"
        f" {format_percent(spread)}): sizes cannot be told apart on a machine, or with a load,"
        " that does one thing now and another then",
        remedy="measure longer (--duration 10s), keep client and server on CPUs of their own"
        " (--pin auto), or use a quieter machine",
    )


def _in_bursts(base: SeenCase, limits: Thresholds) -> Refusal | None:
    """Find arrivals that come together: connections in use scatter more than chance does."""
    counts = base.in_use_counts
    total = sum(counts)
    mean = sum(k * count for k, count in enumerate(counts)) / total
    variance = sum((k - mean) ** 2 * count for k, count in enumerate(counts)) / total
    if mean < 1 or variance <= limits.size_bursts * mean:
        return None
    return Refusal(
        cause=Cause.BURSTS,
        message=f"connections in use come in bursts: {mean:.1f} on average, with a variance of"
        f" {variance:.1f} where independent commands would give {mean:.1f}; a small pool smooths"
        " the bursts and loses on waiting, so no one size is best",
        remedy="smooth the bursts where they are made (batch them into a pipeline, spread timers),"
        " or say what is good enough with --slo",
    )


def _two_kinds(base: Sight, limits: Thresholds) -> Refusal | None:
    """Find a tail that is another kind of command rather than the usual one's bad luck."""
    response = base.response
    if response is None:
        return None
    steps = ((response.p50_ns, response.p90_ns), (response.p90_ns, response.p99_ns))
    for low, high in steps:
        if low and high > limits.size_two_kinds * low:
            return Refusal(
                cause=Cause.TWO_KINDS,
                message="two kinds of commands share this load: most take"
                f" {format_duration(low)} or less, some {format_duration(high)}; p99 tells of the"
                " slow ones only, and a pool that is enough for p99 makes the quick ones wait",
                remedy="give the slow commands a pool of their own and size each alone, or say what"
                " is good enough with --slo, such as --slo 'response.p90 < 2ms'",
            )
    return None


def _smaller_is_better(judged: Judged, bases: Sequence[Sight]) -> Refusal:
    mine = format_duration(max(pair.candidate.p99_ns for pair in judged.pairs))
    theirs = format_duration(min(base.p99_ns for base in bases))
    return Refusal(
        cause=Cause.SMALLER_IS_BETTER,
        message=f"a pool of {judged.size} did better than one with a connection for each handler:"
        f" p99 {mine} against {theirs}; it works as a limiter for something that gets slower the"
        " more is asked of it at once (the interpreter, or the server)",
        remedy="find what does not bear so many at once and relieve it (more processes, cheaper"
        f" commands); until then try sizes around {judged.size} (valkeybench run --max-conn)",
    )


def _ranks_differ(judged: Judged, bases: Sequence[Sight]) -> Refusal:
    pair = judged.pairs[0]
    return Refusal(
        cause=Cause.RANKS_DIFFER,
        message=f"a pool of {judged.size} did more ({format_rate(pair.candidate.throughput)}"
        f" against {format_rate(bases[0].throughput)}) with a longer tail (p99"
        f" {format_duration(pair.candidate.p99_ns)} against {format_duration(bases[0].p99_ns)}):"
        " by throughput and by p99 different sizes are best",
        remedy="say which matters with --slo, such as --slo 'response.p99 < 5ms'",
    )
