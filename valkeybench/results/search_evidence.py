"""What a search for a size keeps as its evidence, as far as reports rest on it.

A recommendation's evidence is free to grow; what is read of it must be what it says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from valkeybench.results.bounds import LARGEST, Count, Many, Moment, Share

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import JsonValue

Size = Annotated[int, Field(ge=1, le=LARGEST)]


class _Part(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")


class _Sights(_Part):
    """What runs of one pool showed, a value for each run."""

    max_connections: Size
    p99_ns: Many[Share | None]
    wait_p99_ns: Many[Share]
    throughput: Many[Share]


class _Failed(_Part):
    said: str


class _Judged(_Sights):
    enough: bool | None
    failed: _Failed | None
    pool: str = ""


class _Further(_Part):
    max_connections: Size
    waiting: Share


class _Bound(_Part):
    resource: str
    rate: Share
    formula: str


class _Rule(_Part):
    name: str
    max_connections: Size
    extra: Moment
    waiting: Share


class _Grown(_Part):
    factor: Share
    max_connections: Size
    trusted: bool


class _Clause(_Part):
    claim: str
    low: Share | None
    high: Share | None
    conclusion: Literal["holds", "broken", "open"]


class _Certificate(_Part):
    max_connections: Size
    pairs: Count
    clauses: Many[_Clause]


class _Searched(_Part):
    """What every search keeps."""

    case: str = ""
    base: _Sights
    walk: Many[_Judged]
    trials: Count
    sweep_trials: Count
    walk_trials: Count = 0
    slo: Many[str] = []
    pool: str = ""
    client_cpu: Share | None = None
    server_cpu: Share | None = None


class _Found(_Searched):
    """What one that found a size keeps besides."""

    cure: _Judged | None = None
    certificates: Many[_Certificate] = []
    headroom: Share = 0
    with_headroom: Size = 1
    hold_ns: Share
    think_ns: Moment
    littles_law: Share
    further: Many[_Further] = []
    bounds: Many[_Bound] = []
    rules: Many[_Rule] = []
    growth: Many[_Grown] = []


def faults(evidence: Mapping[str, JsonValue], *, found: bool) -> Iterator[str]:
    """Find what a report could not read of a search's evidence, which `found` a size or not."""
    try:
        (_Found if found else _Searched).model_validate(dict(evidence))
    except ValidationError as error:
        for each in error.errors(include_url=False, include_input=False):
            yield f"{'.'.join(map(str, each['loc']))}: {each['msg']}"
