"""What a value may look like: each kind reads the word on a flag and the value in a TOML file."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valkeybench.scenario.model import Distribution, Secret, Think
from valkeybench.scenario.template import parse_template
from valkeybench.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from enum import StrEnum


class UnfitError(ValueError):
    """A value that is none of its kind: why, and what would do."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of value.

    `convert` takes what a TOML file can hold and gives what the model holds, or raises
    UnfitError; `literal` turns a word from the command line into what TOML would hold.
    """

    metavar: str
    convert: Callable[[Any], Any]
    schema: Mapping[str, Any]
    literal: Callable[[str], Any] = str


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, or list them all when none is near."""
    names = sorted(known)
    close = get_close_matches(word, names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def choice(enum: type[StrEnum], of: str) -> Kind:
    """One word of a few."""
    names = [member.value for member in enum]

    def convert(value: object) -> StrEnum:
        if value in names:
            return enum(value)
        raise UnfitError(f"{_shown(value)} is no {of}", did_you_mean(str(value), names))

    return Kind("WORD", convert, {"enum": names})


def count(of: str, *, least: int = 1, most: int) -> Kind:
    """A whole number, `least` to `most`."""

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnfitError(f"{_shown(value)} is no whole number", f"use {least} or more")
        if value < least:
            raise UnfitError(f"{value} is no {of}", f"use {least} or more")
        if value > most:
            raise UnfitError(f"{value} is too many for {of}", f"use {most} or fewer")
        return value

    return Kind("N", convert, {"type": "integer", "minimum": least, "maximum": most}, _number)


def duration(*, zero: bool = False, never: bool = False) -> Kind:
    """A length of time such as `250ms`; `none`, where allowed, is no limit."""
    example = "write it with a unit, like 250ms or 1.5s" + (", or none" if never else "")

    def convert(value: object) -> int | None:
        if never and value == "none":
            return None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value == 0:
            value = "0"
        if not isinstance(value, str):
            raise UnfitError(f"{_shown(value)} has no unit of time", example)
        try:
            nanoseconds = parse_duration(value)
        except ValueError:
            raise UnfitError(f"{_shown(value)} is no length of time", example) from None
        if nanoseconds == 0 and not zero:
            raise UnfitError("it must last longer than 0", example)
        if nanoseconds > _LONGEST_NS:
            raise UnfitError(f"{value} is longer than a day", "use less")
        return nanoseconds

    return Kind("TIME", convert, {"type": ["string", "integer"], "examples": ["250ms"]})


def think() -> Kind:
    """A think time: a mean, exponential unless `constant` stands before it; 0 saturates."""
    mean = duration(zero=True)

    def convert(value: object) -> Think:
        words = value.split() if isinstance(value, str) else [value]
        names = [member.value for member in Distribution]
        if len(words) == 2 and str(words[0]).isalpha():  # noqa: PLR2004 - a word and a time
            if words[0] not in names:
                raise UnfitError(
                    f"{_shown(words[0])} is no distribution", did_you_mean(words[0], names)
                )
            return Think(mean.convert(words[1]), Distribution(words[0]))
        return Think(mean.convert(value))

    schema = {"type": ["string", "integer"], "examples": ["10ms", "constant 5ms", 0]}
    return Kind("TIME", convert, schema)


def size() -> Kind:
    """A number of bytes such as `64` or `1KiB`."""

    def convert(value: object) -> int:
        try:
            parsed = parse_size(str(value)) if not isinstance(value, (bool, float)) else None
        except ValueError:
            parsed = None
        if parsed is None:
            raise UnfitError(f"{_shown(value)} is no size", "write bytes, like 64 or 1KiB")
        if parsed > _LARGEST_VALUE:
            raise UnfitError(f"{value} is more than {_LARGEST_VALUE} bytes", "use less")
        return parsed

    return Kind("SIZE", convert, {"type": ["string", "integer"], "examples": [64, "1KiB"]})


def boolean() -> Kind:
    """True or false."""

    def convert(value: object) -> bool:
        if isinstance(value, bool):
            return value
        raise UnfitError(f"{_shown(value)} is neither true nor false", "write true or false")

    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return Kind("BOOL", convert, {"type": "boolean"}, lambda text: words.get(text.lower(), text))


def text(metavar: str = "TEXT") -> Kind:
    """Any words, on one line or several."""

    def convert(value: object) -> str:
        if isinstance(value, str):
            return value
        raise UnfitError(f"{_shown(value)} is no text", "put it in quotes")

    return Kind(metavar, convert, {"type": "string"})


def command() -> Kind:
    """A command template."""

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise UnfitError(f"{_shown(value)} is no command", "write it as text: 'GET key:{0..99}'")
        try:
            parse_template(value)
        except ValueError as error:
            raise UnfitError(f"{_shown(value)}: {error}") from None
        return value

    return Kind("COMMAND", convert, {"type": "string", "examples": ["GET key:{0..9999}"]})


def label() -> Kind:
    """A name the server can keep: visible characters, no blanks."""

    def convert(value: object) -> str:
        if isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value:
            return value
        raise UnfitError(f"{_shown(value)} is no name", "use letters, digits, - and _")

    return Kind("NAME", convert, {"type": "string"})


def existing_file() -> Kind:
    """The path of a file that is there."""

    def convert(value: object) -> str:
        if isinstance(value, str) and Path(value).expanduser().is_file():
            return str(Path(value).expanduser())
        raise UnfitError(f"there is no file {_shown(value)}", "check the path")

    return Kind("FILE", convert, {"type": "string"})


def secret() -> Kind:
    """A password: never repeated in a message."""

    def convert(value: object) -> Secret:
        if isinstance(value, str):
            return Secret(value)
        raise UnfitError("a password is text", "put it in quotes")

    return Kind("SECRET", convert, {"type": "string"})


def secret_file() -> Kind:
    """A file whose first line is a password."""
    path = existing_file()

    def convert(value: object) -> Secret:
        try:
            lines = Path(path.convert(value)).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise UnfitError(f"{_shown(value)} cannot be read as text") from None
        if not lines or not lines[0]:
            raise UnfitError(f"the first line of {_shown(value)} is empty")
        return Secret(lines[0])

    return Kind("FILE", convert, {"type": "string"})


def pinning() -> Kind:
    """Which CPUs client and server may use."""
    remedy = "write none, auto, or client=0,server=1"

    def convert(value: object) -> str:
        if value in ("none", "auto"):
            return str(value)
        pairs = [part.partition("=") for part in str(value).split(",")]
        sides = [side for side, _, cpu in pairs if side in ("client", "server") and cpu.isdecimal()]
        if len(sides) != len(pairs) or len(set(sides)) != len(sides):
            raise UnfitError(f"{_shown(value)} is no CPU placement", remedy)
        return str(value)

    return Kind("PLACE", convert, {"type": "string", "examples": ["auto", "client=0,server=1"]})


_LONGEST_NS = 24 * 3600 * 10**9
_LARGEST_VALUE = 512 * 2**20


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def _shown(value: object) -> str:
    """Quote a value in a message, cut where it gets long."""
    words = f"'{value}'" if isinstance(value, str) else repr(value)
    return words if len(words) <= 60 else words[:57] + "…"  # noqa: PLR2004 - a line's worth
