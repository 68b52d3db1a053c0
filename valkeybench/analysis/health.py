"""Knows what can be wrong with a measurement, how to tell, why it matters and what to do."""

from __future__ import annotations

from math import ceil
from statistics import fmean
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import PoolLimit, SeenCase, seen
from valkeybench.analysis.delivery import behind_schedule
from valkeybench.analysis.event_loop import loop_late
from valkeybench.analysis.finding import Code, Finding, Look
from valkeybench.analysis.placing import crowded, process_saturated, uneven_start
from valkeybench.analysis.recovery import recovery
from valkeybench.analysis.remedies import (
    less_client_cpu,
    mend_failures,
    more_patience,
    more_repeats,
    serve_all,
)
from valkeybench.analysis.server_health import (
    connections_disagree,
    evictions,
    rejected_connections,
    server_lost,
    server_saturated,
)
from valkeybench.analysis.steadiness import drifting
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.results.runfile import RunWarning
from valkeybench.units import (
    SECOND,
    format_count,
    format_duration,
    format_percent,
    format_rate,
    plural,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valkeybench.results.runfile import CaseRecord


def health(cases: Sequence[CaseRecord], limits: Thresholds | None = None) -> list[RunWarning]:
    """Warn of everything that limits what the numbers mean, most important first.

    At most one warning for each code and case. Cases without a finished trial are passed
    over. Raises ResultError when a case's axes make no sense.
    """
    limits = limits or Thresholds()
    run = seen(cases)
    return [
        RunWarning(code=code, message=finding.message, remedy=finding.remedy, case=case.id)
        for code, check in _checks().items()
        for case in run
        if not (case.is_disturbed and code in _OF_A_DISTURBANCE)
        and (finding := check(Look(case, run, limits))) is not None
    ]


_OF_A_DISTURBANCE = frozenset(
    {
        *(Code.REJECTED_CONNECTIONS, Code.STARVED, Code.UNFINISHED, Code.SERVER_SATURATED),
        *(Code.BEHIND_SCHEDULE, Code.NO_THINK, Code.POOL_BOUND, Code.REPEATS_DISAGREE),
        *(Code.UNSTEADY, Code.FEW_SAMPLES, Code.RETRIES, Code.CONNECTIONS_DISAGREE),
    }
)
"""What a server that is disturbed on purpose brings about, or what nobody reads off such a run."""


def _checks() -> dict[Code, Callable[[Look], Finding | None]]:
    checks = {
        Code.SERVER_LOST: server_lost,
        Code.DISTURBED: disturbed,
        Code.FAILURES: failures,
        Code.REJECTED_CONNECTIONS: rejected_connections,
        Code.ABANDONED: abandoned,
        Code.IN_USE_LEFT: in_use_left,
        Code.STARVED: starved,
        Code.UNFINISHED: unfinished,
        Code.CLIENT_SATURATED: client_saturated,
        Code.PROCESS_SATURATED: process_saturated,
        Code.LOOP_LATE: loop_late,
        Code.SERVER_SATURATED: server_saturated,
        Code.BEHIND_SCHEDULE: behind_schedule,
        Code.UNEVEN_START: uneven_start,
        Code.CROWDED: crowded,
        Code.NO_THINK: no_think,
        Code.POOL_BOUND: pool_bound,
        Code.REPEATS_DISAGREE: repeats_disagree,
        Code.UNSTEADY: unsteady,
        Code.FEW_SAMPLES: few_samples,
        Code.OUT_OF_RANGE: out_of_range,
        Code.RETRIES: retries,
        Code.EVICTIONS: evictions,
        Code.CONNECTIONS_DISAGREE: connections_disagree,
    }
    return {code: checks[code] for code in Code}


def disturbed(look: Look) -> Finding | None:
    """Find that the server was disturbed on purpose."""
    if not look.case.is_disturbed:
        return None
    what = look.case.record.axes["disturb"]
    return Finding(
        f"the server was disturbed on purpose ({what}): throughput, failures and percentiles of the"
        " whole window mix what was before, meanwhile and after; read under Recovery what it took",
        "measure without --disturb to see the load itself",
    )


def failures(look: Look) -> Finding | None:
    """Find failed commands, by kind; of a disturbed case, those before the disturbance."""
    if look.case.is_disturbed:
        return _failed_before(look)
    summary = look.case.summary
    kinds = {kind: count for kind, count in summary.failures.items() if count}
    if not kinds:
        return None
    most_first = sorted(kinds, key=lambda kind: -kinds[kind])
    listed = ", ".join(f"{kind} {format_count(kinds[kind])}" for kind in most_first)
    failed = sum(kinds.values())
    meaning = "they are in no throughput and no latency, which look better for it"
    if not summary.completed:
        meaning = "none completed, so there is neither throughput nor latency"
    return Finding(
        f"{format_count(failed)} of {plural(summary.attempted, 'command')}"
        f" ({_small_percent(failed / max(summary.attempted, 1))}) failed: {listed};"
        f" {meaning}",
        mend_failures(most_first),
    )


def _failed_before(look: Look) -> Finding | None:
    found = recovery(look.case.record)
    failed = 0 if found is None else sum(trial.failed_before for trial in found.trials)
    if not failed:
        return None
    return Finding(
        f"{plural(failed, 'command')} failed before the server was disturbed: what is usual was not"
        " well, and the failures after it are not all of its doing",
        "see what fails without --disturb",
    )


def abandoned(look: Look) -> Finding | None:
    """Find handlers that never came back."""
    stuck = sum(trial.client.abandoned for trial in look.case.trials)
    if not stuck:
        return None
    left = sum(trial.client.in_use_left for trial in look.case.trials)
    holding = f", {plural(left, 'connection')} still taken" if left else ""
    return Finding(
        f"{plural(stuck, 'handler')} hung in a command long after the window closed{holding}; how"
        " slow those commands really are is not known",
        more_patience(look.case),
    )


def in_use_left(look: Look) -> Finding | None:
    """Find connections that nobody gave back, other than those of handlers that hang."""
    ends = [(trial.client.in_use_left, trial.client.abandoned) for trial in look.case.trials]
    left = sum(max(taken - stuck, 0) for taken, stuck in ends)
    if not left:
        return None
    return Finding(
        f"{plural(left, 'connection')} {'was' if left == 1 else 'were'} never given back, though no"
        " handler was busy any more:"
        " the client library loses them, and a pool that loses some is smaller than it says",
        "try another version of the client library, and do not size from this run",
    )


def starved(look: Look) -> Finding | None:
    """Find handlers that went without while others were served."""
    case = look.case
    if not case.is_starving(look.limits):
        return None
    fairness = "" if case.fairness is None else f" (fairness {case.fairness:.2f})"
    hungry = case.starved(look.limits)
    who = (
        f"{hungry} of {plural(case.handlers, 'handler')} hardly completed anything"
        if hungry
        else "handlers got very unequal shares"
    )
    return Finding(
        f"{who}{fairness}: those that wait longest record least, so percentiles look best where"
        " starvation is worst; they rank nothing",
        serve_all(case),
    )


def unfinished(look: Look) -> Finding | None:
    """Find a tail that was cut off by the end of the window."""
    case, response = look.case, look.case.response
    if case.censored <= look.limits.censored or response is None:
        return None
    remedy = "measure longer (--duration), so that fewer commands are caught half-way"
    if case.is_starving(look.limits):
        remedy = "cure the starvation first: the unfinished commands are those still waiting"
    return Finding(
        f"{format_percent(case.censored)} of the commands were unfinished when the window closed"
        " and count with their age so far: p99 is a lower bound, it is"
        f" {format_duration(response.p99_ns)} or more",
        remedy,
    )


def client_saturated(look: Look) -> Finding | None:
    """Find a client that was the bottleneck itself."""
    share = look.case.client_cpu
    if share is None or share < look.limits.client_cpu:
        return None
    each = "each client process" if look.case.processes > 1 else "the client"
    return Finding(
        f"{each} used {format_percent(share)} of a core, and Python can use hardly more"
        " than one: latencies show a busy client rather than pool or server",
        less_client_cpu(look.case),
    )


def no_think(look: Look) -> Finding | None:
    """Find a closed loop that does nothing but ask."""
    if look.case.think_ns != 0:
        return None
    return Finding(
        "handlers ask again at once, without think time: that finds out how much goes through"
        " at most, not how an application is served; do not size from it",
        "give handlers the pauses your application makes, as in --think 10ms",
    )


def pool_bound(look: Look) -> Finding | None:
    """Find a pool that was the limit."""
    case = look.case
    sign = case.pool_limit(look.limits)
    if sign is None:
        return None
    roomy = [
        other
        for other in look.run
        if other.pool.is_pooled
        and not other.is_pool_bound(look.limits)
        and case.is_same_load(other)
    ]
    roomy.sort(key=lambda other: (other.pool is case.pool, other.max_connections or 0))
    return Finding(
        f"{_saw(case, sign)}: the pool was the limit, so how many the load needs cannot be read"
        " from it",
        f"read the need from the {roomy[-1].pool} pool of {roomy[-1].max_connections}, which was no"
        " limit"
        if roomy
        else "measure with a larger pool as well (--max-conn)",
    )


def _saw(case: SeenCase, sign: PoolLimit) -> str:
    """Say what showed that the pool was the limit."""
    in_use, size = case.summary.in_use, case.max_connections
    if sign is PoolLimit.FAILURES:
        failed = plural(case.pool_failures, "command")
        return f"{failed} got no connection from a pool of {size}"
    if sign is PoolLimit.IN_USE and in_use is not None:
        connections = plural(size or 1, "connection")
        return f"one acquire in 1 000 found {in_use.p999} of {connections} taken"
    if sign is PoolLimit.WAITING:
        return (
            f"commands spent {format_percent(case.wait_share)} of their time waiting for a"
            f" connection of a pool of {size}"
        )
    each = round(case.waiting_at_close / len(case.trials))
    return (
        f"{format_count(each)} of {plural(case.handlers, 'handler')} still waited for a connection"
        f" of a pool of {size} when the window closed"
    )


def repeats_disagree(look: Look) -> Finding | None:
    """Find repeats that are not repeats of the same thing."""
    case, limits = look.case, look.limits
    p99, rate = case.p99_spread, case.throughput_spread
    seen_apart = []
    if p99 is not None and p99 > limits.p99_spread:
        low, high = map(format_duration, (min(case.p99s), max(case.p99s)))
        seen_apart.append(f"p99 lay between {low} and {high} (deviation {format_percent(p99)})")
    if rate is not None and rate > limits.throughput_spread:
        rates = [trial.summary.throughput for trial in case.trials]
        low, high = format_count(min(rates)), format_rate(max(rates))
        seen_apart.append(
            f"throughput lay between {low} and {high} (deviation {format_percent(rate)})"
        )
    if not seen_apart:
        return None
    return Finding(
        f"repeats disagree: {' and '.join(seen_apart)}; a difference between cases smaller than"
        " that is noise",
        more_repeats(case),
    )


def unsteady(look: Look) -> Finding | None:
    """Find trials that ended other than they began: most of them, in the same quantity."""
    trials = look.case.trials
    for name, drifts in drifting(trials, look.limits).items():
        if drifts and 2 * len(drifts) >= len(trials):
            way = "higher" if fmean(drifts) > 0 else "lower"
            return Finding(
                f"{name} was {format_percent(abs(fmean(drifts)))} {way} in the second half of"
                f" {len(drifts)} of {plural(len(trials), 'trial')}: it had not settled, and its"
                " average describes neither half",
                "warm up longer (--warmup 2s or more) and measure longer (--duration)",
            )
    return None


def few_samples(look: Look) -> Finding | None:
    """Find a tail made of a handful of samples."""
    count, limits = look.case.response.count if look.case.response else 0, look.limits
    if count * 0.01 >= limits.tail_samples:
        return None
    if not count:
        return Finding(
            "no command completed: there is no latency to speak of",
            "see what failed, or measure for longer than one command takes (--duration)",
        )
    trusted = [p for p in (50, 75, 90, 95) if count * (100 - p) >= 100 * limits.tail_samples]
    believed = f"trust p{trusted[-1]} and below" if trusted else "trust no percentile of it"
    longer = max(trial.duration_ns for trial in look.case.trials) * limits.tail_samples * 100
    return Finding(
        f"only {format_count(count * 0.01)} of {plural(count, 'sample')} lie beyond p99,"
        f" {limits.tail_samples} make it repeatable: {believed}",
        f"measure longer: --duration {max(ceil(longer / count / SECOND), 1)}s",
    )


def out_of_range(look: Look) -> Finding | None:
    """Find samples that no histogram could take."""
    lost = look.case.summary.out_of_range
    if not lost:
        return None
    return Finding(
        f"{plural(lost, 'sample')} lay outside of 1 ns to 1 h, which no command lasts, and count in"
        " no percentile: the clock jumped, or this is a bug of ours",
        "see that the machine was not suspended or moved, and measure again",
    )


def retries(look: Look) -> Finding | None:
    """Find failures that were hidden by trying again."""
    again = look.case.summary.retries
    if not again:
        return None
    return Finding(
        f"redis-py tried {plural(again, 'command')} again: those failures are not counted as"
        " such, they are latency, and a write may have been done twice",
        "find out what failed with retries set to 0",
    )


def _small_percent(share: float) -> str:
    return format_percent(share) if share >= 0.001 else "under 0.1 %"  # noqa: PLR2004 - what it says
