"""The report of a comparison: what two runs do not agree on, and what changed between cases."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.comparison import Outcome
from valkeybench.report.document import (
    Align,
    Callout,
    Cell,
    Column,
    Document,
    Heading,
    KeyValues,
    Kind,
    Note,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.report.labels import axes_labels, labels
from valkeybench.report.run import who
from valkeybench.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.analysis.agreement import Difference
    from valkeybench.analysis.comparison import Change, Comparison, RunComparison
    from valkeybench.report.document import Block
    from valkeybench.results.runfile import RunFile

_JSON_VERSION = 1

_IN_PAIRS = (
    "Intervals hold with 95 % confidence, each by itself: the trials of a case took turns with "
    "those of the other, and each pair of turns is one observation (Student's t of logarithms)."
)
_APART = (
    "Intervals hold with 95 % confidence, each by itself, if nothing but what is compared changed "
    "between the runs (Welch's t of logarithms). A machine drifts from hour to hour, and drift "
    "counts as change here: for a decision, let the two take turns (valkeybench gate)."
)


def compare_document(compared: RunComparison, *, paths: Sequence[str]) -> Document:
    """Make the report of a comparison; `paths` are the files as they were named."""
    blocks = chain(
        _opening(compared, paths),
        _differences(compared.differences),
        _cases(compared),
        _alone(compared),
        [Paragraph(text=_IN_PAIRS if compared.is_within else _APART, tone=Tone.QUIET, parted=True)],
    )
    return Document(tuple(blocks))


def _opening(compared: RunComparison, paths: Sequence[str]) -> Iterable[Block]:
    yield Heading(text="What differs" if compared.is_within else "What changed", level=1)
    sides = [("base", compared.base), ("new", compared.new)]
    if compared.is_within:
        sides = [("run", compared.base)]
    yield KeyValues(
        pairs=tuple(
            (name, f"{path} · {_when(run)} · {who(run)}")
            for (name, run), path in zip(sides, paths, strict=True)
        )
    )
    changes = [change for each in compared.comparisons for change in each.changes]
    worse = sum(change.is_better is False for change in changes)
    better = sum(change.is_better is True for change in changes)
    unclear = sum(change.outcome is Outcome.CANNOT_SAY for change in changes)
    said = [f"{worse} for the worse"] * bool(worse) + [f"{better} for the better"] * bool(better)
    kind = Kind.WARNING if worse else Kind.INFO if unclear else Kind.GOOD
    if worse or better:
        title = f"{plural(worse + better, 'metric')} of {len(changes)} changed: {', '.join(said)}"
    else:
        title = f"No change seen in {len(changes) - unclear} of {plural(len(changes), 'metric')}"
    text = f"Of {plural(unclear, 'metric')} nothing can be said; why stands beside each."
    yield Callout(kind=kind, title=title, text=text if unclear else "")


def _when(run: RunFile) -> str:
    return run.created.replace("T", " ")[:16]


def _differences(found: Sequence[Difference]) -> Iterable[Block]:
    if found:
        refused = any(each.is_refused for each in found)
        yield Callout(
            kind=Kind.WARNING if refused else Kind.INFO,
            title="Compared although the runs do not agree"
            if refused
            else "The runs do not agree on",
            text="What follows may be due to any of these.",
        )
        yield Table(
            columns=(
                Column(title="", align=Align.LEFT),
                Column(title="base", align=Align.LEFT),
                Column(title="new", align=Align.LEFT),
                Column(title="why it matters", align=Align.LEFT, wraps=True, priority=1),
            ),
            rows=tuple(
                (
                    Cell(each.name, Tone.WARNING if each.is_refused else Tone.PLAIN),
                    Cell(each.base),
                    Cell(each.new),
                    Cell(each.why, Tone.QUIET),
                )
                for each in found
            ),
        )


def _cases(compared: RunComparison) -> Iterable[Block]:
    names = _names(compared)
    for each in compared.comparisons:
        base, new = names[id(each.base)], names[id(each.new)]
        yield Heading(text=new if base == new else f"{new}, against {base}")
        yield _table(each)


def _names(compared: RunComparison) -> dict[int, str]:
    """Name the cases of both runs so that what sets them apart shows."""
    if compared.is_within:
        known = labels(compared.base.cases)
        return {id(case): known[case.id] for case in compared.base.cases}
    cases = [case for each in compared.comparisons for case in (each.base, each.new)]
    found = axes_labels([case.axes for case in cases])
    return {id(case): label for case, label in zip(cases, found, strict=True)}


def _table(comparison: Comparison) -> Table:
    return Table(
        columns=(
            Column(title="metric", align=Align.LEFT),
            Column(title="base"),
            Column(title="new"),
            Column(title="change"),
            Column(title="between", priority=1),
            Column(title="", align=Align.LEFT),
        ),
        rows=tuple(_row(change) for change in comparison.changes),
        notes=tuple(_notes(comparison)),
    )


def _row(change: Change) -> tuple[Cell, ...]:
    metric = change.rule.metric
    return (
        Cell(str(metric)),
        Cell(metric.written(change.base)),
        Cell(metric.written(change.new)),
        Cell(change.written(change.change)),
        Cell(_between(change), Tone.QUIET),
        Cell(_verdict(change), _tone(change)),
    )


def _between(change: Change) -> str:
    """Write the bounds, their unit once where they share it."""
    if change.low is None or change.high is None:
        return "–"
    low, high = change.written(change.low), change.written(change.high)
    unit = high.rpartition(" ")[2]
    return f"{low.removesuffix(f' {unit}')} … {high}"


def _verdict(change: Change) -> str:
    if change.is_better is None:
        return change.outcome.value
    return "better" if change.is_better else "worse"


def _tone(change: Change) -> Tone:
    tones = {True: Tone.GOOD, False: Tone.BAD, None: Tone.PLAIN}
    return Tone.QUIET if change.outcome is Outcome.CANNOT_SAY else tones[change.is_better]


def _notes(comparison: Comparison) -> Iterable[Note]:
    """Say of what nothing can be said, and why; alike reasons once."""
    unclear: dict[str, list[str]] = {}
    for change in comparison.changes:
        if change.outcome is Outcome.CANNOT_SAY:
            unclear.setdefault(change.reason, []).append(str(change.rule.metric))
    for reason, metrics in unclear.items():
        yield Note(f"{', '.join(metrics)}: {reason}.")
    turns = len(comparison.new.trials), len(comparison.base.trials)
    if unclear and min(turns) < 5:  # noqa: PLR2004 - up to there t is wide
        yield Note(f"{turns[0]} and {turns[1]} trials: five or more narrow the intervals a lot.")


def _alone(compared: RunComparison) -> Iterable[Block]:
    matching = compared.matching
    for name, cases in (("base", matching.only_base), ("new one", matching.only_new)):
        if cases:
            where = "with nothing to stand against" if compared.is_within else f"only in the {name}"
            yield Paragraph(
                text=f"{plural(len(cases), 'case')} {where}: "
                + ", ".join(case.id for case in cases),
                tone=Tone.QUIET,
                parted=True,
            )


def comparison_record(compared: RunComparison) -> dict[str, Any]:
    """Give a comparison as JSON can hold it; relative changes are shares, unknown is null."""
    return {
        "schema_version": _JSON_VERSION,
        "base": _run(compared.base),
        "new": _run(compared.new),
        "differences": [
            {"name": d.name, "base": d.base, "new": d.new, "refused": d.is_refused, "why": d.why}
            for d in compared.differences
        ],
        "only_in_base": [case.id for case in compared.matching.only_base],
        "only_in_new": [case.id for case in compared.matching.only_new],
        "cases": [
            {
                "base": each.base.id,
                "new": each.new.id,
                "axes": each.new.axes,
                "base_axes": each.base.axes,
                "paired": each.is_paired,
                "metrics": [_change(change) for change in each.changes],
            }
            for each in compared.comparisons
        ],
    }


def _run(run: RunFile) -> dict[str, Any]:
    return {"created": run.created, "tool": run.tool.version, "status": run.status}


def _change(change: Change) -> dict[str, Any]:
    return {
        "metric": str(change.rule.metric),
        "share_of_attempted": change.rule.metric.is_share,
        "relative": change.rule.is_ratio,
        "threshold": change.rule.threshold,
        "base": change.base,
        "new": change.new,
        "change": change.change,
        "low": change.low,
        "high": change.high,
        "outcome": change.outcome.name.lower(),
        "better": change.is_better,
        "reason": change.reason,
    }
