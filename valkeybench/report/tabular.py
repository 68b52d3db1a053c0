"""Fits a table to a width: breaks headings, then the names of rows, then lets columns go.

What fits in no such way is turned on its side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valkeybench.report.document import Align, Tone
from valkeybench.report.page import INDENT, Line, Page, Span, line_width
from valkeybench.report.text import GLUE, pad, width, wrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.report.document import Table

_GAP = 2
_NARROWEST = 24
"""Columns below which sentences are not squeezed beside anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """A column while it is laid out: its heading's lines and its cells, as drawn."""

    title: tuple[str, ...]
    cells: tuple[Line, ...]
    right: bool
    group: str = ""
    priority: int = 0
    name: str = ""
    wraps: bool = False

    @property
    def width(self) -> int:
        """Give the columns it takes by itself."""
        return max(
            max(map(width, self.title), default=0),
            max(map(line_width, self.cells), default=0),
        )

    def broken(self) -> Stack:
        """Break the heading where it is wider than the cells."""
        cells = max(map(line_width, self.cells), default=1)
        words = max((width(word) for word in " ".join(self.title).split(" ")), default=1)
        return replace(self, title=tuple(wrap(" ".join(self.title), max(cells, words))))


def lay_out_table(table: Table, page: Page) -> list[Line]:
    """Draw a table within the page: every cell whole, and on one line unless it may wrap."""
    room = page.width - INDENT
    stacks = _stacks(table, page)
    kept = _fitting(stacks, room)
    turned = _turned(stacks)
    if kept is not None:
        drawn = draw(kept, page)
    else:
        kept = stacks
        drawn = draw(turned, page) if total_width(turned) <= room else _listed(stacks, room)
    return [*drawn, *_notes(table, stacks, kept, page)]


def _notes(
    table: Table, stacks: Sequence[Stack], kept: Sequence[Stack], page: Page
) -> Iterable[Line]:
    shown = "".join(_plain(cell) for stack in kept[1:] for cell in stack.cells)
    texts = [page.text(note.text) for note in table.notes if page.text(note.sign) in shown]
    names = {stack.name for stack in kept}
    gone = [stack.name for stack in stacks if stack.name not in names]
    if gone:
        # Glued, so that a name is not torn apart at the end of a line.
        listed = ", ".join(name.replace(" ", GLUE) for name in gone)
        texts.append(f"Not shown at this width: {listed}.")
    return ((Span(line, Tone.QUIET),) for text in texts for line in wrap(text, page.measure))


def draw(stacks: Sequence[Stack], page: Page) -> list[Line]:
    """Draw columns beside each other, under their headings and a rule."""
    widths = _widths(stacks)
    height = max(len(stack.title) for stack in stacks)
    lines: list[Line] = []
    if any(stack.group for stack in stacks):
        lines.append(_group_line(stacks, widths, page))
    for i in range(height):
        row = []
        for stack in stacks:
            above = height - len(stack.title)
            row.append((Span(stack.title[i - above] if i >= above else "", Tone.QUIET),))
        lines.append(_row(row, stacks, widths))
    rule = page.typeface.glyphs.rule * (sum(widths) + _GAP * (len(widths) - 1))
    lines.append((Span(rule, Tone.QUIET),))
    rows = zip(*(stack.cells for stack in stacks), strict=True)
    return [*lines, *(_row(row, stacks, widths) for row in rows)]


def total_width(stacks: Sequence[Stack]) -> int:
    """Give the columns the drawn table takes."""
    return sum(_widths(stacks)) + _GAP * (len(stacks) - 1)


def _stacks(table: Table, page: Page) -> list[Stack]:
    return [
        Stack(
            title=(page.text(column.title),),
            cells=tuple((Span(page.text(row[i].text), row[i].tone),) for row in table.rows),
            right=column.align is Align.RIGHT,
            group=page.text(column.group),
            priority=column.priority,
            name=page.text(column.full_title),
            wraps=column.wraps,
        )
        for i, column in enumerate(table.columns)
    ]


def _fitting(stacks: Sequence[Stack], room: int) -> list[Stack] | None:
    """Break headings and names and let columns go until it fits; None when it never does."""
    kept = list(stacks)
    while True:
        for candidate in (kept, [stack.broken() for stack in kept]):
            if total_width(candidate) <= room:
                return candidate
        if any(stack.wraps for stack in kept):
            return _wrapped(kept, room)
        named = _with_names_wrapped(candidate, room)
        if named is not None:
            return named
        last = max(range(len(kept)), key=lambda i: kept[i].priority)
        if not kept[last].priority:
            return None
        del kept[last]


def _wrapped(stacks: Sequence[Stack], room: int) -> list[Stack] | None:
    """Spread the wrapping column's cells over as many lines as they need; None if too narrow."""
    chosen = next(i for i, stack in enumerate(stacks) if stack.wraps)
    left = _left_for(chosen, stacks, room)
    if left < _NARROWEST:
        return None
    return _spread(stacks, chosen, [wrap(_plain(cell), left) for cell in stacks[chosen].cells])


def _with_names_wrapped(stacks: Sequence[Stack], room: int) -> list[Stack] | None:
    """Spread the rows' names over several lines, between words; None where one is too long."""
    left = _left_for(0, stacks, room)
    names = [_plain(cell) for cell in stacks[0].cells]
    if left < max((width(word) for name in names for word in name.split(" ")), default=0) + 1:
        return None
    return _spread(stacks, 0, [_name_lines(name, left) for name in names])


def _name_lines(name: str, columns: int) -> list[str]:
    """Break a name after commas before anywhere else; what follows the first line is set in."""
    # One column less for what is set in, and one for the comma.
    glued = [
        part.replace(" ", GLUE) if width(part) < columns - 1 else part for part in name.split(", ")
    ]
    first, *rest = wrap(", ".join(glued), columns - 1)
    return [first, *(f" {line}" for line in rest)]


def _left_for(chosen: int, stacks: Sequence[Stack], room: int) -> int:
    """Give the columns that the others leave to one of the stacks."""
    return room - total_width([stack for i, stack in enumerate(stacks) if i != chosen]) - _GAP


def _spread(stacks: Sequence[Stack], chosen: int, spread: Sequence[Sequence[str]]) -> list[Stack]:
    """Give one of the stacks several lines for each cell, and the others empty ones below."""
    taller = []
    for i, stack in enumerate(stacks):
        cells: list[Line] = []
        for cell, texts in zip(stack.cells, spread, strict=True):
            ink = cell[0].ink
            empty: list[Line] = [()] * (len(texts) - 1)
            cells += [(Span(text, ink),) for text in texts] if i == chosen else [cell, *empty]
        taller.append(replace(stack, cells=tuple(cells)))
    return taller


def _turned(stacks: Sequence[Stack]) -> list[Stack]:
    """Make rows of the columns and columns of the rows."""
    names = tuple((Span(stack.name, Tone.QUIET),) for stack in stacks[1:])
    first = Stack(title=stacks[0].title, cells=names, right=False)
    columns = [
        Stack(title=(_plain(label),), cells=tuple(s.cells[i] for s in stacks[1:]), right=True)
        for i, label in enumerate(stacks[0].cells)
    ]
    return [stack.broken() for stack in (first, *columns)]


def _listed(stacks: Sequence[Stack], room: int) -> list[Line]:
    """Give each row a paragraph of its own, one cell a line or, if it must, several."""
    widest = max((width(stack.name) for stack in stacks[1:]), default=0)
    lines: list[Line] = []
    for i, label in enumerate(stacks[0].cells):
        lines += [(Span(text, Tone.STRONG),) for text in wrap(_plain(label), room)]
        for stack in stacks[1:]:
            name = stack.name
            for text in wrap(_plain(stack.cells[i]), max(room - widest - 4, 1)):
                ink = stack.cells[i][0].ink
                lines.append((Span(f"  {pad(name, widest)}  ", Tone.QUIET), Span(text, ink)))
                name = ""
    return lines


def _plain(line: Line) -> str:
    return "".join(span.text for span in line)


def _widths(stacks: Sequence[Stack]) -> list[int]:
    """Give each column's width; a group's last column grows until the group's name fits."""
    widths = [stack.width for stack in stacks]
    for start, end in _groups(stacks):
        taken = sum(widths[start:end]) + _GAP * (end - start - 1)
        widths[end - 1] += max(width(stacks[start].group) - taken, 0)
    return widths


def _groups(stacks: Sequence[Stack]) -> Iterable[tuple[int, int]]:
    """Walk the runs of neighbours under one name, as index ranges."""
    start = 0
    for i in range(1, len(stacks) + 1):
        if i == len(stacks) or stacks[i].group != stacks[start].group:
            if stacks[start].group:
                yield start, i
            start = i


def _group_line(stacks: Sequence[Stack], widths: Sequence[int], page: Page) -> Line:
    text = ""
    for start, end in _groups(stacks):
        left = sum(widths[:start]) + _GAP * start
        span = sum(widths[start:end]) + _GAP * (end - start - 1)
        name = stacks[start].group
        rules = span - width(name) - 2
        rule = page.typeface.glyphs.rule
        ruled = name
        if rules >= 2:  # noqa: PLR2004 - one at each side
            ruled = f"{rule * (rules // 2)} {name} {rule * (rules - rules // 2)}"
        text = pad(text, left) + pad(ruled, span, right=True)
    return (Span(text, Tone.QUIET),)


def _row(cells: Iterable[Line], stacks: Sequence[Stack], widths: Sequence[int]) -> Line:
    spans: list[Span] = []
    for i, (cell, stack, columns) in enumerate(zip(cells, stacks, widths, strict=True)):
        space = Span(" " * (columns - line_width(cell)))
        spans += [space, *cell] if stack.right else [*cell, space]
        if i + 1 < len(stacks):
            spans.append(Span(" " * _GAP))
    return tuple(spans)
