"""How many connections were taken when a handler asked, and whether the pool was the limit."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.errors import ResultError
from valkeybench.report.document import Align, Cell, Column, KeyValues, Note, Table, Tone
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord, InUse

_MOST_LINES = 6
"""Cases up to which each gets a line of words; more of them get a row of a table."""


def in_use_block(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> KeyValues | Table | None:
    """Say for every pooled case how many connections handlers found in use, and what it means.

    Where the pool was the limit, they could not have found more, whatever the load needs.
    """
    found = [SeenCase(case, case.summary) for case in cases if case.summary is not None]
    found = [case for case in found if case.summary.in_use is not None or _limits(case)]
    if not found:
        return None
    if len(found) <= _MOST_LINES:
        return KeyValues(pairs=tuple((names[case.id], _line(case)) for case in found))
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            *(Column(title=title) for title in ("mean", "p99", "p99.9", "max", "of")),
            Column(title="pool was the limit"),
        ),
        rows=tuple((Cell(names[case.id]), *_cells(case)) for case in found),
        notes=(
            Note("yes: what the load would have taken of a larger pool is not seen.", sign="yes"),
        ),
    )


def _line(case: SeenCase) -> str:
    in_use, limits = case.summary.in_use, _limits(case)
    words = "no handler came to ask" if in_use is None else f"{_found(in_use)}{_of(case)}"
    if limits is None:
        return words
    return f"{words}: the pool was {'the' if limits else 'no'} limit"


def _found(in_use: InUse) -> str:
    return f"mean {in_use.mean:.1f}, p99 {in_use.p99}, p99.9 {in_use.p999}, max {in_use.max}"


def _of(case: SeenCase) -> str:
    each = " in each process" if _axis(case, "processes") > 1 else ""
    return f" of {_axis(case, 'max_connections')}{each}"


def _cells(case: SeenCase) -> list[Cell]:
    in_use, limits = case.summary.in_use, _limits(case)
    nothing = [Cell("–", Tone.QUIET)] * 4
    seen = nothing
    if in_use is not None:
        whole = (in_use.p99, in_use.p999, in_use.max)
        seen = [Cell(f"{in_use.mean:.1f}"), *(Cell(format_count(n)) for n in whole)]
    said = {None: Cell("–", Tone.QUIET), True: Cell("yes", Tone.WARNING), False: Cell("no")}
    return [*seen, Cell(format_count(_axis(case, "max_connections"))), said[limits]]


def _limits(case: SeenCase) -> bool | None:
    """Tell whether the pool was the limit; None without a pool, or with one we do not know."""
    with suppress(ResultError):
        if case.pool.is_pooled:
            return case.is_pool_bound(Thresholds())
    return None


def _axis(case: SeenCase, axis: str) -> int:
    value = case.record.axes.get(axis)
    return value if isinstance(value, int) else 1
