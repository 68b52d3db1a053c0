"""A server that dies, stops, is emptied, refuses or hangs up: what runs make of it, for real."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commandline import external
from tests.faults.aftermath import assert_aftermath, keys_of_ours, nothing_left_here
from tests.faults.driving import drive, every_driver
from tests.faults.proxy import proxied
from tests.faults.servers import gets, mortal_server
from tests.faults.together import LASTING, only_trial, run_all_drivers
from tests.load.loads import few_handlers
from tests.server.processes import client, on_linux, wait_until
from valkeybench.errors import ExitCode, ServerError
from valkeybench.measurement.metrics import FailureKind
from valkeybench.scenario.model import Pool
from valkeybench.server.sampler import ServerSampler
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faults.aftermath import Scene
    from tests.faults.servers import Mortal
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.results.runfile import RunFile, Summary
    from valkeybench.scenario.model import Case, Driver
    from valkeybench.server.endpoint import Endpoint

pytestmark = on_linux


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mortal]:
    """Give a server that a test may do anything to."""
    with mortal_server(tmp_path_factory.mktemp("mortal")) as server:
        yield server


def summary_of(run: RunFile) -> Summary:
    """Give what a run of one trial saw."""
    return only_trial(run).summary


def drive_while(case: Case, endpoint: Endpoint, happens: Callable[[], object]) -> Measurement:
    """Put a load on a server, and have something happen once it is at work."""
    with ThreadPoolExecutor(1) as pool:
        driving = pool.submit(drive, case, endpoint, lasts_ns=SECOND)
        wait_until(lambda: gets(endpoint) > 20)
        happens()
        return driving.result()


@every_driver
def test_a_server_that_is_killed(mortal: Mortal, driver: Driver) -> None:
    """What was answered counts; what comes after is reset, then refused, and nothing hangs."""
    with nothing_left_here():
        seen = drive_while(few_handlers(driver=driver), mortal.endpoint, mortal.kill)
    assert FailureKind.CONNECT_REFUSED in seen.failures
    assert set(seen.failures) <= {FailureKind.CONNECT_REFUSED, FailureKind.RESET}
    assert 20 < seen.completed


@every_driver
def test_a_server_that_takes_nobody_in_any_more(mortal: Mortal, driver: Driver) -> None:
    """Maxclients is lowered under those who connect for each command: each is told why."""
    with nothing_left_here(), closing(client(mortal.endpoint)) as admin:
        seen = drive_while(
            few_handlers(driver=driver, pool=Pool.NONE),
            mortal.endpoint,
            lambda: admin.config_set("maxclients", 1),
        )
        rejected = admin.info("stats")["rejected_connections"]
    assert 0 < seen.failures[FailureKind.MAX_CLIENTS] <= rejected
    assert set(seen.failures) <= {FailureKind.MAX_CLIENTS, FailureKind.RESET}
    assert 0 < seen.completed


def test_a_server_that_stops_for_a_while(tmp_path: Path, mortal: Mortal) -> None:
    """SIGSTOP: commands fail at their timeout; SIGCONT: it goes on, over new connections."""
    with run_all_drivers(tmp_path, mortal.endpoint, "--socket-timeout", "300ms") as runs:
        runs.wait_until_at_work()
        with mortal.stopped():
            time.sleep(1)  # how long it is stopped is the fault itself
        kept = runs.end(code=ExitCode.DONE, servers=(mortal.endpoint,))
    for _, run in kept.values():
        summary = summary_of(run)
        assert {"timeout"} == set(summary.failures)
        assert 2 <= summary.connections.opened
        assert 0 < only_trial(run).series[-1].throughput


def test_a_network_that_stalls_for_three_seconds(tmp_path: Path, mortal: Mortal) -> None:
    """Nothing is lost: whoever waited waited that long, and it shows in the response."""
    with (
        proxied(mortal.endpoint) as proxy,
        run_all_drivers(tmp_path, proxy.endpoint, "--duration", "12s") as runs,
    ):
        runs.wait_until_at_work()
        proxy.stall()
        time.sleep(3)  # the fault itself
        proxy.resume()
        kept = runs.end(code=ExitCode.DONE, servers=(mortal.endpoint,))
    for _, run in kept.values():
        summary = summary_of(run)
        assert ({}, 0) == (summary.failures, summary.connections.opened)
        assert 2.9 * SECOND < summary.phases["response"].max_ns < 5 * SECOND
        assert 0.0 in [interval.throughput for interval in only_trial(run).series]
        assert 0 < only_trial(run).series[-1].throughput


def test_a_server_that_is_back_in_no_time_and_empty(tmp_path: Path, mortal: Mortal) -> None:
    """Between two looks at it: its counters and keys are others, so the run has failed."""
    with run_all_drivers(tmp_path, mortal.endpoint) as runs:
        runs.wait_until_at_work()
        mortal.kill()
        mortal.start()
        kept = runs.end(code=ExitCode.SERVER, servers=(mortal.endpoint,))
    for ended, run in kept.values():
        assert f"{mortal.endpoint.address}: the server was restarted" in ended.err
        assert "server_lost" in {warning.code for warning in run.warnings}
        server = only_trial(run).server
        assert server is not None
        assert (True, None) == (server.lost, server.connections_counted)


def test_whoever_reads_a_server_knows_it_again(mortal: Mortal) -> None:
    """A new start is another server, however soon; who asks on hears the same."""
    with ServerSampler(mortal.endpoint) as sampler:
        assert sampler.read() is not None
        assert sampler.replaced is None
        mortal.kill()
        mortal.start()
        for _ in range(2):
            with pytest.raises(ServerError, match="was restarted"):
                sampler.read()
        assert sampler.replaced is not None


def test_all_connections_are_killed(tmp_path: Path, mortal: Mortal) -> None:
    """CLIENT KILL of pool, sampler and all: they come back; at most what was under way fails."""
    with run_all_drivers(tmp_path, mortal.endpoint) as runs:
        runs.wait_until_at_work()
        with closing(client(mortal.endpoint)) as admin:
            anything: Any = admin
            assert 3 * 2 <= anything.client_kill_filter(_type="normal", skipme=True)
        kept = runs.end(code=ExitCode.DONE, servers=(mortal.endpoint,))
    for _, run in kept.values():
        summary, server = summary_of(run), only_trial(run).server
        assert set(summary.failures) <= {"reset"}
        assert summary.failed <= 2
        # One that nobody has needed since is opened again when somebody does.
        assert 1 <= summary.connections.opened <= 2
        assert server is not None
        assert not server.lost
        assert 0 < only_trial(run).series[-1].throughput


REFUSING = {
    "OOM": (("CONFIG", "SET", "maxmemory", "1"), ("CONFIG", "SET", "maxmemory", "0")),
    "READONLY": (("REPLICAOF", "127.0.0.1", "1"), ("REPLICAOF", "NO", "ONE")),
    "NOPERM SET": (
        ("ACL", "SETUSER", "default", "-set"),
        ("ACL", "SETUSER", "default", "+@all"),
    ),
}
"""How a server is made to refuse writes, and to take them again."""


def refusals(endpoint: Endpoint, code: str) -> int:
    """Count how often a server has answered with an error."""
    with closing(client(endpoint)) as asking:
        told: Any = asking.info("errorstats")
        return int(told.get(f"errorstat_{code.partition(' ')[0]}", {}).get("count", 0))


def test_a_server_that_refuses_writes_for_a_while(tmp_path: Path, mortal: Mortal) -> None:
    """Out of memory, read-only, no permission: counted by code; then the writes go on."""
    with run_all_drivers(tmp_path, mortal.endpoint, "--command", "SET key:{0..99} {value}") as runs:
        runs.wait_until_at_work("set")
        with closing(client(mortal.endpoint)) as admin:
            anything: Any = admin
            for code, (refuse, permit) in REFUSING.items():
                anything.execute_command(*refuse)
                wait_until(lambda code=code: refusals(mortal.endpoint, code) > 100)  # type: ignore[misc]  # a lambda's default
                anything.execute_command(*permit)
        kept = runs.end(code=ExitCode.DONE, servers=(mortal.endpoint,))
    for _, run in kept.values():
        summary = summary_of(run)
        assert {"reply_error": summary.failed} == summary.failures
        assert set(REFUSING) == set(summary.error_replies)
        assert summary.failed == sum(summary.error_replies.values())
        assert 0 == summary.connections.opened
        assert 0 < only_trial(run).series[-1].throughput
    assert [] == keys_of_ours(mortal.endpoint)


def test_a_server_that_stays_read_only(scene: Scene, mortal: Mortal) -> None:
    """What it does not let go of any more is named in the run."""
    with (
        closing(client(mortal.endpoint)) as admin,
        scene.running(*LASTING, "--duration", "1s", **external(mortal.endpoint)) as running,
    ):
        before = gets(mortal.endpoint)
        wait_until(lambda: gets(mortal.endpoint) > before + 5)
        anything: Any = admin
        anything.execute_command("REPLICAOF", "127.0.0.1", "1")
        run = assert_aftermath(scene, running.ended(), servers=(mortal.endpoint,))
    (left,) = [warning for warning in run.warnings if warning.code == "keys_left"]
    assert "read only replica" in left.message
    assert [] != keys_of_ours(mortal.endpoint)
    assert {} == summary_of(run).failures


def test_a_user_who_is_deleted(scene: Scene, mortal: Mortal) -> None:
    """Thrown out and not let in again: counted as auth, and the run has failed with the reason."""
    with closing(client(mortal.endpoint)) as admin:
        anything: Any = admin
        anything.execute_command("ACL", "SETUSER", "app", ">word", "on", "+@all", "~*")
        theirs = external(mortal.endpoint) | {"VALKEYBENCH_PASSWORD": "word"}
        with scene.running(*LASTING, "--user", "app", **theirs) as running:
            before = gets(mortal.endpoint)
            wait_until(lambda: gets(mortal.endpoint) > before + 5)
            anything.execute_command("ACL", "DELUSER", "app")
            ended = running.ended()
    run = assert_aftermath(scene, ended, code=ExitCode.SERVER, servers=(mortal.endpoint,))
    assert FailureKind.AUTH in summary_of(run).failures
    assert set(summary_of(run).failures) <= {FailureKind.AUTH, FailureKind.RESET}
