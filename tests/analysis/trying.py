"""Searches made of wishes: trials as believable as those of `tests.runs`, one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.runs import case_record
from valkeybench.analysis.enough import Sight
from valkeybench.analysis.search import Answer, Step, Tried, next_step
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from valkeybench.analysis.goal import Goal
    from valkeybench.analysis.search import Attempt

    Wishes = Mapping[str, Any]

WAITS = {"pool_wait": 2.0, "command": 0.17, "release": 0.01}
"""A pool in which handlers wait two milliseconds for a connection."""

BEYOND = 400
"""Trials no search takes."""


def sight(pool: str = "blocking", size: int = 50, *, repeat: int = 0, **wishes: Any) -> Sight:  # noqa: ANN401 - every wish of a case
    """See one trial of a case with 50 handlers, healthy but for the wishes."""
    return Sight.of(case_record(pool, size, **{"repeats": 1, "p99_ms": 0.8, **wishes}), repeat)


def search(goal: Goal, wished: Callable[[Attempt, int], Wishes]) -> tuple[Answer, list[Tried]]:
    """Search among trials that look as wished, given the attempt and how many came before."""
    tried: list[Tried] = []
    while len(tried) < BEYOND:
        step = next_step(goal, tried)
        if not isinstance(step, Step):
            return step, tried
        for attempt in step.attempts:
            wishes = {"concurrency": goal.handlers, **wished(attempt, len(tried))}
            seen = sight(str(attempt.pool), attempt.size, **wishes)
            tried.append(Tried(attempt=attempt, sight=seen))
    raise AssertionError("it never ended")


def enough_from(least: int, **base: Any) -> Callable[[Attempt, int], Wishes]:  # noqa: ANN401 - as above
    """Wish for a load for which pools from `least` are enough, and those below make wait."""

    def wished(attempt: Attempt, _: int) -> Wishes:
        short = attempt.size < least
        if short and attempt.pool is Pool.RAISING:
            return {**base, "failures": {"pool_exhausted": 40}}
        return {**base, "phases": WAITS, "p99_ms": 7.0} if short else base

    return wished
