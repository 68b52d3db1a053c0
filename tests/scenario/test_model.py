"""The records of a scenario know what has a meaning, and can be written as JSON."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, fields
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.scenario.model import (
    Axes,
    Case,
    Client,
    Distribution,
    Driver,
    EventLoop,
    Pool,
    Scenario,
    ServerSettings,
    Think,
    plain,
)
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterable


def test_every_axis_is_something_a_case_fixes() -> None:
    """Axes and cases have the same attributes, and the defaults of both agree."""
    assert [axis.name for axis in fields(Axes)] == [axis.name for axis in fields(Case)]
    assert Case().meaningful() in set(Axes().cases())
    assert 2 == len(list(Axes().cases()))


POLICIES = [pool for pool in Pool if pool is not Pool.MULTIPLEXED]

_axes = st.builds(
    Axes,
    pool=st.lists(st.sampled_from(POLICIES), min_size=1).map(tuple),
    max_connections=st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple),
    pool_timeout_ns=st.lists(st.none() | st.integers(1, 3), min_size=1, max_size=3).map(tuple),
    concurrency=st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple),
)


@given(_axes)
@settings(deadline=None)
def test_cases_are_different_and_meaningful(axes: Axes) -> None:
    """However axes are made, no case comes twice, and none has what means nothing for it."""
    cases = list(axes.cases())

    assert len(cases) == len(set(cases))
    assert cases == [case.meaningful() for case in cases]
    assert set(axes.pool) == {case.pool for case in cases}
    pooled = [case for case in cases if case.pool.is_pooled]
    assert {case.max_connections for case in pooled} <= set(axes.max_connections)
    for pool in set(axes.pool):
        expected = len(set(axes.concurrency))
        expected *= len(set(axes.max_connections)) if pool.is_pooled else 1
        expected *= len(set(axes.pool_timeout_ns)) if pool.waits else 1
        assert expected == sum(case.pool is pool for case in cases)


def test_an_event_loop_is_the_asyncio_drivers() -> None:
    """The other drivers have none, and are not repeated for each."""
    axes = Axes(pool=(Pool.BLOCKING,), driver=tuple(Driver), event_loop=tuple(EventLoop))
    assert [
        (Driver.THREADS, None),
        (Driver.ASYNCIO, EventLoop.ASYNCIO),
        (Driver.ASYNCIO, EventLoop.UVLOOP),
        (Driver.WIRE, None),
    ] == [(case.driver, case.event_loop) for case in axes.cases()]


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (Case(pool=Pool.BLOCKING, max_connections=10, concurrency=50, processes=2), (100, 20)),
        (Case(pool=Pool.BLOCKING, max_connections=90, concurrency=50, processes=2), (100, 180)),
        (Case(pool=Pool.NONE, concurrency=50, processes=2).meaningful(), (100, 100)),
        (Case(client=Client.VALKEY_GLIDE, processes=2).meaningful(), (100, 2)),
    ],
)
def test_handlers_and_connections_are_of_all_processes(
    case: Case, expected: tuple[int, int]
) -> None:
    """A pool may be filled whether it is used or not; without one each handler has its own."""
    assert expected == (case.handlers, case.most_connections)


@pytest.mark.parametrize(
    ("think", "text"),
    [
        (Think(0), "0"),
        (Think(10 * MILLISECOND), "10ms"),
        (Think(1500, Distribution.CONSTANT), "constant 1500ns"),
    ],
)
def test_a_think_time_is_written_as_it_is_read(think: Think, text: str) -> None:
    """The words of a scenario file, also in reports and run files."""
    assert text == str(think)


def test_records_do_not_change() -> None:
    """What was asked for stays what it was."""
    for record in (Scenario(), Case(), Axes(), ServerSettings()):
        name = fields(record)[0].name
        with pytest.raises(FrozenInstanceError):
            setattr(record, name, getattr(record, name))


def test_a_scenario_can_be_written_as_json() -> None:
    """Records become objects, tuples lists, words strings; there is nothing else in it."""
    written = plain(Scenario())

    assert written == json.loads(json.dumps(written, allow_nan=False))
    assert ["none", "blocking"] == written["axes"]["pool"]
    assert ["10ms"] == written["axes"]["think"]
    assert set(_kinds(written)) <= {str, int, bool, type(None)}


def _kinds(written: object) -> Iterable[type]:
    match written:
        case dict():
            for value in written.values():
                yield from _kinds(value)
        case list():
            for value in written:
                yield from _kinds(value)
        case _:
            yield type(written)
