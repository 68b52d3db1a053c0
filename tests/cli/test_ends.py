"""However a run ends early, what was measured is kept, and nothing of ours is left anywhere."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import (
    HEARING_CTRL_C,
    TINY,
    Ended,
    Running,
    descendants,
    external,
    files_in,
    kept_run,
    running,
)
from tests.server.processes import client, is_running, on_linux, wait_until
from valkeybench.errors import ExitCode
from valkeybench.server.embedded import embedded_server

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from valkeybench.results.runfile import RunFile
    from valkeybench.server.endpoint import Endpoint

HANDLERS = 20
MANY_TRIALS = ("run", *TINY, "--pool", "blocking", "--repeats", "100", "-o", "run.json")
"""A run that takes minutes."""

MANY_LONG_TRIALS = (*MANY_TRIALS, "--duration", "1500ms", "-c", str(HANDLERS), "-m", "4")
"""One of which is easily caught half-way."""

SOON_SECONDS = 15
"""Ten times what ending takes, and a fraction of what is left to do."""


def keys_of_ours(endpoint: Endpoint) -> list[bytes]:
    """Name the keys we have on a server."""
    with closing(client(endpoint)) as asking:
        return list(asking.scan_iter("valkeybench:*"))


@contextmanager
def family_is_gone(pid: int) -> Iterator[set[int]]:
    """See that every process somebody has started by now is gone at the end."""
    family = descendants(pid)
    yield family
    for member in family:
        wait_until(lambda member=member: not is_running(member))  # type: ignore[misc]  # a lambda's default


def wait_for_load(run: Running) -> None:
    """Wait until the handlers of a trial are at work: a thread each, beside those numpy has."""

    def has_handlers(pid: int) -> bool:
        with suppress(OSError):  # it has just ended
            return HANDLERS < len(list(Path(f"/proc/{pid}/task").iterdir()))
        return False

    wait_until(
        lambda: any(
            "valkeybench.load" in shown(pid) and has_handlers(pid) for pid in descendants(run.pid)
        )
    )


def assert_kept(run: RunFile, status: str) -> None:
    """See that a run file has the trials that were finished, and says that it is not whole."""
    assert status == run.status
    (case,) = run.cases
    assert 1 <= len(case.trials) < 100
    assert case.summary is not None
    assert sum(trial.summary.completed for trial in case.trials) == case.summary.completed


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_run_that_is_told_to_end_keeps_what_it_has(
    tmp_path: Path, embedded: Endpoint, number: signal.Signals
) -> None:
    """Soon, with 130 and a report of the finished trials; keys and processes are gone."""
    with running(tmp_path, *MANY_TRIALS, **external(embedded)) as run:
        run.wait_for("trial 1/100")
        with family_is_gone(run.pid):
            assert [] != keys_of_ours(embedded)
            run.signal(number)
            ended = run.ended(within_seconds=SOON_SECONDS)
    assert ExitCode.INTERRUPTED == ended.code, ended.err
    assert "Traceback" not in ended.err
    assert "This run was interrupted" in ended.out
    assert ["run.json"] == files_in(tmp_path)
    assert_kept(kept_run(tmp_path / "run.json"), "interrupted")
    assert [] == keys_of_ours(embedded)


@on_linux
def test_a_run_that_is_told_to_end_before_it_has_anything(tmp_path: Path) -> None:
    """There is no number to show, and the file says so; our own server is gone, too."""
    with running(tmp_path, *MANY_LONG_TRIALS) as run:
        wait_for_load(run)
        with family_is_gone(run.pid):
            run.signal(signal.SIGINT)
            ended = run.ended(within_seconds=SOON_SECONDS)
    assert ExitCode.INTERRUPTED == ended.code, ended.err
    assert "Traceback" not in ended.err
    kept = kept_run(tmp_path / "run.json")
    assert "interrupted" == kept.status
    assert [(None, [])] == [(case.summary, case.trials) for case in kept.cases]


def test_told_twice_it_leaves_at_once(tmp_path: Path) -> None:
    """Even when it is waiting for a server that does not answer: what was kept stays as it was."""
    with embedded_server() as endpoint:
        assert endpoint.pid is not None
        with running(tmp_path, *MANY_TRIALS, **external(endpoint)) as run:
            run.wait_for("trial 1/100")
            with family_is_gone(run.pid):
                os.kill(endpoint.pid, signal.SIGSTOP)
                try:
                    run.signal(signal.SIGINT)
                    wait_until(lambda: 0 == len(descendants(run.pid)))
                    assert is_running(run.pid)
                    run.signal(signal.SIGINT)
                    ended = run.ended(within_seconds=SOON_SECONDS)
                finally:
                    os.kill(endpoint.pid, signal.SIGCONT)
    assert ExitCode.INTERRUPTED == ended.code
    assert "" == ended.out
    assert "left at once" in ended.err
    assert "Traceback" not in ended.err
    assert ["run.json"] == files_in(tmp_path)
    assert_kept(kept_run(tmp_path / "run.json"), "interrupted")


def test_a_run_that_is_killed_leaves_the_trials_it_had_and_no_process(tmp_path: Path) -> None:
    """SIGKILL cannot be heard: load, guardian and server end by themselves."""
    with running(tmp_path, *MANY_TRIALS) as run:
        run.wait_for("trial 1/100")
        with family_is_gone(run.pid) as family:
            assert 2 <= len(family)
            run.signal(signal.SIGKILL)
            assert -signal.SIGKILL == run.ended().code
    assert_kept(kept_run(tmp_path / "run.json"), "interrupted")


@on_linux
def test_when_our_own_server_dies_the_run_has_failed(tmp_path: Path) -> None:
    """The trial under way counts its failures, and the run ends there, with 3 and the reason."""
    with running(tmp_path, *MANY_LONG_TRIALS) as run:
        wait_for_load(run)
        with family_is_gone(run.pid) as family:
            os.kill(server_among(family), signal.SIGKILL)
            ended = run.ended()
    kept = kept_run(tmp_path / "run.json")
    assert_has_failed(ended, kept)
    assert "error: the embedded server died" in ended.err
    # What was in it went with it: there is nothing to be told of keys.
    assert "keys_left" not in {warning.code for warning in kept.warnings}


@on_linux
def test_when_our_own_server_dies_two_sides_have_what_they_have(tmp_path: Path) -> None:
    """A verdict, which cannot be a pass, both runs marked, and the reason with its exit code."""
    words = ("gate", *TINY[:-6], "-c", "4", "--new", "max_conn=3", "-o", "out.json", "--json")
    with running(tmp_path, *words, "--duration", "500ms") as run:
        run.wait_for("pair 1 of")
        with family_is_gone(run.pid) as family:
            os.kill(server_among(family), signal.SIGKILL)
            ended = run.ended()
    assert ExitCode.SERVER == ended.code, ended.err
    assert "error: the embedded server died" in ended.err
    assert "cannot_say" == json.loads(ended.out)["ruling"]
    kept = [kept_run(tmp_path / f"out-{side}.json") for side in ("base", "new")]
    assert ["failed", "failed"] == [each.status for each in kept]


@on_linux
def test_when_their_server_goes_away_the_run_has_failed(tmp_path: Path) -> None:
    """The same for one that is not ours: it says which one went away."""
    with (
        embedded_server() as endpoint,
        closing(client(endpoint)) as admin,
        running(tmp_path, *MANY_LONG_TRIALS, **external(endpoint)) as run,
    ):
        wait_for_load(run)
        keep_for_oneself(admin)
        ended = run.ended()
    kept = kept_run(tmp_path / "run.json")
    assert_has_failed(ended, kept)
    assert "keys_left" in {warning.code for warning in kept.warnings}
    assert "throughput counts the time after as well" in " ".join(ended.out.split())
    assert f"error: the server at {endpoint.address} went away" in ended.err


def keep_for_oneself(admin: redis.Redis) -> None:
    """Have a server throw everybody else out, and let nobody in."""
    admin.config_set("maxclients", 1)
    admin.client_kill_filter(_type="normal", skipme=True)


def assert_has_failed(ended: Ended, run: RunFile) -> None:
    """See that a run counted what failed in its one trial, and stopped."""
    assert ExitCode.SERVER == ended.code, ended.err
    assert "Traceback" not in ended.err
    assert "This run failed before its end" in ended.out
    assert_kept(run, "failed")
    (trial,) = run.cases[0].trials
    assert 0 < trial.summary.failed == sum(trial.summary.failures.values())
    assert set(trial.summary.failures) <= {"reset", "connect_refused", "max_clients"}
    assert trial.server is not None
    assert trial.server.lost


def test_a_server_that_goes_away_between_trials_has_gone_away(tmp_path: Path) -> None:
    """It is the server's doing that the next trial cannot begin: 3, whenever it happens."""
    with (
        embedded_server() as endpoint,
        closing(client(endpoint)) as admin,
        running(tmp_path, *MANY_TRIALS, **external(endpoint)) as run,
    ):
        run.wait_for("trial 1/100")
        keep_for_oneself(admin)
        ended = run.ended()
    assert ExitCode.SERVER == ended.code, ended.err
    assert_kept(kept_run(tmp_path / "run.json"), "failed")


def server_among(family: set[int]) -> int:
    """Find the server among the processes of a run."""
    (server,) = (pid for pid in family if "valkey-server" in shown(pid).split("\0")[0])
    return server


def shown(pid: int) -> str:
    """Give what everybody can see of a process; nothing when it has just ended."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    return ""


@on_linux
def test_no_password_is_shown_or_kept(tmp_path: Path, embedded: Endpoint) -> None:
    """Theirs, in the URL, is in no argument of any process while it runs, no output and no file."""
    assert embedded.password is not None
    theirs = embedded.password.reveal()
    found = watched(tmp_path, VALKEYBENCH_URL=embedded.address.replace("//", f"//:{theirs}@"))
    assert f"at {embedded.address}" in found
    assert theirs not in found


@on_linux
def test_no_password_of_our_own_is_shown_or_kept(tmp_path: Path) -> None:
    """The one our own server has is long and random, and nothing like it is anywhere."""
    found = watched(tmp_path)
    assert "valkey-server" in found
    assert [] == re.findall(r"[0-9a-f]{48}", found)


def watched(directory: Path, **variables: str) -> str:
    """Run a little; give all it says and keeps, and every argument of every process meanwhile."""
    with running(directory, *MANY_TRIALS, **variables) as run:
        run.wait_for("trial 1/100")
        wait_until(lambda: any("valkeybench.load" in shown(pid) for pid in descendants(run.pid)))
        arguments = [shown(pid) for pid in (run.pid, *descendants(run.pid))]
        run.signal(signal.SIGINT)
        ended = run.ended()
    assert "interrupted" == kept_run(directory / "run.json").status
    kept = [(directory / name).read_text(encoding="utf-8") for name in files_in(directory)]
    return "\n".join((*arguments, ended.out, ended.err, *kept))


def test_ctrl_c_before_a_command_has_begun_is_no_traceback(tmp_path: Path) -> None:
    """While the libraries are still being loaded it just ends, as any program does."""
    slow = tmp_path / "typer.py"
    slow.write_text("import time\nprint('loading', flush=True)\ntime.sleep(60)\n", "utf-8")
    with subprocess.Popen(
        [*HEARING_CTRL_C, sys.executable, "-m", "valkeybench", "run"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as loading:
        assert loading.stdout is not None
        assert "loading\n" == loading.stdout.readline()
        loading.send_signal(signal.SIGINT)
        _, said = loading.communicate()
    assert (-signal.SIGINT, "") == (loading.returncode, said)
