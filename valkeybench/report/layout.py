"""Turns a document into lines of a given width: what a terminal shows, before its colours."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from valkeybench.report.document import (
    Bars,
    Block,
    Callout,
    Command,
    Document,
    Heading,
    Histogram,
    KeyValues,
    Paragraph,
    Snippet,
    Table,
    Tone,
)
from valkeybench.report.figures import lay_out_bars, lay_out_histogram
from valkeybench.report.page import INDENT, Line, Page, Span, indented
from valkeybench.report.tabular import lay_out_table
from valkeybench.report.text import pad, width, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDEST_KEY = 28


def lay_out(document: Document, page: Page) -> list[Line]:
    """Draw every block, a blank line between them where one subject ends.

    No line is wider than the page, except a command whose single word is, or a line of a
    snippet: what is meant to be pasted is never cut.
    """
    lines: list[Line] = []
    before: Block | None = None
    for block in document.blocks:
        if before is not None and not _belong_together(before, block):
            lines.append(())
        lines += _draw(block, page)
        before = block
    return lines


def _belong_together(before: Block, block: Block) -> bool:
    if isinstance(before, Heading):
        return not isinstance(block, Heading)
    if isinstance(block, Paragraph) and block.parted:
        return False
    return isinstance(block, Paragraph | Command | Snippet) and isinstance(before, type(block))


def _draw(block: Block, page: Page) -> list[Line]:  # noqa: PLR0911 - one return a block
    match block:
        case Heading():
            return _prose(block.text, page, page.measure + INDENT, Tone.STRONG)
        case Paragraph():
            return indented(_prose(block.text, page, page.measure, block.tone))
        case Table():
            return indented(lay_out_table(block, page))
        case Bars():
            return indented(lay_out_bars(block, page))
        case Histogram():
            return indented(lay_out_histogram(block, page))
        case Callout():
            return indented(_callout(block, page))
        case KeyValues():
            return indented(_key_values(block, page))
        case Command():
            return indented(_command(block, page))
        case Snippet():
            return indented(_snippet(block, page))


def _prose(raw: str, page: Page, columns: int, ink: Tone = Tone.PLAIN) -> list[Line]:
    return [(Span(text, ink),) for text in wrap(page.text(raw), columns)]


def _callout(callout: Callout, page: Page) -> list[Line]:
    tone = callout.kind.tone
    edge = Span(f"{page.typeface.glyphs.edge} ", tone)
    columns = page.measure - 2
    lines = _prose(callout.title, page, columns, tone)
    if callout.text:
        lines += _prose(callout.text, page, columns)
    if callout.remedy:
        arrow = page.text("→ ")
        texts = wrap(page.text(callout.remedy), columns - width(arrow))
        lines += [
            (Span((arrow if not i else " " * width(arrow)) + text),) for i, text in enumerate(texts)
        ]
    return [(edge, *line) for line in lines]


def _key_values(block: KeyValues, page: Page) -> list[Line]:
    pairs = [(page.text(key), page.text(value)) for key, value in block.pairs]
    widest = min(max((width(key) for key, _ in pairs), default=0), _WIDEST_KEY)
    lines: list[Line] = []
    for key, value in pairs:
        texts = wrap(value, page.measure - widest - 2)
        if width(key) > widest:
            lines += [(Span(text, Tone.QUIET),) for text in wrap(key, page.measure)]
        begin = key if width(key) <= widest else ""
        lines += [
            (Span(pad("" if i else begin, widest) + "  ", Tone.QUIET), Span(text))
            for i, text in enumerate(texts)
        ]
    return lines


def _command(command: Command, page: Page) -> list[Line]:
    lines: list[Line] = []
    if command.purpose:
        lines += _prose(command.purpose, page, page.measure, Tone.QUIET)
    # Quoted last: what replaces a sign could be a quotation mark.
    words = [shlex.quote(page.text(word)) for word in command.words]
    prompt = page.typeface.glyphs.prompt
    for i, text in enumerate(_continued(words, page.width - 2 * INDENT)):
        begin = f"{prompt} " if not i else " " * INDENT
        lines.append((Span(begin, Tone.QUIET), Span(text, Tone.STRONG)))
    return lines


def _snippet(snippet: Snippet, page: Page) -> list[Line]:
    lines = _prose(snippet.purpose, page, page.measure, Tone.QUIET)
    return lines + [(Span(" " * INDENT + page.text(line), Tone.STRONG),) for line in snippet.lines]


def _continued(words: Sequence[str], columns: int) -> list[str]:
    """Spread a command over lines the way a shell reads them, broken between words only."""
    lines: list[str] = []
    line = words[0]
    for i, word in enumerate(words[1:], start=2):
        room = columns if i == len(words) else columns - 2
        if width(line) + 1 + width(word) <= room:
            line = f"{line} {word}"
        else:
            lines.append(f"{line} \\")
            line = word
    return [*lines, line]
