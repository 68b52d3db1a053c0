"""Where one trial's load processes ran, and what each of them did: what a sum hides."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Who ran some of a trial's processes: this machine, or a worker on another one.

    `cpus` counts those it may use, None when that is not known. `clock_ahead_ns` is how far its
    clock is ahead of ours and `clock_error_ns` how far off that may be at most; both are zero
    on this machine.
    """

    name: str
    address: str | None = None
    host: str | None = None
    cpus: int | None = None
    processes: tuple[int, ...] = ()
    clock_ahead_ns: int = 0
    clock_error_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessShare:
    """What one load process did in the window of a trial.

    `began_ns` is when it began to drive, on our clock, counted from the opening of the window:
    negative is before, during the warm-up, as it should be.
    """

    process: int
    window_ns: int
    completed: int
    failed: int
    cpu_ns: int
    began_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """One trial's processes, by who ran them and by what they did."""

    workers: tuple[Worker, ...] = ()
    shares: tuple[ProcessShare, ...] = ()

    @property
    def skew_ns(self) -> int:
        """Give how much later the last process began than the first."""
        began = [share.began_ns for share in self.shares]
        return max(began, default=0) - min(began, default=0)

    @property
    def clock_error_ns(self) -> int:
        """Give how far from ours a window can have opened on any worker's clock."""
        return max((worker.clock_error_ns for worker in self.workers), default=0)
