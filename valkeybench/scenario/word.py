"""One word of a command as one types it: text, doubled braces, and placeholders.

key:{0..9999}               a number of the range, each as likely
key:{zipf:0..9999}          the first of the range most often (Zipf's law)
key:{zipf(1.2):0..9999}     the same with another exponent
key:{seq:0..9999}           the range in order, again and again
user:{{42}}:name            braces that are meant: the hash tag {42}
{value}                     a value of the scenario's size
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from itertools import product
from typing import TYPE_CHECKING

from valkeybench.scenario.wording import legible

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_KEYS = 1_000_000
MOST_IN_SEQUENCE = 1 << 17
USUAL_EXPONENT = 0.99
_MOST_EXPONENT = 10.0

_PIECE = re.compile(r"\{\{|\}\}|\{[^{}]*\}|[{}]")
_NUMBERS = re.compile(
    r"\{(?:(?:(seq)|(zipf)(?:\(([0-9]+(?:\.[0-9]+)?)\))?):)?([0-9]{1,18})\.\.([0-9]{1,18})\}",
    re.ASCII,
)
_MEANT = {"zipf": "{zipf:0..9999}", "seq": "{seq:0..9999}", "value": "{value}"}


class TemplateError(ValueError):
    """What cannot be sent or must not be: why, what to do, and the text it is about.

    `fragment` is where to look for it in what was typed; empty when it is about all of it.
    """

    def __init__(self, reason: str, remedy: str = "", *, fragment: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy
        self.fragment = fragment


class Order(StrEnum):
    """How numbers of a range follow one another."""

    UNIFORM = "uniform"
    """Drawn, each as likely."""
    ZIPF = "zipf"
    """Drawn, the k-th of the range with a probability proportional to 1 / k ** exponent."""
    SEQUENCE = "seq"
    """One after another, from the first again after the last."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number of a range, both ends included."""

    first: int
    last: int
    order: Order = Order.UNIFORM
    exponent: float = USUAL_EXPONENT

    def __str__(self) -> str:
        """Write it as a template would."""
        how = {
            Order.UNIFORM: "",
            Order.SEQUENCE: "seq:",
            Order.ZIPF: f"zipf({self.exponent}):",
        }[self.order]
        return f"{{{how}{self.first}..{self.last}}}"

    @property
    def count(self) -> int:
        """Count the numbers."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Value:
    """A value of the scenario's size."""

    def __str__(self) -> str:
        """Write it as a template would."""
        return "{value}"


@dataclass(frozen=True, slots=True)
class Word:
    """A word: literal text and placeholders, in their order."""

    pieces: tuple[str | Numbers | Value, ...]

    def __str__(self) -> str:
        """Write it as a template would, but for quotes."""
        doubled = (
            piece.replace("{", "{{").replace("}", "}}") if isinstance(piece, str) else str(piece)
            for piece in self.pieces
        )
        return "".join(doubled)

    @property
    def literal(self) -> str | None:
        """Give its text; None when there is a placeholder in it."""
        if any(not isinstance(piece, str) for piece in self.pieces):
            return None
        return "".join(map(str, self.pieces))

    @property
    def numbers(self) -> tuple[Numbers, ...]:
        """Give its ranges."""
        return tuple(piece for piece in self.pieces if isinstance(piece, Numbers))

    @property
    def holds_value(self) -> bool:
        """Whether a value stands in it."""
        return any(isinstance(piece, Value) for piece in self.pieces)

    @property
    def count(self) -> int:
        """Count what it can stand for, values taken for one."""
        count = 1
        for numbers in self.numbers:
            count *= numbers.count
        return count

    def unordered(self) -> Word:
        """Give the word that stands for the same, whatever the order its numbers come in."""
        return Word(
            tuple(
                Numbers(piece.first, piece.last) if isinstance(piece, Numbers) else piece
                for piece in self.pieces
            )
        )

    def all(self) -> Iterator[str]:
        """Name everything it can stand for. There must be no value in it."""
        ranges = [
            range(piece.first, piece.last + 1) if isinstance(piece, Numbers) else (piece,)
            for piece in self.pieces
        ]
        for chosen in product(*ranges):
            yield "".join(map(str, chosen))

    def hash_tag(self) -> str | None:
        """Give what a cluster hashes of it, empty for all of it; None when that is drawn.

        The rule is the cluster specification's: what stands between the first `{` and the
        first `}` after it, if that is not nothing.
        """
        opened, after = False, ""
        for piece in self.pieces:
            if not isinstance(piece, str):
                if opened:
                    return None
                continue
            text = piece
            if not opened:
                _, brace, text = piece.partition("{")
                opened = bool(brace)
            after += text
            if opened and "}" in after:
                return after.partition("}")[0]
        return ""


def parse_word(text: str) -> Word:
    """Take a word apart; raises TemplateError."""
    pieces: list[str | Numbers | Value] = []
    end = 0
    for match in _PIECE.finditer(text):
        _add_text(pieces, text[end : match.start()])
        end = match.end()
        found = match[0]
        if found in ("{{", "}}"):
            _add_text(pieces, found[0])
        elif found == "{value}":
            pieces.append(Value())
        else:
            pieces.append(_numbers(found))
    _add_text(pieces, text[end:])
    return Word(tuple(pieces))


def _add_text(pieces: list[str | Numbers | Value], text: str) -> None:
    """Add text, to the text before it if there is some: equal words must be equal."""
    if pieces and isinstance(pieces[-1], str):
        pieces[-1] += text
    elif text:
        pieces.append(text)


def _numbers(text: str) -> Numbers:
    match = _NUMBERS.fullmatch(text)
    if match is None:
        raise TemplateError(
            f"{legible(text)} is no placeholder", _what_was_meant(text), fragment=text
        )
    order = Order.SEQUENCE if match[1] else Order.ZIPF if match[2] else Order.UNIFORM
    exponent = float(match[3] or USUAL_EXPONENT)
    numbers = Numbers(int(match[4]), int(match[5]), order, exponent)
    if numbers.count < 1:
        raise TemplateError(
            f"{text} counts backwards", "write the smaller number first", fragment=text
        )
    if order is Order.ZIPF and not 0 < exponent <= _MOST_EXPONENT:
        raise TemplateError(
            f"the exponent of {text} is not above 0 and at most {_MOST_EXPONENT:.0f}",
            "usual are 0.99 and 1.2",
            fragment=text,
        )
    most = {Order.SEQUENCE: MOST_IN_SEQUENCE, Order.ZIPF: MOST_KEYS}.get(order)
    if most is not None and numbers.count > most:
        raise TemplateError(
            f"{text} has {numbers.count:,} numbers; {most:,} is the most", fragment=text
        )
    return numbers


def _what_was_meant(text: str) -> str:
    if text in ("{", "}"):
        return f"close it, or write {text}{text} for a brace that is meant"
    word = re.split(r"[:(}]", text[1:].strip().lower())[0]
    close = get_close_matches(word, _MEANT, n=1, cutoff=0.6)
    if close:
        return f"did you mean {_MEANT[close[0]]}?"
    if ":" not in text and ".." not in text:
        return (
            "there are {0..9999}, {zipf:0..9999}, {seq:0..9999} and {value}; "
            "write {{tag}} for a hash tag"
        )
    return "there are {0..9999}, {zipf:0..9999}, {seq:0..9999} and {value}"
