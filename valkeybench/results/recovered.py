"""The part of the run file about a server that was disturbed, and how the load came back."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from valkeybench.results.bounds import Count, Many, Moment, Nanoseconds, Share
from valkeybench.results.record import Record


class Disturbance(Record):
    """What was done to the server in one trial; instants are since the window opened."""

    what: Literal["restart", "stall", "kill_clients"]
    began_ns: Moment
    """Right before it was done."""
    ended_ns: Moment
    """The server was back: it answered again, went on, or had closed the connections."""
    killed: Count | None = None
    """Connections the server says it closed; None where that was not what was done."""
    reconnected_ns: Nanoseconds | None = None
    """From when it began until a pool that opens lost connections by itself had as many open again
    as the server closed; None where there is no such pool, or not within the window."""


class TrialRecovery(Record):
    """How one trial's load came back."""

    repeat: Count
    baseline: Share | None
    """Requests per second before the disturbance; None when the window before it was too short."""
    recovery_ns: Nanoseconds | None
    """From when it began until throughput was back at 95 % of that, and stayed; None when it was
    not within the window, or is not known."""
    uncertainty_ns: Nanoseconds
    """How long an interval is: by so much either way the instant may be off."""
    lowest: Share | None
    """The deepest dip, in one interval: requests per second."""
    failures: dict[str, Count]
    """Requests that failed, from the interval it began in until the window closed."""
    failed_before: Count
    """Requests that failed before it began."""
    p99_worst_ns: Nanoseconds | None
    """The highest p99 of response of an interval, until half a second after it was back."""
    note: str = ""
    """Why the recovery is not known; empty when it is."""


class Recovery(Record):
    """How a case's load came back, over its trials."""

    trials: Many[TrialRecovery]
    recovered: Count
    """Trials in which throughput came back within the window."""
    median_ns: Nanoseconds | None
    """Of the trials of which it is known; None when half of them or more did not come back."""
    least_ns: Nanoseconds | None
    most_ns: Nanoseconds | None
    """None when one of those did not come back: then the most is not known."""
    failures: dict[str, Count] = Field(default_factory=dict)
    """Of all trials together."""
