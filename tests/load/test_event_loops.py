"""An event loop's lag is what it is late by, and a punctual one is not late by itself."""

from __future__ import annotations

import asyncio
import sys
from time import perf_counter_ns as clock
from time import sleep

import pytest

from valkeybench.load.event_loops import loop_factory
from valkeybench.load.loop_lag import PERIOD_NS, LoopLag
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import EventLoop
from valkeybench.units import MILLISECOND, SECOND

every_loop = pytest.mark.parametrize("event_loop", EventLoop)


def run(event_loop: EventLoop, window: Window, *, blocked_ns: int = 0) -> LoopLag:
    """Probe a loop through a window, and hold it up once in the middle of it."""

    async def whole() -> LoopLag:
        lag = LoopLag(window)
        lag.start(asyncio.get_running_loop())
        while clock() < window.opens + window.length_ns // 2:  # noqa: ASYNC110 - time itself
            await asyncio.sleep(0.002)
        sleep(blocked_ns / SECOND)  # noqa: ASYNC251 - it is what must not be done
        while clock() < window.closes:  # noqa: ASYNC110 - time itself
            await asyncio.sleep(0.002)
        lag.stop()
        return lag

    with asyncio.Runner(loop_factory=loop_factory(event_loop, punctual=False)) as runner:
        return runner.run(whole())


def soon(lasts_ns: int) -> Window:
    """Give a window that opens in a moment."""
    opens = clock() + 20 * MILLISECOND
    return Window(opens, opens + lasts_ns)


@every_loop
def test_a_loop_that_is_held_up_is_late_for_all_it_missed(event_loop: EventLoop) -> None:
    """Every instant missed counts, each by how late it was, the first one by nearly all of it."""
    blocked_ns = 20 * PERIOD_NS
    held_up = run(event_loop, soon(40 * PERIOD_NS), blocked_ns=blocked_ns).histogram()
    assert 40 == held_up.count
    assert held_up.maximum is not None
    assert blocked_ns - PERIOD_NS <= held_up.maximum
    # From 1 to 19 periods late: 18 of them by more than one.
    assert 18 <= held_up.bins([0, PERIOD_NS, SECOND])[1]


@every_loop
def test_what_is_due_outside_the_window_is_not_noted(event_loop: EventLoop) -> None:
    """One sample for each period of the window, whatever came before and after."""
    lag = run(event_loop, soon(10 * PERIOD_NS))
    assert 10 == lag.histogram().count
    lag.stop()
    assert 10 == lag.histogram().count


def test_without_timers_of_the_kernel_the_loops_own_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems than Linux have no timerfd, and as many samples."""
    monkeypatch.setattr(sys, "platform", "darwin")
    held_up = run(EventLoop.ASYNCIO, soon(20 * PERIOD_NS), blocked_ns=5 * PERIOD_NS).histogram()
    assert 20 == held_up.count
    assert held_up.maximum is not None
    assert 4 * PERIOD_NS <= held_up.maximum


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux rounds to milliseconds")
def test_a_punctual_loop_does_not_round_up_to_milliseconds() -> None:
    """Of fifty pauses of a fifth of a millisecond, the usual loop ends none within one."""

    async def shortest() -> int:
        lasted = []
        for _ in range(50):
            begun = clock()
            await asyncio.sleep(0.0002)
            lasted.append(clock() - begun)
        return min(lasted)

    found = {}
    for punctual in (False, True):
        make = loop_factory(EventLoop.ASYNCIO, punctual=punctual)
        with asyncio.Runner(loop_factory=make) as runner:
            found[punctual] = runner.run(shortest())
    assert 200_000 <= found[True] < MILLISECOND <= found[False]
