"""Writes histograms as HdrHistogram's own files: percentile tables (.hgrm) and logs (.hlog).

Both are in milliseconds, as all who read them expect. Histograms are exactly what the run file
holds: a log repeats their text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from valkeybench.analysis.samples import merged
from valkeybench.errors import ResultError
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.percentiles import BUCKETS, SUB_BUCKETS, ladder, moments
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.report.overlay import NamedRun
    from valkeybench.results.runfile import CaseRecord, Trial

_LOG_HEAD = "#[Histogram log format version 1.2]"
_LEGEND = '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
_NOT_IN_TAGS = re.compile(r"[^\w.=:+/@-]+")
"""A tag ends at a comma, and a line at its end."""


def hgrm_text(case: CaseRecord, phase: Phase) -> str:
    """Write the percentiles of a phase, all trials together, as HdrHistogram's plotter reads them.

    A table without lines where there are no samples.
    """
    samples = merged(case, phase)
    mean, deviation = (_decimals(value / MILLISECOND, 3) for value in moments(samples))
    steps = ladder(samples)
    most = _decimals(steps[-1].value_ns / MILLISECOND if steps else 0.0, 3)
    lines = ["       Value     Percentile TotalCount 1/(1-Percentile)", ""]
    for step in steps:
        value, share = _decimals(step.value_ns / MILLISECOND, 3), _decimals(step.share, 12)
        line = f"{value:>12} {share} {step.count:10d}"
        beyond = "" if step.share >= 1 else f" {_decimals(1 / (1 - step.share), 2):>14}"
        lines.append(line + beyond)
    return "\n".join(
        [
            *lines,
            f"#[Mean    = {mean:>12}, StdDeviation   = {deviation:>12}]",
            f"#[Max     = {most:>12}, Total count    = {samples.count:12d}]",
            f"#[Buckets = {BUCKETS:12d}, SubBuckets     = {SUB_BUCKETS:12d}]\n",
        ]
    )


def _decimals(value: float, places: int) -> str:
    """Write a number as it reads, ties away from zero as Java and JavaScript have it."""
    return f"{Decimal(repr(value)).quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP):f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    """A line of a log: whose it is, when it begins and ends, the largest value, the counts."""

    tag: str
    begins_s: float
    lasts_s: float
    most_ms: float
    counts: str


def hlog_text(runs: Sequence[NamedRun]) -> str:
    """Write every phase of every trial as a histogram log 1.2, a line each, by time.

    Tags say run (where there are several), case and phase. Times are from when the first trial
    began; that is when its pool was filled, so its window opens a little later.
    """
    entries = sorted(_entries(runs), key=lambda entry: (entry.begins_s, entry.tag))
    begins = entries[0].begins_s if entries else 0.0
    begun = datetime.fromtimestamp(begins, UTC).isoformat(timespec="milliseconds")
    return "\n".join(
        [
            "#[Written by valkeybench; a line for each phase of each trial, values in ns]",
            _LOG_HEAD,
            f"#[BaseTime: {begins:.3f} (seconds since epoch)]",
            f"#[StartTime: {begins:.3f} (seconds since epoch), {begun}]",
            _LEGEND,
            *(
                f"Tag={entry.tag},{entry.begins_s - begins:.3f},{entry.lasts_s:.3f},"
                f"{entry.most_ms:.3f},{entry.counts}"
                for entry in entries
            ),
            "",
        ]
    )


def _entries(runs: Sequence[NamedRun]) -> Iterable[_Entry]:
    for each in runs:
        run = f"{each.name}/" if len(runs) > 1 else ""
        for case in each.run.cases:
            for trial in case.trials:
                for phase in filter(trial.histograms.__contains__, Phase):
                    yield _Entry(
                        tag=_NOT_IN_TAGS.sub(";", f"{run}{case.id}/{phase}"),
                        begins_s=_instant(trial),
                        lasts_s=trial.duration_ns / SECOND,
                        most_ms=(Histogram.decode(trial.histograms[phase]).maximum or 0)
                        / MILLISECOND,
                        counts=trial.histograms[phase],
                    )


def _instant(trial: Trial) -> float:
    try:
        return datetime.fromisoformat(trial.started).timestamp()
    except ValueError as error:
        raise ResultError(f"a trial began at {trial.started!r}, which is no time") from error
