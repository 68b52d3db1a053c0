"""What makes a handler wait before a command: its own thinking, or the schedule of an open load."""

from __future__ import annotations

import threading
from bisect import bisect_left
from time import perf_counter_ns as clock
from time import sleep
from typing import TYPE_CHECKING

from valkeybench.plan.arrivals import due_offsets, think_times
from valkeybench.scenario.model import Arrivals
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.measurement.recorder import Window
    from valkeybench.plan.trial import Trial
    from valkeybench.scenario.model import Think


class Schedule:
    """When the commands of an open load are due; handlers take one instant after another.

    Safe to take from in many threads. What is due waits for no handler: an instant that is
    taken late is late, and one that nobody takes before the window closes is dropped.
    """

    def __init__(self, offsets: Iterator[list[int]], *, begins: int, window: Window) -> None:
        self._offsets = offsets
        self._begins = begins
        self._window = window
        self._refilling = threading.Lock()
        self._given_up = 0
        self._dues: Iterator[int] = iter(())
        self.offered = 0
        """Commands due within the window, as far as anybody has looked."""

    @classmethod
    def of(cls, trial: Trial, window: Window, *, process: int) -> Schedule | None:
        """Make one process's share of a trial's schedule; a closed load has none."""
        case = trial.case
        if case.rate is None:
            return None
        offsets = due_offsets(
            case.rate,
            case.arrivals or Arrivals.POISSON,
            seed=trial.seed,
            process=process,
            processes=case.processes,
        )
        return cls(offsets, begins=window.opens - trial.warmup_ns, window=window)

    def take(self) -> int:
        """Give the next instant something is due."""
        while True:
            # A list's iterator is stepped by one thread at a time, as no Python runs in it.
            for due in self._dues:
                return due
            self._refill()

    def give_up(self, due: int) -> None:
        """Note that a command was due, and not sent because the window has closed."""
        if due < self._window.closes:
            with self._refilling:
                self._given_up += 1

    def dropped(self) -> int:
        """Count what was due before the window closed and never sent; ends the schedule."""
        left = 0
        while self.take() < self._window.closes:
            left += 1
        return left + self._given_up

    def _refill(self) -> None:
        with self._refilling:
            if self._dues.__length_hint__():  # type: ignore[attr-defined]  # another thread has
                return
            dues = [self._begins + offset for offset in next(self._offsets)]
            opens, closes = self._window.opens, self._window.closes
            self.offered += bisect_left(dues, closes) - bisect_left(dues, opens)
            self._dues = iter(dues)


class Thinking:
    """A closed load: a handler thinks, then issues. A command is due when it is begun."""

    def __init__(self, think: Think, seed: str, window: Window) -> None:
        self.pauses = think_times(think, seed=seed)
        """Seconds to think before each command; 0 is not at all."""
        self._closes = window.closes

    def wait(self, pause: float) -> int:
        """Pause, but not beyond the closing of the window; nothing was due (0)."""
        left = (self._closes - clock()) / SECOND
        if left > 0:
            sleep(min(pause, left))
        return 0

    def give_up(self, due: int) -> None:
        """Let it be: what was not begun was not due."""


class OnSchedule:
    """An open load: a handler takes what is due next, whoever took the one before."""

    def __init__(self, schedule: Schedule, window: Window) -> None:
        self.pauses: Iterator[float] = iter(schedule.take, None)
        """The instants commands are due."""
        self._closes = window.closes
        self.give_up = schedule.give_up

    def wait(self, due: float) -> int:
        """Wait until then, but not beyond the closing of the window; give it back."""
        due = int(due)
        while (left := min(due, self._closes) - clock()) > 0:
            sleep(left / SECOND)
        return due


Pace = Thinking | OnSchedule
