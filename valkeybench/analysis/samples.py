"""Puts the stored histograms of a case's trials together; percentiles never are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.measurement.histogram import Histogram

if TYPE_CHECKING:
    from valkeybench.measurement.metrics import Phase
    from valkeybench.results.runfile import CaseRecord


def merged(case: CaseRecord, phase: Phase) -> Histogram:
    """Give what all trials of a case saw of a phase; empty where none did.

    Raises ResultError when the file holds something else than histograms.
    """
    texts = (trial.histograms.get(phase) for trial in case.trials)
    return sum((Histogram.decode(text) for text in texts if text), Histogram.empty())
