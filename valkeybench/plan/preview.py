"""What would be done to a server, as a dry run tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from valkeybench.errors import Problem
    from valkeybench.plan.footprint import Footprint
    from valkeybench.plan.trial import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A run, or the beginning of a search, before anything is sent or written."""

    plan: Plan
    connections: int
    """The most there are at once, with those that watch: to each node, where it is a cluster."""
    keys: Footprint
    address: str | None = None
    """Of the server named; None is one of our own, which was not started."""
    cautions: tuple[Problem, ...] = ()
    """What speaks against loading it."""
    sizes: tuple[int, ...] = ()
    """Of a search: the sizes it may try."""
    likely_trials: int | None = None
    """Of a search, whose trials depend on what they show; None where the plan has them all."""
