"""What one process saw in one trial; measurements add up, and the empty one is zero."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from valkeybench.measurement.series import Series

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from valkeybench.measurement.histogram import Histogram
    from valkeybench.measurement.metrics import Phase


@dataclass(frozen=True, slots=True)
class Opening:
    """Connections opened: how many, and what setting them up took.

    `round_trips` counts set-up commands that each waited for its reply, `tls_round_trips`
    those of negotiating TLS, and `refused` the set-up commands answered with an error.
    """

    connections: int = 0
    round_trips: int = 0
    tls_round_trips: int = 0
    refused: int = 0

    def __add__(self, other: Opening) -> Opening:
        """Count both."""
        return Opening(
            self.connections + other.connections,
            self.round_trips + other.round_trips,
            self.tls_round_trips + other.tls_round_trips,
            self.refused + other.refused,
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was written before the load, and what that took."""

    keys: int = 0
    size: int = 0
    """Bytes of the words sent: keys, items and values."""
    lasted_ns: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NodeShare:
    """What fell to one node of a cluster.

    `commands` ended in the window over a connection to it, well or not. `connections` were
    opened to it from first to last, and `open_max` of them at once at most. `in_use` counts
    how many handlers found 0, 1, 2, … connections of its pool in use.
    """

    commands: int = 0
    connections: int = 0
    open_max: int = 0
    in_use: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    moved: int = 0
    """Replies that sent a command to another node for good."""
    asked: int = 0
    """Replies that sent a command to another node just once (ASK)."""

    def __add__(self, other: NodeShare) -> NodeShare:
        """Hold what both saw."""
        return NodeShare(
            commands=self.commands + other.commands,
            connections=self.connections + other.connections,
            open_max=self.open_max + other.open_max,
            in_use=_pad_add(self.in_use, other.in_use),
            moved=self.moved + other.moved,
            asked=self.asked + other.asked,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurement:
    """What was seen in the window, by one process or by several added up.

    `window_ns` is process time: two processes watching the same second make two seconds,
    so `completed / window_ns` is the throughput of the average process. `open_max` adds
    up too, which makes it the most connections all processes together can have had open.
    `handlers` holds completed commands for each handler, sorted, so that the order in
    which measurements are added does not show. What is completed, failed and so on are
    requests: single commands, or batches of several.
    """

    window_ns: int = 0
    completed: int = 0
    batched: int = 0
    """Commands of completed requests beyond the first of each."""
    unfinished: int = 0
    dropped: int = 0
    offered: int = 0
    """Commands that were due in the window by the schedule of an open load; 0 for a closed one."""
    retries: int = 0
    abandoned: int = 0
    in_use_left: int = 0
    """Connections still taken when every handler had ended or was given up."""
    failures: Mapping[str, int] = field(default_factory=dict)
    error_replies: Mapping[str, int] = field(default_factory=dict)
    """The server's answers to commands that failed, by code as the client heard it."""
    histograms: Mapping[Phase, Histogram] = field(default_factory=dict)
    prewarm: Mapping[Phase, Histogram] = field(default_factory=dict)
    prewarm_ns: int = 0
    prewarmed: Opening = field(default_factory=Opening)
    warmup: Opening = field(default_factory=Opening)
    opened: Opening = field(default_factory=Opening)
    got_through: int = 0
    """Connections opened from first to last that came as far as their first command."""
    open_max: int = 0
    reopened: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    """When a pool that opens lost connections by itself had each open again: nanoseconds since the
    window opened, in order."""
    reopening_failed: Mapping[str, int] = field(default_factory=dict)
    """How often it could not, by kind."""
    setup: Mapping[str, int] = field(default_factory=dict)
    setup_refused: Mapping[str, int] = field(default_factory=dict)
    in_use: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    handlers: tuple[int, ...] = ()
    replies: Mapping[str, int] = field(default_factory=dict)
    nodes: Mapping[str, NodeShare] = field(default_factory=dict)
    """By address; empty when it is no cluster."""
    series: Series = field(default_factory=lambda: Series.of_length(0, 0))
    cpu_ns: int = 0
    voluntary_switches: int = 0
    involuntary_switches: int = 0
    loop_lag: Histogram | None = None
    """How late the event loop got round to what was due; None for a driver without one."""

    @property
    def commands(self) -> int:
        """Count the commands of the requests that were completed."""
        return self.completed + self.batched

    @property
    def failed(self) -> int:
        """Count the commands that failed, whatever the kind."""
        return sum(self.failures.values())

    @property
    def attempted(self) -> int:
        """Count every command that was begun or due in the window."""
        return self.completed + self.failed + self.unfinished + self.dropped

    def __add__(self, other: Measurement) -> Measurement:
        """Hold what both saw."""
        if not isinstance(other, Measurement):
            return NotImplemented
        special: dict[str, Any] = {
            "failures": _tally(self.failures, other.failures),
            "error_replies": _tally(self.error_replies, other.error_replies),
            "replies": _tally(self.replies, other.replies),
            "setup": _tally(self.setup, other.setup),
            "setup_refused": _tally(self.setup_refused, other.setup_refused),
            "histograms": _merge(self.histograms, other.histograms),
            "prewarm": _merge(self.prewarm, other.prewarm),
            "loop_lag": _both(self.loop_lag, other.loop_lag),
            "in_use": _pad_add(self.in_use, other.in_use),
            "nodes": {
                name: self.nodes.get(name, NodeShare()) + other.nodes.get(name, NodeShare())
                for name in {**self.nodes, **other.nodes}
            },
            "handlers": tuple(sorted(self.handlers + other.handlers)),
            "reopened": np.sort(np.concatenate((self.reopened, other.reopened))),
            "reopening_failed": _tally(self.reopening_failed, other.reopening_failed),
        }
        summed: dict[str, Any] = {
            f.name: getattr(self, f.name) + getattr(other, f.name)
            for f in fields(self)
            if f.name not in special
        }
        return Measurement(**special, **summed)


def _tally(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in sorted({*one, *other})}


def _merge(
    one: Mapping[Phase, Histogram], other: Mapping[Phase, Histogram]
) -> dict[Phase, Histogram]:
    both = {**other, **one}
    return {
        phase: one[phase] + other[phase] if phase in one and phase in other else both[phase]
        for phase in sorted(both)
    }


def _both(one: Histogram | None, other: Histogram | None) -> Histogram | None:
    if one is None or other is None:
        return one or other
    return one + other


def _pad_add(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    total = np.zeros(max(one.size, other.size), np.int64)
    total[: one.size] += one
    total[: other.size] += other
    return total
