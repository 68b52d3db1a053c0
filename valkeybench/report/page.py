"""The paper a document is laid out on: how wide it is, what it can show, what a line is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.report.document import Tone
from valkeybench.report.text import width

if TYPE_CHECKING:
    from valkeybench.report.text import Typeface

Ink: TypeAlias = Tone | Phase

INDENT = 2
"""Columns left of everything that stands under a heading."""

_MEASURE = 100
"""Columns beyond which sentences and bars are not drawn out: long lines are hard to read."""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line in one ink."""

    text: str
    ink: Ink = Tone.PLAIN


Line: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What can be drawn on: columns, signs, and whether ink shows."""

    width: int
    typeface: Typeface
    many_colours: bool

    @property
    def measure(self) -> int:
        """Give the columns sentences and bars may take, indent not counted."""
        return max(min(self.width, _MEASURE) - INDENT, 1)

    def text(self, raw: str) -> str:
        """Make a text harmless and showable."""
        return self.typeface.text(raw)

    def fill(self, phase: Phase) -> str:
        """Give the sign that fills a phase's part of a bar; all the same where colour tells."""
        glyphs = self.typeface.glyphs
        if self.many_colours or phase not in PARTS:
            return glyphs.slab
        return glyphs.fills[PARTS.index(phase)]


def line_width(line: Line) -> int:
    """Count the columns of a line."""
    return sum(width(span.text) for span in line)


def indented(lines: list[Line], by: int = INDENT) -> list[Line]:
    """Move lines to the right."""
    return [(Span(" " * by), *line) if line else line for line in lines]
