"""The report somebody forwards: the answer first, then the evidence, then method and limits.

It holds what the terminal says and the charts beside it, in the order a reader wants who was not
there. How it looks is not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from valkeybench.analysis.cases import undisturbed
from valkeybench.analysis.gate import judge_limits
from valkeybench.analysis.latency import latency_lines
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.errors import ScenarioError
from valkeybench.report.advice import recommendation_callouts, warning_callouts
from valkeybench.report.charts.distance import distance_chart
from valkeybench.report.charts.in_use import in_use_chart
from valkeybench.report.charts.marks import Asked
from valkeybench.report.charts.percentiles import percentile_chart
from valkeybench.report.charts.phases import phase_charts
from valkeybench.report.charts.sizes import size_charts
from valkeybench.report.charts.timeline import timeline_charts
from valkeybench.report.document import Bars, Callout, Heading, Histogram, Paragraph, Table, Tone
from valkeybench.report.gate import gate_blocks, summary_lines
from valkeybench.report.labels import axes_labels, labels
from valkeybench.report.method import (
    environment_table,
    glossary,
    limit_blocks,
    method_blocks,
    scenario_snippet,
)
from valkeybench.report.outcome import percentile_cell
from valkeybench.report.overlay import overlaid, overlay_evidence, overlay_title, run_of_case
from valkeybench.report.run import Part, run_parts
from valkeybench.report.size import is_search, search_evidence, search_opening
from valkeybench.report.spread import best_pooled
from valkeybench.scenario.model import Pool
from valkeybench.units import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.analysis.cases import SeenCase
    from valkeybench.analysis.verdict import Verdict
    from valkeybench.report.chart import Chart
    from valkeybench.report.document import Block
    from valkeybench.report.overlay import NamedRun
    from valkeybench.results.runfile import CaseRecord, Recommendation, RunFile

_EVIDENCE = (
    Part.RESULTS,
    Part.RECOVERY,
    Part.TIME,
    Part.IN_USE,
    Part.OPENING_COST,
    Part.DISTANCE,
    Part.LOOPBACK,
    Part.CONNECTIONS,
    Part.PROCESSES,
    Part.CLUSTER,
    Part.BARE,
    Part.REPLIES,
)
"""Parts of a run's report that are evidence; its spread is drawn by percentile instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """Something to look up: shown when it is opened."""

    title: str
    blocks: tuple[Block, ...]
    is_long: bool = False
    """Too long to be printed."""


Item: TypeAlias = "Block | Chart | Folded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A chapter: the id it is linked by, its title, and what it holds."""

    id: str
    title: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dossier:
    """The whole report."""

    title: str
    about: tuple[str, ...]
    """What was measured with what, and when: a line each."""
    sections: tuple[Section, ...]


def make_dossier(runs: Sequence[NamedRun]) -> Dossier:
    """Put together what there is to say about one run, or several beside each other.

    Raises ResultError when a histogram in a file cannot be read.
    """
    opening, evidence = _said(runs)
    title, *about = opening
    sections = (
        Section(id="answer", title="The answer", items=tuple(_answer(runs))),
        Section(id="evidence", title="The evidence", items=tuple(_evidence(runs, evidence))),
        Section(id="limits", title="What limits these numbers", items=tuple(_limits(runs))),
        Section(id="method", title="How it was measured", items=tuple(_method(runs))),
    )
    dates = ", ".join(dict.fromkeys(each.run.created for each in runs))
    versions = ", ".join(dict.fromkeys(each.run.tool.version for each in runs))
    return Dossier(
        title=title,
        about=(*about, f"begun {dates} · valkeybench {versions}"),
        sections=sections,
    )


def _said(runs: Sequence[NamedRun]) -> tuple[list[str], Mapping[Part, Sequence[Block]]]:
    """Give title and opening lines, and the evidence in words, part by part."""
    if len(runs) == 1 and not is_search(runs[0].run):
        parts = run_parts(runs[0].run, path=None)
        opening = parts[Part.OPENING]
        evidence: dict[Part, Sequence[Block]] = {part: parts[part] for part in _EVIDENCE}
        callouts = [b for b in opening if not isinstance(b, Heading | Paragraph)]
        evidence[Part.OPENING] = callouts
        return [b.text for b in opening if isinstance(b, Heading | Paragraph)], evidence
    if len(runs) > 1:
        return [overlay_title(runs).text], overlay_evidence(runs)
    blocks = list(search_opening(runs[0].run))
    evidence = {
        Part.OPENING: [b for b in blocks if not isinstance(b, Heading | Paragraph)],
        Part.RESULTS: list(search_evidence(runs[0].run)),
    }
    return [b.text for b in blocks if isinstance(b, Heading | Paragraph)], evidence


def _answer(runs: Sequence[NamedRun]) -> Iterable[Item]:
    """Give every recommendation and verdict, and what stands in the way of believing them."""
    for each in runs:
        if len(runs) > 1:
            yield Heading(text=each.name, level=3)
        callouts: list[Block] = list(recommendation_callouts(each.run.recommendations))
        yield from callouts or [Paragraph(text="This run recommends no pool size.")]
        yield from _held(each)
        yield from _glance(each)
        if each.run.status != "complete":
            yield Paragraph(text=f"It is not whole: it was {each.run.status}.", tone=Tone.STRONG)
        if each.run.warnings:
            kinds = list(dict.fromkeys(w.code.replace("_", " ") for w in each.run.warnings))
            what = f"{len(kinds)} warnings limit" if len(kinds) > 1 else "A warning limits"
            yield Paragraph(
                text=f"{what} what its numbers mean: {', '.join(kinds)}. "
                "What each of them says stands under “What limits these numbers”."
            )


def _verdict(run: RunFile) -> Verdict | None:
    """Hold the limits a run was made with against it; None where it had none, or lacks cases."""
    try:
        limits = parse_limits(_fail_if(run), place="fail_if", across_cases=True)
        return judge_limits(run, limits) if limits else None
    except ScenarioError:
        return None


def _held(each: NamedRun) -> Iterable[Callout]:
    """Say what came of the limits, and of the worst of them."""
    verdict = _verdict(each.run)
    if verdict is None:
        return
    names = labels(each.run.cases)
    worst = summary_lines(verdict, names)[:1]
    for block in gate_blocks(verdict, names):
        if isinstance(block, Callout):
            title = f"Held against its limits: {block.title}"
            yield replace(block, title=title, text=" ".join(filter(None, (block.text, *worst))))


def _glance(each: NamedRun) -> Iterable[Paragraph]:
    """Say what the best pool and no pool came to, in a sentence; and what distance costs."""
    cases, names = each.run.cases, labels(each.run.cases)
    seen = undisturbed(cases)
    distance = _distance(cases)
    if distance:
        yield Paragraph(text=distance)
    # The best of several loads would be that of the lightest.
    if not all(seen[0].is_same_load(case) for case in seen):
        return
    best = best_pooled([case.record for case in seen])
    unpooled = [case for case in seen if case.pool is Pool.NONE]
    said = [
        f"Of the pools tried {names[case.id]} did best: {_came_to(case)}"
        for case in seen
        if best is not None and case.id == best.id
    ]
    if len(unpooled) == 1:
        said.append(f"Without a pool: {_came_to(unpooled[0])}")
    if said:
        yield Paragraph(text=f"{'. '.join(said)}.")


def _came_to(case: SeenCase) -> str:
    p99 = percentile_cell(case.summary, "p99_ns", 0.99).text
    said = f"response p99 {p99} at {format_rate(case.summary.throughput)}"
    if case.is_starving(Thresholds()):
        said += ", where handlers starved: what they waited hardly shows in it"
    return said


def _distance(cases: Sequence[CaseRecord]) -> str:
    """Say how many round trips a command pays, where distance was varied."""
    lines = latency_lines(cases)
    told = zip(axes_labels([line.axes for line in lines]), lines, strict=True)
    said = ", ".join(f"{line.round_trips:.1f} with {label}" for label, line in told)
    return f"Round trips a command pays for: {said} (emulated distance)." if said else ""


def _evidence(runs: Sequence[NamedRun], said: Mapping[Part, Sequence[Block]]) -> Iterable[Item]:
    """Put the charts beside the words they show."""
    cases, names = overlaid(runs)
    charts = _charts(runs, cases, names)
    for part in (Part.OPENING, *_EVIDENCE):
        drawn = charts.get(part, ())
        replaced = (Bars, Histogram, Table) if part is Part.TIME and drawn else (Histogram,)
        blocks = [block for block in said.get(part, ()) if not isinstance(block, replaced)]
        if not any(isinstance(b, Heading) for b in blocks) and drawn:
            blocks.insert(0, Heading(text=_TITLES[part]))
        headings = [Heading(text=b.text, level=3) if isinstance(b, Heading) else b for b in blocks]
        first = _first_chapter(headings)
        yield from chain(headings[:first], drawn, headings[first:])
        if part is Part.RESULTS:
            yield from chain.from_iterable(_gated(each, len(runs)) for each in runs)
    timeline = list(timeline_charts(cases, names))
    if timeline:
        yield Heading(text="From moment to moment", level=3)
        yield from timeline


def _first_chapter(blocks: Sequence[Block]) -> int:
    """Count the blocks before the second heading: what charts show stands before it."""
    starts = [i for i, block in enumerate(blocks) if isinstance(block, Heading)]
    return starts[1] if len(starts) > 1 else len(blocks)


def _gated(each: NamedRun, runs: int) -> Iterable[Block]:
    """Show each limit and what it was held against; the verdict is in the answer."""
    verdict = _verdict(each.run)
    if verdict is None:
        return
    yield Heading(text=f"Limits of {each.name}" if runs > 1 else "Limits", level=3)
    for block in gate_blocks(verdict, labels(each.run.cases)):
        if not isinstance(block, Heading | Callout):
            yield block


_TITLES = {
    Part.RESULTS: "Results",
    Part.TIME: "Where the time went",
    Part.IN_USE: "Connections in use",
    Part.DISTANCE: "What distance costs (emulated)",
}


def _charts(
    runs: Sequence[NamedRun], cases: Sequence[CaseRecord], names: Mapping[str, str]
) -> dict[Part, list[Chart]]:
    said = [one for each in runs for one in _said_of(each, alone=len(runs) == 1)]
    limits = [*_slo(said), *(asked for each in runs for asked in _limits_of(each.run))]
    percentiles = percentile_chart(cases, names, limits)
    in_use = in_use_chart(cases, names, said)
    # What distance costs holds within a run.
    distance = distance_chart(cases) if len(runs) == 1 else None
    return {
        Part.RESULTS: [
            *([percentiles] if percentiles else []),
            *size_charts(cases, run_of_case(runs), limits, said),
        ],
        Part.TIME: list(phase_charts(cases, names)),
        Part.IN_USE: [in_use] if in_use else [],
        Part.DISTANCE: [distance] if distance else [],
    }


def _said_of(each: NamedRun, *, alone: bool) -> Iterable[Recommendation]:
    """Give what a run recommends, and for which run where there are several."""
    for one in each.run.recommendations:
        own = {} if alone else {"run": each.name}
        yield one.model_copy(update={"applies_to": one.applies_to | own})


def _slo(said: Sequence[Recommendation]) -> list[Asked]:
    """Read the limits a search was asked to keep; what cannot be read is none."""
    asked = (one.evidence.get("slo") for one in said)
    texts = [str(text) for each in asked if isinstance(each, list) for text in each]
    try:
        limits = parse_limits(list(dict.fromkeys(texts)), place="slo")
    except ScenarioError:
        return []
    return [Asked(limit, is_to_be_kept=True) for limit in limits]


def _limits_of(run: RunFile) -> list[Asked]:
    """Read the limits a run was made with; what cannot be read is none."""
    try:
        limits = parse_limits(_fail_if(run), place="fail_if", across_cases=True)
    except ScenarioError:
        return []
    return [Asked(limit, is_to_be_kept=False) for limit in limits]


def _fail_if(run: RunFile) -> list[str]:
    written = run.scenario.get("fail_if")
    return [str(each) for each in written] if isinstance(written, list) else []


def _limits(runs: Sequence[NamedRun]) -> Iterable[Item]:
    _, names = overlaid(runs)
    for each in runs:
        own = {
            case.id: names.get(f"{each.name}: {case.id}", names.get(case.id, case.id))
            for case in each.run.cases
        }
        yield from warning_callouts(each.run, own)
    yield from limit_blocks([each.run for each in runs])


def _method(runs: Sequence[NamedRun]) -> Iterable[Item]:
    records: list[RunFile] = [each.run for each in runs]
    yield from method_blocks(records)
    yield Folded(title="Words", blocks=(glossary(records),))
    for each in runs:
        whose = f" of {each.name}" if len(runs) > 1 else ""
        yield Folded(
            title=f"Machine, client and server{whose}", blocks=(environment_table(each.run),)
        )
        yield Folded(title=f"Scenario{whose}", blocks=(scenario_snippet(each.run),), is_long=True)
