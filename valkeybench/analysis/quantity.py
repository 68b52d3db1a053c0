"""A number with its unit and where it comes from, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from typing import TYPE_CHECKING

from valkeybench.units import (
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable


class Unit(StrEnum):
    """What a number counts."""

    COUNT = "count"
    BYTES = "bytes"
    NANOSECONDS = "ns"
    PER_SECOND = "per second"
    SHARE = "share"


class Fit(StrEnum):
    """Whether something fits."""

    FITS = "fits"
    TIGHT = "tight"
    """Within the limit, and beyond the share of it that is safe."""
    EXCEEDS = "exceeds"
    UNKNOWN = "unknown"


_WRITE: dict[Unit, Callable[[float | None], str]] = {
    Unit.COUNT: format_count,
    Unit.BYTES: format_bytes,
    Unit.NANOSECONDS: format_duration,
    Unit.PER_SECOND: format_rate,
    Unit.SHARE: format_percent,
}


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number, and how one came by it: a source, or a formula with the numbers filled in.

    `value` is None where it is not known; `how` then says why, and what would tell.
    """

    value: float | None
    unit: Unit
    how: str

    @property
    def text(self) -> str:
        """Write it with its unit."""
        return _WRITE[self.unit](self.value)


def reckon(
    unit: Unit, formula: str, worked: str, compute: Callable[..., float], *needs: Quantity
) -> Quantity:
    """Work a formula out; what it needs and is not known makes the outcome unknown.

    `worked` is the formula with {0}, {1}, … where the needed numbers go.
    """
    for need in needs:
        if need.value is None:
            return Quantity(None, unit, need.how)
    filled = worked.format(*(need.text for need in needs))
    return Quantity(compute(*(need.value for need in needs)), unit, f"{formula} = {filled}")


def rounded_up(number: float) -> int:
    """Round up, but for what binary fractions add to a whole number."""
    return ceil(number - 1e-9)


def rounded_down(number: float) -> int:
    """Round down, but for the same."""
    return int(number + 1e-9)
