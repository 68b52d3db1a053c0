"""The units: integer nanoseconds, bytes and per-second rates inside, words at the edges.

Nobody else multiplies by a thousand.
"""

from __future__ import annotations

import re
from fractions import Fraction

MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_DURATIONS = {
    "ns": 1,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "μs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "min": MINUTE,
    "h": HOUR,
}
_SIZES = {
    "": 1,
    "b": 1,
    "k": 2**10,
    "kb": 10**3,
    "kib": 2**10,
    "m": 2**20,
    "mb": 10**6,
    "mib": 2**20,
    "g": 2**30,
    "gb": 10**9,
    "gib": 2**30,
}
_PER = {"": 1, "/s": 1, "/m": 60, "/min": 60}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([^\s0-9.]*)\s*", re.ASCII)
_RATE_UNIT = re.compile(r"(k?)(|/[a-z]+)")
_MOST_DIGITS = 40
"""Nobody means a longer number, and the longest of all would end in an overflow."""


def _split(text: str) -> tuple[Fraction, str]:
    """Take number and unit apart. The number is exact, so that what is written is what is read."""
    match = _QUANTITY.fullmatch(text)
    if match is None or len(match[1]) > _MOST_DIGITS:
        raise ValueError("there is no number in front, or not one that can be meant")
    return Fraction(match[1]), match[2].lower()


def parse_duration(text: str) -> int:
    """Read `10ms`, `1.5s`, `250us`, `2m` or a bare `0` as nanoseconds.

    Raises ValueError when there is no number, no unit, an unknown one, or less than half a ns.
    """
    number, unit = _split(text)
    if unit == "" and number == 0:
        return 0
    if unit not in _DURATIONS:
        raise ValueError("there is no such unit of time")
    nanoseconds = round(number * _DURATIONS[unit])
    if number and not nanoseconds:
        raise ValueError("there is nothing shorter than a nanosecond")
    return nanoseconds


def parse_size(text: str) -> int:
    """Read `64`, `1KiB` or `2MB` as whole bytes; raises ValueError on anything else."""
    number, unit = _split(text)
    if unit not in _SIZES:
        raise ValueError("there is no such unit of size")
    size = number * _SIZES[unit]
    if size.denominator != 1:
        raise ValueError("there is no part of a byte")
    return size.numerator


def parse_rate(text: str) -> float:
    """Read `5000`, `5k/s` or `600/min` as commands per second; raises ValueError otherwise."""
    number, unit = _split(text)
    match = _RATE_UNIT.fullmatch(unit)
    if match is None or match[2] not in _PER:
        raise ValueError("there is no such unit of rate")
    return float(number * (1000 if match[1] else 1) / _PER[match[2]])


def format_duration(nanoseconds: float | None) -> str:
    """Write nanoseconds with three significant figures and the unit that suits: `1.24 ms`."""
    if nanoseconds is None:
        return "–"
    if nanoseconds < 0:
        return f"-{format_duration(-nanoseconds)}"
    if nanoseconds == 0:
        return "0"
    for limit, size, unit in (
        (MICROSECOND, 1, "ns"),
        (MILLISECOND, MICROSECOND, "µs"),
        (SECOND, MILLISECOND, "ms"),
    ):
        # 999.5 and more would print as 1000: the next unit says it better.
        if nanoseconds < 0.9995 * limit:
            return f"{_three_figures(nanoseconds / size)} {unit}"
    # In the same way 119.5 s and more would print as 120 s.
    if nanoseconds < 2 * MINUTE - SECOND / 2:
        return f"{_three_figures(nanoseconds / SECOND)} s"
    minutes, seconds = divmod(round(nanoseconds / SECOND), 60)
    return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"


def compact_duration(nanoseconds: int) -> str:
    """Write nanoseconds exactly, in the form `parse_duration` reads: `10ms`, `1500us`."""
    if nanoseconds == 0:
        return "0"
    for unit in ("h", "m", "s", "ms", "us"):
        if nanoseconds % _DURATIONS[unit] == 0:
            return f"{nanoseconds // _DURATIONS[unit]}{unit}"
    return f"{nanoseconds}ns"


def format_count(number: float | None) -> str:
    """Write a count with thin thousands: `9 812`."""
    return "–" if number is None else f"{number:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def plural(number: int, what: str) -> str:
    """Write how many there are of something: `1 handler`, `50 handlers`."""
    return f"{format_count(number)} {what}" if number == 1 else f"{format_count(number)} {what}s"


def are(number: int) -> str:
    """Say the verb that goes with so many of something: `1 handler is`, `50 handlers are`."""
    return "is" if number == 1 else "are"


def format_rate(per_second: float | None) -> str:
    """Write commands per second: `4 870 /s`."""
    if per_second is None:
        return "–"
    return f"{format_count(per_second) if per_second >= 100 else _three_figures(per_second)} /s"  # noqa: PLR2004 - three figures from there on


def format_bytes(size: float | None) -> str:
    """Write bytes with binary units: `1.75 KiB`."""
    if size is None:
        return "–"
    value, sign = abs(float(size)), "-" if size < 0 else ""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1023.5 or unit == "GiB":  # noqa: PLR2004 - one short of the next unit
            return f"{sign}{round(value) if unit == 'B' else _three_figures(value)} {unit}"
        value /= 1024
    raise AssertionError("bug: no unit was large enough")


def format_percent(share: float | None) -> str:
    """Write a share between 0 and 1 as a percentage with two figures at most."""
    if share is None:
        return "–"
    percent = 100 * share
    # A decimal below ten, unless it would print as 10.0.
    return f"{percent:.1f} %" if 0 < abs(percent) < 9.95 else f"{percent:.0f} %"  # noqa: PLR2004 - as said


def _three_figures(value: float) -> str:
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0  # noqa: PLR2004 - three figures
    return f"{value:.{decimals}f}"
