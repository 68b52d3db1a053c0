"""Makes markup out of elements: whatever is not an element is text, and is escaped."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING, TypeAlias

from valkeybench.report.text import typeface

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_TEXT = 2000
"""Characters of one text; no report has more to say in one place, but a file may."""

_FLAG = re.compile(r"(?<!\S)(\(?--[a-z][a-z-]{1,28})(?![a-z-])")
"""Short, as it is not broken: a longer one would not fit a telephone."""
_VOID = {"meta", "br", "hr"}


class Markup(str):
    """A string that is markup already; only this module makes it of text."""

    __slots__ = ()


Child: TypeAlias = "str | Markup | None"


def element(tag: str, /, *children: Child, **attributes: str | None) -> Markup:
    """Make an element; an attribute that is None is left out.

    Underscores in attribute names are hyphens; one at the end keeps a name from being Python's.
    """
    said = "".join(_attribute(key, value) for key, value in attributes.items())
    if tag in _VOID:
        return Markup(f"<{tag}{said}>")
    return Markup(f"<{tag}{said}>{together(children)}</{tag}>")


def together(children: Iterable[Child]) -> Markup:
    """Put elements and texts in a row."""
    return Markup("".join(_shown(child) for child in children if child))


def flowing(text: str) -> Markup:
    """Make a text that may be broken into lines, but within no flag."""
    parts = _FLAG.split(plain(text))
    return together(
        element("span", part, class_="word") if i % 2 else part for i, part in enumerate(parts)
    )


def plain(text: str) -> str:
    """Make a text harmless and of a length that can be meant."""
    cut = text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 1]}…"
    return typeface("utf-8").text(cut)


def verbatim(text: str) -> Markup:
    """Take a text as markup: for what comes with this package, never for what is in a file."""
    return Markup(text)


def _shown(child: str) -> str:
    return child if isinstance(child, Markup) else escape(plain(child), quote=False)


def _attribute(key: str, value: str | None) -> str:
    if value is None:
        return ""
    name = key.removesuffix("_").replace("_", "-")
    return f' {name}="{escape(plain(value), quote=True)}"'
