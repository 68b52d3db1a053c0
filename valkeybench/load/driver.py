"""What every driver is: something that prewarms, drives a window, and tells what it saw."""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np

from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.measurement.recorder import Recorder, Window
from valkeybench.scenario.model import Driver as DriverName
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence, Sized

    from valkeybench.load.ledger import Shared
    from valkeybench.load.pace import Schedule
    from valkeybench.measurement.histogram import Integers
    from valkeybench.plan.trial import Trial
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

GRACE_NS = 6 * SECOND
"""How long handlers may take to end the command under way when the window has closed:
more than redis-py's default socket timeout of 5 s."""


class Driver(Protocol):
    """Sends one process's share of one trial."""

    @property
    def prewarmed(self) -> int:
        """Count the connections opened before the load."""

    def prewarm(self) -> None:
        """Open the pool's connections, when the trial says so."""

    def drive(self, window: Window) -> Measurement:
        """Send until the window closes, and give what was seen in it."""


def make_driver(trial: Trial, endpoint: Endpoint, *, process: int) -> Driver:
    """Choose the driver a trial asks for."""
    # Imported only when asked for: a load process needs one of them.
    if trial.case.driver is DriverName.ASYNCIO:
        from valkeybench.load.tasks import TasksDriver  # noqa: PLC0415

        return TasksDriver(trial, endpoint, process=process)
    if trial.case.driver is DriverName.WIRE:
        from valkeybench.load.wire.driver import WireDriver  # noqa: PLC0415

        return WireDriver(trial, endpoint, process=process)
    from valkeybench.load.threads import ThreadsDriver  # noqa: PLC0415

    return ThreadsDriver(trial, endpoint, process=process)


class WatchedPool(Protocol):
    """A pool that knows how many of its connections were in use when a handler asked."""

    max_connections: int

    @property
    def watched(self) -> Sized:
        """Give what a lease takes the length of."""

    def in_use(self, lengths: Integers) -> Integers:
        """Turn what leases saw into connections in use."""


@dataclass(slots=True)
class Prewarmed:
    """What opening the pool before the load took: the notes on each connection, and the time."""

    rows: list[tuple[int, ...]] = field(default_factory=list)
    lasted_ns: int = 0

    @property
    def opening(self) -> Opening:
        """Count what was opened."""
        return Opening(*(sum(column) for column in self._columns()[len(OPENING) :]))

    def histograms(self) -> dict[Phase, Histogram]:
        """Give the phases of opening that happened."""
        phases = zip(OPENING, self._columns(), strict=False)
        return {phase: Histogram.of(lasted) for phase, lasted in phases if any(lasted)}

    def _columns(self) -> list[tuple[int, ...]]:
        return list(zip(*self.rows, strict=True))


def make_recorder(case: Case, window: Window, common: object | None, *, pools: int = 0) -> Recorder:
    """Make the recorder for a case, whose handlers have a WatchedPool in common if it is pooled.

    Of a cluster it is one of the nodes' pools, and `pools` says how many there are.
    """
    arrivals_open, fine = case.rate is not None, case.disturb is not None
    if not case.pool.is_pooled:
        from_outside = case.pool is Pool.MULTIPLEXED
        return Recorder(
            window,
            capacity=None,
            arrivals_open=arrivals_open,
            from_outside=from_outside,
            pools=pools,
            fine=fine,
        )
    pool = cast("WatchedPool", common)
    return Recorder(
        window,
        capacity=pool.max_connections,
        in_use=pool.in_use,
        arrivals_open=arrivals_open,
        pools=pools,
        fine=fine,
    )


def in_use_left(case: Case, pools: Iterable[object], shared: Shared) -> int:
    """Count the connections nobody has given back, or closed where there are no pools."""
    if case.pool is Pool.MULTIPLEXED:
        return 0
    if not case.pool.is_pooled:
        return shared.open
    watched = [cast("WatchedPool", pool) for pool in pools]
    return sum(int(pool.in_use(np.array([len(pool.watched)])).sum()) for pool in watched)


def measured(  # noqa: PLR0913 - everything a driver knows in the end comes together here
    recorder: Recorder,
    *,
    shared: Shared,
    prewarmed: Prewarmed,
    schedule: Schedule | None,
    handlers: Iterable[int],
    batched: int,
    replies: Sequence[Mapping[str, int]],
    cost: Cost,
    abandoned: int,
    left: int,
    loop_lag: Histogram | None = None,
) -> Measurement:
    """Put together what a driver saw; `handlers` are the commands each one completed.

    `left` are connections still taken after `abandoned` handlers were given up.
    """
    return Measurement(
        window_ns=recorder.window.length_ns,
        completed=recorder.completed,
        batched=batched,
        unfinished=recorder.unfinished,
        dropped=0 if schedule is None else schedule.dropped(),
        offered=0 if schedule is None else schedule.offered,
        retries=shared.retries,
        abandoned=abandoned,
        in_use_left=left,
        failures=recorder.failures,
        error_replies=dict(recorder.error_replies),
        histograms=recorder.histograms(),
        prewarm=prewarmed.histograms(),
        prewarm_ns=prewarmed.lasted_ns,
        prewarmed=prewarmed.opening,
        warmup=recorder.warmup,
        opened=recorder.opened,
        got_through=shared.got_through,
        open_max=shared.open_max,
        setup=dict(shared.setup),
        setup_refused=dict(shared.setup_refused),
        in_use=recorder.in_use,
        handlers=tuple(sorted(handlers)),
        replies=summed_replies(replies),
        series=recorder.series,
        cpu_ns=cost.cpu_ns,
        voluntary_switches=cost.voluntary_switches,
        involuntary_switches=cost.involuntary_switches,
        loop_lag=loop_lag,
    )


@dataclass(frozen=True, slots=True)
class Cost:
    """What this process has used: CPU time of all its threads, and context switches."""

    cpu_ns: int
    voluntary_switches: int
    involuntary_switches: int

    @classmethod
    def now(cls) -> Cost:
        """Read the counters."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return cls(time.process_time_ns(), used.ru_nvcsw, used.ru_nivcsw)

    def __sub__(self, earlier: Cost) -> Cost:
        """Give what was used since."""
        return Cost(
            self.cpu_ns - earlier.cpu_ns,
            self.voluntary_switches - earlier.voluntary_switches,
            self.involuntary_switches - earlier.involuntary_switches,
        )


def summed_replies(tallies: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add tallies of replies up."""
    total: Counter[str] = Counter()
    for tally in tallies:
        total.update(tally)
    return dict(sorted(total.items()))
