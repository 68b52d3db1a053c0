"""Where trials run: in fresh processes, of this machine or of others, started at one instant."""

from __future__ import annotations

import os
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any, Protocol

from valkeybench.errors import LoadError, ScenarioError, ServerError
from valkeybench.load.crew import Crew, Gone
from valkeybench.load.interpreter import OURS
from valkeybench.load.reach import check_reach, scheduler_host
from valkeybench.load.talk import Crashed, Order, Ready, Refused, Seen, Start, Unable, pack, unpack
from valkeybench.measurement.measurement import Measurement
from valkeybench.measurement.placing import Placing, ProcessShare, Worker
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import LOCAL
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from contextlib import AbstractContextManager

    from valkeybench.load.crew import Heard
    from valkeybench.load.interpreter import Interpreter
    from valkeybench.load.talk import Frame
    from valkeybench.plan.trial import Trial
    from valkeybench.scenario.model import ServerSettings
    from valkeybench.server.endpoint import Endpoint

_LEAD_NS = 50 * MILLISECOND
_LEAD_EACH_NS = MILLISECOND
"""From saying when to start until the start: time for every process to hear it."""


class Place(Protocol):
    """Somewhere trials can run."""

    @property
    def is_in_clear(self) -> bool:
        """Whether passwords on their way to the processes can be read by others."""

    def standing_by(self, trial: Trial, endpoint: Endpoint) -> AbstractContextManager[StandingLoad]:
        """Start a trial's processes and let them prewarm; leaving ends whatever still runs."""


class Hands(Protocol):
    """A trial's load processes, whoever runs them."""

    @property
    def workers(self) -> tuple[Worker, ...]:
        """Give who runs which processes."""

    def compare_clocks(self) -> tuple[Worker, ...]:
        """Give the same workers and how their clocks differ from ours now."""

    def tell(self, frames: Mapping[str, Frame]) -> None:
        """Say something to all processes of each worker, by its name."""

    def hear(self, *, said: int) -> Iterable[Heard]:
        """Wait until some process has something new to say, each up to its `said`-th message."""

    def finish(self) -> None:
        """Let processes that have told all they saw end by themselves."""


@contextmanager
def open_place(address: str, server: ServerSettings) -> Iterator[Place]:
    """Give the place an address names: this machine, or the workers of a Dask scheduler.

    Raises LoadError when it cannot be reached, and ScenarioError when processes there could
    not reach the server, or what it takes is not installed.
    """
    if address == LOCAL:
        yield LocalPlace()
        return
    check_reach(server, [scheduler_host(address)])
    try:
        from valkeybench.load.dask import dask_place  # noqa: PLC0415 - an extra, and heavy
    except ModuleNotFoundError as error:
        raise ScenarioError.one(
            "--place", f"{error.name} is not installed", "pip install 'valkeybench[dask]'"
        ) from None
    with dask_place(address, server) as place:
        yield place


class LocalPlace:
    """Runs each trial in as many fresh processes as its case has, all on this machine."""

    def __init__(self, interpreter: Interpreter = OURS) -> None:
        self._interpreter = interpreter

    @property
    def is_in_clear(self) -> bool:
        """Pipes between our own processes are nobody else's."""
        return False

    @contextmanager
    def standing_by(self, trial: Trial, endpoint: Endpoint) -> Iterator[StandingLoad]:
        """Start a trial's processes and let them prewarm; leaving ends whatever still runs.

        Raises LoadError when a load process is lost, ServerError when the server does not
        let it prewarm.
        """
        crew = Crew(self._interpreter)
        try:
            numbers = range(trial.case.processes)
            crew.start({number: pack(Order(trial, endpoint, number)) for number in numbers})
            yield StandingLoad(trial, _Own(crew, Worker(name=LOCAL, processes=tuple(numbers))))
        finally:
            crew.close()


class _Own:
    """The processes of this machine, whose clock is ours."""

    def __init__(self, crew: Crew, worker: Worker) -> None:
        self._crew = crew
        self._worker = replace(worker, cpus=usable_cpus())

    @property
    def workers(self) -> tuple[Worker, ...]:
        return (self._worker,)

    def compare_clocks(self) -> tuple[Worker, ...]:
        return self.workers

    def tell(self, frames: Mapping[str, Frame]) -> None:
        self._crew.tell(frames[self._worker.name])

    def hear(self, *, said: int) -> Iterable[Heard]:
        return self._crew.hear(said=said)

    def finish(self) -> None:
        self._crew.finish()


class StandingLoad:
    """A trial whose processes are prewarmed and wait for the start."""

    def __init__(self, trial: Trial, hands: Hands) -> None:
        """Wait until all of them are prewarmed; raises LoadError and ServerError."""
        self._trial = trial
        self._hands = hands
        self.window = Window(0, 0)
        """When samples counted; known once it has run."""
        self.placing = Placing()
        """Who ran which process and what it did; known once it has run."""
        for _ in self._hear_all(Ready, said=1):
            pass

    def run(
        self, during: Callable[[Window], AbstractContextManager[None]] = lambda _: nullcontext()
    ) -> Measurement:
        """Start all processes at one instant and add up what they saw; raises LoadError.

        `during` is told the window, and gives a context that lasts as long as the load does.
        """
        workers = self._hands.compare_clocks()
        slowest = max(worker.clock_error_ns for worker in workers)
        lead = _LEAD_NS + self._trial.case.processes * _LEAD_EACH_NS + 8 * slowest
        start = clock() + lead
        opens = start + self._trial.warmup_ns
        self.window = Window(opens, opens + self._trial.duration_ns)
        self._hands.tell(
            {worker.name: pack(Start(start + worker.clock_ahead_ns)) for worker in workers}
        )
        with during(self.window):
            total, shares = self._add_up(workers)
        self._hands.finish()
        shares.sort(key=lambda share: share.process)
        self.placing = Placing(workers=workers, shares=tuple(shares))
        return total

    def _add_up(self, workers: Iterable[Worker]) -> tuple[Measurement, list[ProcessShare]]:
        """Wait for what every process saw."""
        ahead = {number: worker.clock_ahead_ns for worker in workers for number in worker.processes}
        total, shares = Measurement(), []
        # Added up as they come: a thousand of them at once would not fit.
        for number, seen in self._hear_all(Seen, said=2):
            total += seen.measurement
            began = seen.began - ahead[number] - self.window.opens
            shares.append(_share(number, seen, began_ns=began))
        return total, shares

    def _hear_all(self, expected: type, *, said: int) -> Iterator[tuple[int, Any]]:
        """Hear one thing of every process, in any order; what is not expected is raised."""
        missing = self._trial.case.processes
        while missing:
            for number, what in self._hands.hear(said=said):
                if isinstance(what, Gone):
                    raise _lost(self._name(number), what)
                message = unpack(what)
                if not isinstance(message, expected):
                    raise _stopped(self._name(number), message)
                missing -= 1
                yield number, message

    def _name(self, number: int) -> str:
        """Name a process, and who runs it where that is not this machine."""
        where = ""
        for worker in self._hands.workers:
            if number in worker.processes and worker.address is not None:
                where = f" on worker {worker.name} ({worker.host})"
        return f"load process {number}{where}"


def usable_cpus() -> int | None:
    """Count the CPUs that processes of ours may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count()


def _share(number: int, seen: Seen, *, began_ns: int) -> ProcessShare:
    return ProcessShare(
        process=number,
        window_ns=seen.measurement.window_ns,
        completed=seen.measurement.completed,
        failed=seen.measurement.failed,
        cpu_ns=seen.measurement.cpu_ns,
        began_ns=began_ns,
    )


def _lost(name: str, gone: Gone) -> LoadError:
    said = f": {gone.words}" if gone.words else ""
    return LoadError(
        f"{name} ended {gone.how}{said}",
        remedy="was it out of memory? Fewer handlers or processes need less",
    )


def _stopped(name: str, message: object) -> LoadError | ServerError:
    """Make an error of what a process says instead of what it should."""
    match message:
        case Refused(words, remedy):
            return ServerError(
                f"the pool could not be opened before the load: {words}", remedy=remedy
            )
        case Unable(words):
            return LoadError(
                f"{name} did not get what it needs from its machine: {words}",
                remedy="use fewer handlers or processes there, or raise what it allows "
                "(ulimit -u and -n, the memory and pids limits of a container)",
            )
        case Crashed(trace):
            return LoadError(f"{name} failed:\n{trace}", remedy="please report this")
    raise AssertionError(f"bug: {name} said {message!r}")
