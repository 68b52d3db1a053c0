"""How response time grows with the network's round trip: a straight line, and its slope.

The slope is the number of round trips a command pays. A pool's should be 1: it removes the
round trips of establishing a connection, and never the command's own.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import seen
from valkeybench.analysis.setup import is_counted
from valkeybench.measurement.metrics import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.cases import SeenCase
    from valkeybench.results.runfile import CaseRecord

_FEWEST_POINTS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLine:
    """The fitted line `response p50 = base + round_trips x rtt` of cases alike but for rtt.

    `points` are (rtt, response p50) in nanoseconds; `counted` is the number of round trips
    counted on the way, None when a connection was opened for some commands only, or several for
    one, as an unpooled client of a cluster does.
    """

    axes: dict[str, object]
    base_ns: float
    round_trips: float
    counted: float | None
    points: tuple[tuple[int, int], ...]


def latency_lines(records: Sequence[CaseRecord]) -> list[LatencyLine]:
    """Fit a line for each set of cases that differ in nothing but the round-trip time."""
    alike: dict[str, list[SeenCase]] = defaultdict(list)
    for case in seen(records):
        alike[repr(_others(case))].append(case)
    lines = (_line(cases) for cases in alike.values())
    return [line for line in lines if line is not None]


def _line(cases: Sequence[SeenCase]) -> LatencyLine | None:
    points = sorted(
        (int(str(case.record.axes.get("rtt_ns"))), case.response.p50_ns)
        for case in cases
        if case.response is not None and case.record.axes.get("rtt_ns") is not None
    )
    if len({rtt for rtt, _ in points}) < _FEWEST_POINTS:
        return None
    slope, base = least_squares(points)
    return LatencyLine(
        axes=_others(cases[0]),
        base_ns=base,
        round_trips=slope,
        counted=_counted(cases),
        points=tuple(points),
    )


def least_squares(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Give slope and intercept of the straight line nearest to the points, in squares.

    Weisberg: Applied Linear Regression, 4th ed., 2014, section 2.2.
    """
    count = len(points)
    mean_x = sum(x for x, _ in points) / count
    mean_y = sum(y for _, y in points) / count
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / spread
    return slope, mean_y - slope * mean_x


def _counted(cases: Sequence[SeenCase]) -> float | None:
    """Count the round trips of a command: its own, and those of opening, where each opens one."""
    case = cases[-1]
    if case.pool.is_pooled:
        return 1.0
    connections = case.summary.connections
    setup = connections.setup_round_trips if is_counted(connections) else None
    if setup is None or Phase.CONNECT not in case.summary.phases or case.record.nodes is not None:
        return None
    tls = connections.tls_round_trips or 0.0
    return 1.0 + tls + setup + 1.0


def _others(case: SeenCase) -> dict[str, object]:
    return {name: value for name, value in case.record.axes.items() if name != "rtt_ns"}
