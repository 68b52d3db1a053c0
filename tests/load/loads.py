"""Short loads for tests: the trial, where it is driven, and what must hold of any measurement."""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

from valkeybench.load.places import LocalPlace
from valkeybench.load.tasks import TasksDriver
from valkeybench.load.threads import ThreadsDriver
from valkeybench.load.wire.driver import WireDriver
from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.measurement.recorder import Window
from valkeybench.plan.trial import Trial
from valkeybench.scenario.model import Case, Driver, Pool, Think
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.load.driver import Driver as AnyDriver
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.server.endpoint import Endpoint

AnyClient = Any
"""A `redis.Redis` in tests: the types of its replies say less than a test knows."""

NO_PAUSE = Think(0)
DRIVERS: dict[Driver, Callable[..., AnyDriver]] = {
    Driver.THREADS: ThreadsDriver,
    Driver.ASYNCIO: TasksDriver,
    Driver.WIRE: WireDriver,
}
"""How each driver is made in this process."""

NEARLY = 0.99
"""How much of an emulated distance is there for sure: pauses are shortened by how late they end,
which is found out once and changes by some microseconds."""

PREFIX = "valkeybench:tests:"

POLICIES = tuple(pool for pool in Pool if pool is not Pool.MULTIPLEXED)
"""The pool policies of clients that have pools."""


def make_trial(
    case: Case,
    *,
    lasts_ns: int = 300 * MILLISECOND,
    **changes: Any,  # noqa: ANN401 - any attribute of a trial
) -> Trial:
    """Make a trial of a case: without warm-up, over a pool opened before, unless told otherwise."""
    usual: dict[str, Any] = {
        "case_index": 0,
        "repeat": 0,
        "seed": "1",
        "warmup_ns": 0,
        "prewarm": True,
        "commands": ("GET key:{0..9}",),
        "tally_replies": False,
        "key_prefix": PREFIX,
    }
    return Trial(case=case.meaningful(), duration_ns=lasts_ns, **usual | changes)


def few_handlers(**changes: Any) -> Case:  # noqa: ANN401 - any attribute of a case
    """Make a case with three handlers over two connections that never pause."""
    usual: dict[str, Any] = {"concurrency": 3, "max_connections": 2, "think": NO_PAUSE}
    return Case(**usual | changes)


def drive_here(trial: Trial, endpoint: Endpoint, **driving: Any) -> Measurement:  # noqa: ANN401 - what a driver takes
    """Drive a trial in this process."""
    make = DRIVERS[trial.case.driver]
    driver = make(trial, endpoint, process=0, **driving)
    driver.prewarm()
    opens = clock() + trial.warmup_ns
    return driver.drive(Window(opens, opens + trial.duration_ns))


def drive_apart(trial: Trial, endpoint: Endpoint) -> Measurement:
    """Drive a trial as a run does, in processes of its own."""
    with LocalPlace().standing_by(trial, endpoint) as load:
        return load.run()


def total_ns(seen: Measurement, phase: Phase) -> int:
    """Add up everything a phase lasted."""
    return seen.histograms[phase].total if phase in seen.histograms else 0


def assert_adds_up(seen: Measurement) -> None:
    """Hold a measurement to what is true of every one, to the nanosecond."""
    assert seen.completed == sum(seen.handlers)
    parts = {part: total_ns(seen, part) for part in PARTS}
    assert total_ns(seen, Phase.SERVICE) == sum(parts.values())
    responses = seen.histograms[Phase.RESPONSE].count if Phase.RESPONSE in seen.histograms else 0
    assert seen.completed + seen.unfinished == responses
    assert not any(histogram.out_of_range for histogram in seen.histograms.values())
