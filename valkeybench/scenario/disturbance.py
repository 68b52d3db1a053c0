"""What happens to the server while it is measured, on purpose: the lever `disturb` as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from valkeybench.units import compact_duration

_USUAL_SHARE = 3
"""Where nothing is said, it happens when one part of the window in so many is over."""


class Deed(StrEnum):
    """What is done to the server."""

    RESTART = "restart"
    """It is killed and started again, without its keys."""
    STALL = "stall"
    """Its process is stopped, and goes on later as if nothing had been."""
    KILL_CLIENTS = "kill_clients"
    """It closes all connections of the load at once (CLIENT KILL)."""

    @property
    def takes_time(self) -> bool:
        """Whether it has a length: how long the server is away."""
        return self is not Deed.KILL_CLIENTS


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One deed in each trial's window."""

    deed: Deed
    lasts_ns: int = 0
    """How long the server is away at least; a restart takes as long as starting takes on top."""
    at_ns: int | None = None
    """Since the window opened; None is after a third of it."""

    def at(self, window_ns: int) -> int:
        """Give the instant it happens in a window of that length."""
        return window_ns // _USUAL_SHARE if self.at_ns is None else self.at_ns

    def __str__(self) -> str:
        """Write it as a scenario would: `restart 250ms at 1s`."""
        words = [self.deed.value]
        if self.lasts_ns:
            words.append(compact_duration(self.lasts_ns))
        if self.at_ns is not None:
            words += ["at", compact_duration(self.at_ns)]
        return " ".join(words)
