"""How long a load took to come back after its server was disturbed, read off a trial's intervals.

What is usual is the mean throughput of the whole intervals before the disturbance. Throughput is
back in the first interval, from the one of the disturbance on, that begins a stretch of half a
second as good as that: the stretch averages 95 % of it or more, its first two intervals are no
holes and at most a tenth of it is, so that a backlog being caught up hides none; and the rest of
the window averages as much, less what chance explains. A hole is an interval with less than 95 %
of what is usual and less than all but one interval before, or with less than half of what is usual.

The instant lies within an interval of the one that is given: that is its uncertainty.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import ceil, inf, sqrt
from statistics import fmean, median, pstdev
from typing import TYPE_CHECKING

from valkeybench.results.recovered import Recovery, TrialRecovery
from valkeybench.units import MILLISECOND, format_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.results.recovered import Disturbance
    from valkeybench.results.runfile import CaseRecord, Interval, Trial

BACK = 0.95
"""The share of what was usual that counts as back."""
STRETCH_NS = 500 * MILLISECOND
"""For how long it must be."""

_HALF = 0.5
_HOLES = 0.1
"""The share of a stretch that may be holes: as chance has it."""
_FEWEST_BEFORE = 5
_ERRORS = 2.0
"""Standard errors of a mean that chance explains."""
_TELLING = 1 - BACK
"""A stretch that scatters by more than this cannot tell 95 % from 100 %."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a course of throughput says."""

    baseline: float | None = None
    recovery_ns: int | None = None
    back: int | None = None
    """The interval it was back in."""
    note: str = ""


def find_recovery(rates: Sequence[float], *, interval_ns: int, began_ns: int) -> Found:
    """Find when throughput was back after `began_ns`, in whole intervals of one length."""
    first = began_ns // interval_ns
    before = rates[:first]
    if len(before) < _FEWEST_BEFORE:
        return Found(note="too little of the window was over to say what is usual")
    usual = fmean(before)
    if not usual:
        return Found(baseline=0.0, note="nothing completed before it")
    length, scatter = ceil(STRETCH_NS / interval_ns), pstdev(before)
    if scatter / sqrt(length) > _TELLING * usual:
        return Found(
            baseline=usual,
            note=f"throughput scattered by {format_percent(scatter / usual)} from interval to"
            f" interval before it, too much to tell {format_percent(BACK)} of it; more load"
            " scatters less",
        )
    hole = max(_HALF * usual, min(BACK * usual, sorted(before)[1]))
    for back in range(first, len(rates) - length + 1):
        stretch, rest = rates[back : back + length], rates[back:]
        chance = _ERRORS * scatter * sqrt(1 / len(before) + 1 / len(rest))
        if (
            min(stretch[:2]) >= hole
            and sum(rate < hole for rate in stretch) <= _HOLES * length
            and fmean(stretch) >= BACK * usual
            and fmean(rest) >= BACK * usual - chance
        ):
            after = max(back * interval_ns - began_ns, 0)
            return Found(baseline=usual, recovery_ns=after, back=back)
    return Found(baseline=usual)


def trial_recovery(trial: Trial) -> TrialRecovery | None:
    """Say how one trial's load came back; None when nothing was done to its server."""
    done, series = trial.disturbance, _whole(trial)
    if done is None or not series:
        return None
    interval = series[1].start_ns - series[0].start_ns if len(series) > 1 else trial.duration_ns
    rates = [each.throughput for each in series]
    found = find_recovery(rates, interval_ns=interval, began_ns=done.began_ns)
    first = min(done.began_ns // interval, len(series) - 1)
    back = len(series) if found.back is None else found.back
    meanwhile = series[first : max(back, first + 1)]
    # Commands that waited through it end right after; the dip is over before.
    tail = series[first : back + ceil(STRETCH_NS / interval)]
    p99s = [each.response_p99_ns for each in tail if each.response_p99_ns is not None]
    return TrialRecovery(
        repeat=trial.repeat,
        baseline=found.baseline,
        recovery_ns=found.recovery_ns,
        uncertainty_ns=interval,
        lowest=min(each.throughput for each in meanwhile),
        failures=_failures(trial.series[first:]),
        failed_before=sum(each.failed for each in series[:first]),
        p99_worst_ns=max(p99s, default=None),
        note=found.note,
    )


def recovery(case: CaseRecord) -> Recovery | None:
    """Say how a case's load came back; None when nothing was done to its server."""
    found = [each for trial in case.trials if (each := trial_recovery(trial)) is not None]
    if not found:
        return None
    times = [each.recovery_ns for each in found if each.recovery_ns is not None]
    total: Counter[str] = Counter()
    for each in found:
        total.update(each.failures)
    # One that did not come back took longer than any that did; of what is not known there is none.
    known = [each for each in found if not each.note]
    longer = [inf] * (len(known) - len(times))
    middle = round(median([*times, *longer])) if len(times) > len(longer) else None
    return Recovery(
        trials=found,
        recovered=len(times),
        median_ns=middle,
        least_ns=min(times, default=None),
        most_ns=max(times) if times and len(times) == len(known) else None,
        failures=dict(sorted(total.items())),
    )


def with_recovery(cases: Sequence[CaseRecord]) -> list[CaseRecord]:
    """Give the cases, each with how its load came back where it was disturbed."""
    return [case.model_copy(update={"recovery": recovery(case)}) for case in cases]


def disturbances(case: CaseRecord) -> list[Disturbance]:
    """Give what was done to the server in each trial of a case."""
    return [trial.disturbance for trial in case.trials if trial.disturbance is not None]


def _whole(trial: Trial) -> list[Interval]:
    """Give a trial's intervals without a last one that was cut off."""
    series = list(trial.series)
    if len(series) > 1:
        usual = series[1].start_ns - series[0].start_ns
        if trial.duration_ns - series[-1].start_ns < usual:
            series.pop()
    return series


def _failures(series: Sequence[Interval]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in series:
        total.update(each.failures)
    return dict(sorted(total.items()))
