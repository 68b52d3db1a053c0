"""What a handler sends, as one would type it: a command or a batch of them, and a weight.

GET key:{0..9999}                                   a key drawn evenly from ten thousand
SET key:{0..99} {value} @3                          three times as often as one without a weight
PIPELINE 10 GET a:{0..99} ; SET b:{0..99} {value}   eleven commands in one round trip
MULTI INCR n ; GET n                                a transaction, in one round trip too

docs/workloads.md has the grammar.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING

from valkeybench.scenario.commands import (
    NAMES_MANY_ITEMS,
    NAMES_ONE_ITEM,
    READS,
    WRITES,
    Holds,
    check_command,
    key_words,
)
from valkeybench.scenario.word import MOST_KEYS, TemplateError, Word, parse_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_TOGETHER = 1000
"""Commands in one batch."""
USUAL_ITEMS = 10
"""Items of a hash, list, set, sorted set or stream whose items no command names."""

_MOST_WEIGHT = 1e9
# A blank in it would be taken for a border by redis-py, which splits the first word.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_WEIGHT = re.compile(r"@([0-9]+(?:\.[0-9]+)?)", re.ASCII)
_COUNT = re.compile(r"[0-9]{1,9}", re.ASCII)
_BLANKS = " \t\r\n"


class Together(StrEnum):
    """How the commands of a batch belong together."""

    PIPELINE = "PIPELINE"
    """Sent at once and answered at once; other clients' commands may come in between."""
    MULTI = "MULTI"
    """A transaction: nothing comes in between."""


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, and which of them are keys."""

    words: tuple[Word, ...]
    key_words: tuple[int, ...]

    @property
    def name(self) -> str:
        """Give the command's name."""
        return str(self.words[0]).upper()

    @property
    def reads(self) -> bool:
        """Whether its keys should hold something before the load."""
        return self.name in READS

    @property
    def holds(self) -> Holds | None:
        """Give what its keys hold; None when it may be anything, or we do not know."""
        return READS.get(self.name) or WRITES.get(self.name)

    @property
    def keys(self) -> tuple[Word, ...]:
        """Give its keys, without a prefix."""
        return tuple(self.words[index] for index in self.key_words)

    @property
    def items(self) -> tuple[Word, ...]:
        """Give the fields or members it reads by their names."""
        if self.name in NAMES_ONE_ITEM:
            return self.words[2:3]
        return self.words[2:] if self.name in NAMES_MANY_ITEMS else ()


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of request, parsed: its commands, how they belong together, and its share."""

    commands: tuple[Command, ...]
    together: Together | None
    weight: float

    @property
    def distinct(self) -> tuple[Command, ...]:
        """Give its commands, repeated ones once."""
        return tuple(dict.fromkeys(self.commands))


def parse_template(text: str) -> Template:
    """Read one template.

    Raises TemplateError, with words for the user and the place where there is one.
    """
    try:
        return _parse(text)
    except TemplateError as error:
        at = text.find(error.fragment) + 1 if error.fragment else 0
        if not at:
            raise
        raise TemplateError(f"{error.reason} (character {at})", error.remedy) from None


def _parse(text: str) -> Template:
    tokens = list(split(text))
    weight = _take_weight(tokens)
    if not tokens:
        raise TemplateError("there is no command in it")
    together = None
    if tokens[0].text.upper() in set(Together):
        together = Together(tokens.pop(0).text.upper())
    parts = _parts(tokens)
    if together is None and len(parts) > 1:
        raise TemplateError("there is a ; and no batch", _batch_meant(tokens[0].text), fragment=";")
    commands: list[Command] = []
    for part in parts:
        times = _take_count(part) if together else 1
        if not part:
            raise TemplateError(*_no_command(together, several=len(parts) > 1))
        if len(commands) + times > MOST_TOGETHER:
            raise TemplateError(f"it has more than {MOST_TOGETHER} commands in one batch")
        commands += [_command(part, together)] * times
    template = Template(tuple(commands), together, weight)
    _check_keys(template)
    return template


@dataclass(frozen=True, slots=True)
class Token:
    """A word as typed, quotes taken off; `bare` when there were none."""

    text: str
    bare: bool

    @property
    def separates(self) -> bool:
        """Whether it stands between two commands of a batch."""
        return self.bare and self.text == ";"


def split(text: str) -> Iterator[Token]:
    """Split as a shell would, but for a bare `;`, which is a word of its own.

    Quotes of both kinds and backslashes work as in POSIX. Raises TemplateError.
    """
    at, size = 0, len(text)
    while at < size:
        if text[at] in _BLANKS:
            at += 1
        elif text[at] == ";":
            yield Token(";", bare=True)
            at += 1
        else:
            word, begun = [], at
            while at < size and text[at] not in _BLANKS and text[at] != ";":
                piece, at = _next_piece(text, at)
                word.append(piece)
            joined = "".join(word)
            yield Token(joined, bare=joined == text[begun:at])


def _next_piece(text: str, at: int) -> tuple[str, int]:
    """Give one character or one quoted stretch, and where the next begins."""
    first = text[at]
    if first == "'":
        end = text.find("'", at + 1)
        if end < 0:
            raise TemplateError("its quotes do not match", "close the '", fragment=text[at:])
        return text[at + 1 : end], end + 1
    if first == "\\":
        if at + 1 == len(text):
            raise TemplateError("it ends in a backslash", "write \\\\ for one that is meant")
        return text[at + 1], at + 2
    if first != '"':
        return first, at + 1
    piece, end = [], at + 1
    while end < len(text) and text[end] != '"':
        if text[end] == "\\" and text[end + 1 : end + 2] in ("\\", '"'):
            end += 1
        piece.append(text[end])
        end += 1
    if end >= len(text):
        raise TemplateError("its quotes do not match", 'close the "', fragment=text[at:])
    return "".join(piece), end + 1


def _take_weight(tokens: list[Token]) -> float:
    """Take the weight off the end."""
    if not tokens or not tokens[-1].bare or not tokens[-1].text.startswith("@"):
        return 1.0
    text = tokens.pop().text
    match = _WEIGHT.fullmatch(text)
    if match is None:
        raise TemplateError(
            "what begins with @ at its end is no weight",
            "write @3 or @0.5, or put the word in quotes",
            fragment=text,
        )
    weight = float(match[1])
    if weight <= 0:
        raise TemplateError("its weight is 0, so it would never be sent", fragment=text)
    if weight > _MOST_WEIGHT:
        raise TemplateError(f"its weight is more than {_MOST_WEIGHT:.0e}")
    return weight


def _take_count(part: list[Token]) -> int:
    """Take off how often a command of a batch is repeated."""
    if not part or not part[0].bare or _COUNT.fullmatch(part[0].text) is None:
        return 1
    text = part.pop(0).text
    if not 1 <= int(text) <= MOST_TOGETHER:
        raise TemplateError(
            f"{text} is no number of repeats", f"use 1 to {MOST_TOGETHER}", fragment=text
        )
    return int(text)


def _parts(tokens: list[Token]) -> list[list[Token]]:
    parts: list[list[Token]] = [[]]
    for token in tokens:
        if token.separates:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _batch_meant(first: str) -> str:
    if get_close_matches(first.upper(), list(Together), n=1, cutoff=0.6):
        return "did you mean PIPELINE or MULTI?"
    return "begin with PIPELINE or MULTI, or put a ; that is meant in quotes"


def _no_command(together: Together | None, *, several: bool) -> tuple[str, str]:
    if together is None:
        return "there is no command in it", ""
    if several:
        return "there is no command on one side of a ;", "drop the ;"
    return (
        f"there is no command in its {together}",
        f"write its commands after it: '{together} GET a ; GET b'",
    )


def _command(part: list[Token], together: Together | None) -> Command:
    words = [token.text for token in part]
    name = words[0].upper()
    if _NAME.fullmatch(name) is None:
        raise TemplateError("its first word is no name of a command", fragment=words[0])
    if name in set(Together):
        raise TemplateError(f"there is a {name} within a {together}", "one batch holds no other")
    check_command(name, words)
    return Command(tuple(parse_word(word) for word in words), key_words(name, len(words)))


def _check_keys(template: Template) -> None:
    """Refuse keys that cannot be named, or that are too many to name."""
    keys = items = 0
    for command in template.distinct:
        for word in command.keys:
            if word.holds_value:
                raise TemplateError(
                    "{value} stands in a key", "number keys instead, like key:{0..9999}"
                )
            keys += word.count
        if command.reads and command.holds not in (None, Holds.STRING):
            if any(word.holds_value for word in command.items):
                raise TemplateError(
                    "{value} stands in the name of an item", "number items, like field:{0..9}"
                )
            each = sum(word.count for word in command.items) or 1
            items += each * sum(word.count for word in command.keys)
    if keys > MOST_KEYS:
        raise TemplateError(f"it names {keys:,} keys; {MOST_KEYS:,} is the most")
    if items > MOST_KEYS:
        raise TemplateError(f"it reads {items:,} items of keys; {MOST_KEYS:,} is the most")


def type_conflict(templates: Iterable[Template]) -> str:
    """Say which keys commands take for two types at once; empty when all agree."""
    found: dict[Word, tuple[Holds, str]] = {}
    for command in (command for template in templates for command in template.distinct):
        if command.holds is None:
            continue
        for key in command.keys:
            word = key.unordered()
            holds, name = found.setdefault(word, (command.holds, command.name))
            if holds is not command.holds:
                return f"{name} takes {word} for a {holds}, {command.name} for a {command.holds}"
    return ""


def slot_conflict(templates: Iterable[Template]) -> str:
    """Say which request's keys are not all in one slot of a cluster; empty when each is.

    A transaction and a command with several keys need that; a pipeline does not. It goes
    by the words, not the numbers drawn: keys share a slot for sure when they share a hash
    tag in which nothing is drawn, or are one and the same.
    """
    for template in templates:
        if template.together is Together.MULTI:
            groups = [template.commands]
        else:
            groups = [(command,) for command in template.distinct]
        for group in groups:
            if not _in_one_slot([key for command in group for key in command.keys]):
                who = Together.MULTI if len(group) > 1 else group[0].name
                return f"the keys of its {who} are not all in one slot of the cluster"
    return ""


def _in_one_slot(keys: list[Word]) -> bool:
    tags = {key.hash_tag() for key in keys}
    if len(keys) < 2 or (len(tags) == 1 and tags.isdisjoint({"", None})):  # noqa: PLR2004 - one or none
        return True
    return len(set(keys)) == 1 and keys[0].literal is not None
