"""Writes runs as CSV: which columns there are, and what a spreadsheet would take for a formula.

A row for each case, all its trials together (`trial` is `all`), and one for each of its trials.
Columns are the same for every run, but for the axes; durations are integer nanoseconds, what is
unknown is empty. Percentiles of several rows must not be averaged: that is what `all` is for.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, TypeAlias

from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.report.text import typeface
from valkeybench.results.runfile import PhaseSummary

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.report.overlay import NamedRun
    from valkeybench.results.runfile import CaseRecord, Summary, Trial

    Value: TypeAlias = str | int | float | bool | None

_COUNTS = ("attempted", "completed", "commands", "failed", "unfinished", "dropped", "offered")
_IN_USE = ("mean", "p99", "p999", "max")
_OPENED = ("prewarmed", "opened", "open_max")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Signs with which a text begins that a spreadsheet would compute."""

_TYPEFACE = typeface("utf-8")

ALL = "all"


def csv_text(runs: Sequence[NamedRun]) -> str:
    """Write a heading and the rows of every run, in order, lines ending as RFC 4180 has it."""
    axes = list(dict.fromkeys(n for each in runs for case in each.run.cases for n in case.axes))
    rows = [row for each in runs for case in each.run.cases for row in _rows(each, case, axes)]
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(_heads(axes))
    writer.writerows([_written(value) for value in row] for row in rows)
    return file.getvalue()


def _heads(axes: Sequence[str]) -> list[str]:
    return [
        *("run", "case", "trial", "started", "status", "duration_ns"),
        *(f"parameter_{_harmless(name)}" for name in axes),
        "rtt_emulated",
        *("throughput_per_second", *_COUNTS, "retries"),
        *(f"failed_{kind}" for kind in FailureKind),
        *("fairness", "starved"),
        *(f"connections_{name}" for name in _OPENED),
        "connections_counted_by_server",
        *(f"in_use_{name}" for name in _IN_USE),
        *("client_cpu_share", "server_cpu_share"),
        *(f"{phase}_{name}" for phase in Phase for name in PhaseSummary.model_fields),
    ]


def _rows(named: NamedRun, case: CaseRecord, axes: Sequence[str]) -> Iterable[list[Value]]:
    parameters = [*(_plain(case.axes.get(name)) for name in axes), case.rtt_emulated]
    status = named.run.status
    if case.summary is not None:
        total = sum(trial.duration_ns for trial in case.trials)
        begin = [named.name, case.id, ALL, case.trials[0].started if case.trials else None]
        yield [*begin, status, total, *parameters, *_measured(case.summary, None)]
    for trial in case.trials:
        begin = [named.name, case.id, str(trial.repeat), trial.started]
        measured = _measured(trial.summary, trial)
        yield [*begin, status, trial.duration_ns, *parameters, *measured]


def _measured(summary: Summary, trial: Trial | None) -> Iterable[Value]:
    """Give what was measured; what only a trial has is empty for all together."""
    yield summary.throughput
    yield from (getattr(summary, name) for name in (*_COUNTS, "retries"))
    yield from (summary.failures.get(kind, 0) for kind in FailureKind)
    yield from (summary.fairness, summary.starved)
    yield from (getattr(summary.connections, name) for name in _OPENED)
    server = trial.server if trial else None
    yield server.connections_counted if server else None
    yield from (getattr(summary.in_use, name, None) for name in _IN_USE)
    yield trial.client.cpu_share if trial else None
    yield server.cpu_share if server else None
    for phase in Phase:
        seen = summary.phases.get(phase)
        yield from (getattr(seen, name, None) for name in PhaseSummary.model_fields)


def _plain(value: object) -> Value:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _written(value: Value) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _harmless(value) if isinstance(value, str) else value


def _harmless(text: str) -> str:
    """Put an apostrophe before what a spreadsheet would compute: `=HYPERLINK(…)`.

    What steers a terminal is spelled out, as in every report.
    """
    legible = _TYPEFACE.text(text)
    return f"'{legible}" if text.startswith(_FORMULA) else legible
