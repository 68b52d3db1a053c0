"""What is there before the load: the keys that reads expect to find, and how to write them."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle
from random import Random
from typing import TYPE_CHECKING

from valkeybench.plan.values import value_pool
from valkeybench.scenario.commands import COUNTS, Holds
from valkeybench.scenario.template import USUAL_ITEMS, parse_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.scenario.template import Command
    from valkeybench.scenario.values import Values
    from valkeybench.scenario.word import Word

    Words = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expected:
    """Keys that should hold something: what, and the items that commands read by name."""

    key: Word
    holds: Holds
    items: tuple[Word, ...]
    counted: bool
    """Whether some command counts with it."""

    def item_names(self) -> list[str]:
        """Name the fields or members; ten of our own where no command names any."""
        named = dict.fromkeys(name for item in self.items for name in item.all())
        return list(named) or [f"item:{number}" for number in range(USUAL_ITEMS)]


def expected(texts: tuple[str, ...]) -> list[Expected]:
    """Find what the commands read, each kind of key once."""
    commands = _commands(texts)
    held: dict[Word, Holds] = {}
    for command in commands:
        for key in command.keys:
            if command.holds is not None:
                held.setdefault(key.unordered(), command.holds)
    items: dict[Word, dict[Word, None]] = {}
    for command in commands:
        if command.reads:
            named = dict.fromkeys(word.unordered() for word in command.items)
            for key in command.keys:
                items.setdefault(key.unordered(), {}).update(named)
    counted = {key.unordered() for one in commands if one.name in COUNTS for key in one.keys}
    return [
        Expected(key, held.get(key, Holds.STRING), tuple(named), key in counted)
        for key, named in items.items()
    ]


def writes(
    texts: tuple[str, ...], *, seed: str, prefix: str, value_size: int | Values
) -> Iterator[tuple[str, list[Words]]]:
    """Yield every key the reads expect, and the commands that write it.

    Writing a key twice leaves what writing it once would.
    """
    values = cycle(value_pool(value_size, Random(seed)))  # noqa: S311 - a load, no cryptography
    for each in expected(texts):
        names = each.item_names()
        for key in each.key.all():
            yield prefix + key, _write(prefix + key, each, names, values)


def keys_touched(texts: tuple[str, ...], *, prefix: str) -> Iterator[str]:
    """Name every key the commands can leave behind."""
    patterns = dict.fromkeys(key.unordered() for one in _commands(texts) for key in one.keys)
    for pattern in patterns:
        for key in pattern.all():
            yield prefix + key


def _commands(texts: tuple[str, ...]) -> list[Command]:
    return [command for text in texts for command in parse_template(text).distinct]


def _write(key: str, wanted: Expected, names: Sequence[str], values: Iterator[str]) -> list[Words]:
    match wanted.holds:
        case Holds.STRING:
            return [("SET", key, "0" if wanted.counted else next(values))]
        case Holds.HASH:
            pairs = [(name, next(values)) for name in names]
            return [("HSET", key, *(word for pair in pairs for word in pair))]
        case Holds.LIST:
            pushed = [next(values) for _ in names]
            return [("RPUSH", key, *pushed), ("LTRIM", key, "0", str(len(names) - 1))]
        case Holds.SET:
            return [("SADD", key, *_members(wanted, names, values))]
        case Holds.SORTED_SET:
            members = _members(wanted, names, values)
            scored = [word for score, name in enumerate(members) for word in (str(score), name)]
            return [("ZADD", key, *scored)]
    limit = ("MAXLEN", str(len(names)), "*")
    return [("XADD", key, *limit, "field", next(values)) for _ in names]


def _members(wanted: Expected, names: Sequence[str], values: Iterator[str]) -> list[str]:
    """Give members by name, as long as a value where the name is ours to choose."""
    if wanted.items:
        return list(names)
    return [name + next(values)[len(name) :] for name in names]
