"""A machine that runs out of files, ports or disk, loses a process or steps its clock."""

from __future__ import annotations

import os
import re
import resource
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, kept_run
from tests.faults.aftermath import (
    OUTPUT,
    assert_aftermath,
    assert_nothing_left,
    assert_refused,
)
from tests.faults.machines import ended_where, needs_namespaces, sitecustomize
from tests.server.processes import on_linux, wait_until
from valkeybench.errors import ExitCode
from valkeybench.results.claim import claimed
from valkeybench.results.store import default_path
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from tests.faults.aftermath import Scene
    from valkeybench.results.runfile import RunFile

pytestmark = on_linux

RUN = ("run", *TINY, "-o", OUTPUT)
POOLED = (*RUN, "--pool", "blocking")
UNPOOLED = (*RUN, "--pool", "none", "--warmup", "0")

FEW_FILES = 16
"""Enough for a load process to begin, and not for a connection of each of twenty handlers."""

FEW_PORTS = "ip link set lo up && echo 40000 40047 > /proc/sys/net/ipv4/ip_local_port_range"

TMPFS = 'mount -t tmpfs -o {options} none "$PWD"/small && cd small'
"""A file system of the command's own, in which it works."""


def load_process(scene: Scene) -> int:
    """Wait for a load process of a command; give its id."""
    found: list[int] = []

    def is_there() -> bool:
        found[:] = [pid for pid, words in scene.processes.items() if "valkeybench.load" in words]
        return bool(found)

    wait_until(is_there)
    return found[0]


def assert_failures_are_ours(scene: Scene, ended_out: str) -> None:
    """See that what this machine did not give is told from what the server refused."""
    (case,) = kept_run(scene.output).cases
    assert case.summary is not None
    assert {"client_limit"} == set(case.summary.failures)
    assert 0 < case.summary.completed
    assert "(net.ipv4.ip_local_port_range) on this machine" in " ".join(ended_out.split())


# --- files and ports ---


def test_a_limit_of_files_that_leaves_none_to_ourselves(scene: Scene) -> None:
    """It is no bug of ours, and what to do is said."""
    ended = ended_where(scene, "ulimit -n 8", *POOLED)
    said = assert_refused(scene, ended, code=ExitCode.LOAD)
    assert "error: this machine did not give what is needed: Too many open files" in said


@pytest.mark.parametrize("driver", ["threads", "wire"])
def test_files_that_run_out_under_load(scene: Scene, driver: str) -> None:
    """Each command that got no connection is a failure of its own kind, and the rest counts."""
    words = (*UNPOOLED, "--driver", driver, "-c", "20", "--duration", "500ms")
    with scene.running(*words) as run:
        resource.prlimit(load_process(scene), resource.RLIMIT_NOFILE, (FEW_FILES, FEW_FILES))
        ended = run.ended()
    assert_aftermath(scene, ended)
    assert_failures_are_ours(scene, ended.out)


@needs_namespaces
@pytest.mark.parametrize("driver", ["threads", "asyncio"])
def test_ports_that_run_out(scene: Scene, driver: str) -> None:
    """The same where each connection leaves a port behind that rests for a while (TIME_WAIT)."""
    words = (*UNPOOLED, "--driver", driver, "--think", "5ms", "--duration", "500ms")
    ended = ended_where(scene, FEW_PORTS, *words, apart="--net")
    assert_aftermath(scene, ended)
    assert_failures_are_ours(scene, ended.out)


# --- where the result goes ---


@needs_namespaces
@pytest.mark.parametrize(
    ("options", "reason"),
    [("size=16k", "No space left on device"), ("ro", "Read-only file system")],
)
def test_a_place_that_takes_nothing_is_found_before_the_load(
    scene: Scene, options: str, reason: str
) -> None:
    """Nothing is measured that could not be kept."""
    (scene.directory / "small").mkdir()
    first = TMPFS.format(options=options)
    ended = ended_where(scene, first, *POOLED, apart="--mount")
    said = assert_refused(scene, ended, code=ExitCode.USAGE)
    assert f"--output: {OUTPUT} cannot be written ({reason})" in said
    assert "trial" not in said


@needs_namespaces
def test_a_disk_that_fills_up_keeps_the_trials_before(scene: Scene) -> None:
    """The file is whole, as after the last trial that fitted; no half of one is beside it."""
    (scene.directory / "small").mkdir()
    first = TMPFS.format(options="size=88k")
    words = (*POOLED, "--duration", "100ms", "--warmup", "0", "--repeats", "99")
    ended = ended_where(scene, first, *words, apart="--mount", then="cp -a . ..")
    assert_nothing_left(scene, ended, code=ExitCode.RESULT, files=(OUTPUT,))
    assert f"the result could not be written to {OUTPUT}: No space left on device" in ended.err
    kept = kept_run(scene.output)
    done = [int(n) for n in re.findall(r"^trial (\d+)/99", ended.err, re.MULTILINE)]
    assert "interrupted" == kept.status
    assert 1 <= done[-1] == len(kept.cases[0].trials) < 99


def test_output_nobody_takes_loses_no_result(scene: Scene) -> None:
    """A full standard output is one message and 5; full standard error is no reason to stop."""
    ended = ended_where(scene, "exec > /dev/full", *POOLED)
    kept = assert_kept_whole(scene, ended.err)
    assert ExitCode.RESULT == ended.code
    assert "error: what there is to say could not be written: No space left on device" in ended.err
    assert 1 == ended.err.count("error: ")

    ended = ended_where(scene, "exec 2> /dev/full", *POOLED)
    again = assert_kept_whole(scene, ended.out)
    assert (ExitCode.DONE, "") == (ended.code, ended.err)
    assert kept.created != again.created


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_reason_to_stop(scene: Scene, closed: str) -> None:
    """Whoever closes standard streams has the run done and kept; nothing else takes their place."""
    ended = ended_where(scene, f"exec {closed}", *POOLED)
    assert_kept_whole(scene, ended.err + ended.out)
    assert ExitCode.DONE == ended.code
    assert ("" == ended.err) is ("2>&-" in closed)


def assert_kept_whole(scene: Scene, said: str) -> RunFile:
    """See that a run is kept whole, without a traceback."""
    kept = kept_run(scene.output)
    assert "complete" == kept.status
    assert "Traceback" not in said
    wait_until(lambda: not scene.processes)
    return kept


def test_help_that_cannot_be_printed_is_no_traceback(scene: Scene) -> None:
    """What is printed before any command begins goes the same way."""
    for words in (("--help",), ("--version",), ("scenarios",)):
        ended = ended_where(scene, "exec > /dev/full", *words)
        assert_nothing_left(scene, ended, code=ExitCode.RESULT)


def test_two_runs_do_not_share_a_file(scene: Scene) -> None:
    """Who comes second is refused before the load; who was first keeps its result."""
    with scene.running(*POOLED, "--repeats", "99") as first:
        first.wait_for("trial 1/99")
        # By another way to the same place.
        second = scene.ended("run", *TINY, "-o", f"../scene/{OUTPUT}", "--pool", "none")
        first.signal(signal.SIGINT)
        ended = first.ended()
    assert (ExitCode.USAGE, "") == (second.code, second.out)
    assert "another run is under way and keeps its result in ../scene/run.json" in second.err
    assert_aftermath(scene, ended, code=ExitCode.INTERRUPTED)


def test_a_name_of_our_own_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a run in the same second, done or under way, or after the clock was set back."""
    monkeypatch.chdir(tmp_path)
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    first = default_path("run", now)
    first.parent.mkdir()
    first.touch()
    second = Path("results/20260102T030405Z-run-2.json")
    assert second == default_path("run", now)
    with claimed(second):
        assert Path("results/20260102T030405Z-run-3.json") == default_path("run", now)
    assert second == default_path("run", now)


# --- clocks ---


STEPPED = """
import datetime, os, sys, time
real, began = time.time, time.monotonic()
def stepped():
    if "valkeybench.load.process" in sys.orig_argv:
        return real() + {ahead} * (time.monotonic() - began > 0.5)
    return real() - {back} * os.path.exists("run.json")
class Stepped(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(stepped(), tz)
time.time, datetime.datetime = stepped, Stepped
"""
DAY = 24 * 60 * 60


def test_a_clock_that_is_stepped_changes_no_duration(scene: Scene, tmp_path: Path) -> None:
    """Dates are what the clock said; what was measured is not measured with it.

    The coordinator's goes back after the first trial, those of load processes ahead.
    """
    stepped = sitecustomize(tmp_path, STEPPED.format(back=2 * DAY, ahead=400 * DAY))
    ended = scene.ended(*POOLED, "--repeats", "3", **stepped)
    run = assert_aftermath(scene, ended)
    (case,) = run.cases
    said = (run.created, *(trial.started for trial in case.trials))
    dates = [datetime.fromisoformat(each) for each in said]
    assert all(date.tzinfo == UTC for date in dates)
    assert DAY < (max(dates) - min(dates)).total_seconds() < 3 * DAY  # it was stepped within
    for trial in case.trials:
        assert 300 * MILLISECOND == trial.duration_ns
        assert trial.summary.phases["response"].max_ns < SECOND
        assert trial.server is not None
        instants = [r.at_ns for r in (trial.server.ready, *trial.server.samples)]
        assert instants == sorted(instants)


# --- processes ---


CRASHES_ONCE = """
import faulthandler, os, sys, threading
if "valkeybench.load.process" in sys.orig_argv and not os.path.exists("{mark}"):
    open("{mark}", "w").close()
    threading.Timer(0.5, faulthandler._sigsegv).start()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGKILL, ""), (signal.SIGSEGV, CRASHES_ONCE)])
def test_a_load_process_that_is_lost_costs_its_trial_alone(
    scene: Scene, tmp_path: Path, number: signal.Signals, code: str
) -> None:
    """Killed as the kernel does when memory runs out, or crashed in C: the other trials count."""
    crash = sitecustomize(tmp_path, code.format(mark=tmp_path / "crashed"))
    with scene.running(*POOLED, "--repeats", "2", "--duration", "1s", **crash) as run:
        if number == signal.SIGKILL:
            os.kill(load_process(scene), signal.SIGKILL)
        ended = run.ended()
    kept = assert_aftermath(scene, ended, code=ExitCode.LOAD)
    assert [1] == [trial.repeat for trial in kept.cases[0].trials]
    assert f"load process 0 ended by signal {number.value}" in ended.err
    assert "trial_lost" in {warning.code for warning in kept.warnings}


def test_a_guardian_that_is_killed_takes_its_server_along(scene: Scene) -> None:
    """It is the server that is gone then: 3, with what was measured, and no directory left."""
    with scene.running(*POOLED, "--repeats", "99") as run:
        run.wait_for("trial 1/99")
        (guardian,) = (pid for pid, words in scene.processes.items() if "guardian.py" in words)
        os.kill(guardian, signal.SIGKILL)
        ended = run.ended()
    kept = assert_aftermath(scene, ended, code=ExitCode.SERVER)
    assert 1 <= len(kept.cases[0].trials) < 99
    assert "error: the embedded server died" in ended.err
