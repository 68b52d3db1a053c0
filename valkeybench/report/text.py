"""Makes any text fit for a terminal: harmless, encodable, as wide as it looks, broken well."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that steer a terminal, or show nothing, or are line ends."""

_PLAINER = {
    "µ": "u",
    "–": "-",
    "—": "-",
    "−": "-",
    "·": "-",
    "…": "...",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "×": "x",
    "→": "->",
    "’": "'",
    "“": '"',
    "”": '"',
    "\N{NARROW NO-BREAK SPACE}": " ",
    "\N{NO-BREAK SPACE}": " ",
}

_GLUED = re.compile(
    r"(?<=[0-9]) (?=(?:ns|[µu]s|ms|s|min|h|%|/s|B|KiB|MiB|GiB)(?![\w]))|(?<=[≥~×]) (?=[0-9])"
    r"|(?<=[0-9]) (?=[0-9]{3}(?![0-9]))"
)
"""Spaces within a quantity, at which no line may end."""

GLUE = "\x00"
"""A space at which no line may end; no text that was made harmless has one of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """The signs that draw: one character each, so that they can be counted."""

    rule: str
    edge: str
    """At the left of a callout."""
    full: str
    slab: str
    """What fills coloured bars: not quite as high as a line, so that bars stay apart."""
    eighths: str
    """Parts of `full`, from one eighth up; empty when there are none."""
    fills: tuple[str, ...]
    """What tells neighbours apart without colour."""
    prompt: str = "$"


UNICODE = Glyphs(
    rule="─",
    edge="│",
    full="█",
    slab="▇",
    eighths="▏▎▍▌▋▊▉",
    fills=("·", "▓", "▒", "▚", "▞", "░", "█", "─"),
)
ASCII = Glyphs(
    rule="-",
    edge="|",
    full="#",
    slab="#",
    eighths="",
    fills=(".", "=", "+", "%", "x", ":", "#", "-"),
)


@dataclass(frozen=True, slots=True)
class Typeface:
    """What an encoding can show."""

    encoding: str
    glyphs: Glyphs

    def text(self, raw: str) -> str:
        """Make a text harmless and encodable; what cannot be shown is spelled out."""
        return "".join(self._sign(sign) for sign in raw)

    def _sign(self, sign: str) -> str:
        if sign in "\n\t":
            return " "
        if unicodedata.category(sign) in _INVISIBLE:
            return _spelled(sign)
        if _can(sign, self.encoding):
            return sign
        return _PLAINER.get(sign) or _spelled(sign)


def typeface(encoding: str) -> Typeface:
    """Choose the signs an encoding can show."""
    every = "".join((UNICODE.rule, UNICODE.edge, UNICODE.slab, UNICODE.eighths, *UNICODE.fills))
    return Typeface(encoding, UNICODE if _can(every, encoding) else ASCII)


def width(text: str) -> int:
    """Count the columns a text takes in a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(sign) for sign in text)


def wrap(text: str, columns: int) -> list[str]:
    """Break a text into lines of at most so many columns, never within a quantity that fits."""
    lines: list[str] = []
    line = ""
    for word in _GLUED.sub(GLUE, text).split(" "):
        whole = word.replace(GLUE, " ")
        if line and width(line) + 1 + width(whole) <= columns:
            line = f"{line} {whole}"
            continue
        if line:
            lines.append(line)
        *full, line = _chopped(whole, columns)
        lines += full
    return [*lines, line]


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """Fill a text up with spaces, behind it or (`right`) before it."""
    spaces = " " * (columns - width(text))
    return spaces + text if right else text + spaces


def shorten(text: str, columns: int, ellipsis: str) -> str:
    """Cut the end off a text that is wider than so many columns, and show that it was cut."""
    if width(text) <= columns:
        return text
    while text and width(text) + width(ellipsis) > columns:
        text = text[:-1]
    return text + ellipsis


def _chopped(word: str, columns: int) -> list[str]:
    """Cut a word that is longer than a line into pieces that are not."""
    pieces = [""]
    for sign in word:
        if width(pieces[-1]) + _columns(sign) > max(columns, 2):
            pieces.append("")
        pieces[-1] += sign
    return pieces


def _columns(sign: str) -> int:
    if unicodedata.combining(sign) or unicodedata.category(sign) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(sign) in "WF" else 1


def _can(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _spelled(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")
