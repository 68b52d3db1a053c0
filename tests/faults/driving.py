"""A load on a server in this process, as each driver puts it, that leaves nothing open."""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

import pytest

from tests.load.loads import DRIVERS, assert_adds_up, make_trial
from valkeybench.load.threads import ThreadsDriver
from valkeybench.measurement.recorder import Window
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.measurement.measurement import Measurement
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

LASTS_NS = 100 * MILLISECOND

_LONGEST_NS = 10 * SECOND

every_driver = pytest.mark.parametrize("driver", list(DRIVERS))


def enough(seen: Measurement) -> bool:
    """Tell whether commands failed, and others got through."""
    return seen.failed > 0 and seen.completed > 0


def drive_until(
    is_enough: Callable[[Measurement], bool], case: Case, endpoint: Endpoint
) -> Measurement:
    """Put longer and longer loads on a server, for a machine may be slow, until it is enough."""
    lasts_ns = LASTS_NS
    seen = drive(case, endpoint, lasts_ns=lasts_ns)
    while lasts_ns < _LONGEST_NS:
        if is_enough(seen):
            return seen
        lasts_ns *= 2
        seen += drive(case, endpoint, lasts_ns=lasts_ns)
    raise AssertionError(f"it never was enough: {seen}")


def drive(
    case: Case,
    endpoint: Endpoint,
    *,
    lasts_ns: int = LASTS_NS,
    prewarm: bool = False,
    commands: tuple[str, ...] = ("GET key:{0..9}",),
) -> Measurement:
    """Put a load on a server, over connections that commands have to open; it must add up."""
    trial = make_trial(case, lasts_ns=lasts_ns, prewarm=prewarm, commands=commands)
    driver: Any = DRIVERS[case.driver](trial, endpoint, process=0)
    try:
        driver.prewarm()
        opens = clock()
        seen: Measurement = driver.drive(Window(opens, opens + lasts_ns))
    finally:
        if isinstance(driver, ThreadsDriver):
            # Its pool ends with a load process, and this one does not end.
            for pool in driver._pools():  # noqa: SLF001 - nobody else has to close it
                pool.disconnect()
    assert_adds_up(seen)
    assert seen.failed == sum(seen.failures.values()) == int(seen.series.failed.sum())
    return seen
