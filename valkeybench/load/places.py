"""Where trials run: in fresh processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack, contextmanager, suppress
from time import perf_counter_ns as clock
from typing import IO, TYPE_CHECKING, Any, BinaryIO, Self, cast

from valkeybench.errors import LoadError, ServerError
from valkeybench.load.wire import (
    Crashed,
    EndOfTalkError,
    Order,
    Ready,
    Refused,
    Seen,
    Start,
    receive,
    send,
)
from valkeybench.measurement.measurement import Measurement
from valkeybench.measurement.recorder import Window
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

_LEAD_NS = 50 * MILLISECOND
"""From saying when to start until the start: time for every process to hear it."""

_SECRETS_IN_ENVIRONMENT = ("VALKEYBENCH_PASSWORD", "VALKEYBENCH_KEY_PASSWORD", "VALKEYBENCH_URL")

Talk = Any


class LocalPlace:
    """Runs each trial in as many fresh processes as its case has, all started together."""

    @contextmanager
    def standing_by(self, trial: Trial, endpoint: Endpoint) -> Iterator[StandingLoad]:
        """Start a trial's processes and let them prewarm; leaving ends whatever still runs.

        Raises LoadError when a load process is lost, ServerError when the server does not
        let it prewarm.
        """
        with ExitStack() as processes:
            talks = [
                processes.enter_context(_LoadProcess(Order(trial, endpoint, number)))
                for number in range(trial.case.processes)
            ]
            for talk in talks:
                talk.hear(Ready)
            yield StandingLoad(trial, talks)


class StandingLoad:
    """A trial whose processes are prewarmed and wait for the start."""

    def __init__(self, trial: Trial, talks: Sequence[_LoadProcess]) -> None:
        self._trial = trial
        self._talks = talks
        self.window = Window(0, 0)
        """When samples counted; known once it has run."""

    def run(self) -> Measurement:
        """Start all processes at one instant and add up what they saw; raises LoadError."""
        start = Start(clock() + _LEAD_NS)
        opens = start.at + self._trial.warmup_ns
        self.window = Window(opens, opens + self._trial.duration_ns)
        for talk in self._talks:
            talk.tell(start)
        return sum((talk.hear(Seen).measurement for talk in self._talks), Measurement())


class _LoadProcess:
    """One load process, from order to end. Leaving the context ends it, whatever it is doing."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed on exit
        self._process = subprocess.Popen(
            # -P: a file called redis.py where the user stands must not become our redis.
            [sys.executable, "-P", "-m", "valkeybench.load.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            env={k: v for k, v in os.environ.items() if k not in _SECRETS_IN_ENVIRONMENT},
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        self.tell(self._order)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._complaints):
            if pipe is not None:
                _close(pipe)

    def tell(self, message: Talk) -> None:
        """Say something to it."""
        try:
            send(cast("BinaryIO", self._process.stdin), message)
        except EndOfTalkError:
            raise self._lost() from None

    def hear(self, expected: type[Talk]) -> Talk:
        """Wait for what it says next."""
        try:
            message = receive(cast("BinaryIO", self._process.stdout))
        except EndOfTalkError:
            raise self._lost() from None
        if isinstance(message, expected):
            if expected is Seen:
                self._end_quietly()
            return message
        if isinstance(message, Refused):
            raise ServerError(
                f"the pool could not be opened before the load ({message.kind}): {message.words}",
                remedy="ask for fewer connections; `valkeybench doctor` shows what is refused",
            )
        if isinstance(message, Crashed):
            raise LoadError(
                f"the load process failed:\n{message.trace}", remedy="please report this"
            )
        raise AssertionError(f"bug: the load process said {message!r}")

    def _end_quietly(self) -> None:
        """Let a process that has told all it saw end by itself, connections closed."""
        timer = threading.Timer(_PATIENCE_SECONDS, self._process.kill)
        timer.start()
        self._process.wait()
        timer.cancel()

    def _lost(self) -> LoadError:
        code = self._process.wait()
        self._complaints.seek(0)
        words = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        said = f": {words[-1]}" if words else ""
        return LoadError(
            f"load process {self._order.process} ended {how}{said}",
            remedy="was it out of memory? Fewer handlers or processes need less",
        )


_PATIENCE_SECONDS = 5.0


def _close(pipe: IO[bytes]) -> None:
    with suppress(BrokenPipeError):  # what was still to be said to a process that is gone
        pipe.close()
