"""The page: one file that needs nothing else, with a policy that lets nothing else in.

Style and scripts are inline and named by their hashes in the Content-Security-Policy, so nothing
that a run file smuggled into the text could be run, and the page can ask nobody for anything.
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING

from valkeybench.report.chart import Chart
from valkeybench.report.dossier import Folded, make_dossier
from valkeybench.report.html.blocks import drawn
from valkeybench.report.html.figures import chart_data, figure
from valkeybench.report.html.markup import Markup, element, verbatim

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.report.dossier import Dossier, Item, Section
    from valkeybench.report.overlay import NamedRun

LIBRARY = "echarts.common.min.js"
"""Apache ECharts, as its package has it; its licence is beside it."""

MOST_ITEMS = 100
"""Things one section holds; the rest is said to be left out."""


def html_text(runs: Sequence[NamedRun]) -> str:
    """Write the report of one run, or of several beside each other, as a page.

    Raises ResultError when a histogram in a file cannot be read.
    """
    return page_text(make_dossier(runs))


def page_text(dossier: Dossier) -> str:
    """Write a dossier as a page."""
    charts = [item for s in dossier.sections for item in s.items if isinstance(item, Chart)]
    style, library, script = (_asset(name) for name in ("report.css", LIBRARY, "report.js"))
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element(
            "meta", http_equiv="Content-Security-Policy", content=_policy(style, library, script)
        ),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", name="generator", content="valkeybench"),
        element("title", f"{dossier.title} – valkeybench"),
        element("style", verbatim(style)),
    )
    body = element(
        "body",
        element("a", "To the answer", href="#answer", class_="skip"),
        element(
            "header",
            element("h1", dossier.title),
            *(element("p", line, class_="about") for line in dossier.about),
            _contents(dossier.sections),
        ),
        element("main", *(_section(each) for each in dossier.sections)),
        chart_data(charts),
        element("script", verbatim(library)) if charts else None,
        element("script", verbatim(script)) if charts else None,
    )
    return f"<!doctype html>\n{element('html', head, body, lang='en')}\n"


def _contents(sections: Sequence[Section]) -> Markup:
    links = (element("li", element("a", s.title, href=f"#{s.id}")) for s in sections)
    return element("nav", element("ul", *links), aria_label="Contents")


def _section(section: Section) -> Markup:
    title = element("h2", section.title, id=f"{section.id}-title")
    kept = section.items[:MOST_ITEMS]
    left = len(section.items) - len(kept)
    items = []
    for are_charts, group in groupby(kept, lambda item: isinstance(item, Chart)):
        made = [_item(item) for item in group]
        # Neighbours share a row where there is room.
        items += [element("div", *made, class_="figures")] if are_charts else made
    if left:
        items.append(element("p", f"{left} more are left out here.", class_="note"))
    return element("section", title, *items, id=section.id, aria_labelledby=f"{section.id}-title")


def _item(item: Item) -> Markup:
    if isinstance(item, Chart):
        return figure(item)
    if isinstance(item, Folded):
        summary, classes = element("summary", item.title), "long" if item.is_long else None
        return element("details", summary, *map(drawn, item.blocks), class_=classes)
    return drawn(item)


def _policy(style: str, *scripts: str) -> str:
    hashes = " ".join(f"'{_hash(text)}'" for text in scripts)
    return (
        f"default-src 'none'; script-src {hashes}; style-src '{_hash(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


@cache
def _asset(name: str) -> str:
    """Read a file of this package; none of ours may hold what would end its element."""
    return files("valkeybench.report.html").joinpath(name).read_text(encoding="utf-8")
