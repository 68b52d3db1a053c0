"""What a load takes it gives back, however many handlers there are; what it keeps is said."""

from __future__ import annotations

import threading
from contextlib import closing
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import pytest

from benchmarks import soak
from tests.cli.commandline import TINY
from tests.faults.aftermath import OUTPUT, assert_aftermath, nothing_left_here
from tests.faults.machines import sitecustomize
from tests.load.loads import DRIVERS, drive_here, few_handlers, make_trial
from tests.server.processes import client, on_linux, wait_until
from valkeybench.analysis.finding import Code
from valkeybench.load import async_pools, connections
from valkeybench.load.threads import ThreadsDriver
from valkeybench.load.wire import driver as wire_driver
from valkeybench.load.wire import handlers as wire_handlers
from valkeybench.load.wire.pool import FifoPool
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import Driver, Pool, Think
from valkeybench.server.embedded import embedded_server
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import redis

    from tests.faults.aftermath import Scene
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.recorder import Recorder
    from valkeybench.plan.trial import Trial
    from valkeybench.server.endpoint import Endpoint

pytestmark = on_linux

LEAKS = """
import sys
if "valkeybench.load.process" in sys.orig_argv:
    from valkeybench.load.connections import WaitingPool
    release, lost = WaitingPool.release, []
    def lose_one(pool, connection):
        lost.append(connection)
        # Not of those that were only opened beforehand.
        if len(lost) != 20:
            release(pool, connection)
    WaitingPool.release = lose_one
"""

POOLS = {
    Driver.THREADS: (connections.WaitingPool, "release"),
    Driver.ASYNCIO: (async_pools.WaitingPool, "release"),
    Driver.WIRE: (FifoPool, "give"),
}
"""What takes a connection back, by driver."""


@pytest.fixture(scope="module")
def server() -> Iterator[Endpoint]:
    """Give a server for all tests here."""
    with embedded_server() as endpoint:
        yield endpoint


def kill_all_half_way(admin: redis.Redis) -> None:
    """Cut every connection but our own, once the load is at work."""
    before = gets(admin)
    wait_until(lambda: gets(admin) > before + 10)
    admin.client_kill_filter(_type="normal", skipme=True)


def drive_and_close(trial: Trial, server: Endpoint) -> Measurement:
    """Drive a trial, and close what threads leave to the end of their process: their pool."""
    driver = DRIVERS[trial.case.driver](trial, server, process=0)
    driver.prewarm()
    opens = clock()
    seen = driver.drive(Window(opens, opens + trial.duration_ns))
    if isinstance(driver, ThreadsDriver) and driver._common is not None:  # noqa: SLF001 - as above
        driver._common.disconnect()  # noqa: SLF001 - as above
    return seen


def gets(admin: redis.Redis) -> int:
    """Count the GETs a server has answered."""
    stats: Any = admin.info("commandstats")
    return int(stats.get("cmdstat_get", {}).get("calls", 0))


@pytest.mark.parametrize("driver", Driver)
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.RAISING, Pool.BLOCKING, Pool.FAIR])
def test_nothing_is_in_use_when_a_trial_has_ended(
    server: Endpoint, driver: Driver, pool: Pool
) -> None:
    """Though all connections were killed in the middle; no socket and no thread stays either."""
    case = few_handlers(driver=driver, pool=pool, think=Think(MILLISECOND))

    with nothing_left_here(), closing(client(server)) as admin:
        killing = threading.Thread(target=kill_all_half_way, args=(admin,))
        killing.start()
        seen = drive_and_close(make_trial(case), server)
        killing.join()
    assert (0, 0) == (seen.in_use_left, seen.abandoned)
    assert 0 < seen.completed


@pytest.mark.parametrize("driver", Driver)
def test_a_connection_that_is_not_given_back_is_counted(
    server: Endpoint, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that loses one of two has made the pool smaller than it says."""
    pool, give = POOLS[driver]
    give_back = getattr(pool, give)
    lost: list[Any] = []

    async def nothing() -> None:
        """Stand for a release that does nothing."""

    def lose_one(self: object, connection: object) -> object:
        if lost:
            return give_back(self, connection)
        lost.append(connection)
        return nothing() if driver is Driver.ASYNCIO else None

    monkeypatch.setattr(pool, give, lose_one)
    # Without pauses, so that there are handlers who wait for what is given back.
    seen = drive_here(make_trial(few_handlers(driver=driver), prewarm=False), server)
    assert (1, 0) == (seen.in_use_left, seen.abandoned)
    for each in lost:
        if driver is not Driver.ASYNCIO:
            each.close() if driver is Driver.WIRE else each.disconnect()


def test_what_is_not_given_back_is_reported(scene: Scene, tmp_path: Path) -> None:
    """In the run file for each trial, and in the report with what it means."""
    leaky = sitecustomize(tmp_path, LEAKS)
    ended = scene.ended("run", *TINY, "--pool", "blocking", "-m", "8", "-o", OUTPUT, **leaky)
    run = assert_aftermath(scene, ended)
    (trial,) = run.cases[0].trials
    assert 1 == trial.client.in_use_left
    assert Code.IN_USE_LEFT in {warning.code for warning in run.warnings}
    assert "1 connection was never given back" in " ".join(ended.out.split())


# --- many handlers ---


@pytest.mark.parametrize(
    ("driver", "handlers"), [("threads", 1_000), ("asyncio", 1_000), ("wire", 10_000)]
)
def test_many_handlers_all_come_and_go(scene: Scene, driver: str, handlers: int) -> None:
    """Each has its place in the counts, the pool is whole at the end, and nobody is left."""
    words = ("run", "--driver", driver, "-c", f"{handlers}", "-m", "50", "--pool", "blocking")
    paced = ("--think", "1s", "--duration", "2s", "--warmup", "500ms", "--repeats", "1")
    ended = scene.ended(*words, *paced, "-o", OUTPUT)
    (case,) = assert_aftermath(scene, ended).cases
    (trial,) = case.trials
    assert handlers == len(trial.handlers)
    assert 0 < trial.summary.completed
    assert {} == trial.summary.failures
    assert (0, 0) == (trial.client.in_use_left, trial.client.abandoned)
    assert 50 == trial.summary.connections.open_max


# --- memory ---


@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_the_wire_s_notes_are_counted_before_they_fill_memory(
    server: Endpoint, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of commands that opened a connection as well; no more are kept than there may be."""
    most = 10_000
    kept: list[int] = []
    hand_over: Callable[..., None] = wire_handlers.Notebook.hand_over

    def note(notebook: wire_handlers.Notebook, recorder: Recorder) -> None:
        kept.append(notebook.noted)
        hand_over(notebook, recorder)
        assert 0 == notebook.noted

    monkeypatch.setattr(wire_driver, "_MOST_NOTED", most)
    monkeypatch.setattr(wire_handlers.Notebook, "hand_over", note)
    case = few_handlers(driver=Driver.WIRE, pool=pool)
    seen = drive_here(make_trial(case, lasts_ns=600 * MILLISECOND), server)
    assert 3 * 2 <= len(kept)  # each handler's before the end, and at the end
    assert seen.completed == sum(seen.handlers)


def sights(*rss_mib: float, files: int = 5, threads: int = 2) -> list[soak.Sight]:
    """Give looks at a process that holds so much memory, one after another."""
    rows = enumerate(rss_mib)
    return [soak.Sight(second, round(mib * soak.MIB), files, threads) for second, mib in rows]


def test_a_soak_tells_flat_from_growing() -> None:
    """By medians of thirds, so that one look proves nothing; files and threads count as well."""
    counted = [soak.Counted(second, 10 * second, 1) for second in range(12)]
    flat = soak.Watched("flat", 1, seen=sights(*(50 + second % 2 for second in range(12))))
    leaks = soak.Watched("leaks", 1, seen=sights(*(50 + second for second in range(12))))
    notes = soak.Watched("notes", 1, notes=soak.MIB, seen=leaks.seen)
    opens = soak.Watched("opens", 1, seen=[*sights(*[50.0] * 6), *sights(*[50.0] * 6, files=6)])
    assert [] == soak.judge(flat, counted)
    assert ["leaks grew by 7.00 MiB"] == soak.judge(leaks, counted)
    assert [] == soak.judge(notes, counted)
    assert ["opens: 5 files became 6"] == soak.judge(opens, counted)
    slower = [soak.Counted(s, 10 * s if s < 6 else 60 + 9 * (s - 6), 1) for s in range(12)]
    assert [] == soak.judge_throughput(counted)
    assert ["throughput fell from 10.0/s to 9.0/s"] == soak.judge_throughput(slower)
