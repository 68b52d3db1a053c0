"""Draws the blocks of a document as HTML."""

from __future__ import annotations

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
    Heading,
    Histogram,
    KeyValues,
    Note,
    Paragraph,
    Snippet,
    Table,
    Tone,
)
from valkeybench.report.html.markup import Markup, element, flowing, plain, together
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_ROWS = 120
"""Rows of one table; the rest is said to be left out."""
_MOST_LINES = 1000
"""Lines of one snippet."""
_LONGEST_CELL = 160
"""Characters of a cell that stays on one line; no screen shows more of it."""


def drawn(block: Block) -> Markup:  # noqa: PLR0911 - one return a block
    """Draw one block."""
    match block:
        case Heading():
            return element(f"h{min(block.level, 6)}", block.text)
        case Paragraph():
            return element("p", flowing(block.text), class_=_tone(block.tone))
        case Table():
            return table(block)
        case Bars():
            return table(_bars(block))
        case Histogram():
            return table(_histogram(block))
        case Callout():
            return _callout(block)
        case KeyValues():
            pairs = (element("dt", k) + element("dd", v) for k, v in block.pairs)
            return element("dl", *map(Markup, pairs))
        case Command():
            return _pasted(block.purpose, [block.text])
        case Snippet():
            return _pasted(block.purpose, block.lines)


def table(block: Table, caption: str = "") -> Markup:
    """Draw a table that scrolls by itself where the page is too narrow for it."""
    rows = block.rows[:MOST_ROWS]
    heads = (_head(column) for column in block.columns)
    body = (element("tr", *_cells(row, block.columns)) for row in rows)
    made = element(
        "table",
        element("caption", caption) if caption else None,
        element("thead", element("tr", *heads)),
        element("tbody", *body),
    )
    label = caption or f"table by {block.columns[0].full_title or 'row'}"
    scroller = element("div", made, class_="scroller", tabindex="0", role="group", aria_label=label)
    notes = [*_notes(block, rows)]
    if len(block.rows) > len(rows):
        left = format_count(len(block.rows) - len(rows))
        notes.append(f"{left} more rows are left out here; the CSV has them.")
    return together([scroller, *(element("p", flowing(note), class_="note") for note in notes)])


def _head(column: Column) -> Markup:
    """Draw a column's title; a cell that names nothing is no header."""
    if not column.full_title:
        return element("td", class_=_column(column))
    return element("th", column.full_title, scope="col", class_=_column(column))


def _cells(row: Sequence[Cell], columns: Sequence[Column]) -> Iterable[Markup]:
    """Draw a row; its first cell names it."""
    for i, (cell, column) in enumerate(zip(row, columns, strict=True)):
        classes = " ".join(filter(None, (_column(column), _tone(cell.tone)))) or None
        text = cell.text if column.wraps else _cut(cell.text)
        if i == 0:
            yield element("th", text, scope="row", class_=classes)
        else:
            yield element("td", text, class_=classes)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def _column(column: Column) -> str | None:
    if column.wraps:
        return "wraps"
    return "number" if column.align is Align.RIGHT else None


def _tone(tone: Tone) -> str | None:
    return None if tone is Tone.PLAIN else f"tone-{tone}"


def _notes(block: Table, rows: Sequence[Sequence[Cell]]) -> Iterable[str]:
    shown = "".join(cell.text for row in rows for cell in row[1:])
    return (note.text for note in block.notes if note.sign in shown)


def _bars(bars: Bars) -> Table:
    """Make a row for each bar, and a column for each phase that any has."""
    names = {segment.phase: segment.name for bar in bars.bars for segment in bar.segments}
    phases = [phase for phase in PARTS if phase in names]
    rows = []
    for bar in bars.bars:
        by_phase = {segment.phase: segment for segment in bar.segments}
        found = [by_phase.get(phase) for phase in phases]
        cells = (Cell(f"{s.value} ({s.share_text})" if s else "–") for s in found)
        rows.append((Cell(bar.label), Cell(bar.total), *cells))
    return Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title=bars.total_name),
            *(Column(title=names[phase]) for phase in phases),
        ),
        rows=tuple(rows),
    )


def _histogram(histogram: Histogram) -> Table:
    """Make a row for each bin, and a column for each series."""
    ends = (*histogram.starts[1:], histogram.end)
    texts = zip(*(series.texts for series in histogram.series), strict=True)
    return Table(
        columns=(
            Column(title="from", align=Align.LEFT),
            Column(title="up to"),
            *(Column(title=series.label) for series in histogram.series),
        ),
        rows=tuple(
            (Cell(start), Cell(end), *map(Cell, counts))
            for start, end, counts in zip(histogram.starts, ends, texts, strict=True)
        ),
        notes=(Note("Samples in each bin."),),
    )


def _callout(callout: Callout) -> Markup:
    return element(
        "div",
        element("p", callout.title, class_="title"),
        element("p", flowing(callout.text)) if callout.text else None,
        element("p", flowing(f"→ {callout.remedy}"), class_="remedy") if callout.remedy else None,
        class_=f"callout {callout.kind}",
    )


def _pasted(purpose: str, lines: Sequence[str]) -> Markup:
    """Draw what is to be pasted; every line as it is."""
    kept = "\n".join(plain(line) for line in lines[:_MOST_LINES])
    return together(
        [
            element("p", purpose) if purpose else None,
            element("pre", element("code", *_by_lines(kept)), tabindex="0", role="group",
                    aria_label="to be pasted"),
        ]
    )  # fmt: skip


def _by_lines(text: str) -> Iterable[Markup]:
    """Escape line by line: within a line a line's end would be made a space."""
    return (Markup(together([line]) + "\n") for line in text.split("\n"))
