"""The report of a gate: its verdict, then each limit with what was measured and why it ruled so."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.verdict import Ruling
from valkeybench.report.advice import sentence
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
from valkeybench.report.labels import axes_labels
from valkeybench.report.run import who
from valkeybench.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.analysis.verdict import Finding, Verdict
    from valkeybench.report.document import Block
    from valkeybench.results.runfile import RunFile

_JSON_VERSION = 1
_WORDS = {Ruling.FAIL: "FAIL", Ruling.CANNOT_SAY: "can't say", Ruling.PASS: "pass"}
_TONES = {Ruling.FAIL: Tone.BAD, Ruling.CANNOT_SAY: Tone.WARNING, Ruling.PASS: Tone.GOOD}
_KINDS = {Ruling.FAIL: Kind.BAD, Ruling.CANNOT_SAY: Kind.WARNING, Ruling.PASS: Kind.GOOD}


def gate_document(verdict: Verdict, names: Mapping[str, str]) -> Document:
    """Make the report of a gate; `names` are the cases', by id."""
    return Document(tuple(gate_blocks(verdict, names)))


def gate_blocks(verdict: Verdict, names: Mapping[str, str], *, level: int = 1) -> Iterable[Block]:
    """Make its blocks, for a report of their own or as a part of another."""
    yield Heading(text="Gate", level=level)
    yield _headline(verdict)
    yield _table(verdict.findings, names)
    for note in verdict.notes:
        yield Paragraph(text=sentence(note), tone=Tone.QUIET, parted=True)


def sides_document(
    verdict: Verdict, names: Mapping[str, str], *, base: RunFile, new: RunFile, paths: Sequence[str]
) -> Document:
    """Make the report of two sides that took turns; `paths` are where they were kept."""
    sides = [(name, f"{_side(run)} · {who(run)}") for name, run in (("base", base), ("new", new))]
    blocks: list[Block] = [*gate_blocks(verdict, names)]
    blocks.insert(1, KeyValues(pairs=tuple(sides)))
    if paths:
        blocks.append(KeyValues(pairs=tuple(("result", path) for path in paths)))
    return Document(tuple(blocks))


def _side(run: RunFile) -> str:
    (label,) = axes_labels([run.cases[0].axes])
    return label


def noise_document(scatters: Sequence[tuple[str, str, str]], *, pairs: int, path: str) -> Document:
    """Make the report of a calibration: metric, scatter of pairs, and what can be told from it."""
    return Document(
        (
            Heading(text="What this machine can tell", level=1),
            Table(
                columns=(
                    Column(title="metric", align=Align.LEFT),
                    Column(title="scatter of pairs"),
                    Column(title="can be told from nothing"),
                ),
                rows=tuple((Cell(one), Cell(two), Cell(three)) for one, two, three in scatters),
                notes=(
                    Note(
                        f"From {plural(pairs, 'pair')} of runs of the same load, between which "
                        "nothing changed. Gates of this load on this machine heed it."
                    ),
                ),
            ),
            KeyValues(pairs=(("kept in", path),)),
        )
    )


def _headline(verdict: Verdict) -> Callout:
    findings = verdict.findings
    counts = {ruling: sum(finding.counts_as is ruling for finding in findings) for ruling in Ruling}
    warnings = sum(finding.is_warning for finding in findings)
    of = f"of {plural(len(findings), 'finding')}"
    titles = {
        Ruling.FAIL: f"FAIL: {counts[Ruling.FAIL]} {of}",
        Ruling.CANNOT_SAY: f"Can't say: {counts[Ruling.CANNOT_SAY]} {of} can't be told",
        Ruling.PASS: f"Pass: {plural(len(findings), 'finding')}",
    }
    said = []
    if verdict.ruling is Ruling.FAIL and counts[Ruling.CANNOT_SAY]:
        said.append(f"{plural(counts[Ruling.CANNOT_SAY], 'more finding')} can't be told.")
    if warnings:
        said.append(f"{plural(warnings, 'warning')}, which fail nothing.")
    warned = warnings and verdict.ruling is Ruling.PASS
    return Callout(
        kind=Kind.WARNING if warned else _KINDS[verdict.ruling],
        title=titles[verdict.ruling],
        text=" ".join(said),
    )


def _table(findings: Sequence[Finding], names: Mapping[str, str]) -> Table:
    ordered = worst_first(findings)
    titles = _titles(ordered, names)
    return Table(
        columns=(
            Column(title="limit", align=Align.LEFT, wraps=True),
            Column(title="", align=Align.LEFT),
            Column(title="measured"),
            Column(title="between", priority=1),
        ),
        rows=tuple(
            (
                Cell(title),
                _ruling_cell(finding),
                Cell(finding.measured),
                Cell(finding.between or "–", Tone.QUIET),
            )
            for title, finding in zip(titles, ordered, strict=True)
        ),
        notes=tuple(_notes(ordered, titles)),
    )


def _ruling_cell(finding: Finding) -> Cell:
    if finding.is_warning and finding.ruling is Ruling.FAIL:
        return Cell("warning", Tone.WARNING)
    return Cell(_WORDS[finding.ruling], _TONES[finding.ruling])


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Put what fails the gate first, then what leaves it open, then warnings."""
    order = list(Ruling)
    return sorted(findings, key=lambda f: (order.index(f.counts_as), order.index(f.ruling)))


def where(finding: Finding, names: Mapping[str, str]) -> str:
    """Name the case of a finding, or the two that were divided."""
    return " / ".join(names.get(case, case) for case in finding.cases)


def _titles(findings: Sequence[Finding], names: Mapping[str, str]) -> list[str]:
    """Name findings by limit and case; a quotient that picks its cases says them itself."""
    alike = Counter(finding.limit for finding in findings)
    return [
        finding.limit
        if len(names) == 1 or (len(finding.cases) > 1 and alike[finding.limit] == 1)
        else f"{finding.limit} ({where(finding, names)})"
        for finding in findings
    ]


def why(finding: Finding) -> str:
    """Say why it was ruled so, and what to do."""
    return ". ".join(map(sentence, filter(None, (finding.reason, finding.remedy)))).replace(
        "..", "."
    )


def _notes(findings: Sequence[Finding], titles: Sequence[str]) -> Iterable[Note]:
    """Give the reason of whatever did not pass; alike ones once."""
    reasons: dict[str, list[str]] = {}
    for finding, title in zip(findings, titles, strict=True):
        if finding.ruling is not Ruling.PASS:
            reasons.setdefault(why(finding), []).append(title)
    for reason, places in reasons.items():
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        yield Note(f"{places[0]}{more}: {reason}")


def verdict_record(verdict: Verdict, names: Mapping[str, str]) -> dict[str, Any]:
    """Give a verdict as JSON can hold it; numbers in nanoseconds, per second, counts or shares."""
    return {
        "schema_version": _JSON_VERSION,
        "ruling": _code(verdict.ruling),
        "notes": list(verdict.notes),
        "findings": [
            {
                "limit": finding.limit,
                "cases": list(finding.cases),
                "case": where(finding, names),
                "ruling": _code(finding.ruling),
                "advice_only": finding.is_advice,
                **dict(finding.numbers),
                "reason": finding.reason,
                "remedy": finding.remedy,
            }
            for finding in verdict.findings
        ],
    }


def _code(ruling: Ruling) -> str:
    return ruling.name.lower()


def summary_lines(verdict: Verdict, names: Mapping[str, str]) -> list[str]:
    """Say each finding that did not pass on one line, the worst first."""
    return [
        f"{finding.limit} ({where(finding, names)}): {finding.measured}. {why(finding)}"
        for finding in worst_first(verdict.findings)
        if finding.ruling is not Ruling.PASS
    ]
