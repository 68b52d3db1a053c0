"""What a value may look like: each kind reads the word on a flag and the value in a TOML file."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from valkeybench.scenario.model import LOCAL, Distribution, Think
from valkeybench.scenario.template import parse_template
from valkeybench.scenario.word import TemplateError
from valkeybench.scenario.wording import did_you_mean, legible
from valkeybench.units import HOUR, parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
    stands_for: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    """Words that mean several values at once, where several can be given."""


def choice(enum: type[StrEnum], of: str) -> Kind:
    """Take one word of a few."""
    names = [member.value for member in enum]

    def convert(value: object) -> StrEnum:
        if not isinstance(value, str):
            raise UnfitError(f"{shown(value)} is no {of}", f"write one of: {', '.join(names)}")
        if value not in names:
            raise UnfitError(f"{shown(value)} is no {of}", did_you_mean(value, names))
        return enum(value)

    return Kind("WORD", convert, {"enum": names})


def count(of: str, *, least: int = 1, most: int) -> Kind:
    """Take a whole number, `least` to `most`."""

    def convert(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise UnfitError(f"{shown(value)} is no whole number", f"use {least} or more")
        if value < least:
            raise UnfitError(f"{shown(value)} is no {of}", f"use {least} or more")
        if value > most:
            raise UnfitError(f"{shown(value)} is too much for a {of}", f"use {most} or less")
        return value

    return Kind("N", convert, {"type": "integer", "minimum": least, "maximum": most}, _number)


def duration(*, zero: bool = False, never: bool = False) -> Kind:
    """Take a length of time such as `250ms`; `none`, where allowed, is no limit."""
    example = "write it with a unit, like 250ms or 1.5s" + (", or none" if never else "")

    def convert(value: object) -> int | None:
        if never and value == "none":
            return None
        if isinstance(value, int | float) and not isinstance(value, bool) and value == 0:
            value = "0"
        if not isinstance(value, str):
            raise UnfitError(f"{shown(value)} has no unit of time", example)
        try:
            nanoseconds = parse_duration(value)
        except ValueError:
            raise UnfitError(f"{shown(value)} is no length of time", example) from None
        if nanoseconds == 0 and not zero:
            raise UnfitError("it must last longer than 0", example)
        if nanoseconds > _LONGEST_NS:
            raise UnfitError(f"{shown(value)} is longer than a day", "use less")
        return nanoseconds

    return Kind("TIME", convert, {**_TIME_SCHEMA, "examples": ["250ms"]})


def think() -> Kind:
    """Take a think time: a mean, exponential unless `constant` stands before it; 0 saturates."""
    mean = duration(zero=True)

    def convert(value: object) -> Think:
        words = value.split() if isinstance(value, str) else []
        names = [member.value for member in Distribution]
        if len(words) == 2 and words[0].isalpha():  # noqa: PLR2004 - a word and a time
            if words[0] not in names:
                raise UnfitError(
                    f"{shown(words[0])} is no distribution", did_you_mean(words[0], names)
                )
            nanoseconds = mean.convert(words[1])
            # No pause scatters in no way: equal loads must be equal.
            return Think(nanoseconds, Distribution(words[0])) if nanoseconds else Think(0)
        return Think(mean.convert(value))

    return Kind("TIME", convert, {**_TIME_SCHEMA, "examples": ["10ms", "constant 5ms", 0]})


def rate() -> Kind:
    """Take a number of commands per second, such as `5000/s`, `5000` or `300/min`."""
    example = "write it like 5000/s, or 300/min"

    def convert(value: object) -> float:
        found = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
        if found is not None:
            value = float(found["number"]) / (60 if found["unit"] == "min" else 1)
        if isinstance(value, bool | str) or not isinstance(value, int | float) or not value >= 0:
            raise UnfitError(f"{shown(value)} is no rate", example)
        if not value:
            raise UnfitError("nothing would ever be due at a rate of 0", example)
        if value > _HIGHEST_RATE:
            raise UnfitError(f"{shown(value)} is more than any load sends", example)
        return float(value)

    return Kind("RATE", convert, {"type": ["string", "number"], "examples": ["5000/s"]})


def size() -> Kind:
    """Take a number of bytes such as `64` or `1KiB`."""

    def convert(value: object) -> int:
        try:
            parsed = None if isinstance(value, bool | float) else parse_size(str(value))
        except ValueError:
            parsed = None
        if parsed is None:
            raise UnfitError(f"{shown(value)} is no size", "write whole bytes, like 64 or 1KiB")
        if parsed > _LARGEST_VALUE:
            raise UnfitError(f"{shown(value)} is more than {_LARGEST_VALUE} bytes", "use less")
        return parsed

    return Kind("SIZE", convert, {"type": ["string", "integer"], "examples": [64, "1KiB"]})


def boolean(*, on: object = True, off: object = False) -> Kind:
    """Take true or false, for what the model holds `on` or `off` of."""

    def convert(value: object) -> object:
        if isinstance(value, bool):
            return on if value else off
        raise UnfitError(f"{shown(value)} is neither true nor false", "write true or false")

    words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
    return Kind("BOOL", convert, {"type": "boolean"}, lambda text: words.get(text.lower(), text))


def tls() -> Kind:
    """Take whether connections go over TLS: on, off, or both."""
    words = {"on": True, "off": False}

    def convert(value: object) -> bool:
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in words:
            return words[value.lower()]
        raise UnfitError(f"{shown(value)} is neither on nor off", "write on, off or both")

    schema = {"enum": [True, False, "on", "off", "both"]}
    return Kind("WORD", convert, schema, stands_for={"both": (False, True)})


def text(metavar: str = "TEXT") -> Kind:
    """Take any words, on one line or several."""

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise UnfitError(f"{shown(value)} is no text", "put it in quotes")
        return encodable(value)

    return Kind(metavar, convert, {"type": "string"})


def url() -> Kind:
    """Take a server's URL, never to be repeated in a message: it may hold a password."""

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise UnfitError("it is no text", "put it in quotes: 'valkey://host:port'")
        return encodable(value)

    return Kind("URL", convert, {"type": "string"})


def host() -> Kind:
    """Take a host name or address. IPv6 comes out without brackets."""
    remedy = "write it alone: a name, 192.0.2.1 or ::1; a whole address belongs in server.url"

    def convert(value: object) -> str:
        # What it says is not repeated: it may be a whole URL, password and all.
        if not isinstance(value, str) or not value.isprintable():
            raise UnfitError("it is no host", remedy)
        name = value.removeprefix("[").removesuffix("]")
        try:
            return str(IPv6Address(name))
        except ValueError:
            if re.search(r"[][:/@?#%\s]", value) or not value:
                raise UnfitError("it is no host", remedy) from None
        return value

    return Kind("HOST", convert, {"type": "string"})


def command() -> Kind:
    """Take a command template. Messages do not repeat it: an AUTH would be a leak."""

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise UnfitError(f"{shown(value)} is no command", "write it as text: 'GET key:{0..99}'")
        words = encodable(value)
        try:
            parse_template(words)
        except TemplateError as error:
            remedy = error.remedy or "write one like 'GET key:{0..99}'"
            raise UnfitError(error.reason, remedy) from None
        return words

    return Kind("COMMAND", convert, {"type": "string", "examples": ["GET key:{0..9999}"]})


def label() -> Kind:
    """Take a name the server can keep: visible characters, no blanks."""

    def convert(value: object) -> str:
        if isinstance(value, str) and re.fullmatch(r"[!-~]+", value):
            return value
        raise UnfitError(f"{shown(value)} is no name", "use letters, digits, - and _")

    return Kind("NAME", convert, {"type": "string", "pattern": "^[!-~]+$"})


def existing_file() -> Kind:
    """Take the path of a file that is there."""
    return _existing("FILE", "file", Path.is_file)


def existing_directory() -> Kind:
    """Take the path of a directory that is there."""
    return _existing("DIR", "directory", Path.is_dir)


def _existing(metavar: str, what: str, is_there: Callable[[Path], bool]) -> Kind:
    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise UnfitError(f"{shown(value)} is no path", "put it in quotes")
        try:
            path = Path(value).expanduser()
            found = is_there(path)
        except (OSError, RuntimeError, ValueError):  # too long, nobody's home, a null in it
            found = False
        if not found:
            raise UnfitError(f"there is no {what} {shown(value)}", "check the path")
        return encodable(str(path))

    return Kind(metavar, convert, {"type": "string"})


def pinning() -> Kind:
    """Take the CPUs that client and server may use."""
    remedy = "write none, auto, or client=0,server=1"

    def convert(value: object) -> str:
        if not isinstance(value, str):
            raise UnfitError(f"{shown(value)} is no CPU placement", remedy)
        if value in ("none", "auto"):
            return value
        pairs = [re.fullmatch(r"(client|server)=[0-9]{1,4}", part) for part in value.split(",")]
        sides = [pair[1] for pair in pairs if pair]
        if len(sides) != len(pairs) or len(set(sides)) != len(sides):
            raise UnfitError(f"{shown(value)} is no CPU placement", remedy)
        return value

    return Kind("PLACE", convert, {"type": "string", "examples": ["auto", "client=0,server=1"]})


def place() -> Kind:
    """Take where load processes run: here, or the address of a Dask scheduler."""
    remedy = "write local, tcp://host:8786 or tls://host:8786"

    def convert(value: object) -> str:
        if value != LOCAL and not (
            isinstance(value, str) and re.fullmatch(r"(tcp|tls)://[^\s/@?#]+:[0-9]{1,5}", value)
        ):
            if isinstance(value, str) and "@" in value:  # what stands before it may be a password
                raise UnfitError("a scheduler's address names no user", remedy)
            raise UnfitError(f"{shown(value)} is no place", remedy)
        return str(value)

    return Kind("PLACE", convert, {"type": "string", "examples": [LOCAL, "tcp://host:8786"]})


_TIME_SCHEMA = {"anyOf": [{"type": "string"}, {"const": 0}]}
_LONGEST_NS = 24 * HOUR
_RATE = re.compile(r"(?P<number>\d+(\.\d+)?)\s*(/\s*(?P<unit>s|min))?")
_HIGHEST_RATE = 10_000_000
_LARGEST_VALUE = 512 * 2**20


def _number(text: str) -> object:
    try:
        return int(text)
    except ValueError:
        return text


def encodable(text: str) -> str:
    """Refuse what no file or server could be given: bytes of another encoding, smuggled in."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UnfitError("it is not text in UTF-8", "write it in UTF-8") from None
    return text


def shown(value: object) -> str:
    """Name a value in a message as TOML writes it; lists and tables only as such."""
    if isinstance(value, str):
        return f"'{legible(value)}'"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "a table"
    try:
        return legible(str(value))
    except ValueError:  # Python writes no number of so many digits
        return "a number of thousands of digits"
