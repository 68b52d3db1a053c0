"""What a value in a run file may be: bounds no measurement reaches, for files from anybody."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from pydantic import Field

LARGEST = 2**63 - 1
"""Whole numbers beyond it are nobody's measurement, and no other language reads them."""
LARGEST_SHARE = 1e18

Count = Annotated[int, Field(ge=0, le=LARGEST)]
Nanoseconds = Annotated[int, Field(ge=0, le=LARGEST)]
Moment = Annotated[int, Field(ge=-LARGEST, le=LARGEST)]
"""Nanoseconds from some instant, either way."""
Share = Annotated[float, Field(ge=0, le=LARGEST_SHARE)]

AxisValue: TypeAlias = (
    bool | Moment | Annotated[float, Field(ge=-LARGEST_SHARE, le=LARGEST_SHARE)] | str | None
)

_Item = TypeVar("_Item")
Many: TypeAlias = Annotated[list[_Item], Field(fail_fast=True)]
"""A list; one bad item is enough to refuse it, a million need not all be told."""
