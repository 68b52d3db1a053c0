"""The load processes of one machine: starts them, carries messages to and fro, sees them end.

Messages pass through as frames, so that whoever runs a crew for somebody else, on another
machine, neither reads nor shows them.
"""

from __future__ import annotations

import selectors
import subprocess
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass
from time import perf_counter_ns as clock
from typing import IO, TYPE_CHECKING, BinaryIO, TypeAlias, cast

from valkeybench.load.interpreter import OURS
from valkeybench.load.talk import EndOfTalkError, Frame, receive_frame, send_frame
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.load.interpreter import Interpreter

_PATIENCE_SECONDS = 5.0
"""How long processes that have told all they saw may take to end by themselves."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A load process ended before it had said what it should: how, and its last words."""

    how: str
    words: str = ""


Heard: TypeAlias = tuple[int, Frame | Gone]
"""What a process said, after its number; or that it is gone."""


class Crew:
    """Load processes of this machine, by number. Whoever makes one must close it."""

    def __init__(self, interpreter: Interpreter = OURS) -> None:
        self._interpreter = interpreter
        self._processes: dict[int, _LoadProcess] = {}
        self._failed: list[Heard] = []
        self._hearing = threading.Lock()
        """Held while pipes are listened to: they are closed when nobody does any more."""

    def start(self, orders: Mapping[int, Frame]) -> None:
        """Start a process for each order; one that cannot be started is heard of as gone."""
        for number, order in orders.items():
            try:
                self._processes[number] = _LoadProcess(self._interpreter)
            except OSError as error:
                words = error.strerror or str(error)
                self._failed.append((number, Gone("before it could be started", words)))
                return
            self._processes[number].tell(order)

    def tell(self, frame: Frame) -> None:
        """Say something to every process."""
        for process in self._processes.values():
            process.tell(frame)

    def hear(self, *, said: int, patience_ns: int | None = None) -> list[Heard]:
        """Wait until every process has said so many things since it began, and give the new ones.

        Comes back early when a process is gone that has not, and when patience ends.
        """
        with self._hearing, selectors.DefaultSelector() as pipes:
            heard, self._failed = self._failed, []
            for number, process in self._processes.items():
                if process.said < said:
                    pipes.register(process.output, selectors.EVENT_READ, number)
            give_up = None if patience_ns is None else clock() + patience_ns
            while pipes.get_map() and not any(isinstance(what, Gone) for _, what in heard):
                left = None if give_up is None else (give_up - clock()) / SECOND
                if left is not None and left <= 0:
                    break
                for key, _ in pipes.select(left):
                    process = self._processes[key.data]
                    what = process.hear()
                    heard.append((key.data, what))
                    if isinstance(what, Gone) or process.said >= said:
                        pipes.unregister(process.output)
            return heard

    def finish(self) -> None:
        """Let processes that have told all they saw end by themselves, connections closed."""
        give_up = clock() + round(_PATIENCE_SECONDS * SECOND)
        for process in self._processes.values():
            process.wait((give_up - clock()) / SECOND)

    def close(self) -> None:
        """End whatever still runs, at once."""
        for process in self._processes.values():
            process.kill()
        with self._hearing:
            for process in self._processes.values():
                process.close()
            self._processes.clear()


class _LoadProcess:
    """One load process."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.said = 0
        self._complaints: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close
        try:
            self._process = subprocess.Popen(  # noqa: S603 - ours, or one that was introduced
                interpreter.command("-m", "valkeybench.load.process"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._complaints,
                env=interpreter.environment(),
                start_new_session=True,
            )
        except OSError:
            self._complaints.close()
            raise
        self.output = cast("BinaryIO", self._process.stdout)

    def tell(self, frame: Frame) -> None:
        """Say something to it; that it is gone is heard, not told."""
        with suppress(EndOfTalkError):
            send_frame(cast("BinaryIO", self._process.stdin), frame)

    def hear(self) -> Frame | Gone:
        """Wait for what it says next, or for its end."""
        try:
            frame = receive_frame(self.output)
        except EndOfTalkError:
            return self._gone()
        self.said += 1
        return frame

    def wait(self, seconds: float) -> None:
        """Give it so long to end by itself."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(seconds, 0))

    def kill(self) -> None:
        """End it."""
        self._process.kill()

    def close(self) -> None:
        """Clear up after one that was killed or has ended."""
        self._process.wait()
        for pipe in (self._process.stdin, self.output, self._complaints):
            if pipe is not None:
                with suppress(BrokenPipeError):  # what was still to be said to one that is gone
                    pipe.close()

    def _gone(self) -> Gone:
        code = self._process.wait()
        self._complaints.seek(0)
        words = self._complaints.read().decode("utf-8", "replace").strip().splitlines()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return Gone(how, words[-1] if words else "")
