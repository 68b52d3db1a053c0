"""Runs the command line as a user does: a program of its own, in a directory of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jsonschema

from tests.server.processes import ROOT, is_running, wait_until
from valkeybench.results.runfile import RunFile, json_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeybench.server.endpoint import Endpoint

TINY = (
    *("--duration", "300ms", "--warmup", "100ms", "--repeats", "1"),
    *("-c", "4", "-m", "2", "--think", "1ms"),
)
"""A load that is over soon."""

_NOT_INHERITED = ("VALKEYBENCH_", "NO_COLOR", "FORCE_COLOR", "CLICOLOR", "COLUMNS", "TTY_")
HEARING_CTRL_C = (
    *(sys.executable, "-I", "-S", "-c"),
    "import os, signal, sys; signal.signal(signal.SIGINT, 0); os.execv(sys.argv[1], sys.argv[1:])",
)
"""Runs a command that hears Ctrl-C: tests in the background of a script inherit that nobody does.

No `preexec_fn`: with one, Python runs what libraries of the tests' own process want done in a fork,
and valkey-glide wants to connect again there, for seconds, to servers long gone.
"""

_DEADLINE_SECONDS = 60
"""A net for hangs; it asserts nothing."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str


def valkeybench(directory: Path, *words: str, **variables: str) -> Ended:
    """Run a command to its end."""
    done = subprocess.run(
        command(words),
        cwd=directory,
        env=environment(variables),
        check=False,
        capture_output=True,
        text=True,
        timeout=_DEADLINE_SECONDS,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def command(words: tuple[str, ...]) -> list[str]:
    """Give the arguments that run valkeybench from this checkout."""
    return [sys.executable, "-m", "valkeybench", *words]


def environment(variables: dict[str, str]) -> dict[str, str]:
    """Give an environment that holds nothing of who runs the tests, and these variables."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(_NOT_INHERITED)}
    binary = os.environ.get("VALKEYBENCH_SERVER")
    chosen = {} if binary is None else {"VALKEYBENCH_SERVER": binary}
    return kept | chosen | {"PYTHONPATH": str(ROOT)} | variables


class Running:
    """A command under way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._said = ""

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self._process.pid

    def wait_for(self, words: str) -> None:
        """Read what it says on standard error until a line holds these words."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said += line
            if words in line:
                return
        raise AssertionError(f"it ended without saying {words!r}: {self._said}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; Ctrl-C as a terminal does, to everybody in its process group."""
        if number == signal.SIGINT:
            os.killpg(self.pid, number)
        else:
            self._process.send_signal(number)

    def ended(self, within_seconds: float = _DEADLINE_SECONDS) -> Ended:
        """Wait for its end; fail when that takes longer."""
        out, err = self._process.communicate(timeout=within_seconds)
        return Ended(self._process.returncode, out, self._said + err)


@contextmanager
def running(directory: Path, *words: str, **variables: str) -> Iterator[Running]:
    """Start a command, and leave none of its processes behind."""
    process = subprocess.Popen(
        [*HEARING_CTRL_C, *command(words)],
        cwd=directory,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    family: set[int] = set()
    try:
        with process:
            try:
                yield Running(process)
            finally:
                family = descendants(process.pid)
                process.kill()
    finally:
        for pid in family:
            wait_until(lambda pid=pid: not is_running(pid))  # type: ignore[misc]  # a lambda's default


def descendants(pid: int) -> set[int]:
    """Find the processes somebody has started, directly or not."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid="],  # noqa: S607 - whichever there is
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    parents = {int(child): int(parent) for child, parent in map(str.split, listed.splitlines())}
    family: set[int] = set()
    generation = {pid}
    while generation:
        generation = {child for child, parent in parents.items() if parent in generation}
        family |= generation
    return family


def external(endpoint: Endpoint) -> dict[str, str]:
    """Name a server and its password by variables, as for one that is not ours."""
    assert endpoint.password is not None
    return {
        "VALKEYBENCH_URL": endpoint.address,
        "VALKEYBENCH_PASSWORD": endpoint.password.reveal(),
    }


def kept_run(path: Path) -> RunFile:
    """Read a run file that obeys the published schema."""
    return checked_run(path.read_text(encoding="utf-8"))


def checked_run(text: str) -> RunFile:
    """Read the text of a run file that obeys the published schema."""

    def refuse(constant: str) -> Any:  # noqa: ANN401 - it returns nothing
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads(text, parse_constant=refuse)
    jsonschema.validate(document, json_schema())
    return RunFile.model_validate(document)


def files_in(directory: Path) -> list[str]:
    """Name every file in a directory, hidden ones included."""
    return sorted(
        path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file()
    )
