"""How to have a program of ours run under a guardian, and when it is up."""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from valkeybench.errors import ServerError
from valkeybench.server import guardian
from valkeybench.server.binary import ELSEWHERE
from valkeybench.server.exchange import is_up
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from valkeybench.scenario.secret import Secret
    from valkeybench.server.endpoint import Endpoint

LOOPBACK = "127.0.0.1"

_START_NS = 10 * SECOND
_PROBE_NS = 200 * MILLISECOND
_TLS_PROBE_NS = 2 * SECOND
_PAUSE_NS = 5 * MILLISECOND
_ATTEMPTS = 5
_LINES_QUOTED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to run, and where it will be found when it is up."""

    what: str
    """What to call it in messages."""
    command: tuple[str | Path, ...]
    configuration: str = field(repr=False)
    """What it reads on its standard input; holds no empty line."""
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """What it finds in the directory it is started in, readable to nobody else."""
    secret: Secret
    """What never to quote."""
    find: Callable[[int, str], tuple[Endpoint, ...]]
    """Says, by its process and that directory, where to knock."""


class Control:
    """What can be done to a program of ours that runs, by its guardian, who keeps owning it."""

    def __init__(
        self, program: _Guarded, order: Order, endpoints: tuple[Endpoint, ...] = ()
    ) -> None:
        self._program, self._order = program, order
        self.endpoints = endpoints
        """Where it answers."""

    def kill(self) -> None:
        """Kill it; it is gone when this returns."""
        self._program.obey("kill", "killed")

    def start(self) -> None:
        """Start it again where it was, and see it answer; raises ServerError when it does not."""
        self._program.obey("start", "started")
        if not _comes_up(self._program, self.endpoints):
            raise ServerError(
                f"the {self._order.what} did not come back after it was restarted",
                remedy="see whether something else took its port",
            )

    def pause(self) -> None:
        """Stop its process as it stands: connections stay open, nothing is answered."""
        self._program.obey("pause", "paused")

    def resume(self) -> None:
        """Let it go on."""
        self._program.obey("resume", "resumed")


@contextmanager
def guarded(make_order: Callable[[], Order]) -> Iterator[Control]:
    """Run a program while the context lasts; give the control of it. It answers by then.

    However we end, even killed, it ends too and leaves nothing behind. Another order is made
    when the first one's port is taken by then. Raises ServerError when it does not start, or
    has died before the context ended well.
    """
    program, order, endpoints = _start(make_order)
    try:
        yield Control(program, order, endpoints)
    finally:
        verdict, _, log = program.dismiss().partition("\n")
    if verdict != "stopped":
        raise ServerError(
            f"the {order.what} died while it was needed{_quoted(log, order.secret)}",
            remedy="see whether something killed it, or memory ran out",
        )


class _Guarded:
    """A program of ours, and our end of the guardian process that watches over it."""

    def __init__(self, order: Order) -> None:
        # A session of its own: a Ctrl-C in the terminal is ours to handle, and not the server's.
        # Descriptors of its own: who reads our output does not have to wait for the server to end.
        process = subprocess.Popen(  # noqa: S603 - our own program
            [
                *(sys.executable, "-I", "-S", guardian.__file__),
                *(str(os.getpid()), tempfile.gettempdir()),
                *order.command,
            ],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("VALKEYBENCH_")
            },
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101 - for the type checker
        self._process, self._mouth, self._ear = process, process.stdin, process.stdout
        for name, content in order.files.items():
            self._tell(f"file {len(content)} {name}\n".encode() + content)
        self._tell(f"{order.configuration}\n\n".encode())
        first_line = self._ear.readline().decode(errors="replace")
        word, _, rest = first_line.strip().partition(" ")
        pid, _, directory = rest.partition(" ") if word == "started" else ("", "", "")
        self.pid = int(pid) if pid else None
        """The program's process id; None when the guardian could not start it."""
        self.directory = directory
        self._unasked = "" if pid else first_line
        """What it said instead of what was asked of it: the beginning of its last words."""

    def has_ended(self, patience_ns: int) -> bool:
        """Wait so long at most for the program to end, and say whether it has."""
        with selectors.DefaultSelector() as selector:
            # Asked nothing, the guardian speaks only when all is over.
            selector.register(self._ear, selectors.EVENT_READ)
            return bool(selector.select(patience_ns / SECOND))

    def obey(self, word: str, answer: str) -> None:
        """Have the guardian do something, and hear that it is done; raises ServerError."""
        self._tell(f"{word}\n".encode())
        said = self._ear.readline().decode(errors="replace")
        if said.split()[:1] != [answer]:
            self._unasked += said
            raise ServerError("a server of ours died while it was needed")

    def dismiss(self) -> str:
        """Have everything stopped and removed; give the guardian's last words."""
        self._tell(b"\n")
        self._mouth.close()
        last_words = self._ear.read().decode(errors="replace")
        self._ear.close()
        self._process.wait()
        if self.directory:
            # The guardian has done so, unless somebody killed it.
            shutil.rmtree(self.directory, ignore_errors=True)
        return self._unasked + last_words

    def _tell(self, words: bytes) -> None:
        # A guardian that is gone is found out by listening to it.
        with suppress(BrokenPipeError):
            while words:
                # An unbuffered pipe may take a part.
                words = words[self._mouth.write(words) or 0 :]


def _start(make_order: Callable[[], Order]) -> tuple[_Guarded, Order, tuple[Endpoint, ...]]:
    """Start a program and see it answer, on another port if the first is taken by then."""
    for _ in range(_ATTEMPTS):
        order = make_order()
        program = _Guarded(order)
        try:
            endpoints = order.find(program.pid, program.directory) if program.pid else ()
            if endpoints and _comes_up(program, endpoints):
                return program, order, endpoints
        except BaseException:
            program.dismiss()
            raise
        log = program.dismiss()
        if "ddress already in use" not in log:
            break
    raise ServerError(
        f"the {order.what} {order.command[0]} did not start{_quoted(log, order.secret)}",
        remedy=ELSEWHERE,
    )


def _comes_up(program: _Guarded, endpoints: tuple[Endpoint, ...]) -> bool:
    """Knock until every door answers; False when it ends first or takes too long."""
    give_up_at = time.perf_counter_ns() + _START_NS
    waiting = list(endpoints)
    while waiting and time.perf_counter_ns() < give_up_at:
        if _answers(waiting[0]):
            del waiting[0]
        elif program.has_ended(_PAUSE_NS):
            return False
    return not waiting


def _answers(endpoint: Endpoint) -> bool:
    return is_up(endpoint, timeout_ns=_TLS_PROBE_NS if endpoint.tls else _PROBE_NS)


def _quoted(log: str, secret: Secret) -> str:
    """Quote the end of the log; a server may complain about the line with the password."""
    lines = log.replace(secret.reveal(), "***").strip().splitlines()[-_LINES_QUOTED:]
    return "; its last words:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""
