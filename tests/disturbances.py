"""Runs whose server was disturbed, with a course of throughput that is known."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from tests.runs import case_record
from valkeybench.results.recovered import Disturbance
from valkeybench.results.runfile import Interval
from valkeybench.scenario.disturbance import Deed
from valkeybench.scenario.disturbance import Disturbance as Asked
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.results.runfile import CaseRecord, Trial

INTERVAL = 50 * MILLISECOND
USUAL = 2000.0
WINDOW = 4 * SECOND


def course(
    *holes: tuple[int, int], usual: float = USUAL, depth: float = 0.0, noise: float = 0.0
) -> list[float]:
    """Make throughput, interval by interval, that is at `depth` of the usual within the holes.

    A hole is from when to when. The share of an interval that a hole takes is lost to it.
    """
    draw = Random(1)  # noqa: S311 - noise
    rates = []
    for begin in range(0, WINDOW, INTERVAL):
        lost = sum(
            max(min(until, begin + INTERVAL) - max(since, begin), 0) for since, until in holes
        )
        rates.append(usual * (1 - (1 - depth) * lost / INTERVAL) * (1 + noise * draw.gauss(0, 1)))
    return rates


def disturbed(
    courses: Sequence[Sequence[float]],
    began: int = SECOND,
    failed: dict[int, dict[str, int]] | None = None,
    done: Disturbance | None = None,
    asked: Deed = Deed.RESTART,
    **more: Any,  # noqa: ANN401 - any wish for a case
) -> CaseRecord:
    """Make a case whose trials went these courses; `failed` are failures by interval."""
    record = case_record(
        repeats=len(courses), duration_ms=WINDOW // MILLISECOND, disturb=Asked(asked), **more
    )

    def trial(kept: Trial, rates: Sequence[float]) -> Trial:
        series = [
            Interval(
                start_ns=index * INTERVAL,
                throughput=max(rate, 0.0),
                failed=sum((failed or {}).get(index, {}).values()),
                failures=(failed or {}).get(index, {}),
                response_p50_ns=MILLISECOND,
                response_p99_ns=(index + 1) * MILLISECOND,
                pool_wait_p99_ns=None,
                in_use_mean=None,
                in_use_max=None,
                open_connections=None,
            )
            for index, rate in enumerate(rates)
        ]
        ended = began + 100 * MILLISECOND
        what = done or Disturbance(what="restart", began_ns=began, ended_ns=ended)
        return kept.model_copy(update={"series": series, "disturbance": what})

    trials = [trial(kept, rates) for kept, rates in zip(record.trials, courses, strict=True)]
    return record.model_copy(update={"trials": trials})
