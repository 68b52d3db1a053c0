"""What was done to the server within a window, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from valkeybench.scenario.disturbance import Deed


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbed:
    """One deed, on the clock of `time.perf_counter_ns`."""

    deed: Deed
    began_ns: int
    """Right before it was done."""
    ended_ns: int
    """The server was back: it answered again, went on, or had closed the connections."""
    killed: int | None = None
    """How many connections the server says it closed, where that was what was done."""
