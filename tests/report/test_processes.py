"""The report shows what the sum over processes hides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.runs import case_record, place_record
from valkeybench.report.processes import processes_block
from valkeybench.results.placed import Worker

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord


def cells(case: CaseRecord) -> dict[str, str]:
    """Give the one row of a case, by column."""
    table = processes_block([case], {case.id: "name"})
    assert table is not None
    (row,) = table.rows
    titles = [column.full_title for column in table.columns]
    return {title: cell.text for title, cell in zip(titles, row, strict=True)}


def test_one_process_here_is_no_table() -> None:
    """There is nothing the sum could hide."""
    alone = case_record(place=place_record(cpu_shares=[0.3]))
    assert None is processes_block([alone, case_record()], {})


def test_the_least_and_the_busiest_stand_beside_each_other() -> None:
    """Which process it was, and how far apart they began."""
    case = case_record(place=place_record(cpu_shares=[0.2, 0.9, 0.4], began_ms=[-30, -20, -10]))
    assert {
        "case": "name",
        "count": "3",
        "on": "this machine",
        "throughput of one least": "1\N{NARROW NO-BREAK SPACE}000 /s",
        "throughput of one most": "1\N{NARROW NO-BREAK SPACE}002 /s",
        "CPU of one median": "40 %",
        "CPU of one most": "90 %",
        "busiest": "1",
        "apart": "20.0 ms",
    } == cells(case)


def test_workers_elsewhere_are_named() -> None:
    """Even for a single process."""
    worker = Worker(name="anna", address="tcp://10.0.0.2:1", host="h", processes=[0])
    row = cells(case_record(place=place_record(worker, cpu_shares=[0.3])))
    assert ("1 worker", "0, anna") == (row["on"], row["busiest"])
