"""Marks across charts: recommended sizes, each named by its load, and limits somebody set."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.report.chart import Along, Mark
from valkeybench.report.labels import axis_label, varied

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.metric import Metric
    from valkeybench.results.runfile import Recommendation

_MOST_MARKS = 4
"""More of them hide what they mark."""


def recommended_marks(said: Sequence[Recommendation]) -> tuple[Mark, ...]:
    """Mark each recommended size; none where there are too many to be told apart."""
    apart = varied([one.applies_to for one in said])
    loads: dict[int, list[str]] = defaultdict(list)
    for one in said:
        if one.max_connections is not None:
            words = [axis_label(name, one.applies_to.get(name)) for name in apart]
            loads[one.max_connections].append(", ".join(words))
    if len(loads) > _MOST_MARKS:
        return ()
    return tuple(
        Mark(along=Along.X, value=size, label=_label(size, loads[size], of=len(said)))
        for size in sorted(loads)
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """A limit somebody set: what must be so of a size, or what must not be so of a run."""

    limit: Limit
    is_to_be_kept: bool

    @property
    def label(self) -> str:
        """Say what it is."""
        return f"limit: {self.limit}" if self.is_to_be_kept else f"fails if {self.limit}"


def limit_marks(asked: Sequence[Asked], of: Callable[[Metric], bool]) -> tuple[Mark, ...]:
    """Mark the limits on metrics of a kind; a quotient of two cases lies on no axis."""
    found = (each for each in asked if each.limit.over is None and of(each.limit.metric))
    return tuple(Mark(along=Along.Y, value=each.limit.value, label=each.label) for each in found)[
        :_MOST_MARKS
    ]


def _label(size: int, loads: Sequence[str], *, of: int) -> str:
    """Name the load of a size that is for one load only, of more than one."""
    where = f" ({loads[0]})" if of > 1 == len(loads) and loads[0] else ""
    return f"recommended: {size}{where}"
