"""Load processes are fresh, are heard when they fail, and go when nobody listens."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import pytest

from tests.load.fakes import NOTHING, fake_server, to_commands
from tests.load.loads import few_handlers, make_trial
from tests.server.processes import ROOT, is_running, on_linux, run_python, wait_until
from valkeybench.errors import ExitCode, LoadError, ServerError
from valkeybench.load.crew import Crew, Gone
from valkeybench.load.places import LocalPlace, StandingLoad
from valkeybench.load.talk import (
    EndOfTalkError,
    Order,
    Ready,
    Seen,
    Start,
    Unable,
    pack,
    receive,
    send,
    unpack,
)
from valkeybench.measurement.placing import Worker
from valkeybench.scenario.model import Think
from valkeybench.scenario.secret import Secret
from valkeybench.server.embedded import pick_free_port
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from valkeybench.load.crew import Heard
    from valkeybench.load.talk import Frame
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.plan.trial import Trial

CANARY = "canary-7f3a"
calm = few_handlers(think=Think(5 * MILLISECOND))

COORDINATOR = """
import signal
from tests.load.loads import few_handlers, make_trial
from valkeybench.load.crew import Crew, Gone
from valkeybench.load.places import LocalPlace, StandingLoad
from valkeybench.server.endpoint import Endpoint
trial = make_trial(few_handlers(), lasts_ns=10**12)
with LocalPlace().standing_by(trial, Endpoint(host="127.0.0.1", port={port})) as load:
    print("ready", flush=True)
    {then}
"""

IMPATIENT = """
from functools import partial
from valkeybench.load import process
from valkeybench.load.threads import ThreadsDriver
process.make_driver = partial(ThreadsDriver, grace_ns=50_000_000)
process.main()
"""

FEW_THREADS = """
import threading
from valkeybench.load import process
from valkeybench.load.threads import ThreadsDriver
start, started = threading.Thread.start, []
def start_few(thread):
    if len(started) == 3:
        threading.stack_size(1 << 46)
    started.append(thread)
    start(thread)
threading.Thread.start = start_few
process.main()
"""


@dataclass(frozen=True, slots=True)
class Child:
    """A load process to talk to, as a coordinator does."""

    process: subprocess.Popen[bytes]

    def say(self, message: object) -> None:
        """Say something to it."""
        send(cast("BinaryIO", self.process.stdin), message)

    def hear(self) -> Any:  # noqa: ANN401 - whatever it says
        """Wait for what it says next."""
        return receive(cast("BinaryIO", self.process.stdout))

    def measure(self, trial: Trial, endpoint: Endpoint) -> Measurement:
        """Have it drive a trial, and give what it saw."""
        self.say(Order(trial, endpoint, 0))
        assert isinstance(self.hear(), Ready)
        self.say(Start(clock()))
        seen = self.hear()
        assert isinstance(seen, Seen)
        return seen.measurement

    def end(self) -> tuple[int, bytes]:
        """Wait for its end; give its exit code and its last words."""
        return self.process.wait(), cast("BinaryIO", self.process.stderr).read()


@contextmanager
def load_process(*code: str) -> Iterator[Child]:
    """Start a load process, or some code that is one."""
    with subprocess.Popen(
        [sys.executable, *(code or ("-m", "valkeybench.load.process"))],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            yield Child(process)
        finally:
            process.kill()


def load_processes(parent: int) -> list[int]:
    """Find the load processes somebody has started."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="],  # noqa: S607 - whichever there is
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    rows = (line.split(None, 2) for line in listed.splitlines())
    return [
        int(pid) for pid, ppid, args in rows if int(ppid) == parent and "valkeybench.load" in args
    ]


# --- how it goes well ---


def test_processes_end_by_themselves_without_a_word(embedded: Endpoint) -> None:
    """A process that has told what it saw exits in order, and its connections are closed."""
    with load_process() as child:
        assert 0 < child.measure(make_trial(calm), embedded).completed
        assert (0, b"") == child.end()


def test_a_process_with_stuck_handlers_ends_all_the_same() -> None:
    """It tells what it saw, and does not wait for what will never come."""
    case = few_handlers(max_connections=3, socket_timeout_ns=None)
    with fake_server(to_commands(NOTHING)) as server, load_process("-c", IMPATIENT) as child:
        seen = child.measure(make_trial(case), server.endpoint)
        assert (3, 3, 0) == (seen.abandoned, seen.unfinished, seen.completed)
        assert (0, b"") == child.end()


def test_a_process_nobody_talks_to_ends() -> None:
    """The end of what the coordinator says is the end, whether or not anything was said."""
    with load_process() as child:
        cast("BinaryIO", child.process.stdin).close()
        with pytest.raises(EndOfTalkError):
            child.hear()
        assert (0, b"") == child.end()


def test_nothing_is_left_when_a_load_has_run(embedded: Endpoint) -> None:
    """Neither a process nor, on the way out by an exception, one that was standing by."""
    trial = make_trial(replace(calm, processes=2))
    with LocalPlace().standing_by(trial, embedded) as load:
        assert 2 == len(load_processes(os.getpid()))
        load.run()
        assert [] == load_processes(os.getpid())
        assert load.window.length_ns == trial.duration_ns
    with pytest.raises(KeyboardInterrupt), LocalPlace().standing_by(trial, embedded):
        raise KeyboardInterrupt
    assert [] == load_processes(os.getpid())


def test_a_process_sees_neither_our_secrets_nor_our_directory(
    embedded: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file redis.py where the user stands is not our redis; passwords travel by pipe alone."""
    (tmp_path / "redis.py").write_text("raise SystemExit('the wrong redis')\n")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong numpy')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VALKEYBENCH_PASSWORD", CANARY)
    monkeypatch.setenv("VALKEYBENCH_URL", f"valkey://:{CANARY}@localhost")
    with LocalPlace().standing_by(make_trial(calm), embedded) as load:
        (pid,) = load_processes(os.getpid())
        shown = subprocess.run(["ps", "eww", "-p", str(pid)], check=True, capture_output=True)  # noqa: S607 - whichever there is
        assert 0 < load.run().completed
    assert embedded.password is not None
    for secret in (CANARY, embedded.password.reveal()):
        assert secret not in shown.stdout.decode()


@on_linux
def test_a_process_uses_the_cpus_it_is_given_and_the_files_it_may_have(embedded: Endpoint) -> None:
    """A pinned trial runs there and nowhere else; it can open as many files as it is allowed."""
    cpu = frozenset([min(os.sched_getaffinity(0))])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    try:
        with LocalPlace().standing_by(make_trial(calm, pin=cpu), embedded):
            (pid,) = load_processes(os.getpid())
            assert cpu == os.sched_getaffinity(pid)
            assert (hard, hard) == resource.prlimit(pid, resource.RLIMIT_NOFILE)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_what_each_process_did_is_told_beside_the_sum(embedded: Endpoint) -> None:
    """Processes in order, all on this machine, begun before the window and adding up to it."""
    trial = make_trial(replace(calm, processes=3), warmup_ns=100 * MILLISECOND)
    with LocalPlace().standing_by(trial, embedded) as load:
        seen = load.run()
    (worker,) = load.placing.workers
    assert ("local", None, (0, 1, 2)) == (worker.name, worker.address, worker.processes)
    assert os.cpu_count() is not None
    assert 0 < (worker.cpus or 0) <= (os.cpu_count() or 0)
    shares = load.placing.shares
    assert [0, 1, 2] == [share.process for share in shares]
    assert 0 < seen.completed == sum(share.completed for share in shares)
    assert seen.cpu_ns == sum(share.cpu_ns for share in shares)
    assert seen.window_ns == sum(share.window_ns for share in shares)
    began = [share.began_ns for share in shares]
    assert all(-SECOND < instant < 0 for instant in began)
    assert max(began) - min(began) == load.placing.skew_ns
    assert 0 == load.placing.clock_error_ns


class Abroad:
    """Makes believe that the processes of this machine are on one with another clock."""

    def __init__(self, crew: Crew, *, ahead_ns: int) -> None:
        self.workers = (Worker(name="far", address="tcp://far", host="far", processes=(0,)),)
        self._crew = crew
        self._ahead_ns = ahead_ns
        self.told: list[int] = []

    def compare_clocks(self) -> tuple[Worker, ...]:
        """Give the other clock."""
        self.workers = (replace(self.workers[0], clock_ahead_ns=self._ahead_ns),)
        return self.workers

    def tell(self, frames: Mapping[str, Frame]) -> None:
        """Translate the start back, as what runs here has our clock."""
        start = unpack(frames["far"])
        self.told.append(start.at)
        self._crew.tell(pack(Start(start.at - self._ahead_ns)))

    def hear(self, *, said: int) -> list[Heard]:
        """Translate what was seen to the other clock."""
        heard: list[Heard] = []
        for number, what in self._crew.hear(said=said):
            assert not isinstance(what, Gone)
            message = unpack(what)
            if isinstance(message, Seen):
                message = replace(message, began=message.began + self._ahead_ns)
            heard.append((number, pack(message)))
        return heard

    def finish(self) -> None:
        """Let them end."""
        self._crew.finish()


@pytest.mark.parametrize("ahead_ns", [10**15, -(10**15)])
def test_another_machine_s_clock_is_translated(embedded: Endpoint, ahead_ns: int) -> None:
    """The start is told in its time, and what it tells is understood in ours."""
    trial = make_trial(calm, warmup_ns=100 * MILLISECOND)
    crew = Crew()
    try:
        crew.start({0: pack(Order(trial, embedded, 0))})
        abroad = Abroad(crew, ahead_ns=ahead_ns)
        load = StandingLoad(trial, abroad)
        assert 0 < load.run().completed
    finally:
        crew.close()
    assert [load.window.opens - trial.warmup_ns + ahead_ns] == abroad.told
    (share,) = load.placing.shares
    assert -SECOND < share.began_ns < 0


# --- how it goes badly ---


def lost(trial: Trial, endpoint: Endpoint, harm: Callable[[], object] = lambda: None) -> LoadError:
    """Run a trial, do harm once it stands by, and give how it failed."""

    def run() -> None:
        with LocalPlace().standing_by(trial, endpoint) as load:
            harm()
            load.run()

    with pytest.raises(LoadError) as failed:
        run()
    assert [] == load_processes(os.getpid())
    assert ExitCode.LOAD == failed.value.exit_code
    assert failed.value.remedy
    return failed.value


def refused(endpoint: Endpoint) -> ServerError:
    """Try to have a trial stand by, and give how the server refused it."""
    trial = make_trial(replace(calm, processes=2))
    with pytest.raises(ServerError) as failed, LocalPlace().standing_by(trial, endpoint):
        pytest.fail("it stands by")
    assert [] == load_processes(os.getpid())
    assert failed.value.remedy
    return failed.value


def test_a_pool_that_cannot_be_opened_is_the_server_s_refusal(embedded: Endpoint) -> None:
    """Before the load there is nothing to count: the trial cannot begin, and says why."""
    nobody = Endpoint(host="127.0.0.1", port=pick_free_port())
    assert "connect_refused" in refused(nobody).message

    error = refused(replace(embedded, password=Secret(CANARY)))
    assert "auth" in error.message
    assert CANARY not in error.message + error.remedy


def test_a_process_that_is_killed_is_named(embedded: Endpoint) -> None:
    """Which of them it was, and by which signal: before the start, and under way."""
    case = replace(calm, processes=2)

    def kill_second() -> None:
        os.kill(load_processes(os.getpid())[1], signal.SIGKILL)

    error = lost(make_trial(case), embedded, kill_second)
    assert "load process 1 ended by signal 9" in error.message


@pytest.mark.parametrize("victim", [0, 1, 2])
def test_a_process_that_is_killed_under_way_is_heard_at_once(
    embedded: Endpoint, victim: int
) -> None:
    """Whichever it is, and long before the others have anything to tell."""
    case = replace(calm, processes=3)

    def kill_later() -> None:
        pid = load_processes(os.getpid())[victim]
        threading.Timer(0.2, os.kill, (pid, signal.SIGKILL)).start()

    error = lost(make_trial(case, lasts_ns=600 * SECOND), embedded, kill_later)
    assert f"load process {victim} ended by signal 9" in error.message


def test_a_process_that_fails_tells_where(embedded: Endpoint) -> None:
    """A bug of ours in a load process arrives with its traceback."""
    trial = make_trial(calm, commands=("GET {1..0}",))
    assert "TemplateError: {1..0} counts backwards" in lost(trial, embedded).message


def test_a_process_that_cannot_even_start_is_quoted(
    embedded: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it last said on standard error is in the message."""
    (tmp_path / "valkeybench").mkdir()
    (tmp_path / "valkeybench" / "__init__.py").write_text("raise ImportError('half installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    error = lost(make_trial(calm), embedded)
    assert "load process 0 ended with exit code 1: ImportError: half installed" in error.message


def test_a_machine_without_threads_to_give_is_no_bug_of_ours(
    embedded: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One message says so, and what to do; no traceback. Here a stack is too large for any."""
    no_threads = "import threading; threading.stack_size(1 << 46)\n"
    (tmp_path / "sitecustomize.py").write_text(no_threads)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    error = lost(make_trial(calm), embedded)
    said = "load process 0 did not get what it needs from its machine: can't start new thread"
    assert said == error.message
    assert "fewer handlers" in error.remedy


def test_threads_that_run_out_half_way_end_the_process(embedded: Endpoint) -> None:
    """Handlers that were started already do not keep it."""
    with load_process("-c", FEW_THREADS) as child:
        child.say(Order(make_trial(calm, lasts_ns=600 * SECOND), embedded, 0))
        assert isinstance(child.hear(), Ready)
        child.say(Start(clock()))
        assert Unable("can't start new thread") == child.hear()
        assert (0, b"") == child.end()


def test_a_process_that_cannot_be_started_is_named(
    embedded: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's own words, and no traceback."""
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    error = lost(make_trial(calm), embedded)
    assert "load process 0 ended before it could be started: No such file" in error.message


def test_a_prewarming_process_dies_with_its_coordinator() -> None:
    """At once: it does not wait for what it has asked a server that never answers."""
    case = few_handlers(socket_timeout_ns=None, connect_timeout_ns=None)
    with fake_server(lambda *_: NOTHING) as server, load_process() as child:
        child.say(Order(make_trial(case), server.endpoint, 0))
        wait_until(lambda: server.connected)
        cast("BinaryIO", child.process.stdin).close()
        assert (0, b"") == child.end()


@pytest.mark.parametrize("then", ["signal.pause()", "load.run()"])
def test_a_load_process_dies_with_its_coordinator(then: str) -> None:
    """Even with one that is killed and cannot say goodbye; standing by and under way."""
    with fake_server() as server:
        coordinator = run_python(COORDINATOR.format(port=server.endpoint.port, then=then))
        try:
            assert coordinator.stdout is not None
            assert "ready\n" == coordinator.stdout.readline()
            (child,) = load_processes(coordinator.pid)
            if then == "load.run()":
                wait_until(lambda: server.count(lambda words: words[0] == "GET"))
        finally:
            coordinator.kill()
            coordinator.communicate()
        wait_until(lambda: not is_running(child))
        wait_until(lambda: 0 == server.connected)
