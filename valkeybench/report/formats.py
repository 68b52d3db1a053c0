"""Which formats a report can have, how a file's name says which, and who writes each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import Phase
from valkeybench.report.digest import json_text
from valkeybench.report.hdr import hgrm_text, hlog_text
from valkeybench.report.html.page import html_text
from valkeybench.report.markdown import markdown
from valkeybench.report.openmetrics import Dialect, metrics_text
from valkeybench.report.overlay import document_of, overlaid
from valkeybench.report.rows import csv_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from valkeybench.report.overlay import NamedRun

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9.]+")
_LONGEST_NAME = 100


class Format(StrEnum):
    """What a report can be written as; its value is the name it goes by and its first suffix."""

    HTML = "html"
    MARKDOWN = "md"
    CSV = "csv"
    JSON = "json"
    HGRM = "hgrm"
    HLOG = "hlog"
    OPENMETRICS = "om"
    PROMETHEUS = "prom"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """Give the ends of file names that mean it."""
        return (f".{self.value}", *_MORE_SUFFIXES.get(self, ()))

    @property
    def meaning(self) -> str:
        """Say what it is good for."""
        return _MEANINGS[self]


_MORE_SUFFIXES = {
    Format.HTML: (".htm",),
    Format.MARKDOWN: (".markdown",),
    Format.OPENMETRICS: (".openmetrics",),
}
_MEANINGS = {
    Format.HTML: "a page with charts to print and to forward: one file that needs nothing else",
    Format.MARKDOWN: "the report as Markdown, for merge requests and job summaries",
    Format.CSV: "a row for each case and trial, axes as parameter_… columns",
    Format.JSON: "the summaries without the samples",
    Format.HGRM: "percentiles of a phase, for HdrHistogram's plotter; a file for each case",
    Format.HLOG: "every phase of every trial as an HdrHistogram log 1.2",
    Format.OPENMETRICS: "OpenMetrics text, with OpenTelemetry's names",
    Format.PROMETHEUS: "the same in Prometheus's own text format",
}

_WRITERS: Mapping[Format, Callable[[Sequence[NamedRun]], str]] = {
    Format.HTML: html_text,
    Format.MARKDOWN: lambda runs: markdown(document_of(runs)),
    Format.CSV: csv_text,
    Format.JSON: json_text,
    Format.HLOG: hlog_text,
    Format.OPENMETRICS: lambda runs: metrics_text(runs, Dialect.OPENMETRICS),
    Format.PROMETHEUS: lambda runs: metrics_text(runs, Dialect.PROMETHEUS),
}
"""Who writes what goes into one file."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """What goes into one file. `of` tells it from others of the same report; empty for the only."""

    text: str
    of: str = ""


def format_of(name: str) -> Format | None:
    """Tell from the end of a file's name which format is meant; None when it does not tell."""
    lower = name.lower()
    return next((each for each in Format if lower.endswith(each.suffixes)), None)


def sheets(
    runs: Sequence[NamedRun], chosen: Format, *, phase: Phase = Phase.RESPONSE
) -> list[Sheet]:
    """Write runs in a format: one sheet, but for percentile tables one for each case.

    `phase` is whose percentiles these are. Raises ResultError when a file's histograms cannot be
    read.
    """
    if chosen is Format.HGRM:
        return _tables(runs, phase)
    return [Sheet(_WRITERS[chosen](runs))]


def _tables(runs: Sequence[NamedRun], phase: Phase) -> list[Sheet]:
    """Write a percentile table for each case; those whose names would be alike are numbered."""
    cases, names = overlaid(runs)
    if len(cases) == 1:
        return [Sheet(hgrm_text(cases[0], phase))]
    found: dict[str, str] = {}
    for case in cases:
        plain = _NOT_IN_NAMES.sub("-", names[case.id]).strip("-.")[:_LONGEST_NAME] or "case"
        name, number = plain, 1
        while name.lower() in map(str.lower, found):
            number += 1
            name = f"{plain}-{number}"
        found[name] = hgrm_text(case, phase)
    return [Sheet(text, of=name) for name, text in found.items()]
