"""A run whose server is disturbed keeps what was done and what came of it, but draws no size."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import (
    descendants,
    external,
    files_in,
    kept_run,
    running,
    valkeybench,
)
from tests.server.processes import is_running, shown_by_ps, wait_until
from valkeybench.analysis.regression import Look
from valkeybench.cli.gate import Wishes, gate_sides
from valkeybench.cli.verdicts import Outlets
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from pathlib import Path

    from valkeybench.results.runfile import RunFile, Trial
    from valkeybench.server.endpoint import Endpoint

WINDOW = ("--duration", "1700ms", "--warmup", "0", "--repeats", "1", "-q", "-o", "run.json")
LOAD = ("-c", "8", "-m", "8", "--think", "constant 10ms", "--pool", "blocking")
SERVERS = {"valkey-server", "redis-server"}
BROKEN = {"reset", "connect_refused", "tls", "timeout", "connect_timeout"}
"""What a command can meet while a server is killed and comes back."""


def disturbed(directory: Path, *words: str) -> RunFile:
    """Run a load that is disturbed, and read what was kept."""
    ended = valkeybench(directory, "run", *LOAD, *WINDOW, *words)
    assert 0 == ended.code, ended.err
    return kept_run(directory / "run.json")


@pytest.mark.tls
@pytest.mark.parametrize(
    "words",
    [
        ("--driver", "threads", "--processes", "2"),
        ("--driver", "asyncio", "--tls", "on"),
        ("--driver", "wire", "--retries", "0"),
    ],
    ids=["threads", "asyncio over TLS", "wire"],
)
def test_a_restart_is_kept_with_what_came_of_it(tmp_path: Path, words: tuple[str, ...]) -> None:
    """When it was, how long the server was away, what failed; and the load came through it."""
    run = disturbed(tmp_path, "--disturb", "restart 150ms at 500ms", *words)
    [case] = run.cases
    [trial] = case.trials
    done, server = trial.disturbance, trial.server
    assert done is not None
    assert server is not None
    assert ("restart", None) == (done.what, done.killed)
    assert 500 * MILLISECOND <= done.began_ns
    assert done.began_ns + 150 * MILLISECOND <= done.ended_ns
    assert 50 * MILLISECOND == trial.series[1].start_ns - trial.series[0].start_ns
    assert "restart 150ms at 500ms" == case.axes["disturb"]

    # While it was away nothing completed; the first and the last interval of it are not whole.
    away = [
        i
        for i in trial.series
        if done.began_ns <= i.start_ns and i.start_ns + 50 * MILLISECOND <= done.ended_ns
    ]
    assert away
    assert {0.0} == {each.throughput for each in away}
    assert 0 < sum(each.throughput for each in trial.series[-5:])
    assert 0 < trial.summary.failed
    assert set(trial.summary.failures) <= BROKEN
    by_interval = sum(sum(each.failures.values()) for each in trial.series)
    assert trial.summary.failed == by_interval == sum(each.failed for each in trial.series)

    # A server that counted afresh says nothing of the whole trial.
    assert server.restarted
    assert (None, None, None) == (server.connections_counted, server.cpu_share, server.errors)
    assert not server.lost
    seen = case.recovery
    assert seen is not None
    assert dict(trial.summary.failures) == seen.failures
    if seen.median_ns is not None:
        assert 150 * MILLISECOND - seen.trials[0].uncertainty_ns <= seen.median_ns
    assert {"no_size"} == {each.verdict for each in run.recommendations}
    assert "disturbed" in {each.code for each in run.warnings}
    assert {"unsteady", "unfinished", "repeats_disagree", "connections_disagree"}.isdisjoint(
        each.code for each in run.warnings
    )


def test_reads_find_their_keys_again_in_the_next_trial(tmp_path: Path) -> None:
    """A restart loses the keys for the rest of its trial, and not for those after it."""
    (tmp_path / "keys.toml").write_text(f"{READS}repeats = 2", encoding="utf-8")
    words = [word for word in WINDOW if word not in ("--repeats", "1")]
    ended = valkeybench(tmp_path, "run", "keys.toml", *LOAD, *words)
    assert 0 == ended.code, ended.err
    [case] = kept_run(tmp_path / "run.json").cases
    assert 2 == len(case.trials)
    assert all(some_but_not_all_miss(trial) for trial in case.trials)


def test_reads_of_a_side_find_their_keys_though_the_other_lost_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sides of a gate that share a server have it restarted for each other."""
    (tmp_path / "keys.toml").write_text(READS, encoding="utf-8")
    monkeypatch.setattr(Look, "is_over", property(lambda look: look.pairs == 1))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    load = {"duration": "1700ms", "warmup": "0", "concurrency": "8", "think": "constant 10ms"}
    wishes = Wishes(
        new=["max_conn=7"], noise=tmp_path / "noise.json", output=tmp_path / "out.json", quiet=True
    )
    gate_sides(str(tmp_path / "keys.toml"), load, wishes, Outlets())
    for name in ("out-base.json", "out-new.json"):
        [case] = kept_run(tmp_path / name).cases
        [trial] = case.trials
        assert some_but_not_all_miss(trial)


READS = """
    [load]
    commands = ["GET key:{0..9}"]
    tally_replies = true
    disturb = "restart at 500ms"
"""


def some_but_not_all_miss(trial: Trial) -> bool:
    """Tell whether reads of a trial found something first, and nothing in the end."""
    assert trial.replies is not None
    return 0 < trial.replies["None"] < trial.summary.completed


@pytest.mark.parametrize("driver", ["threads", "wire"])
def test_a_whole_pool_is_closed_in_the_middle_of_a_run(tmp_path: Path, driver: str) -> None:
    """As many connections as it held, by the server's count, which goes on."""
    words = ("--reconnect-within", "0") if driver == "wire" else ()
    run = disturbed(
        tmp_path, "--disturb", "kill_clients at 500ms", "--driver", driver, *words, "-m", "8"
    )
    [case] = run.cases
    [trial] = case.trials
    done, server = trial.disturbance, trial.server
    assert done is not None
    assert server is not None
    assert 8 == done.killed == trial.summary.connections.prewarmed
    assert not server.restarted
    connections = trial.summary.connections
    if set(trial.summary.failures) <= {"reset"}:
        assert server.connections_counted == connections.prewarmed + connections.opened
    assert (done.reconnected_ns is not None) is (driver == "wire")
    if done.reconnected_ns is not None:
        assert 8 <= connections.opened
        assert 0 < done.reconnected_ns < SECOND


def test_a_stall_loses_nothing(tmp_path: Path) -> None:
    """Connections stay, nothing fails, and commands that met it took as long as it lasted."""
    run = disturbed(tmp_path, "--disturb", "stall 200ms at 500ms")
    [case] = run.cases
    [trial] = case.trials
    done = trial.disturbance
    assert done is not None
    assert 200 * MILLISECOND <= done.ended_ns - done.began_ns
    assert ({}, 0) == (trial.summary.failures, trial.summary.connections.opened)
    assert 190 * MILLISECOND <= trial.summary.phases["response"].max_ns
    assert trial.server is not None
    assert not trial.server.restarted


def test_nobody_elses_server_is_disturbed(tmp_path: Path, embedded: Endpoint) -> None:
    """Exit code 2, one message, nothing kept, nothing done."""
    ended = valkeybench(tmp_path, "run", *LOAD, "--disturb", "kill_clients", **external(embedded))
    assert (2, "") == (ended.code, ended.out)
    assert "only a server of our own is disturbed" in ended.err
    assert "Traceback" not in ended.err
    assert [] == files_in(tmp_path)


def test_ctrl_c_while_the_server_is_away_ends_it_as_ever(tmp_path: Path) -> None:
    """With its exit code and no traceback; neither the server nor who guards it stays."""
    words = ("run", *LOAD, "--disturb", "restart 20s at 500ms", "--duration", "30s")
    with running(tmp_path, *words, "--repeats", "1") as run:
        run.wait_for("1 trial")
        [server] = [pid for pid in descendants(run.pid) if name_of(pid) in SERVERS]
        wait_until(lambda: not is_running(server))
        run.signal(signal.SIGINT)
        ended = run.ended()
    assert 130 == ended.code, ended.err
    assert "Traceback" not in ended.err


def name_of(pid: int) -> str:
    """Give the name of a process's program; nothing when it is gone."""
    return shown_by_ps("comm", pid).rpartition("/")[2]
