"""The part of the run file that says where load processes ran, and what each of them did."""

from __future__ import annotations

from valkeybench.results.bounds import Count, Many, Moment, Nanoseconds, Share
from valkeybench.results.record import Record


class Process(Record):
    """What one load process did in the window."""

    process: Count
    worker: str
    """Who ran it, by name."""
    throughput: Share
    completed: Count
    failed: Count
    cpu_ns: Nanoseconds
    cpu_share: Share
    """CPU time over window time: 1.0 is one core, and a Python limit."""
    began_ns: Moment
    """When it began to drive, from the opening of the window; negative is before it."""


class Worker(Record):
    """Who ran load processes: this machine, or a Dask worker."""

    name: str
    address: str | None = None
    host: str | None = None
    cpus: Count | None = None
    """CPUs its processes may use."""
    processes: Many[Count]
    clock_ahead_ns: Moment = 0
    """How far its clock is ahead of the coordinator's; windows are corrected for it."""
    clock_error_ns: Nanoseconds = 0
    """By how much that can be wrong: half of the shortest way there and back."""


class Place(Record):
    """Where a trial's load processes ran, and what each of them did."""

    workers: Many[Worker]
    processes: Many[Process]
    skew_ns: Nanoseconds
    """How much later the last process began to drive than the first."""
    clock_error_ns: Nanoseconds
    """The largest of the workers': how far apart windows can have opened from when they should."""
