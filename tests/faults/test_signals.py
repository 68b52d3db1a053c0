"""A command that is told to end, or killed, takes everything it has started along, and soon."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, command, environment, kept_run
from tests.faults.aftermath import assert_aftermath
from tests.server.processes import on_linux, wait_until
from valkeybench.errors import ExitCode

if TYPE_CHECKING:
    from tests.cli.commandline import Running
    from tests.faults.aftermath import Scene

pytestmark = on_linux

PROMISED_SECONDS = 2
NOISE = 5
"""How many times as long a machine may take that has other things to do."""

MANY = ("run", *TINY, "--pool", "blocking", "--repeats", "100", "-o", "run.json")
SHAPES = {"two processes": ("--processes", "2"), "cluster": ("--cluster",)}

Figures = Callable[[str, object], None]


def seconds_until_gone(scene: Scene, act: Callable[[], object]) -> float:
    """Do something to a command; give how long it takes until nothing of it runs."""
    began = time.monotonic()
    act()
    wait_until(lambda: not scene.processes)
    return time.monotonic() - began


def assert_soon(seconds: float, how: str, figures: Figures) -> None:
    """See that something did not take unreasonably longer than promised; note what it took."""
    figures(f"{how}: seconds until all were gone", round(seconds, 2))
    assert seconds < PROMISED_SECONDS * NOISE


def at_work(scene: Scene, run: Running) -> None:
    """Wait until a trial is done and the next under way, over a server of the command's own."""
    run.wait_for("trial 1/100")
    wait_until(lambda: any("valkeybench.load" in words for words in scene.processes.values()))
    assert any("valkey-server" in words for words in scene.processes.values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_told_to_end_it_is_gone_soon(
    scene: Scene, number: signal.Signals, record_testsuite_property: Figures
) -> None:
    """With 130 and what was measured; load processes and the private server go first."""
    with scene.running(*MANY, "--processes", "2") as run:
        at_work(scene, run)
        seconds = seconds_until_gone(scene, lambda: run.signal(number))
        ended = run.ended()
    run_file = assert_aftermath(scene, ended, code=ExitCode.INTERRUPTED)
    assert 1 <= len(run_file.cases[0].trials) < 100
    assert_soon(seconds, number.name, record_testsuite_property)


@pytest.mark.parametrize("shape", SHAPES)
def test_killed_it_leaves_nobody_behind(
    scene: Scene, shape: str, record_testsuite_property: Figures
) -> None:
    """SIGKILL cannot be heard: load processes, guardians and servers end by themselves."""
    with scene.running(*MANY, *SHAPES[shape]) as run:
        at_work(scene, run)
        seconds = seconds_until_gone(scene, lambda: run.signal(signal.SIGKILL))
        ended = run.ended()
    run_file = assert_aftermath(scene, ended, code=-signal.SIGKILL)
    assert 1 <= len(run_file.cases[0].trials) < 100
    assert_soon(seconds, f"SIGKILL, {shape}", record_testsuite_property)


def test_a_terminal_that_goes_away_ends_it_like_ctrl_c(
    scene: Scene, record_testsuite_property: Figures
) -> None:
    """A closed window or a lost ssh: there is nobody to talk to, and what was measured is kept."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        # `script` and the like would be in the way: the terminal must be the command's own.
        ["setsid", "--ctty", "--wait", *command(MANY)],  # noqa: S607 - whichever there is
        cwd=scene.directory,
        env=environment({"TMPDIR": str(scene.temporary), "TERM": "xterm"}),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        while not scene.output.exists():
            os.read(ours, 1 << 16)
        seconds = seconds_until_gone(scene, lambda: os.close(ours))
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        process.wait()
    assert "interrupted" == kept_run(scene.output).status
    assert [] == list(scene.temporary.iterdir())
    assert_soon(seconds, "terminal", record_testsuite_property)
