"""When a number of a case cannot be taken at its word, whatever it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.units import format_percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valkeybench.analysis.cases import SeenCase
    from valkeybench.analysis.metric import Metric
    from valkeybench.analysis.thresholds import Thresholds

FIRM_SAMPLES = 10
"""Samples that must lie beyond a percentile in a trial for it to be more than a hint."""

_CUT_OFF: Mapping[str, float] = {"max": 0.999, "mean": 0.99}
"""Share that must be known to the end. The longest is cut off where p99.9 is; a mean with more
ages in it than one in a hundred could be anything."""


def doubt(case: SeenCase, metric: Metric, limits: Thresholds) -> str:
    """Say why a metric of a case means less than it seems; empty when it does not."""
    return next(_doubts(case, metric, limits), "")


def _doubts(case: SeenCase, metric: Metric, limits: Thresholds) -> Iterator[str]:
    if case.server_lost:
        yield "the server went away in a trial"
    if metric.phase is None:
        return
    if case.is_starving(limits):
        starved = case.starved(limits)
        who = f"{plural(starved, 'handler')} starved" if starved else "handlers starved"
        yield f"{who}, and who starves has hardly any response times: percentiles rank nothing"
    firm = _CUT_OFF.get(metric.stat, metric.quantile)
    never_sent = ", or due and never sent" if case.summary.dropped else ""
    if firm is not None and case.not_seen > 1 - firm:
        yield (
            f"{format_percent(case.not_seen)} of the commands were unfinished when the window "
            f"closed{never_sent}, so it is only known to be no less"
        )
    if metric.quantile is None:
        return
    counts = [
        found.count
        for trial in case.trials
        if (found := trial.summary.phases.get(metric.phase)) is not None
    ]
    beyond = min(counts, default=0) * (1 - metric.quantile)
    if beyond < FIRM_SAMPLES:
        # The slack is for what 1 - 0.99 leaves of a whole number.
        yield f"only {plural(int(beyond + 1e-6), 'sample')} lie beyond it in a trial"
