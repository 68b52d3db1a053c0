"""Measurements add up: in any order, in any grouping, and the empty one is zero."""

from __future__ import annotations

from functools import reduce
from operator import add
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measurement.measurements import differences, measurements
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.measurement import Measurement, Opening
from valkeybench.measurement.metrics import OPENING, PARTS, FailureKind, Phase


@given(measurements, measurements, measurements)
@settings(deadline=None, max_examples=40)
def test_grouping_does_not_show(a: Measurement, b: Measurement, c: Measurement) -> None:
    """Addition is associative."""
    assert [] == differences((a + b) + c, a + (b + c))


@given(measurements, measurements)
@settings(deadline=None, max_examples=40)
def test_order_does_not_show(a: Measurement, b: Measurement) -> None:
    """Addition is commutative, down to the order in which things are listed."""
    assert [] == differences(a + b, b + a)
    for name in ("failures", "replies", "setup", "histograms", "prewarm"):
        assert list(getattr(a + b, name)) == list(getattr(b + a, name))


@given(measurements)
@settings(deadline=None, max_examples=40)
def test_the_empty_one_changes_nothing(a: Measurement) -> None:
    """It is the zero of addition, from both sides, and where a sum begins."""
    assert [] == differences(a, a + Measurement())
    assert [] == differences(a, Measurement() + a)
    assert [] == differences(a, sum([a], Measurement()))


@given(st.lists(measurements, min_size=2, max_size=4), st.integers())
@settings(deadline=None, max_examples=20)
def test_any_number_adds_up_in_any_order(some: list[Measurement], seed: int) -> None:
    """Whichever process answers first, the sum is the same."""
    shuffled = Random(seed).sample(some, len(some))  # noqa: S311 - an order, no cryptography
    assert [] == differences(reduce(add, some), reduce(add, shuffled))


def test_what_adds_up() -> None:
    """Counts add, histograms merge, in-use counts line up, handlers are listed in order."""
    one = Measurement(
        completed=3,
        failures={"reset": 1, "timeout": 0},
        histograms={Phase.COMMAND: Histogram.of([5])},
        in_use=np.array([1, 2], np.int64),
        handlers=(1, 5),
        opened=Opening(connections=1, round_trips=2, tls_round_trips=2, refused=3),
        replies={"1": 1},
        open_max=4,
        loop_lag=Histogram.of([9]),
    )
    other = Measurement(
        completed=4,
        failures={"auth": 2, "reset": 1},
        histograms={Phase.COMMAND: Histogram.of([7]), Phase.RELEASE: Histogram.of([1])},
        in_use=np.array([1, 1, 1], np.int64),
        handlers=(0, 3),
        opened=Opening(connections=1, round_trips=1, refused=1),
        replies={"2": 1, "1": 1},
        open_max=3,
    )
    both = one + other

    assert (7, 4, 7) == (both.completed, both.failed, both.open_max)
    assert {"auth": 2, "reset": 2, "timeout": 0} == both.failures
    assert {
        Phase.COMMAND: Histogram.of([5, 7]),
        Phase.RELEASE: Histogram.of([1]),
    } == both.histograms
    assert [2, 3, 1] == both.in_use.tolist()
    assert (0, 1, 3, 5) == both.handlers
    assert both.opened == Opening(connections=2, round_trips=3, tls_round_trips=2, refused=4)
    assert {"1": 2, "2": 1} == both.replies
    assert Histogram.of([9]) == both.loop_lag
    assert Histogram.of([9, 9]) == (both + one).loop_lag
    assert (other + other).loop_lag is None


@given(measurements)
@settings(deadline=None, max_examples=40)
def test_every_command_is_accounted_for(seen: Measurement) -> None:
    """Attempted is completed, failed, unfinished and dropped together."""
    assert seen.attempted == seen.completed + seen.failed + seen.unfinished + seen.dropped
    assert seen.failed == sum(seen.failures.values())


def test_only_measurements_add_up() -> None:
    """Anything else is refused."""
    with pytest.raises(TypeError):
        _ = Measurement() + 0  # type: ignore[operator]


@pytest.mark.parametrize("words", [list(Phase), list(FailureKind)])
def test_every_word_has_a_meaning(words: list[Phase | FailureKind]) -> None:
    """Each phase and failure kind is explained in words of its own."""
    meanings = {word.meaning for word in words}
    assert len(words) == len(meanings)
    assert all(len(meaning.split()) > 1 for meaning in meanings)


def test_parts_are_in_the_order_of_a_commands_life() -> None:
    """The phases that sum up to service, those of opening among them."""
    order = list(Phase)
    assert list(PARTS) == sorted(PARTS, key=order.index)
    assert set(OPENING) < set(PARTS)
    wholes = {Phase.SERVICE, Phase.RESPONSE, Phase.FAILED}
    assert set(Phase) == {*PARTS, *wholes, Phase.LATENESS}
