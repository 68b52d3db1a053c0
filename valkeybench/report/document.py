"""What a report says, as blocks without markup: the formats draw these and decide nothing.

Texts may come from anybody's file. They are plain text here, and each format must make
them harmless in its own way.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from valkeybench.measurement.metrics import Phase


class Tone(StrEnum):
    """How a piece of text is meant."""

    PLAIN = "plain"
    QUIET = "quiet"
    """Less important than what is around it, or less sure."""
    STRONG = "strong"
    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    BAD = "bad"


class Kind(StrEnum):
    """What a callout is about to say."""

    GOOD = "good"
    INFO = "info"
    WARNING = "warning"
    BAD = "bad"

    @property
    def tone(self) -> Tone:
        """Give the tone its title is meant in."""
        return Tone(self.value)


class Align(StrEnum):
    """On which edge of its column a cell sits."""

    LEFT = "left"
    RIGHT = "right"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """The name of what follows. Level 1 is the document's own title."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Paragraph:
    """A sentence or several. One that is `parted` stands apart from the paragraph before."""

    text: str
    tone: Tone = Tone.PLAIN
    parted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a table.

    `priority` says which go first when there is no room: the highest number first, zero
    never. Neighbours of the same `group` share a heading above their own. A column that
    `wraps` holds sentences, which may take several lines; every other cell stays on one.
    """

    title: str
    align: Align = Align.RIGHT
    priority: int = 0
    group: str = ""
    wraps: bool = False

    @property
    def full_title(self) -> str:
        """Name the column where there is no second heading above it."""
        return f"{self.group} {self.title}".strip()


@dataclass(frozen=True, slots=True)
class Cell:
    """One value of a table, with its unit."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Note:
    """A line below a table; one that explains a `sign` belongs there only if the sign does."""

    text: str
    sign: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells. The first column names the row."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a row with more or fewer cells than there are columns."""
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"bug: {len(row)} cells for {len(self.columns)} columns")


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A phase's part of a bar: its name, its mean per command, its share of the bar (0 to 1)."""

    phase: Phase
    name: str
    value: str
    share: float
    share_text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One case's time, cut into phases."""

    label: str
    total: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bars:
    """Stacked bars, all of the same length: what shares each whole is made of."""

    bars: tuple[Bar, ...]
    total_name: str
    """What `Bar.total` is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """How many samples of one case fell into each bin."""

    label: str
    counts: tuple[int, ...]
    texts: tuple[str, ...]
    """The counts, written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """How samples spread over bins that get wider by about the same factor each."""

    starts: tuple[str, ...]
    """Where each bin begins; it ends where the next one begins."""
    end: str
    """Where the last bin ends."""
    series: tuple[Series, ...]

    def __post_init__(self) -> None:
        """Refuse a series with more or fewer counts than there are bins."""
        for series in self.series:
            if not len(self.starts) == len(series.counts) == len(series.texts):
                raise ValueError(f"bug: {len(series.counts)} counts for {len(self.starts)} bins")


@dataclass(frozen=True, slots=True, kw_only=True)
class Callout:
    """Something the reader must not miss, and what to do about it."""

    kind: Kind
    title: str
    text: str = ""
    remedy: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyValues:
    """Names and what they are, in one line each."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Something to paste into a shell, as the words the program would get."""

    words: tuple[str, ...]
    purpose: str = ""

    @property
    def text(self) -> str:
        """Write it as a shell reads it, on one line."""
        return shlex.join(self.words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snippet:
    """Lines to paste into a program; they are never wrapped, cut or changed."""

    purpose: str
    lines: tuple[str, ...]


Block: TypeAlias = (
    Heading | Paragraph | Table | Bars | Histogram | Callout | KeyValues | Command | Snippet
)


@dataclass(frozen=True, slots=True)
class Document:
    """A whole report, top to bottom."""

    blocks: tuple[Block, ...]
