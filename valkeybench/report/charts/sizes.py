"""What a pool's size does: response p99 and throughput against max_connections."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import Phase
from valkeybench.report.chart import Along, Axis, Chart, Line, Mark, Scale, Unit, drawable
from valkeybench.report.charts.marks import limit_marks, recommended_marks
from valkeybench.report.document import Align, Cell, Column, Note, Table
from valkeybench.report.labels import axes_labels, pool_of
from valkeybench.report.outcome import percentile_cell
from valkeybench.units import format_count, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from valkeybench.analysis.metric import Metric
    from valkeybench.report.charts.marks import Asked
    from valkeybench.results.runfile import CaseRecord, Recommendation, Summary

_FEWEST_SIZES = 2
_WIDE = 8
"""Largest over smallest size from which sizes are laid out by their logarithm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Set:
    """Cases alike but for the size of the pool: (size, summary), smallest first."""

    label: str
    sizes: tuple[tuple[int, Summary], ...]


def size_charts(
    cases: Sequence[CaseRecord],
    run_of: Mapping[str, str],
    limits: Sequence[Asked],
    said: Sequence[Recommendation],
) -> Iterable[Chart]:
    """Draw p99 and throughput by size, with limits and recommendations; none for a single size.

    `run_of` tells the run of each case by its id, where there are several.
    """
    sets = _sets(cases, run_of)
    if not any(len(each.sizes) >= _FEWEST_SIZES for each in sets):
        return
    every = [size for each in sets for size, _ in each.sizes]
    scale = Scale.LOG if max(every) >= _WIDE * min(every) else Scale.LINEAR
    x = Axis(name="max_connections of each process's pool", unit=Unit.COUNT, scale=scale)
    recommended = recommended_marks(said)
    table, without = _table(sets), _without_pool(cases)
    lines, left_out = drawable([_line(each, _p99) for each in sets])
    yield Chart(
        id="size-p99",
        title="Response p99 by pool size",
        summary=f"{_told(sets)} Where the line stops falling, more connections buy nothing.",
        x=x,
        y=Axis(name="response p99", unit=Unit.DURATION, scale=Scale.LOG),
        lines=lines,
        table=table,
        marks=(
            *recommended,
            *limit_marks(limits, _is("response.p99")),
            *without,
        ),
        notes=tuple(filter(None, (left_out,))),
    )
    lines, left_out = drawable([_line(each, _throughput) for each in sets])
    yield Chart(
        id="size-throughput",
        title="Throughput by pool size",
        summary="Completed requests a second, all processes together, for each size tried.",
        x=x,
        y=Axis(name="throughput", unit=Unit.RATE),
        lines=lines,
        table=table,
        marks=(*recommended, *limit_marks(limits, _is("throughput"))),
        notes=tuple(filter(None, (left_out,))),
        is_printed_bare=True,
    )


def _sets(cases: Sequence[CaseRecord], run_of: Mapping[str, str]) -> list[_Set]:
    """Put cases of a run together that differ in nothing but the size of their pool."""
    alike: dict[tuple[str, str], list[tuple[int, Summary]]] = defaultdict(list)
    axes: dict[tuple[str, str], dict[str, object]] = {}
    for case in cases:
        size = case.axes.get("max_connections")
        if not isinstance(size, int) or case.summary is None or size < 1:
            continue
        others: dict[str, object] = {k: v for k, v in case.axes.items() if k != "max_connections"}
        key = run_of.get(case.id, ""), repr(others)
        axes[key] = others
        alike[key].append((size, case.summary))
    labels = axes_labels(list(axes.values()))
    return [
        _Set(
            label=f"{key[0]}: {label}" if key[0] else label,
            sizes=tuple(sorted(alike[key], key=lambda pair: pair[0])),
        )
        for key, label in zip(axes, labels, strict=True)
    ]


def _line(each: _Set, value: Callable[[Summary], float | None]) -> Line:
    points = ((size, value(summary)) for size, summary in each.sizes)
    return Line(name=each.label, points=tuple(point for point in points if point[1] is not None))


def _p99(summary: Summary) -> float | None:
    response = summary.phases.get(Phase.RESPONSE)
    return None if response is None else max(response.p99_ns, 1)


def _throughput(summary: Summary) -> float | None:
    return summary.throughput


def _is(name: str) -> Callable[[Metric], bool]:
    return lambda metric: str(metric) == name


def _without_pool(cases: Sequence[CaseRecord]) -> Iterable[Mark]:
    """Mark what the unpooled case came to, where there is one to compare with."""
    found = [
        case.summary.phases[Phase.RESPONSE].p99_ns
        for case in cases
        if (pool := pool_of(case.axes)) is not None
        and not pool.is_pooled
        and case.summary is not None
        and Phase.RESPONSE in case.summary.phases
    ]
    if len(found) == 1:
        label = f"no pool: {format_duration(found[0])}"
        return (Mark(along=Along.Y, value=found[0], label=label),)
    return ()


def _told(sets: Sequence[_Set]) -> str:
    """Say how far p99 goes from the smallest size to the largest, of the first set."""
    first = max(sets, key=lambda each: len(each.sizes))
    (small, at_small), (large, at_large) = first.sizes[0], first.sizes[-1]
    return (
        f"{first.label}: p99 is {format_duration(_p99(at_small))} with {small} "
        f"and {format_duration(_p99(at_large))} with {large}."
    )


def _table(sets: Sequence[_Set]) -> Table:
    rows = tuple(
        (
            Cell(each.label),
            Cell(str(size)),
            percentile_cell(summary, "p50_ns", 0.5),
            percentile_cell(summary, "p99_ns", 0.99),
            Cell(format_rate(summary.throughput)),
            Cell(format_count(summary.failed)),
        )
        for each in sets
        for size, summary in each.sizes
    )
    return Table(
        columns=(
            Column(title="pool", align=Align.LEFT),
            Column(title="max_connections"),
            Column(title="response p50"),
            Column(title="response p99"),
            Column(title="throughput"),
            Column(title="failed"),
        ),
        rows=rows,
        notes=(
            Note("~ fewer than 10 samples lie beyond it: a hint.", sign="~"),
            Note("≥ at least: too many were unfinished for more.", sign="≥"),
        ),
    )
