"""Does to a server of ours what a scenario asks for, at its instant, while the load goes on."""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

from valkeybench.errors import ServerError
from valkeybench.measurement.disturbed import Disturbed
from valkeybench.scenario.disturbance import Deed
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from valkeybench.measurement.recorder import Window
    from valkeybench.scenario.disturbance import Disturbance
    from valkeybench.server.guarded import Control
    from valkeybench.server.watching import Watching


class Disturber:
    """Disturbs one trial's server, once; without anything `asked` it does nothing."""

    def __init__(
        self, asked: Disturbance | None, control: Control | None, sampler: Watching
    ) -> None:
        self._asked, self._control, self._sampler = asked, control, sampler
        self.done: Disturbed | None = None
        """What was done; None before, and when nothing was asked."""
        self._trouble: ServerError | None = None

    def during(self, window: Window) -> AbstractContextManager[None]:
        """Do it at its instant of a window that is about to open, while the context lasts.

        Whoever leaves early leaves a server that runs. Leaving raises ServerError when it did
        not come back.
        """
        if self._asked is None:
            return nullcontext()
        if self._control is None:
            raise AssertionError("bug: only a server of ours can be disturbed")
        return self._at_its_time(self._asked, self._control, window)

    @contextmanager
    def _at_its_time(self, asked: Disturbance, control: Control, window: Window) -> Iterator[None]:
        leaving = threading.Event()
        at = window.opens + asked.at(window.length_ns)
        thread = threading.Thread(
            target=self._wait_and_do,
            args=(asked, control, at, leaving),
            name="valkeybench-disturber",
            daemon=True,
        )
        thread.start()
        try:
            yield
        finally:
            leaving.set()
            thread.join()
        if self._trouble is not None:
            raise self._trouble

    def _wait_and_do(
        self, asked: Disturbance, control: Control, at: int, leaving: threading.Event
    ) -> None:
        if leaving.wait(max(at - clock(), 0) / SECOND):
            return
        try:
            self.done = self._do(asked, control, leaving)
        except ServerError as error:
            self._trouble = error

    def _do(self, asked: Disturbance, control: Control, leaving: threading.Event) -> Disturbed:
        killed = None
        began = clock()
        match asked.deed:
            case Deed.RESTART:
                control.kill()
                for sampler in self._sampler.samplers:
                    sampler.expect_another()
                leaving.wait(max(began + asked.lasts_ns - clock(), 0) / SECOND)
                control.start()
            case Deed.STALL:
                control.pause()
                leaving.wait(max(began + asked.lasts_ns - clock(), 0) / SECOND)
                control.resume()
            case Deed.KILL_CLIENTS:
                killed = self._sampler.samplers[0].kill_clients()
        return Disturbed(deed=asked.deed, began_ns=began, ended_ns=clock(), killed=killed)
