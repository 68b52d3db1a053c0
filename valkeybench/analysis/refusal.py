"""Knows when no pool size is an answer, and what would help instead."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log
from statistics import median, stdev
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.enough import Criterion
from valkeybench.analysis.finding import Code
from valkeybench.analysis.inference import Conclusion
from valkeybench.analysis.sizing import causes
from valkeybench.units import format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valkeybench.analysis.certificate import Certificate
    from valkeybench.analysis.enough import Judged, Sight
    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.thresholds import Thresholds

_QUIETER = (
    "measure longer (--duration 10s), keep client and server on CPUs of their own (--pin auto),"
    " use a quieter machine, or say what is good enough (--slo 'response.p99 < 5ms')"
)
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

    @property
    def is_hasty(self) -> bool:
        """Tell whether one stall of a machine that shows once could look like that as well."""
        return self.cause in (Cause.BURSTS, Cause.TWO_KINDS)


def refuse_base(
    bases: Sequence[Sight], *, slo: Sequence[Limit], cap: int | None, limits: Thresholds
) -> Refusal | None:
    """Find what makes any size meaningless, in the runs of the unconstrained pool.

    How long the tail is, and whether it is the same each time, bears on a size only where sizes
    are judged by it: not with an SLO, and not where a pool that is too small fails commands.
    """
    case = together(bases)
    by_tails = not slo and case.pool.waits
    for cause, finding in causes(case, limits):
        if cause is Code.REPEATS_DISAGREE and (not by_tails or _is_one_odd_run(bases, limits)):
            continue  # what is asked for holds or not, whatever the other repeats did
        # A search repeats as it needs to: asking for more repeats would be no remedy.
        remedy = _QUIETER if cause is Code.REPEATS_DISAGREE else finding.remedy
        return Refusal(cause=str(cause), message=finding.message, remedy=remedy)
    return (
        _broken_slo(bases, slo)
        or (None if slo else _bound_by_cap(case, cap, limits))
        or (_scattered(bases, case, limits) if by_tails else None)
        or (None if slo else _in_most(_in_bursts, bases, limits))
        or (_in_most(_two_kinds, bases, limits) if by_tails else None)
    )


def refuse_certificates(certificates: Sequence[Certificate]) -> Refusal | None:
    """Find fresh pairs that disprove, for every size they were run with, what the walk found."""
    broken = [each for each in certificates if each.conclusion is Conclusion.BROKEN]
    if not broken or len(broken) < len(certificates):
        return None
    sizes = " and ".join(str(each.size) for each in broken)
    return Refusal(
        cause=Cause.UNSTEADY,
        message=f"pools were enough when they were tried, and fresh pairs disproved it for {sizes}:"
        " sizes cannot be told apart on a machine, or with a load, that does one thing now and"
        " another then",
        remedy=_QUIETER,
    )


def refuse_walk(
    walk: Sequence[Judged], bases: Sequence[Sight], *, slo: Sequence[Limit], limits: Thresholds
) -> Refusal | None:
    """Find sizes that rank one way by p99 and another by throughput, or backwards."""
    p99s = [base.p99_ns for base in bases]
    rates = [base.throughput for base in bases]
    # Where nothing is busy there is nothing that fewer at once would relieve: that was luck.
    can_relieve = _is_busy(together(bases), limits)
    for judged in walk:
        found = [pair.candidate for pair in judged.pairs]
        if len(found) < 2:  # noqa: PLR2004 - once is luck
            continue
        if not judged.pool.waits:
            continue  # nobody waits, so no size has a longer or a shorter tail than another
        if not slo and can_relieve and _is_better(judged, min(p99s), limits):
            return _smaller_is_better(judged, bases)
        faster = all(one.throughput > max(rates) / limits.size_throughput for one in found)
        if faster and all(one.p99_ns > limits.size_p99 * max(p99s) for one in found):
            return _ranks_differ(judged, bases)
    return None


def _is_better(judged: Judged, best: float, limits: Thresholds) -> bool:
    """Tell whether a smaller pool answers sooner than every base run, and not by luck.

    One whose handlers wait for connections should be slower: sooner at all is odd then.
    """
    sooner = [pair.candidate.p99_ns for pair in judged.pairs]
    shares = [pair.candidate.p99_ns / pair.base.p99_ns for pair in judged.pairs]
    if max(shares) < limits.size_better and max(sooner) < best:
        return True
    waits = judged.failed is not None and judged.failed.criterion is Criterion.POOL_WAIT
    return judged.enough is False and waits and max(sooner) < limits.size_sooner * best


def together(bases: Sequence[Sight]) -> SeenCase:
    """Put the base runs into one case; its summary is that of the first."""
    first = bases[0].case
    trials = [trial for base in bases for trial in base.case.trials]
    return SeenCase(first.record.model_copy(update={"trials": trials}), first.summary)


def _is_busy(case: SeenCase, limits: Thresholds) -> bool:
    return max(case.client_cpu or 0.0, case.server_cpu or 0.0) >= limits.size_busy


def _is_one_odd_run(bases: Sequence[Sight], limits: Thresholds) -> bool:
    """Tell whether the repeats agree once one of them is left out, where nothing is busy."""
    if _is_busy(together(bases), limits):
        return False
    others = ([*bases[:odd], *bases[odd + 1 :]] for odd in range(len(bases)))
    return any(
        Code.REPEATS_DISAGREE not in dict(causes(together(left), limits)) for left in others if left
    )


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


def _scattered(bases: Sequence[Sight], case: SeenCase, limits: Thresholds) -> Refusal | None:
    """Find runs of one pool that are not alike.

    A noisy machine is forgiven much, and one run that it spoilt is left out. Where client or
    server is busy it is not: there a load can settle in one state or another, and what is
    enough for one is not for the other.
    """
    p99s = [base.p99_ns for base in bases if base.response is not None]
    is_busy = _is_busy(case, limits)
    if not is_busy:
        p99s = _without_the_oddest(p99s)
    if len(p99s) < _TELLING_BASES:
        return None
    spread = stdev(map(log, p99s))
    if spread <= (limits.p99_spread if is_busy else limits.size_base_spread):
        return None
    low, high = map(format_duration, (min(p99s), max(p99s)))
    return Refusal(
        cause=Cause.UNSTEADY,
        message=f"the same pool showed a p99 between {low} and {high} (deviation"
        f" {format_percent(spread)}): sizes cannot be told apart on a machine, or with a load,"
        " that does one thing now and another then",
        remedy=_QUIETER,
    )


def _without_the_oddest(p99s: Sequence[float]) -> list[float]:
    """Leave out the run that is furthest from the others, by ratio."""
    if not p99s:
        return []
    middle = log(median(p99s))
    return sorted(p99s, key=lambda p99: abs(log(p99) - middle))[:-1]


def _in_most(
    look: Callable[[Sight, Thresholds], Refusal | None],
    bases: Sequence[Sight],
    limits: Thresholds,
) -> Refusal | None:
    """Find what most of the base runs show; the last that does says it."""
    found = [said for base in bases if (said := look(base, limits)) is not None]
    return found[-1] if 2 * len(found) > len(bases) else None


def _in_bursts(base: Sight, limits: Thresholds) -> Refusal | None:
    """Find arrivals that come together: connections in use scatter more than chance does."""
    counts = base.case.in_use_counts
    total = sum(counts)
    mean = sum(k * count for k, count in enumerate(counts)) / total
    variance = sum((k - mean) ** 2 * count for k, count in enumerate(counts)) / total
    if mean < 1 or variance <= limits.size_bursts * mean:
        return None
    return Refusal(
        cause=Cause.BURSTS,
        message=f"commands come in bursts, or something holds them all up at times: {mean:.1f}"
        f" connections are in use on average, with a variance of {variance:.1f} where independent"
        f" commands would give {mean:.1f}; how many are enough then depends on the largest burst,"
        " not on the load",
        remedy="smooth the bursts where they are made (pipeline them, spread timers), find what"
        " stalls, or say what is good enough with --slo",
    )


def _two_kinds(base: Sight, limits: Thresholds) -> Refusal | None:
    """Find a tail that is another kind of command rather than the usual one's bad luck."""
    response = base.response
    if response is None or response.p99_ns <= limits.size_two_kinds * response.p90_ns:
        return None
    return Refusal(
        cause=Cause.TWO_KINDS,
        message="two kinds of commands share this load, or something holds commands up at times:"
        f" nine in ten take {format_duration(response.p90_ns)} or less, one in a hundred"
        f" {format_duration(response.p99_ns)} or more; p99 tells of the slow ones only, and a pool"
        " that is enough for p99 makes the quick ones wait",
        remedy="give slow commands a pool of their own and size each alone; where all are alike,"
        " find what stops the server or this machine meanwhile; or say what is good enough with"
        " --slo, such as --slo 'response.p90 < 2ms'",
    )


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
