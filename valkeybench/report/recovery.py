"""How the load came back after the server was disturbed, and what failed meanwhile."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

from valkeybench.analysis.recovery import BACK, STRETCH_NS, disturbances, recovery
from valkeybench.report.document import Align, Cell, Column, Note, Paragraph, Table, Tone
from valkeybench.report.labels import short_duration
from valkeybench.units import SECOND, format_count, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.recovered import Disturbance, Recovery
    from valkeybench.results.runfile import CaseRecord


_BACK = (
    f"back: from the disturbance until throughput was at {format_percent(BACK)} of what it was"
    f" before, and stayed for {short_duration(STRETCH_NS)} and on average for the rest of the"
    " window; read off intervals, so give or take {uncertain}."
)
_OTHERS = (
    "away: until the server was back. lowest: the deepest dip, of what was usual. p99: the highest"
    " of an interval until it was back."
)
_FAILED = "failed: from the disturbance until the window closed, in all trials together."
_CLOSED = (
    "closed: connections the server says it closed, all at once. all open after: from then until"
    " the pool had as many open again, by the clock. per second: their quotient. Medians over"
    " trials."
)
_TOOK = (
    "server took: connections it accepted within the window, by its own counter. in vain: attempts"
    " of the pool that failed."
)


class _Recovered(NamedTuple):
    """A disturbed case, under the name the report has for it."""

    name: str
    case: CaseRecord
    recovery: Recovery


def recovery_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Block]:
    """Show what every disturbed case went through; nothing when none was disturbed."""
    found = [_Recovered(names[c.id], c, seen) for c in cases if (seen := recovery(c)) is not None]
    if not found:
        return
    yield _table(found)
    yield from _unknown(found)
    storms = [each for each in found if each.case.axes.get("reconnect_within_ns") is not None]
    if any(done.killed for each in storms for done in disturbances(each.case)):
        yield _connections(storms)
    if any(done.what == "restart" for each in found for done in disturbances(each.case)):
        yield Paragraph(
            text="A restarted server has no keys: reads after it find nothing, which counts as"
            " completed. They are written anew before the next trial."
        )


def _table(found: Sequence[_Recovered]) -> Table:
    kinds = sorted({kind for each in found for kind in each.recovery.failures})
    columns = (
        Column(title="case", align=Align.LEFT),
        Column(title="away", priority=3),
        Column(title="median", group="back after"),
        Column(title="range", group="back after", priority=1),
        Column(title="lowest", priority=4),
        Column(title="p99"),
        *(Column(title=kind.replace("_", " "), group="failed") for kind in kinds),
        *(() if kinds else (Column(title="failed"),)),
    )
    uncertain = max(t.uncertainty_ns for each in found for t in each.recovery.trials)
    notes = (_BACK.format(uncertain=short_duration(uncertain)), _OTHERS, _FAILED)
    return Table(
        columns=columns,
        rows=tuple((Cell(each.name), *_cells(each, kinds)) for each in found),
        notes=tuple(map(Note, notes)),
    )


def _cells(each: _Recovered, kinds: Sequence[str]) -> tuple[Cell, ...]:
    seen, done = each.recovery, disturbances(each.case)
    lowest = [
        trial.lowest / trial.baseline
        for trial in seen.trials
        if trial.baseline and trial.lowest is not None
    ]
    p99s = [trial.p99_worst_ns for trial in seen.trials if trial.p99_worst_ns is not None]
    return (
        _away(done),
        _middle(seen),
        Cell(_range(seen)),
        Cell(format_percent(min(lowest, default=None))),
        Cell(format_duration(max(p99s, default=None))),
        *(_count(seen.failures.get(kind, 0)) for kind in kinds),
        *(() if kinds else (_count(0),)),
    )


def _away(done: Sequence[Disturbance]) -> Cell:
    """Say how long the server was away; one that closed connections was there all the time."""
    times = [one.ended_ns - one.began_ns for one in done if one.what != "kill_clients"]
    return Cell(format_duration(median(times))) if times else Cell("–", Tone.QUIET)


def _middle(seen: Recovery) -> Cell:
    if seen.median_ns is not None:
        return Cell(_after(seen.median_ns, seen), Tone.STRONG)
    if all(trial.note for trial in seen.trials):
        return Cell("not known", Tone.WARNING)
    return Cell("not within", Tone.BAD)


def _after(nanoseconds: int, seen: Recovery) -> str:
    """Write a time; one shorter than an interval is known to be no more than that."""
    interval = max(trial.uncertainty_ns for trial in seen.trials)
    if nanoseconds < interval:
        return f"< {short_duration(interval)}"
    return format_duration(nanoseconds)


def _range(seen: Recovery) -> str:
    if seen.least_ns is None:
        return "–"
    most = "not within" if seen.most_ns is None else _after(seen.most_ns, seen)
    least = _after(seen.least_ns, seen)
    return least if least == most else f"{least} … {most}"


def _count(number: int) -> Cell:
    return Cell(format_count(number), Tone.PLAIN if number else Tone.QUIET)


def _unknown(found: Sequence[_Recovered]) -> Iterable[Paragraph]:
    """Say in which trials it did not come back, and why it is not known of others."""
    for each in found:
        trials = each.recovery.trials
        gone = [t for t in trials if t.recovery_ns is None and not t.note]
        if gone:
            share = f"{len(gone)} of {len(trials)}" if len(trials) > 1 else "the one"
            yield Paragraph(
                text=f"{each.name}: throughput was not back within the window in {share} trial"
                f"{'s' if len(trials) > 1 else ''}; a longer one (--duration) tells whether it"
                " comes back.",
                tone=Tone.WARNING,
            )
        notes = [trial.note for trial in trials if trial.note]
        if notes:
            share = f" of {len(notes)} of {len(trials)} trials" if len(trials) > 1 else ""
            yield Paragraph(
                text=f"{each.name}: not known{share}, as {notes[0]}.", tone=Tone.WARNING
            )


def _connections(storms: Sequence[_Recovered]) -> Table:
    """Show how fast all connections were open again, by both ends' count."""
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="closed"),
            Column(title="all open after", align=Align.RIGHT),
            Column(title="range", priority=1),
            Column(title="per second"),
            Column(title="server took", priority=2),
            Column(title="in vain"),
        ),
        rows=tuple((Cell(each.name), *_connecting(each.case)) for each in storms),
        notes=(Note(_CLOSED), Note(_TOOK)),
    )


def _connecting(case: CaseRecord) -> tuple[Cell, ...]:
    done = disturbances(case)
    times = [one.reconnected_ns for one in done if one.reconnected_ns]
    rates = [(one.killed or 0) * SECOND / one.reconnected_ns for one in done if one.reconnected_ns]
    failed = case.summary.connections.reopening_failed if case.summary else {}
    words = ", ".join(f"{kind.replace('_', ' ')} {n}" for kind, n in sorted(failed.items()))
    back = Cell("not within", Tone.BAD)
    if times and len(times) == len(done):
        back = Cell(format_duration(median(times)), Tone.STRONG)
    spread = f"{format_duration(min(times))} … {format_duration(max(times))}" if times else "–"
    return (
        Cell(format_count(_middle_of([one.killed for one in done if one.killed is not None]))),
        back,
        Cell(spread),
        Cell(format_rate(_middle_of(rates))),
        Cell(format_count(_middle_of(_accepted(case)))),
        Cell(words or "0", Tone.WARNING if failed else Tone.QUIET),
    )


def _accepted(case: CaseRecord) -> list[int]:
    """Count the connections the server took in each window, where its counter tells."""
    found = []
    for trial in case.trials:
        if trial.server is not None and not trial.server.restarted:
            ready = trial.server.ready.total_connections_received
            after = trial.server.after.total_connections_received
            if ready is not None and after is not None:
                found.append(after - ready)
    return found


def _middle_of(values: Sequence[float]) -> float | None:
    return median(values) if values else None
