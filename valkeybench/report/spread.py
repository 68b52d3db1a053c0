"""How response times spread: chooses the bins, and the cases worth drawing."""

from __future__ import annotations

from itertools import count
from math import floor, log10
from typing import TYPE_CHECKING

from valkeybench.analysis.samples import merged
from valkeybench.measurement.metrics import Phase
from valkeybench.report.document import Histogram, Paragraph, Series, Tone
from valkeybench.report.labels import pool_of, short_duration
from valkeybench.scenario.model import Pool
from valkeybench.units import format_count, plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord

MOST_BINS = 12
MOST_CASES = 2

_STEPS = ((1, 1.5, 2, 3, 5, 7), (1, 2, 5), (1, 3), (1,))
"""Where bins begin in each decade, finest first: round numbers, about evenly spaced in log."""


def spread_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Block]:
    """Draw the response times of one or two cases; of more, say which were chosen, and why."""
    found = {case.id: merged(case, Phase.RESPONSE) for case in _worth_drawing(cases)}
    samples = [held for held in found.values() if held.count]
    if not samples:
        return
    left_out = sum(map(_has_samples, cases)) - len(found)
    if left_out:
        yield Paragraph(text=_choice(cases, found, names, left_out), tone=Tone.QUIET)
    lowest = min(held.minimum or 0 for held in samples)
    highest = max(held.maximum or 0 for held in samples)
    edges = bin_edges(lowest, highest)
    series = []
    for case_id, held in found.items():
        counts = tuple(held.bins(edges))
        series.append(
            Series(
                label=names[case_id], counts=counts, texts=tuple(format_count(n) for n in counts)
            )
        )
    yield Histogram(
        starts=tuple(short_duration(edge) for edge in edges[:-1]),
        end=short_duration(edges[-1]),
        series=tuple(series),
    )


def _choice(
    cases: Sequence[CaseRecord],
    chosen: Collection[str],
    names: Mapping[str, str],
    left_out: int,
) -> str:
    """Say which cases are drawn, and that the others were left out."""
    best = best_pooled([case for case in cases if case.id in chosen])
    why = [
        f"{names[case_id]} (the lowest p99 of all pools)"
        if best and best.id == case_id
        else names[case_id]
        for case_id in chosen
    ]
    others = plural(left_out, "other case")
    return f"Of {' and '.join(why)}; those of {others} are in the result file."


def bin_edges(lowest_ns: int, highest_ns: int) -> list[int]:
    """Choose at most 13 round edges, about evenly spaced in log, that hold both values.

    The first edge is at most `lowest_ns`, the last is more than `highest_ns`.
    """
    for steps in _STEPS:
        edges = _edges(max(lowest_ns, 1), max(highest_ns, 1), steps)
        if len(edges) <= MOST_BINS + 1:
            return edges
    # One bin a decade from a nanosecond to an hour takes thirteen: join the shortest two.
    return [edges[0], *edges[2:]]


def _edges(lowest: int, highest: int, steps: Sequence[float]) -> list[int]:
    edges: list[int] = []
    for decade in count(floor(log10(lowest)) - 1):
        for step in steps:
            # Below ten nanoseconds halves would fall together.
            edge = round(step * 10**decade)
            if edge < 1 or edge in edges:
                continue
            edges.append(edge)
            if edge > highest:
                first = max(i for i, edge in enumerate(edges) if edge <= lowest)
                return edges[first:]
    raise AssertionError("bug: counting ended")


def _worth_drawing(cases: Sequence[CaseRecord]) -> list[CaseRecord]:
    """Choose one or two cases: all of them, or the best pooled one beside the unpooled one."""
    drawable = [case for case in cases if _has_samples(case)]
    if len(drawable) <= MOST_CASES:
        return drawable
    unpooled = [case for case in drawable if pool_of(case.axes) is Pool.NONE]
    best = best_pooled(drawable)
    if best is None:
        return drawable[:1]
    return [*unpooled, best] if len(unpooled) < MOST_CASES else [best]


def best_pooled(cases: Sequence[CaseRecord]) -> CaseRecord | None:
    """Find the pooled case with the lowest p99, before those in which anything went wrong."""
    ranked = [
        (bool(summary.starved), bool(summary.failed), response.p99_ns, i)
        for i, case in enumerate(cases)
        if (pool := pool_of(case.axes)) is not None
        and pool.is_pooled
        and (summary := case.summary) is not None
        and (response := summary.phases.get(Phase.RESPONSE)) is not None
    ]
    return cases[min(ranked)[-1]] if ranked else None


def _has_samples(case: CaseRecord) -> bool:
    return any(Phase.RESPONSE in trial.histograms for trial in case.trials)
