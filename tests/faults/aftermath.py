"""What must hold after any fault, whatever it was: one place that looks for all of it.

The result file is valid and holds every trial that had ended, the exit code is the one that
goes with its status, one message says what happened, and nothing of ours stays anywhere.
"""

from __future__ import annotations

import os
import threading
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.commandline import Ended, files_in, kept_run, running, valkeybench
from tests.server.processes import client, wait_until
from valkeybench.errors import ExitCode
from valkeybench.measurement.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from tests.cli.commandline import Running
    from valkeybench.results.runfile import CaseRecord, RunFile, Summary
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.server.endpoint import Endpoint

OUTPUT = "run.json"
"""What the result is called in a scene."""

_STATUS = {
    ExitCode.DONE: {"complete"},
    ExitCode.SERVER: {"failed"},
    ExitCode.LOAD: {"failed"},
    ExitCode.INTERRUPTED: {"interrupted"},
}
_WORDLESS = (ExitCode.DONE, ExitCode.INTERRUPTED, ExitCode.GATE_FAIL, ExitCode.GATE_INCONCLUSIVE)
"""Exit codes that go without an error message."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a command is run so that all it leaves behind can be found."""

    directory: Path
    """Where it works and writes."""
    temporary: Path
    """What it has for temporary files; whoever has it in the environment belongs to it."""

    def running(self, *words: str, **variables: str) -> AbstractContextManager[Running]:
        """Start a command here, and leave none of its processes behind."""
        return running(self.directory, *words, TMPDIR=str(self.temporary), **variables)

    def ended(self, *words: str, **variables: str) -> Ended:
        """Run a command here to its end."""
        return valkeybench(self.directory, *words, TMPDIR=str(self.temporary), **variables)

    @property
    def output(self) -> Path:
        """Give where the result is."""
        return self.directory / OUTPUT

    @property
    def processes(self) -> dict[int, str]:
        """Give everybody who was started from here and still runs, whoever their parent is now."""
        mark = f"TMPDIR={self.temporary}".encode()
        found = {}
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):  # no process, somebody else's, or just ended
                pid = int(entry.name)
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found[pid] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        return found


def make_scene(directory: Path) -> Scene:
    """Make the directories of a scene, in one of the test's own."""
    scene = Scene(directory / "scene", directory / "temporary")
    scene.directory.mkdir()
    scene.temporary.mkdir()
    return scene


def assert_aftermath(
    scene: Scene,
    ended: Ended,
    *,
    code: int = ExitCode.DONE,
    secret: str = "",
    servers: Sequence[Endpoint] = (),
) -> RunFile:
    """Check all that is promised of a run with a result; give what was kept.

    `code` may be minus a signal that nobody can hear. On `servers`, which are there, no key of
    ours is left unless the run says so. `secret` is nowhere.
    """
    assert_nothing_left(scene, ended, code=code, secret=secret, files=(OUTPUT,))
    run = kept_run(scene.output)
    # Who was killed could not say how it ended: until the last trial a file says `interrupted`.
    assert run.status in _STATUS.get(ExitCode(code) if code >= 0 else ExitCode.INTERRUPTED, set())
    for case in run.cases:
        assert_adds_up(case)
    assert_keys_gone(run, servers)
    return run


def assert_refused(scene: Scene, ended: Ended, *, code: int, secret: str = "") -> str:
    """Check all that is promised of a run that could not begin; give its message."""
    assert_nothing_left(scene, ended, code=code, secret=secret)
    assert "" == ended.out
    return ended.err


def assert_nothing_left(
    scene: Scene, ended: Ended, *, code: int, secret: str = "", files: Sequence[str] = ()
) -> None:
    """Check the end of any command: its code, its one message, and these files alone.

    Processes may take a moment, those of one that was killed.
    """
    assert code == ended.code, ended.out + ended.err
    assert_said_once(ended)
    wait_until(lambda: not scene.processes)
    wait_until(lambda: not list(scene.temporary.iterdir()))
    assert sorted(files) == files_in(scene.directory)
    if secret:
        kept = [(scene.directory / name).read_bytes().decode() for name in files]
        assert secret not in "\n".join((ended.out, ended.err, *kept))


def assert_said_once(ended: Ended) -> None:
    """See that there is one message where one is due, none where not, and never a traceback."""
    assert "Traceback" not in ended.out + ended.err
    assert "a bug of ours" not in ended.err
    errors = [line for line in ended.err.splitlines() if line.startswith("error:")]
    due = ended.code > 0 and ended.code not in (*_WORDLESS, ExitCode.USAGE)
    assert int(due) == len(errors), ended.err


def assert_adds_up(case: CaseRecord) -> None:
    """See that no trial and no command of a case is lost, or counted twice."""
    if not case.trials:
        assert case.summary is None
        return
    assert case.summary is not None
    for trial in case.trials:
        _assert_whole(trial)
    of_trials = [_counts(trial.summary) for trial in case.trials]
    assert _counts(case.summary) == tuple(map(sum, zip(*of_trials, strict=True)))


def _assert_whole(trial: TrialRecord) -> None:
    """See that a trial's numbers fit each other and its histograms."""
    summary = trial.summary
    attempted, completed, failed, unfinished, dropped = _counts(summary)
    assert attempted == completed + failed + unfinished + dropped
    assert failed == sum(summary.failures.values())
    assert completed == sum(trial.handlers)
    for phase, text in trial.histograms.items():
        assert summary.phases[phase].count == Histogram.decode(text).count
    responses = summary.phases.get("response")
    assert completed + unfinished == (responses.count if responses else 0)
    timed = summary.phases.get("failed")
    assert failed == (timed.count if timed else 0)


def _counts(summary: Summary) -> tuple[int, ...]:
    return (
        *(summary.attempted, summary.completed),
        *(summary.failed, summary.unfinished, summary.dropped),
    )


def assert_keys_gone(run: RunFile, servers: Sequence[Endpoint]) -> None:
    """See that no key of ours is on these servers, unless the run says that some are left."""
    left = [key for endpoint in servers for key in keys_of_ours(endpoint)]
    codes = {warning.code for warning in run.warnings}
    assert not left or "keys_left" in codes, left


def keys_of_ours(endpoint: Endpoint) -> list[bytes]:
    """Name the keys we have on a server."""
    with closing(client(endpoint)) as asking:
        return list(asking.scan_iter("valkeybench:*", count=1000))


@contextmanager
def nothing_left_here() -> Iterator[None]:
    """See that what is done in this process leaves no thread, socket or file of it open."""
    threads, files = set(threading.enumerate()), open_files()
    yield
    wait_until(lambda: set(threading.enumerate()) <= threads)
    wait_until(lambda: open_files() <= files)


def open_files() -> set[str]:
    """Name what this process has open, by what it is: a socket's number is its own."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists them
            found.add(f"{entry.name} {os.readlink(entry)}")  # noqa: PTH115 - a socket is no path
    return found
