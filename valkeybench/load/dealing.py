"""Which worker gets which processes, and what its clock says: worked out without any cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.measurement.placing import Worker


def spread(workers: Sequence[Worker], processes: int) -> tuple[Worker, ...]:
    """Deal processes out, one to each machine before any gets a second; idle workers are left out.

    Workers on the same host count as one machine until every host has its share.
    """
    by_host: dict[str | None, int] = {}
    ranked = []
    for worker in workers:
        rank = by_host.get(worker.host, 0)
        by_host[worker.host] = rank + 1
        ranked.append((rank, worker))
    in_turn = [worker for _, worker in sorted(ranked, key=lambda pair: pair[0])]
    dealt = (tuple(range(first, processes, len(in_turn))) for first in range(len(in_turn)))
    return tuple(
        replace(worker, processes=numbers)
        for worker, numbers in zip(in_turn, dealt, strict=True)
        if numbers
    )


def clock_difference(readings: Iterable[tuple[int, int, int]]) -> tuple[int, int]:
    """Give how far another clock is ahead of ours, and how wrong that can be, in nanoseconds.

    A reading is our clock before asking, the other's answer, and ours after. The answer was
    given somewhere in between, so the middle is at most half of the way off: the shortest way
    there and back tells most (D. Mills, RFC 5905, section 10, the clock filter).
    """
    asked, there, answered = min(readings, key=lambda reading: reading[2] - reading[0])
    return there - (asked + answered) // 2, (answered - asked + 1) // 2
