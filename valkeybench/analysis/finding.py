"""What a check of trust looks at, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from valkeybench.analysis.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.cases import SeenCase


class Finding(NamedTuple):
    """What was seen and why it matters, and what to do about it."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a check may look at: the case, the others of its run, and where the lines are."""

    case: SeenCase
    run: Sequence[SeenCase] = ()
    limits: Thresholds = field(default_factory=Thresholds)
