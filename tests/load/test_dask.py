"""Workers of a Dask cluster send the load as this machine does, and are heard when they fail."""

from __future__ import annotations

import json
import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import dask
import pytest
import trustme
from distributed import Client

from tests.load.clusters import Cluster, dask_cluster
from tests.load.loads import assert_adds_up, few_handlers, make_trial
from tests.load.test_places import CANARY, load_processes
from tests.server.processes import is_running, run_python, wait_until
from valkeybench import workflow
from valkeybench.errors import ExitCode, LoadError, ScenarioError, ServerError
from valkeybench.load.dask import DaskPlace, check_versions, dask_place
from valkeybench.load.dealing import clock_difference, spread
from valkeybench.load.places import LocalPlace, open_place
from valkeybench.load.talk import Order, pack
from valkeybench.measurement.placing import Worker
from valkeybench.results.store import read_run
from valkeybench.scenario.model import Axes, Pool, Scenario, ServerSettings, Think
from valkeybench.scenario.secret import Secret
from valkeybench.server.embedded import pick_free_port
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.runfile import RunFile
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.server.endpoint import Endpoint

OURS = ServerSettings()
calm = few_handlers(processes=3, think=Think(5 * MILLISECOND))

COORDINATOR = """
import signal
from distributed import Client
from tests.load.loads import few_handlers, make_trial
from valkeybench.load.dask import DaskPlace
from valkeybench.scenario.model import ServerSettings
from valkeybench.scenario.secret import Secret
from valkeybench.server.endpoint import Endpoint
with Client("{address}") as client:
    place = DaskPlace(client, "{address}", ServerSettings(), lease_seconds=3)
    trial = make_trial(few_handlers(), lasts_ns=10**12)
    server = Endpoint(host="127.0.0.1", port={port}, password=Secret(input()))
    with place.standing_by(trial, server):
        print("ready", flush=True)
        signal.pause()
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Give a cluster of two workers that nobody harms."""
    with dask_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@contextmanager
def place_of(cluster: Cluster) -> Iterator[DaskPlace]:
    """Connect to a cluster."""
    with dask_place(cluster.address, OURS) as place:
        yield place


class Onlooker:
    """Watches a run, and does something when a trial begins."""

    def __init__(self) -> None:
        self.begun = 0

    def planned(self, plan: Plan, endpoint: Endpoint, facts: object) -> None:
        """Hear what will be done."""

    def trial_started(self, trial: Trial) -> None:  # noqa: ARG002 - the protocol's
        """Count it."""
        self.begun += 1

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Hear that it is kept."""


def small(**changes: Any) -> Scenario:  # noqa: ANN401 - any attribute of a scenario
    """Make a scenario of three processes over one pool each."""
    axes = Axes(pool=(Pool.BLOCKING,), concurrency=(3,), max_connections=(2,), processes=(3,))
    usual: dict[str, Any] = {"repeats": 1, "duration_ns": 300 * MILLISECOND, "axes": axes}
    return Scenario(**usual | changes)


def no_such(orders: object) -> None:
    """Fail, with orders for an argument."""
    raise KeyError(type(orders).__name__)


def shape(value: object) -> object:
    """Reduce what JSON holds to its keys and kinds of values; a list is like its first item."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return type(value).__name__ if isinstance(value, str | bool) else "number or null"


# --- how it goes well ---


def test_a_run_there_has_the_structure_of_one_here_and_adds_up(cluster: Cluster) -> None:
    """The same file; every command, handler and connection is counted once, also by the server."""
    here, there = (
        workflow.run(small(place=place), output=None, watcher=Onlooker()).run
        for place in ("local", cluster.address)
    )
    for run in (here, there):
        assert "complete" == run.status
        (trial,) = run.cases[0].trials
        place, summary = trial.place, trial.summary
        assert place is not None
        assert trial.server is not None
        assert [0, 1, 2] == [process.process for process in place.processes]
        assert 0 < summary.completed == sum(process.completed for process in place.processes)
        assert summary.completed == sum(trial.handlers)
        assert trial.client.cpu_ns == sum(process.cpu_ns for process in place.processes)
        assert 9 == len(trial.handlers)
        assert 6 == summary.connections.prewarmed == trial.server.connections_counted
        assert all(process.began_ns < 0 for process in place.processes)

    def trial_of(run: RunFile) -> Any:  # noqa: ANN401 - JSON
        trial = json.loads(run.model_dump_json(by_alias=True))["cases"][0]["trials"][0]
        for worker in trial["place"]["workers"]:
            assert worker.keys() == {
                *("name", "address", "host", "cpus", "processes"),
                *("clock_ahead_ns", "clock_error_ns"),
            }
        trial["place"].pop("workers")
        # How it went, and not what is said of it, decides which phases there are.
        trial["summary"].pop("phases")
        trial.pop("histograms")
        return trial

    assert shape(trial_of(here)) == shape(trial_of(there))


def test_who_ran_which_process_is_kept(cluster: Cluster, embedded: Endpoint) -> None:
    """Names, addresses, machine and clocks; on one machine clocks differ by their error at most."""
    with place_of(cluster) as place:
        with place.standing_by(make_trial(calm), embedded) as load:
            seen = load.run()
        assert_adds_up(seen)
        assert {"anna", "bert"} == {worker.name for worker in load.placing.workers}
        assert {0, 1, 2} == {n for worker in load.placing.workers for n in worker.processes}
        for worker in load.placing.workers:
            assert worker.address is not None
            assert worker.address.startswith("tcp://127.0.0.1:")
            assert worker.host == os.uname().nodename
            assert worker.cpus == len(os.sched_getaffinity(0))
            assert 0 < worker.clock_error_ns
            assert abs(worker.clock_ahead_ns) <= worker.clock_error_ns
        assert seen.completed == sum(share.completed for share in load.placing.shares)
        assert [] == [
            pid for worker in cluster.workers.values() for pid in load_processes(worker.pid)
        ]


def test_processes_are_not_the_worker_s_own(cluster: Cluster, embedded: Endpoint) -> None:
    """Each is a fresh child of its worker, which neither loads redis-py nor keeps anything."""
    with place_of(cluster) as place:
        with place.standing_by(make_trial(calm), embedded):
            children = [len(load_processes(w.pid)) for w in cluster.workers.values()]
            assert [1, 2] == sorted(children)
        assert [0, 0] == [len(load_processes(w.pid)) for w in cluster.workers.values()]
    with Client(cluster.address, set_as_default=False) as client:
        kept = client.run(
            lambda dask_worker: [name for name in dask_worker.plugins if "valkeybench" in name]
        )
        loaded = client.run(lambda: "redis" in __import__("sys").modules)
    assert [[], []] == list(kept.values())
    assert [False, False] == list(loaded.values())


def test_a_load_over_tls(tmp_path: Path, embedded: Endpoint) -> None:
    """tls:// takes certificates from Dask's own configuration; without them it says so."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "all.pem"))
    ca, both = str(tmp_path / "ca.pem"), str(tmp_path / "all.pem")
    options = ("--protocol", "tls", "--tls-ca-file", ca, "--tls-cert", both, "--tls-key", both)
    tls = "distributed.comm.tls"
    settings = {f"{tls}.ca-file": ca, f"{tls}.client.cert": both, f"{tls}.client.key": both}
    with dask_cluster(tmp_path, ["anna"], options=options) as cluster:
        assert cluster.address.startswith("tls://127.0.0.1:")
        with (
            dask.config.set(settings),
            place_of(cluster) as place,
            place.standing_by(make_trial(calm), embedded) as load,
        ):
            assert not place.is_in_clear
            assert 0 < load.run().completed
        # Dask's own client would find that out too late to be thrown away quietly.
        with pytest.raises(LoadError, match="no certificates are configured") as failed:
            place_of(cluster).__enter__()
        assert "distributed.comm.tls" in failed.value.remedy


# --- how it goes badly ---


def test_a_worker_that_dies_fails_its_trial_and_no_other(tmp_path: Path) -> None:
    """It is named, its load processes end with it, and what else was measured is kept."""
    kept = tmp_path / "run.json"
    with dask_cluster(tmp_path) as cluster:
        bert = cluster.workers["bert"]
        orphans: list[int] = []

        def kill() -> None:
            wait_until(lambda: load_processes(bert.pid))
            orphans.extend(load_processes(bert.pid))
            bert.kill()

        class Killer(Onlooker):
            def trial_started(self, trial: Trial) -> None:
                super().trial_started(trial)
                if self.begun == 2:
                    threading.Thread(target=kill).start()

        scenario = small(repeats=4, duration_ns=2 * SECOND, place=cluster.address)
        outcome = workflow.run(scenario, output=kept, watcher=Killer())
        wait_until(lambda: not any(map(is_running, orphans)))
    assert isinstance(outcome.stopped_by, LoadError)
    assert ExitCode.LOAD == outcome.stopped_by.exit_code
    assert "bert" in outcome.stopped_by.message
    run = read_run(kept)
    assert "failed" == run.status
    assert [0, 2, 3] == [trial.repeat for trial in run.cases[0].trials]
    workers = [trial.place.workers for trial in run.cases[0].trials if trial.place is not None]
    assert [["anna", "bert"], ["anna"], ["anna"]] == [
        sorted(worker.name for worker in some) for some in workers
    ]
    (lost,) = (warning for warning in run.warnings if warning.code == "trial_lost")
    assert "repeat 2 gave no result: " in lost.message
    assert "bert" in lost.message


def test_a_worker_that_dies_mid_trial_is_heard_at_once(tmp_path: Path, embedded: Endpoint) -> None:
    """Long before the window ends, and with the processes that went with it."""
    with (
        dask_cluster(tmp_path) as cluster,
        place_of(cluster) as place,
        place.standing_by(make_trial(calm, lasts_ns=600 * SECOND), embedded) as load,
    ):
        threading.Timer(0.5, cluster.workers["anna"].kill).start()
        with pytest.raises(LoadError, match=r"Dask worker anna .* was lost, and with it load"):
            load.run()


def test_a_scheduler_that_dies_mid_trial_is_heard_at_once(
    tmp_path: Path, embedded: Endpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is what carried everything; one sentence says so, and Dask adds no traceback."""
    trial = make_trial(calm, lasts_ns=600 * SECOND)
    with (
        dask_cluster(tmp_path) as cluster,
        place_of(cluster) as place,
        place.standing_by(trial, embedded) as load,
    ):
        threading.Timer(0.5, cluster.scheduler.kill).start()
        with pytest.raises(LoadError, match="scheduler went away"):
            load.run()
    assert "" == capfd.readouterr().err


def test_a_load_process_that_dies_there_is_named(cluster: Cluster, embedded: Endpoint) -> None:
    """With its worker and machine."""
    with (
        place_of(cluster) as place,
        place.standing_by(make_trial(calm, lasts_ns=600 * SECOND), embedded) as load,
    ):
        victim = load_processes(cluster.workers["bert"].pid)[0]
        threading.Timer(0.2, os.kill, (victim, signal.SIGKILL)).start()
        with pytest.raises(LoadError, match=r"load process \d on worker bert .* by signal 9"):
            load.run()


def test_processes_end_when_nobody_asks_after_them(cluster: Cluster, embedded: Endpoint) -> None:
    """A coordinator that is killed cannot say goodbye; its lease runs out."""
    assert embedded.password is not None
    coordinator = run_python(COORDINATOR.format(address=cluster.address, port=embedded.port))
    try:
        assert coordinator.stdin is not None
        assert coordinator.stdout is not None
        coordinator.stdin.write(embedded.password.reveal() + "\n")
        coordinator.stdin.flush()
        assert "ready\n" == coordinator.stdout.readline()
        (pid,) = (pid for w in cluster.workers.values() for pid in load_processes(w.pid))
    finally:
        coordinator.kill()
        coordinator.communicate()
    wait_until(lambda: not is_running(pid))


def test_a_scheduler_that_is_not_there() -> None:
    """The load cannot be generated: exit code 4, and what to look at."""
    place = dask_place(f"tcp://127.0.0.1:{pick_free_port()}", OURS, patience_seconds=0.5)
    with pytest.raises(LoadError, match=r"the Dask scheduler at tcp://127\S+ cannot be reached"):
        place.__enter__()


def test_a_cluster_without_workers_or_with_other_software(tmp_path: Path) -> None:
    """Both are said before any load, and what to do."""
    (tmp_path / "old").mkdir()
    with dask_cluster(tmp_path / "old", []) as cluster:
        with pytest.raises(LoadError, match="has no workers") as failed:
            place_of(cluster).__enter__()
        assert "dask worker" in failed.value.remedy
    metadata = tmp_path / "packages" / "valkeybench-0.0.1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: valkeybench\nVersion: 0.0.1\n")
    old = {"PYTHONPATH": str(metadata.parent)}
    with (
        dask_cluster(tmp_path, ["anna"], **old) as cluster,
        pytest.raises(LoadError, match=r"worker anna .* has valkeybench 0.0.1 \(here "),
    ):
        place_of(cluster).__enter__()


def test_secrets_stay_out_of_the_logs_of_workers(cluster: Cluster, embedded: Endpoint) -> None:
    """Also when something fails there, which Dask logs with its arguments."""
    secret = replace(embedded, password=Secret(CANARY))
    with place_of(cluster) as place, pytest.raises(ServerError, match="auth"):
        place.standing_by(make_trial(calm), secret).__enter__()
    order = pack(Order(make_trial(calm), secret, 0))
    with Client(cluster.address, set_as_default=False) as client:
        assert all(
            isinstance(a, KeyError)
            for a in client.run(no_such, {0: order}, on_error="return").values()
        )
    logs = cluster.log("anna") + cluster.log("bert") + cluster.log("scheduler")
    assert f"<{len(order)} bytes>" in logs
    assert CANARY not in logs


# --- the parts ---


def test_processes_are_dealt_out_by_machine() -> None:
    """One to each machine before any gets a second; workers without any are left out."""

    def dealt(hosts: str, processes: int) -> dict[str, tuple[int, ...]]:
        workers = [Worker(name=f"{host}{n}", host=host) for n, host in enumerate(hosts)]
        return {worker.name: worker.processes for worker in spread(workers, processes)}

    assert {"a0": (0,)} == dealt("aab", 1)
    assert {"a0": (0,), "b2": (1,)} == dealt("aab", 2)
    assert {"a0": (0, 3), "b2": (1, 4), "a1": (2,)} == dealt("aab", 5)
    assert {"a0": (0, 1, 2, 3)} == dealt("a", 4)


def test_the_shortest_exchange_tells_the_time() -> None:
    """The other clock is ahead by the middle of it, and off by half of its length at most."""
    ahead = 10**12
    late_answer = (0, ahead + 900, 1000)
    quick = (5000, ahead + 5030, 5100)
    assert (ahead - 20, 50) == clock_difference([late_answer, quick, late_answer])
    assert abs(clock_difference([late_answer])[0] - ahead) <= clock_difference([late_answer])[1]


def test_software_that_differs_is_named_worker_by_worker() -> None:
    """Python by its minor version, packages exactly; what is missing is called so."""

    def versions(python: str, **packages: str) -> dict[str, Any]:
        usual = {"valkeybench": "1", "redis": "8", "hiredis": "3", "numpy": "2"}
        return {"host": {"python": python}, "packages": usual | packages}

    one, two = Worker(name="one", address="1", host="h1"), Worker(name="two", address="2")
    ours = versions("3.11.2.final.0")
    rest = {"valkeybench": "1", "hiredis": "3", "numpy": "2"}
    check_versions([one], ours, {"1": versions("3.11.9.final.0")})
    with pytest.raises(LoadError) as failed:
        check_versions(
            [one, two], ours, {"1": versions("3.12.0.final.0", redis="7"), "2": {"packages": rest}}
        )
    assert [
        "worker one (h1) has Python 3.12 (here 3.11), redis 7 (here 8)",
        "worker two (None) has Python missing (here 3.11), redis missing (here 8)",
    ] == failed.value.message.splitlines()


def test_here_is_a_place_too() -> None:
    """It takes no scheduler and shows nothing to anybody."""
    with open_place("local", OURS) as place:
        assert isinstance(place, LocalPlace)
        assert not place.is_in_clear


def test_a_private_server_is_out_of_reach_of_other_machines() -> None:
    """Refused before anything is tried."""
    with pytest.raises(ScenarioError, match="--place: processes on other machines"):
        open_place("tcp://192.0.2.1:8786", OURS).__enter__()
