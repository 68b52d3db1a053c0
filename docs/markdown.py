"""Knows how a table is written in Markdown, whatever its cells hold."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write a table with its heading; cells are text, with code in backticks."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """Make a text fit a cell: a bar would end it, and what looks like a tag would vanish."""
    outside = re.split(r"(`[^`]*`)", text.replace("|", "\\|"))
    return "".join(part if part[:1] == "`" else part.replace("<", "&lt;") for part in outside)
