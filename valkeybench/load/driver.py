"""What every driver is: something that prewarms, drives a window, and tells what it saw."""

from __future__ import annotations

import resource
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from valkeybench.scenario.model import Driver as Who

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.recorder import Window
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint


class Driver(Protocol):
    """Sends one process's share of one trial."""

    def prewarm(self) -> None:
        """Open the pool's connections, when the trial says so."""

    def drive(self, window: Window) -> Measurement:
        """Send until the window closes, and give what was seen in it."""


def make_driver(trial: Trial, endpoint: Endpoint, *, process: int) -> Driver:
    """Choose the driver a trial asks for."""
    # Imported only when asked for: one does not need what another does.
    if trial.case.driver is Who.WIRE:
        from valkeybench.load.wire.driver import WireDriver  # noqa: PLC0415

        return WireDriver(trial, endpoint, process=process)
    from valkeybench.load.threads import ThreadsDriver  # noqa: PLC0415

    return ThreadsDriver(trial, endpoint, process=process)


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
