"""What makes a task wait before a command: what `pace` is for threads."""

from __future__ import annotations

import asyncio
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.plan.arrivals import think_times
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.load.pace import Schedule
    from valkeybench.measurement.recorder import Window
    from valkeybench.scenario.model import Think


class Thinking:
    """A closed load: a handler thinks, then issues. A command is due when it is begun."""

    def __init__(self, think: Think, seed: str, window: Window) -> None:
        self.pauses = think_times(think, seed=seed)
        """Seconds to think before each command; 0 is not at all."""
        self._closes = window.closes

    async def wait(self, pause: float) -> int:
        """Pause, but not beyond the closing of the window; nothing was due (0)."""
        left = (self._closes - clock()) / SECOND
        if left > 0:
            await asyncio.sleep(min(pause, left))
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

    async def wait(self, due: float) -> int:
        """Wait until then, but not beyond the closing of the window; give it back."""
        due = int(due)
        while (left := min(due, self._closes) - clock()) > 0:  # noqa: ASYNC110 - for time itself
            await asyncio.sleep(left / SECOND)
        return due


Pace = Thinking | OnSchedule
