"""What each case came to: throughput, response percentiles, and what did not go well.

Knows when a percentile may not be taken at its word.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.doubt import FIRM_SAMPLES
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.report.document import Align, Cell, Column, Note, Table, Tone
from valkeybench.units import format_count, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord, PhaseSummary, Summary, Trial

MANY_UNFINISHED = 0.01
"""Share of unfinished commands from which they get a column of their own."""

_PERCENTILES = (
    # title, field, share of the samples at or below it
    ("p50", "p50_ns", 0.5),
    ("p90", "p90_ns", 0.9),
    ("p99", "p99_ns", 0.99),
    ("p99.9", "p999_ns", 0.999),
    ("max", "max_ns", 1.0),
)

_AT_LEAST, _ABOUT = "≥", "~"
_NOTHING = Cell("–", Tone.QUIET)


def outcome_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Table]:
    """Show throughput and response of every case, and of those that need it what went wrong."""
    summaries = [case.summary for case in cases if case.summary is not None]
    batches = _holds_batches(summaries)
    columns = _trouble_columns(summaries)
    troubled = [case for case in cases if any(_troubles(case, columns))]
    yield Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="throughput"),
            *((Column(title="commands"),) if batches else ()),
            *(Column(title=title, group="response") for title, _, _ in _PERCENTILES),
        ),
        rows=tuple((Cell(names[case.id]), *_cells(case, batches=batches)) for case in cases),
        notes=(*_batch_notes(batches=batches), *_notes(cases, names, any_trouble=bool(troubled))),
    )
    if not troubled:
        return
    yield Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            *(Column(title=title) for title in ("attempted", *columns)),
        ),
        rows=tuple(
            (Cell(names[case.id]), _attempted_cell(case), *_trouble_cells(case, columns))
            for case in troubled
        ),
        notes=tuple(_trouble_notes(cases, names, all_shown=len(troubled) == len(cases))),
    )


def _holds_batches(summaries: Iterable[Summary]) -> bool:
    """Tell whether any request held more than one command."""
    return any(summary.commands not in (None, summary.completed) for summary in summaries)


def _batch_notes(*, batches: bool) -> Iterable[Note]:
    if batches:
        yield Note(
            "throughput counts requests, commands what they held. A batch is one request: timed "
            "as a whole, and failed when any command in it is."
        )


def percentile_cell(summary: Summary, name: str, share: float) -> Cell:
    """Write a response percentile, marked where it is a lower bound or a hint.

    Unfinished commands are in the distribution at the age they had: where they are more
    than what lies beyond the percentile, the true value can only be larger.
    """
    response = summary.phases.get(Phase.RESPONSE)
    if response is None:
        return Cell("–", Tone.QUIET)
    text = format_duration(getattr(response, name))
    if is_lower_bound(summary, share):
        return Cell(f"{_AT_LEAST}{text}", Tone.WARNING)
    if share < 1 and not _is_firm(response, share):
        return Cell(f"{_ABOUT}{text}", Tone.QUIET)
    return Cell(text)


def is_lower_bound(summary: Summary, share: float) -> bool:
    """Tell whether a response percentile, given as the share below it, is only known to be more."""
    response = summary.phases.get(Phase.RESPONSE)
    # The largest value is cut off where the last percentile is.
    beyond = 1 - min(share, _PERCENTILES[-2][2])
    if response is None:
        return False
    # Those that were due and never sent are no samples, and would have been the slowest.
    return summary.unfinished + summary.dropped > (response.count + summary.dropped) * beyond


def _is_firm(response: PhaseSummary, share: float) -> bool:
    # Rounded, because 10 000 × (1 - 0.999) is a little less than ten in binary.
    return round(response.count * (1 - share), 6) >= FIRM_SAMPLES


def _cells(case: CaseRecord, *, batches: bool) -> list[Cell]:
    summary = case.summary
    if summary is None:
        return [_NOTHING] * (len(_PERCENTILES) + 1 + batches)
    percentiles = (percentile_cell(summary, name, share) for _, name, share in _PERCENTILES)
    commands = [_commands_cell(summary)] if batches else []
    return [Cell(format_rate(summary.throughput)), *commands, *percentiles]


def _commands_cell(summary: Summary) -> Cell:
    """Say how many commands a second the completed requests held."""
    if summary.commands is None or not summary.completed:
        return _NOTHING
    return Cell(format_rate(summary.throughput * summary.commands / summary.completed))


def _trouble_columns(summaries: Sequence[Summary]) -> list[str]:
    """Name what is worth a column beside the failures."""
    wanted = {
        "failed": True,
        "unfinished": any(s.unfinished > MANY_UNFINISHED * s.attempted for s in summaries),
        "dropped": any(s.dropped for s in summaries),
        "retries": any(s.retries for s in summaries),
        "starved": any(s.starved for s in summaries),
    }
    return [name for name, is_wanted in wanted.items() if is_wanted]


def _troubles(case: CaseRecord, columns: Sequence[str]) -> list[int]:
    """Count each trouble of a case."""
    summary = case.summary
    return [] if summary is None else [int(getattr(summary, name)) for name in columns]


def _attempted_cell(case: CaseRecord) -> Cell:
    return _NOTHING if case.summary is None else Cell(format_count(case.summary.attempted))


def _trouble_cells(case: CaseRecord, columns: Sequence[str]) -> Iterable[Cell]:
    for name in columns:
        count = int(getattr(case.summary, name))
        if name == "starved":
            yield _starved_cell(case)
        else:
            tone = Tone.BAD if name == "failed" else Tone.WARNING
            yield Cell(format_count(count), tone if count else Tone.PLAIN)


def _starved_cell(case: CaseRecord) -> Cell:
    """Say how many handlers starved in the trial where most did."""
    worst = max(case.trials, key=lambda trial: trial.summary.starved, default=None)
    if worst is None or not worst.summary.starved:
        return Cell("0")
    handlers = format_count(len(worst.handlers))
    return Cell(f"{format_count(worst.summary.starved)} of {handlers}", Tone.WARNING)


def _spoken(kind: str) -> str:
    return kind.replace("_", " ")


def _notes(
    cases: Sequence[CaseRecord], names: Mapping[str, str], *, any_trouble: bool
) -> Iterable[Note]:
    yield Note(
        f"{_ABOUT} fewer than {FIRM_SAMPLES} samples lie beyond it: a hint; a longer run makes "
        "it firm.",
        sign=_ABOUT,
    )
    yield Note(
        f"{_AT_LEAST} at least: more commands than lie beyond it were unfinished when the "
        "window closed, and count at the age they had then, or were due and never sent.",
        sign=_AT_LEAST,
    )
    yield from _few_unfinished(cases, names)
    lost = [
        names[case.id] for case in cases if any(t.server and t.server.lost for t in case.trials)
    ]
    if lost:
        yield Note(
            f"The server went away ({'; '.join(lost)}): throughput counts the time after as well."
        )
    if any(case.summary is None for case in cases):
        yield Note("No trial of a case without numbers was finished.")
    if not any_trouble and any(case.summary is not None for case in cases):
        yield Note("No command failed.")


def _lost_server(trial: Trial) -> bool:
    return trial.server is not None and trial.server.lost


def _trouble_notes(
    cases: Sequence[CaseRecord], names: Mapping[str, str], *, all_shown: bool
) -> Iterable[Note]:
    if any(case.summary.starved for case in cases if case.summary is not None):
        yield Note(
            "starved: handlers that completed less than a tenth of the mean, in the worst trial. "
            "How long they waited hardly shows in the percentiles."
        )
    yield from _why_failed(cases, names)
    if not all_shown:
        yield Note("Nothing of the kind in any other case.")


def _why_failed(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Note]:
    """Say for each kind of failure what it means and where it happened how often."""
    for kind in FailureKind:
        found = [
            f"{format_count(case.summary.failures[kind])} in {names[case.id]}"
            for case in cases
            if case.summary is not None and case.summary.failures.get(kind)
        ]
        if found:
            yield Note(f"{_spoken(kind)} ({', '.join(found)}): {kind.meaning}.")


def _few_unfinished(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Note]:
    """Mention unfinished commands where they are too few for a column."""
    found = {c.id: c.summary.unfinished for c in cases if c.summary and c.summary.unfinished}
    if not found or "unfinished" in _trouble_columns([c.summary for c in cases if c.summary]):
        return
    most = max(found, key=lambda case_id: found[case_id])
    if len(found) == 1:
        count = f"{format_count(found[most])} ({names[most]})"
    else:
        count = f"{format_count(sum(found.values()))}, most of them {names[most]}"
    yield Note(f"Unfinished when the window closed, counted at their age: {count}.")
