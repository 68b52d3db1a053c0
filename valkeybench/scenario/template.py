"""A command template, as one would type it, with placeholders and an optional weight.

GET key:{0..9999}            a key drawn evenly from ten thousand
SET key:{0..99} {value} @3   a value of the scenario's size, three times as often
CLIENT ID                    no key at all
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

MOST_KEYS = 1_000_000
_MOST_WEIGHT = 1e9

# A blank in it would be taken for a border by redis-py, which splits the first word.
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_RANGE = re.compile(r"\{([0-9]{1,18})\.\.([0-9]{1,18})\}")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|[{}]")
_WEIGHT = re.compile(r"\s@([0-9]+(?:\.[0-9]+)?)\s*$")
_VALUE = "{value}"

_KEYLESS = {"PING", "ECHO", "TIME", "CLIENT", "INFO", "DBSIZE", "LOLWUT", "COMMAND"}
_OF_CLIENT = {"ID", "INFO", "LIST", "GETNAME", "GETREDIR", "TRACKINGINFO"}
"""The subcommands of CLIENT that only look; others kill, pause or change connections."""
_READS = {"GET", "GETRANGE", "STRLEN", "MGET", "EXISTS", "TTL", "TYPE", "GETBIT", "DUMP"}
_MANY_KEYS = {"MGET", "DEL", "UNLINK", "EXISTS", "TOUCH"}
_TAKES_CONNECTION = {
    "BLPOP", "BRPOP", "BLMOVE", "BRPOPLPUSH", "BZPOPMIN", "BZPOPMAX", "BLMPOP", "BZMPOP",
    "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE", "MONITOR", "WAIT", "WAITAOF", "SYNC", "PSYNC",
    "MULTI", "EXEC", "DISCARD", "WATCH", "SELECT", "AUTH", "HELLO", "QUIT", "RESET",
    "UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE", "READONLY", "READWRITE", "ASKING",
}  # fmt: skip
_HARMS_SERVER = {
    "FLUSHALL", "FLUSHDB", "SHUTDOWN", "CONFIG", "DEBUG", "SWAPDB", "REPLICAOF", "SLAVEOF",
    "FAILOVER", "CLUSTER", "ACL", "SAVE", "BGSAVE", "BGREWRITEAOF", "KEYS", "MODULE",
    "SCRIPT", "FUNCTION", "LATENCY", "SLOWLOG", "COMMANDLOG", "REPLCONF",
}  # fmt: skip
_KEYS_ELSEWHERE = {
    "EVAL", "EVAL_RO", "EVALSHA", "EVALSHA_RO", "FCALL", "FCALL_RO", "MSET", "MSETNX", "MSETEX",
    "RENAME", "RENAMENX", "COPY", "MOVE", "MIGRATE", "OBJECT", "MEMORY", "BITOP", "SMOVE", "LMOVE",
    "RPOPLPUSH", "SORT", "SORT_RO", "SDIFF", "SDIFFSTORE", "SINTER", "SINTERCARD", "SINTERSTORE",
    "SUNION", "SUNIONSTORE", "ZDIFF", "ZDIFFSTORE", "ZINTER", "ZINTERCARD", "ZINTERSTORE",
    "ZUNION", "ZUNIONSTORE", "ZRANGESTORE", "GEOSEARCHSTORE", "PFMERGE", "PFCOUNT", "LMPOP",
    "ZMPOP", "LCS", "XREAD", "XREADGROUP", "XGROUP", "XINFO", "PUBLISH", "SPUBLISH", "SCAN",
    "RANDOMKEY", "GEORADIUS", "GEORADIUSBYMEMBER",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of command, parsed: its words, its share, and which words are keys."""

    words: tuple[str, ...]
    weight: float
    key_words: tuple[int, ...]

    @property
    def name(self) -> str:
        """Give the command's name."""
        return self.words[0].upper()

    @property
    def reads(self) -> bool:
        """Whether it reads string keys that should exist before the load."""
        return self.name in _READS

    def keys(self, prefix: str) -> Iterator[str]:
        """Name every key it can touch."""
        for index in self.key_words:
            for word in _expansions(self.words[index]):
                yield prefix + word

    def key_count(self) -> int:
        """Count the keys it can touch, without naming them."""
        return sum(_expansion_count(self.words[index]) for index in self.key_words)

    def render(self, draw: Random, *, prefix: str, value: str) -> tuple[str, ...]:
        """Draw one command."""
        rendered = [_draw(word, draw, value) for word in self.words]
        for index in self.key_words:
            rendered[index] = prefix + rendered[index]
        return tuple(rendered)


def parse_template(text: str) -> Template:
    """Read one template.

    Raises ValueError, with a sentence for the user, when it cannot be sent or must not be.
    """
    match = _WEIGHT.search(text)
    weight = float(match[1]) if match else 1.0
    try:
        words = shlex.split(text[: match.start()] if match else text)
    except ValueError as error:
        raise ValueError(f"its quotes do not match ({error})") from None
    if not words:
        raise ValueError("there is no command in it")
    if weight <= 0:
        raise ValueError("its weight is 0, so it would never be sent")
    if weight > _MOST_WEIGHT:
        raise ValueError(f"its weight is more than {_MOST_WEIGHT:.0e}")
    name = words[0].upper()
    _check_name(name, words)
    for word in words:
        _check_placeholders(word)
    template = Template(tuple(words), weight, _key_words(name, words))
    if any(_VALUE in words[index] for index in template.key_words):
        raise ValueError(f"{_VALUE} stands in a key; number keys instead, like key:{{0..9999}}")
    if template.key_count() > MOST_KEYS:
        raise ValueError(f"it names {template.key_count():,} keys; {MOST_KEYS:,} is the most")
    return template


def _check_name(name: str, words: list[str]) -> None:
    """Refuse what cannot be sent over a shared connection, or reaches beyond our own keys."""
    if _NAME.fullmatch(name) is None:
        raise ValueError("its first word is no name of a command")
    if name in _TAKES_CONNECTION:
        raise ValueError(f"{name} keeps or changes its connection, which a shared pool cannot have")
    if name in _HARMS_SERVER:
        raise ValueError(f"{name} acts on the whole server, not on keys of our own")
    if name in _KEYS_ELSEWHERE:
        raise ValueError(f"{name} names keys in places that cannot be kept under our own prefix")
    if name == "CLIENT" and (len(words) == 1 or words[1].upper() not in _OF_CLIENT):
        raise ValueError(f"of CLIENT only {', '.join(sorted(_OF_CLIENT))} leave others alone")


def _key_words(name: str, words: list[str]) -> tuple[int, ...]:
    if name in _KEYLESS or len(words) == 1:
        return ()
    return tuple(range(1, len(words))) if name in _MANY_KEYS else (1,)


def _check_placeholders(word: str) -> None:
    for placeholder in _PLACEHOLDER.findall(word):
        match = _RANGE.fullmatch(placeholder)
        if match is None and placeholder != _VALUE:
            raise ValueError(
                f"{placeholder} is no placeholder; there are {{0..9999}} (a number) and {{value}}"
            )
        if match is not None and int(match[1]) > int(match[2]):
            raise ValueError(f"{placeholder} counts backwards")


def _draw(word: str, draw: Random, value: str) -> str:
    if "{" not in word:
        return word
    word = _RANGE.sub(lambda match: str(draw.randint(int(match[1]), int(match[2]))), word)
    return word.replace(_VALUE, value)


def _expansion_count(word: str) -> int:
    count = 1
    for first, last in _RANGE.findall(word):
        count *= int(last) - int(first) + 1
    return count


def _expansions(word: str) -> Iterator[str]:
    ranges = [range(int(first), int(last) + 1) for first, last in _RANGE.findall(word)]
    pattern = _RANGE.sub("{}", word)
    for numbers in product(*ranges):
        yield pattern.format(*numbers)
