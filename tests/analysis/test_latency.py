"""Fitting lines over distance, and counting the steps of opening a connection."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runs import case_record
from valkeybench.analysis.latency import latency_lines, least_squares
from valkeybench.analysis.setup import setups
from valkeybench.units import MILLISECOND


@given(
    slope=st.floats(-1e3, 1e3),
    intercept=st.floats(-1e6, 1e6),
    xs=st.lists(st.integers(0, 10**6), min_size=2, max_size=20, unique=True),
)
def test_points_on_a_line_give_that_line(slope: float, intercept: float, xs: list[int]) -> None:
    """Least squares finds the line that the points lie on."""
    found, at_zero = least_squares([(x, intercept + slope * x) for x in xs])

    assert pytest.approx(slope, abs=1e-6 * (1 + abs(slope))) == found
    assert (
        pytest.approx(intercept, abs=1e-6 * (1 + abs(intercept) + abs(slope) * max(xs))) == at_zero
    )


def test_scattered_points_give_the_textbook_line() -> None:
    """Four points worked out by hand: slope 1.4, intercept 3.5."""
    slope, at_zero = least_squares([(1, 6), (2, 5), (3, 7), (4, 10)])

    assert pytest.approx(1.4) == slope
    assert pytest.approx(3.5) == at_zero


def test_one_distance_makes_no_line() -> None:
    """Cases that were measured at one round-trip time only have no slope."""
    assert [] == latency_lines([case_record("blocking", 10), case_record("none")])


def test_each_policy_has_its_own_line() -> None:
    """Cases are grouped by everything but the round-trip time."""
    cases = [
        case_record(pool, 10, rtt_ns=rtt)
        for pool in ("none", "blocking")
        for rtt in (0, MILLISECOND, 2 * MILLISECOND)
    ]
    lines = latency_lines(cases)

    assert ["none", "blocking"] == [line.axes["pool"] for line in lines]
    assert [0, MILLISECOND, 2 * MILLISECOND] == [rtt for rtt, _ in lines[0].points]


def test_steps_come_in_the_order_of_the_handshake_and_count_per_connection() -> None:
    """TCP first, then TLS, then set-up commands as redis-py sends them."""
    case = case_record("none")
    assert case.summary is not None
    connections = case.summary.connections.model_copy(
        update={
            "prewarmed": 0,
            "opened": 10,
            "tls_round_trips": 1.0,
            "setup": {"CLIENT SETINFO": 20, "HELLO": 10, "CLIENT MAINT_NOTIFICATIONS": 10},
            "refused": {"CLIENT MAINT_NOTIFICATIONS": 10},
        }
    )
    summary = case.summary.model_copy(update={"connections": connections})
    [setup] = setups([case.model_copy(update={"summary": summary})])

    assert [
        ("TCP", 1, 0),
        ("TLS", 1, 0),
        ("HELLO", 1, 0),
        ("CLIENT MAINT_NOTIFICATIONS", 1, 1),
        ("CLIENT SETINFO", 2, 0),
    ] == [(step.name, step.round_trips, step.refused) for step in setup.steps]
    assert 6 == setup.round_trips


def test_nothing_opened_is_nothing_counted() -> None:
    """A case without connections, or from a file that names no steps, is left out."""
    assert [] == setups([case_record("blocking", 10)])
