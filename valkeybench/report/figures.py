"""Draws bars and histograms with signs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.report.document import Tone
from valkeybench.report.page import INDENT, Line, Page, Span
from valkeybench.report.tabular import Stack, draw, total_width
from valkeybench.report.text import pad, shorten, width, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.report.document import Bar, Bars, Histogram, Segment, Series

_SHORTEST_BAR = 20
_LONGEST_TALLY = 36
_SHORTEST_TALLY = 8


def lay_out_bars(bars: Bars, page: Page) -> list[Line]:
    """Draw the bars under each other and the table of what they are made of."""
    labels = [page.text(bar.label) for bar in bars.bars]
    totals = [page.text(bar.total) for bar in bars.bars]
    name = page.text(bars.total_name)
    first = max(map(width, labels), default=0)
    last = max(map(width, [*totals, name]))
    length = page.measure - first - last - 4
    above = length < _SHORTEST_BAR
    if above:
        length = page.measure - last - 2
        first = -2
    lines: list[Line] = [
        (Span(pad(name, first + 2 + length + 2 + last, right=True), Tone.QUIET),),
    ]
    for bar, label, total in zip(bars.bars, labels, totals, strict=True):
        begin = () if above else (Span(pad(label, first) + "  "),)
        if above:
            lines += [(Span(text),) for text in wrap(label, page.measure)]
        lines.append(
            (*begin, *_stacked(bar, length, page), Span("  " + pad(total, last, right=True)))
        )
    return [*lines, (), *_legend(bars.bars, page)]


def _stacked(bar: Bar, length: int, page: Page) -> list[Span]:
    cells = apportion([segment.share for segment in bar.segments], length)
    spans = [
        Span(page.fill(segment.phase) * count, segment.phase)
        for segment, count in zip(bar.segments, cells, strict=True)
    ]
    return [*spans, Span(" " * (length - sum(cells)))]


def apportion(shares: Sequence[float], length: int) -> list[int]:
    """Cut `length` into whole parts in proportion to shares of one, by largest remainders.

    Shares that do not add up to one leave the rest uncut, or are taken as shares of their
    sum when they exceed it.
    """
    whole = max(sum(shares), 1.0)
    exact = [share / whole * length for share in shares]
    cells = [int(part) for part in exact]
    left = round(sum(exact)) - sum(cells)
    for i in sorted(range(len(exact)), key=lambda i: cells[i] - exact[i])[:left]:
        cells[i] += 1
    return cells


def _legend(bars: Sequence[Bar], page: Page) -> list[Line]:
    """Draw what each bar is made of, as many bars beside each other as there is room for."""
    used = {segment.phase: segment.name for bar in bars for segment in bar.segments}
    phases = sorted(used, key=lambda phase: PARTS.index(phase) if phase in PARTS else -1)
    names = Stack(
        title=("",),
        cells=tuple(
            (Span(page.fill(phase), phase), Span(f" {page.text(used[phase])}")) for phase in phases
        ),
        right=False,
    )
    room = page.width - INDENT
    lines: list[Line] = []
    chunk: list[Stack] = []
    for bar in bars:
        more = _columns(bar, phases, page, room - total_width([names]) - 2)
        if chunk and total_width([names, *chunk, *more]) > room:
            lines += [*draw([names, *chunk], page), ()]
            chunk = []
        chunk += more
    return [*lines, *draw([names, *chunk], page)]


def _columns(bar: Bar, phases: Sequence[Phase], page: Page, room: int) -> list[Stack]:
    found = {segment.phase: segment for segment in bar.segments}

    def cells(what: str) -> tuple[Line, ...]:
        return tuple(_cell(found.get(phase), what, page) for phase in phases)

    group = shorten(page.text(bar.label), room, page.text("…"))
    return [
        Stack(title=("mean",), cells=cells("value"), right=True, group=group),
        Stack(title=("share",), cells=cells("share_text"), right=True, group=group),
    ]


def _cell(segment: Segment | None, what: str, page: Page) -> Line:
    if segment is None:
        return (Span(page.text("–"), Tone.QUIET),)
    return (Span(page.text(getattr(segment, what))),)


def lay_out_histogram(histogram: Histogram, page: Page) -> list[Line]:
    """Draw one row a bin, series beside each other where they fit and else one by one."""
    ranges = _ranges(histogram, page)
    numbers = [max(map(width, map(page.text, s.texts)), default=0) for s in histogram.series]
    many = max(len(numbers), 1)
    left = page.measure - width(ranges[0]) - sum(3 + number + 1 for number in numbers)
    length = min(left // many, _LONGEST_TALLY)
    if length >= _SHORTEST_TALLY or many == 1:
        return _tallies(histogram.series, ranges, max(length, 1), page)
    lines: list[Line] = []
    for series, number in zip(histogram.series, numbers, strict=True):
        left = page.measure - width(ranges[0]) - number - 4
        lines += [(), *_tallies([series], ranges, max(min(left, _LONGEST_TALLY), 1), page)]
    return lines[1:]


def _ranges(histogram: Histogram, page: Page) -> list[str]:
    starts = [page.text(start) for start in histogram.starts]
    ends = [*starts[1:], page.text(histogram.end)]
    first, last = max(map(width, starts)), max(map(width, ends))
    dash = page.text("–")
    return [
        f"{pad(start, first, right=True)} {dash} {pad(end, last, right=True)}"
        for start, end in zip(starts, ends, strict=True)
    ]


def _tallies(
    series: Sequence[Series], ranges: Sequence[str], length: int, page: Page
) -> list[Line]:
    columns = [Stack(title=("",), cells=tuple((Span(text),) for text in ranges), right=True)]
    for one in series:
        most = max(one.counts, default=0)
        number = max(width(page.text(text)) for text in one.texts)
        cells = []
        for count, text in zip(one.counts, one.texts, strict=True):
            tally = _tally(count / most if most else 0.0, length, page)
            ink = Tone.QUIET if not count else Tone.PLAIN
            cells.append(
                (
                    Span(f" {pad(page.text(text), number, right=True)} ", ink),
                    Span(pad(tally, length), Phase.RESPONSE),
                )
            )
        title = wrap(page.text(one.label), number + 1 + length)
        columns.append(
            Stack(title=tuple(f" {line}" for line in title), cells=tuple(cells), right=False)
        )
    return draw(columns, page)


def _tally(share: float, length: int, page: Page) -> str:
    """Draw a bar of eighths, where there are such signs; never nothing for something."""
    glyphs = page.typeface.glyphs
    if not glyphs.eighths:
        return glyphs.full * max(round(share * length), 1 if share else 0)
    eighths = max(round(share * length * 8), 1 if share else 0)
    part = eighths % 8
    return glyphs.full * (eighths // 8) + (glyphs.eighths[part - 1] if part else "")
