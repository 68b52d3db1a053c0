"""Whether what a run file says is in it, and agrees with itself: it may have been cut or mended.

Whatever is concluded from a run rests on its summaries. They were made of trials, and those of
histograms, so a file whose parts tell different things tells nothing.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from valkeybench.errors import ResultError
from valkeybench.results.search_evidence import faults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.measurement.histogram import Histogram
    from valkeybench.results.runfile import CaseRecord, PhaseSummary, RunFile, Summary, Trial

_COUNTS = ("attempted", "completed", "failed", "unfinished", "dropped")
_P99 = 0.99
_RESOLUTION = 0.002
"""How far apart, as a share, two readings of one percentile can be: counters are 0.1 % wide, and
only who recorded knows the ends exactly."""


def contradictions(run: RunFile) -> Iterator[str]:
    """Find what in a run does not agree with the rest of it; empty for what a run wrote."""
    for name, times in Counter(case.id for case in run.cases).items():
        if times > 1:
            yield f"{times} cases are called {name}"
    for case in run.cases:
        for said in _of_case(case):
            yield f"{said} (case {case.id})"
    for one in run.recommendations:
        if "walk" in one.evidence:
            for said in faults(one.evidence, found=one.max_connections is not None):
                yield f"evidence of the search, {said}"


def _of_case(case: CaseRecord) -> Iterator[str]:
    if case.summary is None:
        if case.trials:
            yield "trials without a summary"
        return
    if not case.trials:
        yield "a summary without trials"
        return
    for trial in case.trials:
        for said in (*_of_counts(trial.summary), *_of_samples(trial)):
            yield f"{said} in repeat {trial.repeat}"
    yield from _of_counts(case.summary)
    for name in _COUNTS:
        together = sum(getattr(trial.summary, name) for trial in case.trials)
        if together != getattr(case.summary, name):
            yield f"trials have {together} {name}, and their summary {getattr(case.summary, name)}"
    for name, phase in case.summary.phases.items():
        found = [trial.summary.phases.get(name) for trial in case.trials]
        samples = sum(each.count for each in found if each is not None)
        if samples != phase.count:
            yield f"trials have {samples} samples of {name}, and their summary {phase.count}"


def _of_counts(summary: Summary) -> Iterator[str]:
    ended = summary.completed + summary.failed + summary.unfinished + summary.dropped
    if ended != summary.attempted:
        yield f"{summary.attempted} attempted, and {ended} that ended in any way"
    kinds = sum(summary.failures.values())
    if kinds != summary.failed:
        yield f"{summary.failed} failed, and {kinds} by kind"


def _of_samples(trial: Trial) -> Iterator[str]:
    from valkeybench.measurement.histogram import Histogram  # noqa: PLC0415 - heavy, for few commands

    summaries = trial.summary.phases
    # A clock that jumped leaves durations nobody can have seen, and which are in no histogram.
    told = trial.summary.out_of_range or "response" in summaries
    if trial.summary.completed and not told:
        yield "commands completed without any response time"
    for name in sorted(summaries.keys() - trial.histograms.keys()):
        yield f"the histogram of {name} is missing"
    for name, text in trial.histograms.items():
        try:
            histogram = Histogram.decode(text)
        except ResultError as error:
            yield f"the histogram of {name} cannot be read: {error}"
            continue
        if not _is_summed_up(histogram, summaries.get(name)):
            yield f"the histogram of {name} is not the one that is summed up"


def _is_summed_up(histogram: Histogram, summary: PhaseSummary | None) -> bool:
    if summary is None:
        return histogram.count == 0
    p99 = histogram.quantile(_P99)
    return (
        histogram.count == summary.count
        and p99 is not None
        and abs(p99 - summary.p99_ns) <= _RESOLUTION * summary.p99_ns
    )
