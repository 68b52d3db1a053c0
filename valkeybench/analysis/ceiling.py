"""What the bare wire tells about the client library: the ceiling above it, and the ideal pool.

A case driven by `wire` sends what another case sends, without a client library and over a pool
that serves first come, first served. What it reaches is what server and network give; what it
does not reach, no client will.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from valkeybench.scenario.model import Driver, Pool

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.analysis.cases import SeenCase
    from valkeybench.analysis.thresholds import Thresholds

_OF_THE_CLIENT = frozenset(
    {
        "driver",
        "client",
        "clients",
        "event_loop",
        "decode_responses",
        "retries",
        "pool",
        "pool_timeout_ns",
    }
)
"""Axes in which a case may differ from its bare one, which has no such things."""

_HEADROOM = 1.25
"""By how much the bare wire must be faster to say that the client library is the limit: less
may be noise, or what any client costs."""


class Limit(StrEnum):
    """What keeps a load that never pauses from going faster."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class Ceiling:
    """A case, and the one that sends the same over the bare wire."""

    case: SeenCase
    bare: SeenCase

    @property
    def saturates(self) -> bool:
        """Whether handlers never pause: then throughput is what can be had, not what is asked."""
        return self.case.think_ns == 0

    @property
    def limit(self) -> Limit:
        """Tell what limits the case, if it saturates."""
        faster = self.bare.summary.throughput > _HEADROOM * self.case.summary.throughput
        return Limit.CLIENT if faster else Limit.SERVER

    def is_lower_bound(self, limits: Thresholds) -> bool:
        """Tell whether the bare wire was short of CPU itself, so that the server may give more."""
        share = self.bare.client_cpu
        return share is not None and share >= limits.client_cpu

    @property
    def p99s_ns(self) -> tuple[int, int] | None:
        """Give the response p99 of the case and of its bare one; None unless both are pooled."""
        here, bare = self.case.response, self.bare.response
        if not self.case.pool.is_pooled or here is None or bare is None:
            return None
        return here.p99_ns, bare.p99_ns


def ceilings(cases: Sequence[SeenCase]) -> Iterable[Ceiling]:
    """Pair each case that has completed anything with the one that sends the same bare."""
    bare = [case for case in cases if _driver(case) == Driver.WIRE]
    for case in cases:
        if _driver(case) != Driver.WIRE and case.summary.completed:
            for other in bare:
                if other.summary.completed and _is_same(case, other):
                    yield Ceiling(case, other)


def _driver(case: SeenCase) -> object:
    return case.record.axes.get("driver")


def _is_same(case: SeenCase, bare: SeenCase) -> bool:
    """Tell whether they differ in the client alone: the bare wire's pool waits in one way."""
    if case.pool is not bare.pool and not (case.pool is Pool.BLOCKING and bare.pool is Pool.FAIR):
        return False
    one, two = case.record.axes, bare.record.axes
    return all(
        one.get(axis) == two.get(axis) for axis in (one.keys() | two.keys()) - _OF_THE_CLIENT
    )
