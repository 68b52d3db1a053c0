"""How a server is watched during a load: read again and again, until it is gone."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from valkeybench.errors import ServerError
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.measurement.reading import ServerFacts, ServerReading
    from valkeybench.server.sampler import ServerSampler

SAMPLER_NAME = "valkeybench-sampler"
"""What our connection calls itself, to be told apart in CLIENT LIST."""


class Watch:
    """What a sampler saw while it was watching."""

    def __init__(self) -> None:
        self._readings: list[ServerReading] = []
        self.lost = False
        """Whether the server vanished, which ended the watching early."""

    @property
    def readings(self) -> tuple[ServerReading, ...]:
        """Give the readings so far, oldest first."""
        return tuple(self._readings)

    def add(self, reading: ServerReading) -> None:
        """Keep one more reading."""
        self._readings.append(reading)


class Watching:
    """What can read a server, or several as one: it can watch it by reading again and again."""

    @property
    def own_connections(self) -> int:
        """Count the connections opened to ask, which the server counts, too."""
        raise NotImplementedError

    @property
    def samplers(self) -> Sequence[ServerSampler]:
        """Give who asks each server."""
        raise NotImplementedError

    @property
    def replaced(self) -> ServerError | None:
        """Give the error that a server was replaced by another while we asked; None if none was."""
        return next((sampler.replaced for sampler in self.samplers if sampler.replaced), None)

    def facts(self) -> ServerFacts:
        """Ask for what does not change during a run; raises ServerError when the server is gone."""
        raise NotImplementedError

    def read(self) -> ServerReading:
        """Ask for the numbers of this instant; raises ServerError when the server is gone."""
        raise NotImplementedError

    def read_if_there(self) -> ServerReading | None:
        """Ask for the numbers of this instant; None when the server is gone."""
        try:
            return self.read()
        except ServerError:
            return None

    @contextmanager
    def watch(self, every_ns: int, *, through_gaps: bool = False) -> Iterator[Watch]:
        """Read every so many nanoseconds while the context lasts, in a thread of its own.

        The first reading comes one interval after the start; what comes due while another is
        under way is skipped. A server that vanishes is no error: the watch says it was `lost`;
        `through_gaps` it goes on looking instead, as it will be back.
        """
        watch, stop = Watch(), threading.Event()
        thread = threading.Thread(
            target=self._keep_reading,
            args=(watch, every_ns, stop, through_gaps),
            name=SAMPLER_NAME,
            daemon=True,
        )
        thread.start()
        try:
            yield watch
        finally:
            stop.set()
            thread.join()

    def _keep_reading(
        self,
        watch: Watch,
        every_ns: int,
        stop: threading.Event,
        through_gaps: bool,  # noqa: FBT001 - what a thread is given has no names
    ) -> None:
        start_ns = time.perf_counter_ns()
        while True:
            # Counted from the start, so that no drift builds up.
            to_wait_ns = every_ns - (time.perf_counter_ns() - start_ns) % every_ns
            if stop.wait(to_wait_ns / SECOND):
                return
            try:
                watch.add(self.read())
            except ServerError:
                if not through_gaps:
                    watch.lost = True
                    return
