"""Tells limits that no run of a load could keep, before anything is run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.errors import Problem, ScenarioError
from valkeybench.measurement.metrics import Phase
from valkeybench.units import SECOND, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.analysis.limits import Limit
    from valkeybench.scenario.model import Axes

_PLACE = "--slo"
_WITH_A_ROUND_TRIP = (Phase.COMMAND, Phase.SERVICE, Phase.RESPONSE)


def out_of_reach(limits: Sequence[Limit], axes: Axes) -> None:
    """Raise ScenarioError for every limit that contradicts the load, another limit, or sense."""
    problems = [
        Problem(_PLACE, f"»{limit}« cannot be met: {why}", "ask for what the load allows")
        for limit in limits
        for why in _why(limit, axes)
    ]
    problems += [
        Problem(
            _PLACE,
            f"»{limit}« asks for more of what should be little",
            f"say what is to be kept, as in {limit.metric} {limit.op.replace('>', '<')} …; what"
            " must not be is said with gate's --fail-if",
        )
        for limit in limits
        if not limit.is_upper and not limit.metric.more_is_better
    ]
    problems += [
        Problem(_PLACE, f"»{one}« and »{other}« cannot both be met", "drop one")
        for one in limits
        for other in limits
        if one.metric == other.metric
        and one.is_upper
        and not other.is_upper
        and one.value < other.value
    ]
    if problems:
        raise ScenarioError(problems)


def _why(limit: Limit, axes: Axes) -> Iterator[str]:
    if limit.is_upper and limit.op == "<" and limit.value == 0:
        yield "nothing is less than 0"
    if limit.metric.phase in _WITH_A_ROUND_TRIP and limit.is_upper:
        rtt_ns = axes.rtt_ns[0]
        if limit.value < rtt_ns:
            yield f"a round trip takes {format_duration(rtt_ns)} (--rtt)"
    if limit.metric.phase is None and limit.metric.stat == "throughput" and not limit.is_upper:
        most = _most_throughput(axes)
        if most is not None and limit.value > most:
            yield f"no more than {format_rate(most)} are asked for"


def _most_throughput(axes: Axes) -> float | None:
    """Give what the load could come to if every command took no time; None is no bound."""
    if axes.rate[0] is not None:
        return axes.rate[0]
    handlers = axes.concurrency[0] * axes.processes[0]
    cycle_ns = axes.think[0].mean_ns + axes.rtt_ns[0]
    return handlers * SECOND / cycle_ns if cycle_ns else None
