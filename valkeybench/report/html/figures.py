"""Turns charts into figures: a place to draw in, words for who cannot see it, the numbers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from valkeybench.report.html.blocks import table
from valkeybench.report.html.markup import Markup, element, plain, verbatim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.report.chart import Axis, Chart, Line

_DIGITS = 6
"""Significant digits of a drawn value: no screen shows more."""


def figure(chart: Chart) -> Markup:
    """Make a figure; the script draws into it, and without it title, words and table remain."""
    kept = element(
        "details",
        element("summary", "The numbers"),
        table(chart.table, f"{chart.title}: the numbers"),
        class_="long" if chart.is_printed_bare else None,
    )
    return element(
        "figure",
        element("figcaption", chart.title),
        element("p", chart.summary, id=f"{chart.id}-summary", class_="summary"),
        element("div", class_="legend", role="group", aria_label=f"Series of: {chart.title}"),
        element(
            "div",
            class_="chart",
            id=f"chart-{chart.id}",
            role="application",
            aria_roledescription="chart",
            aria_label=f"{chart.title}. {chart.summary} Arrow keys read values.",
            tabindex="0",
        ),
        element("p", class_="reading", role="status", aria_live="polite"),
        *(element("p", note, class_="note") for note in chart.notes),
        kept,
        id=f"figure-{chart.id}",
    )


def chart_data(charts: Sequence[Chart]) -> Markup:
    """Write the charts' data as JSON that cannot end its element."""
    text = json.dumps(
        [_data(chart) for chart in charts],
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return element("script", verbatim(text), type_="application/json", id="charts")


def _data(chart: Chart) -> dict[str, Any]:
    return {
        "id": chart.id,
        "sideways": chart.is_sideways,
        "x": _axis(chart.x),
        "y": _axis(chart.y),
        "lines": [_line(line) for line in chart.lines],
        "marks": [
            {"along": mark.along, "value": _short(mark.value), "label": plain(mark.label)}
            for mark in chart.marks
        ],
    }


def _axis(axis: Axis) -> dict[str, Any]:
    return {
        "name": plain(axis.name),
        "unit": axis.unit,
        "scale": axis.scale,
        "categories": [plain(each) for each in axis.categories],
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "name": plain(line.name),
        "of": plain(line.of),
        "shape": line.shape,
        "ink": line.ink,
        "dashed": line.dashed,
        "points": [[_short(x), _short(y)] for x, y in line.points],
    }


def _short(value: float | None) -> float | None:
    """Round to what can be seen; whole numbers stay whole."""
    if value is None:
        return None
    rounded = float(f"{value:.{_DIGITS}g}")
    return int(rounded) if rounded.is_integer() else rounded
