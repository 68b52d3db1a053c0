"""A chart as data: axes, series and marks, with the table that carries the same numbers.

Nothing here knows how a chart is drawn. Values are integer or fractional nanoseconds, counts,
bytes, shares of one or per second, as the axis's unit says.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from valkeybench.report.document import Table

MOST_SERIES = 12
"""Lines that can be told apart; of more, those at the front are drawn and the reader is told."""


class Scale(StrEnum):
    """How values are laid out along an axis."""

    LINEAR = "linear"
    LOG = "log"
    CATEGORY = "category"
    TAIL = "tail"
    """Percentiles: values are 1 / (1 - share), so that each nine takes as much room."""


class Unit(StrEnum):
    """What the values of an axis are."""

    DURATION = "duration"
    RATE = "rate"
    COUNT = "count"
    SHARE = "share"
    BYTES = "bytes"
    PERCENTILE = "percentile"
    NONE = "none"


class Shape(StrEnum):
    """What a series is drawn as."""

    LINE = "line"
    STEP = "step"
    DOTS = "dots"
    BARS = "bars"
    """Stacked on those before it."""


class Along(StrEnum):
    """Along which axis a mark has its value."""

    X = "x"
    Y = "y"


Point: TypeAlias = tuple[float, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """An axis: its name, what it measures and how; categories where it names things."""

    name: str
    unit: Unit
    scale: Scale = Scale.LINEAR
    categories: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A series: points by x; a y that is None is a gap. `ink` is a colour of its own."""

    name: str
    points: tuple[Point, ...]
    shape: Shape = Shape.LINE
    ink: str | None = None
    dashed: bool = False
    of: str = ""
    """The series whose colour it shares; empty for none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """A line across the chart at a value: a recommendation, a limit."""

    along: Along
    value: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A figure. `summary` says in words what is to be seen, for whoever cannot see it."""

    id: str
    title: str
    summary: str
    x: Axis
    y: Axis
    lines: tuple[Line, ...]
    table: Table
    marks: tuple[Mark, ...] = ()
    notes: tuple[str, ...] = ()
    is_sideways: bool = False
    """Bars run from left to right: categories are on the y axis."""
    is_printed_bare: bool = False
    """On paper without its table, which is too long, or is there already."""

    def __post_init__(self) -> None:
        """Refuse a chart with nothing to draw."""
        if not any(line.points for line in self.lines):
            raise ValueError(f"bug: chart {self.id} has no points")


def drawable(found: list[Line], *, most: int = MOST_SERIES) -> tuple[tuple[Line, ...], str]:
    """Keep as many series as can be told apart, and say how many were left out."""
    kept = tuple(line for line in found if line.points)
    if len(kept) <= most:
        return kept, ""
    said = f"Drawn are the first {most} of {len(kept)}; the others are in the table."
    return kept[:most], said
