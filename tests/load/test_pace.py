"""A schedule gives every due instant to one handler, and counts what nobody took."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

import pytest

from valkeybench.load.pace import OnSchedule, Schedule, Thinking
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import Think
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

EACH = 10
"""Instants in one list of the schedule under test, a nanosecond apart."""


def lists() -> Iterator[list[int]]:
    """Yield 0, 1, 2, … in lists."""
    start = 0
    while True:
        yield list(range(start, start + EACH))
        start += EACH


def schedule(*, begins: int = 0, opens: int = 5, closes: int = 25) -> Schedule:
    """Make a schedule of an instant each nanosecond."""
    return Schedule(lists(), begins=begins, window=Window(opens, closes))


def test_instants_are_taken_in_order() -> None:
    """From the start of the load on."""
    due = schedule(begins=100)

    assert [*range(100, 135)] == [due.take() for _ in range(35)]


def test_many_threads_take_each_instant_once() -> None:
    """None is lost and none is given twice, however they race for the next list."""
    due, each = schedule(), 20_000
    with ThreadPoolExecutor(8) as threads:
        taken = list(threads.map(lambda _: [due.take() for _ in range(each)], range(8)))

    assert [*range(8 * each)] == sorted(instant for share in taken for instant in share)


def test_offered_are_those_due_in_the_window() -> None:
    """From the opening until before the closing, whoever took them."""
    due = schedule(opens=5, closes=25)
    due.dropped()

    assert 20 == due.offered


def test_dropped_are_those_nobody_took_or_sent() -> None:
    """Due before the closing and not taken, or taken and given up."""
    due = schedule(closes=25)
    for _ in range(10):
        due.take()
    due.give_up(9)
    due.give_up(25)

    assert 15 + 1 == due.dropped()


def test_a_handler_on_schedule_waits_until_its_command_is_due() -> None:
    """And gives the instant back, from which response counts."""
    opens = clock()
    window = Window(opens, opens + 10 * SECOND)
    pace = OnSchedule(Schedule(lists(), begins=opens, window=window), window)
    due = opens + 3 * MILLISECOND

    assert due == pace.wait(due)
    assert clock() >= due


def test_what_is_due_already_is_not_waited_for() -> None:
    """A late handler begins at once."""
    window = Window(0, 1 << 62)
    pace = OnSchedule(Schedule(lists(), begins=0, window=window), window)

    assert 5 == pace.wait(5)


@pytest.mark.parametrize("far", [10 * SECOND, 1000 * SECOND])
def test_nobody_waits_beyond_the_closing(far: int) -> None:
    """A window that has closed ends every wait, in a closed load and in an open one."""
    opens = clock()
    window = Window(opens, opens + MILLISECOND)
    on_schedule = OnSchedule(Schedule(lists(), begins=opens, window=window), window)
    thinking = Thinking(Think(far), "1", window)

    assert opens + far == on_schedule.wait(opens + far)
    assert 0 == thinking.wait(far / SECOND)
    assert clock() < opens + 5 * SECOND
