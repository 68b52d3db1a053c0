"""Cases are named by what sets them apart."""

from __future__ import annotations

import pytest

from tests.runs import case_record
from valkeybench.report.labels import (
    axes_labels,
    axis_label,
    distance_label,
    labels,
    short_duration,
)
from valkeybench.scenario.model import Axes, Case, Driver, Pool, Think, plain
from valkeybench.units import MILLISECOND, SECOND


def named(axes: Axes) -> list[str]:
    """Name all cases of some axes."""
    return axes_labels([plain(case) for case in axes.cases()])


@pytest.mark.parametrize(
    ("axes", "names"),
    [
        (Axes(), ["no pool", "blocking 10"]),
        (Axes(pool=(Pool.BLOCKING,)), ["blocking 10"]),
        (Axes(pool=(Pool.BLOCKING,), max_connections=(5, 10)), ["blocking 5", "blocking 10"]),
        (
            Axes(pool=(Pool.NONE, Pool.FAIR, Pool.RAISING), pool_timeout_ns=(None,)),
            ["no pool", "fair 10", "raising 10"],
        ),
        (Axes(pool=(Pool.NONE,), concurrency=(1, 50)), ["1 handler", "50 handlers"]),
        (
            Axes(pool=(Pool.NONE, Pool.BLOCKING), pool_timeout_ns=(SECOND, None)),
            ["no pool", "blocking 10, pool timeout 1 s", "blocking 10, no pool timeout"],
        ),
        (
            Axes(pool=(Pool.BLOCKING,), think=(Think(0), Think(MILLISECOND)), retries=(0, 1)),
            [
                "think 0, 0 retries",
                "think 0, 1 retry",
                "think 1ms, 0 retries",
                "think 1ms, 1 retry",
            ],
        ),
        (
            Axes(pool=(Pool.FAIR,), driver=tuple(Driver)),
            ["driver threads", "driver asyncio", "driver wire"],
        ),
        (
            Axes(pool=(Pool.BLOCKING,), value_size=(64, 1024), protocol=(2, 3)),
            [
                "64 B values, RESP2",
                "64 B values, RESP3",
                "1 KiB values, RESP2",
                "1 KiB values, RESP3",
            ],
        ),
    ],
    ids=["pools", "lone", "sizes", "kinds", "handlers", "timeouts", "think", "drivers", "values"],
)
def test_a_name_holds_the_varied_axes_only(axes: Axes, names: list[str]) -> None:
    """An axis all cases agree on, or that means nothing for some, sets nothing apart."""
    assert names == named(axes)


@pytest.mark.parametrize(
    ("axis", "value", "words"),
    [
        ("processes", 4, "4 processes"),
        ("processes", 1, "1 process"),
        ("clients", "successive", "successive clients"),
        ("handshake", "minimal", "minimal handshake"),
        ("decode_responses", True, "text replies"),
        ("decode_responses", False, "byte replies"),
        ("socket_timeout_ns", 1_500_000, "socket timeout 1.5 ms"),
        ("socket_timeout_ns", None, "no socket timeout"),
        ("something_new", True, "something new on"),
        ("something_new", [1], "something new [1]"),
        ("value_size", ["odd"], "value size ['odd']"),
        ("value_size", 1024, "1 KiB values"),
        ("value_size", "random lognormal 64..4096", "random lognormal 64..4096 values"),
        ("pipeline", 1, "single commands"),
        ("pipeline", 10, "pipelines of 10"),
    ],
)
def test_every_axis_has_words(axis: str, value: object, words: str) -> None:
    """Known axes speak, unknown ones and odd values are written as they are."""
    assert words == axis_label(axis, value)


def test_every_axis_of_a_case_is_written_without_codes() -> None:
    """No name of a field and no nanoseconds reach the reader."""
    for name, value in plain(Case()).items():
        words = axis_label(name, value)
        assert "_" not in words
        assert "000000" not in words


def test_cases_that_cannot_be_told_apart_go_by_their_id() -> None:
    """Two names alike would say less than the ids do."""
    cases = [case_record("none", id=name, repeats=0) for name in ("first", "second")]

    assert {"first": "first", "second": "second"} == labels(cases)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0"),
        (3 * SECOND, "3 s"),
        (1_500_000, "1.5 ms"),
        (100, "100 ns"),
        (200 * SECOND, "3 min 20 s"),
    ],
)
def test_round_durations_are_short(nanoseconds: int, text: str) -> None:
    """Zeros behind the point are left out, never those before it."""
    assert text == short_duration(nanoseconds)


def test_an_emulated_round_trip_is_called_that() -> None:
    """No reader may take it for the network's own; none at all is nothing to name so."""
    assert "emulated rtt 2 ms" == axis_label("rtt_ns", 2_000_000)
    assert "rtt 0" == axis_label("rtt_ns", 0)


def test_a_distance_is_named_only_where_one_is_emulated() -> None:
    """Each once, the shortest first."""
    far = [{"rtt_ns": 5_000_000}, {"rtt_ns": 0}, {"rtt_ns": 500_000}, {"rtt_ns": 5_000_000}, {}]
    assert "emulated rtt 500 µs, 5 ms" == distance_label(far)
    assert "" == distance_label([{"rtt_ns": 0}, {"rtt_ns": None}, {}])
