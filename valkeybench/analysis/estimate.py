"""Reads a size off runs of a pool that was no limit: the one number a search begins with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.cases import quantile_of_counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.enough import Sight
    from valkeybench.analysis.goal import Goal


def estimate(goal: Goal, bases: Sequence[Sight], *, waiting: float | None = None) -> int:
    """Read a size off what base runs found in use: all but the share `waiting` find one free."""
    share = goal.limits.waiting if waiting is None else waiting
    counts = in_use(bases)
    return min(max(quantile_of_counts(counts, 1 - share) + 1, 1), goal.most)


def in_use(sights: Sequence[Sight]) -> list[int]:
    """Add up how many acquires found 0, 1, 2, … connections taken."""
    each = [sight.case.in_use_counts for sight in sights]
    longest = max(map(len, each), default=0)
    return [sum(counts[k] for counts in each if k < len(counts)) for k in range(longest)]
