"""Writes a document as Markdown: what job summaries, merge requests and wikis show.

GitHub's dialect, plain where others differ. Any text may come from anybody's file, so every sign
that Markdown or HTML would read is escaped.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import PARTS
from valkeybench.report.document import (
    Align,
    Bars,
    Block,
    Callout,
    Cell,
    Column,
    Command,
    Document,
    Heading,
    Histogram,
    KeyValues,
    Kind,
    Paragraph,
    Snippet,
    Table,
    Tone,
)
from valkeybench.report.text import typeface

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ALERTS = {Kind.GOOD: "TIP", Kind.INFO: "NOTE", Kind.WARNING: "WARNING", Kind.BAD: "CAUTION"}
_READ = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])")
"""Signs that mean something anywhere; an underscore only where a word begins or ends."""
_READ_FIRST = re.compile(r"^(\d+(?=[.)](?: |$))|(?=[-+#=]))")
_FENCE = "```"
_SHORTEST_FENCE = len(_FENCE)


def markdown(document: Document) -> str:
    """Write every block, blank lines between them."""
    return "\n\n".join(_written(block) for block in document.blocks) + "\n"


def _written(block: Block) -> str:  # noqa: PLR0911 - one return a block
    match block:
        case Heading():
            return f"{'#' * block.level} {escaped(block.text)}"
        case Paragraph():
            return _paragraph(block.text)
        case Table():
            return _table(block)
        case Bars():
            return _bars(block)
        case Histogram():
            return _histogram(block)
        case Callout():
            return _callout(block)
        case KeyValues():
            return "\n".join(f"- {escaped(key)}: {escaped(value)}" for key, value in block.pairs)
        case Command():
            return _fenced(block.purpose, "sh", [block.text])
        case Snippet():
            return _fenced(block.purpose, "python", block.lines)


def escaped(raw: str) -> str:
    """Write a text so that it shows as itself within a line, whatever signs it has."""
    text = typeface("utf-8").text(raw)
    text = _READ.sub(lambda sign: f"\\{sign[0]}", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _paragraph(raw: str) -> str:
    """Write a text that begins a line, where more signs mean something."""
    return _READ_FIRST.sub(lambda sign: f"{sign[0]}\\", escaped(raw))


def _table(table: Table) -> str:
    heads = [escaped(column.full_title) for column in table.columns]
    rows = [[_cell(cell) for cell in row] for row in table.rows]
    lines = [_row(heads), _row([_rule(column) for column in table.columns]), *map(_row, rows)]
    notes = _notes(table)
    return "\n".join(lines) + (f"\n\n{notes}" if notes else "")


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _rule(column: Column) -> str:
    return "---:" if column.align is Align.RIGHT else "---"


def _cell(cell: Cell) -> str:
    text = escaped(cell.text)
    return f"**{text}**" if text and cell.tone in (Tone.STRONG, Tone.BAD) else text


def _notes(table: Table) -> str:
    """Write the notes that belong there, a line each."""
    shown = "".join(cell.text for row in table.rows for cell in row[1:])
    texts = [note.text for note in table.notes if note.sign in shown]
    return "<br>\n".join(map(_paragraph, texts))


def _bars(bars: Bars) -> str:
    """Write stacked bars as a table: a row for each bar, a column for each phase that any has."""
    names = {segment.phase: segment.name for bar in bars.bars for segment in bar.segments}
    phases = {phase: names[phase] for phase in PARTS if phase in names}
    heads = ["case", bars.total_name, *phases.values()]
    rows = []
    for bar in bars.bars:
        by_phase = {segment.phase: segment for segment in bar.segments}
        found = [by_phase.get(phase) for phase in phases]
        cells = [f"{each.value} ({each.share_text})" if each else "–" for each in found]
        rows.append(_row(map(escaped, [bar.label, bar.total, *cells])))
    return "\n".join([_row(map(escaped, heads)), _ruled(len(heads)), *rows])


def _histogram(histogram: Histogram) -> str:
    """Write a histogram as a table: a row for each bin, a column for each series."""
    ends = (*histogram.starts[1:], histogram.end)
    heads = ["from", "up to", *(series.label for series in histogram.series)]
    texts = (series.texts for series in histogram.series)
    rows = zip(histogram.starts, ends, *texts, strict=True)
    return "\n".join(
        [_row(map(escaped, heads)), _ruled(len(heads)), *(_row(map(escaped, row)) for row in rows)]
    )


def _ruled(columns: int) -> str:
    return _row(["---", *["---:"] * (columns - 1)])


def _callout(callout: Callout) -> str:
    said = [f"**{escaped(callout.title)}**", _paragraph(callout.text)]
    if callout.remedy:
        said.append(f"→ {escaped(callout.remedy)}")
    lines = "\n\n".join(filter(None, said)).split("\n")
    return "\n".join([f"> [!{_ALERTS[callout.kind]}]", *(f"> {line}".rstrip() for line in lines)])


def _fenced(purpose: str, language: str, lines: Sequence[str]) -> str:
    """Put lines behind a fence longer than any run of backticks in them."""
    harmless = [typeface("utf-8").text(line) for line in lines]
    longest = max((len(run) for line in harmless for run in re.findall("`+", line)), default=0)
    fence = "`" * max(_SHORTEST_FENCE, longest + 1)
    code = "\n".join([f"{fence}{language}", *harmless, fence])
    return f"{_paragraph(purpose)}\n\n{code}" if purpose else code
