"""What each load process did, in few words: who ran them, and how far apart they were."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from valkeybench.report.document import Align, Cell, Column, Note, Table
from valkeybench.units import format_count, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.results.placed import Place
    from valkeybench.results.runfile import CaseRecord


def processes_block(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Table | None:
    """Show the least and the busiest process of every case that has more than one."""
    found = [(names[case.id], places) for case in cases if (places := _places(case))]
    if not found:
        return None
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="count"),
            Column(title="on", priority=1),
            Column(title="least", group="throughput of one"),
            Column(title="most", group="throughput of one"),
            Column(title="median", group="CPU of one"),
            Column(title="most", group="CPU of one"),
            Column(title="busiest", align=Align.LEFT, priority=2),
            Column(title="apart", priority=3),
        ),
        rows=tuple((Cell(name), *_cells(places)) for name, places in found),
        notes=(Note("apart: how much later the last process began than the first, at most."),),
    )


def _cells(places: Sequence[Place]) -> tuple[Cell, ...]:
    processes = [process for place in places for process in place.processes]
    rates = [process.throughput for process in processes]
    shares = [process.cpu_share for process in processes]
    busiest = max(processes, key=lambda process: process.cpu_share)
    workers = max(len(place.workers) for place in places)
    away = any(worker.address is not None for place in places for worker in place.workers)
    here = f"{format_count(workers)} worker{'s' if workers > 1 else ''}" if away else "this machine"
    return (
        Cell(format_count(max(len(place.processes) for place in places))),
        Cell(here),
        Cell(format_rate(min(rates))),
        Cell(format_rate(max(rates))),
        Cell(format_percent(median(shares))),
        Cell(format_percent(max(shares))),
        Cell(f"{busiest.process}, {busiest.worker}" if away else str(busiest.process)),
        Cell(format_duration(max(place.skew_ns for place in places))),
    )


def _places(case: CaseRecord) -> list[Place]:
    """Give where the trials with more than one process ran, and every one with a Dask worker."""
    return [
        trial.place
        for trial in case.trials
        if trial.place is not None
        and (
            len(trial.place.processes) > 1
            or any(worker.address is not None for worker in trial.place.workers)
        )
    ]
