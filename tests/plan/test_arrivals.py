"""Pauses have the mean and the distribution that were asked for, and can be repeated by seed."""

from __future__ import annotations

from itertools import islice
from math import exp, sqrt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.plan.arrivals import think_times
from valkeybench.scenario.model import Distribution, Think
from valkeybench.units import HOUR, MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

MANY = 20_000

thinks = st.builds(Think, st.integers(0, HOUR), st.sampled_from(Distribution))


def pauses(think: Think, count: int = MANY, *, seed: str = "1") -> list[float]:
    """Draw the first pauses of one handler, in seconds."""
    return list(islice(think_times(think, seed=seed), count))


def distance(drawn: list[float], distribution: Callable[[float], float]) -> float:
    """Give the Kolmogorov-Smirnov distance of draws from a distribution function."""
    count = len(drawn)
    return max(
        max(distribution(value) - i / count, (i + 1) / count - distribution(value))
        for i, value in enumerate(sorted(drawn))
    )


def most_distance(count: int) -> float:
    """Give the distance that one in a million fair samples exceeds (Kolmogorov's limit)."""
    return 2.69 / sqrt(count)


def test_exponential_pauses_are_exponential() -> None:
    """Their distribution is 1 - exp(-t / mean), and so their mean is the mean."""
    drawn = pauses(Think(10 * MILLISECOND))

    assert distance(drawn, lambda t: 1 - exp(-t / 0.01)) < most_distance(MANY)
    # Five standard errors: the deviation of an exponential is its mean.
    assert pytest.approx(0.01, rel=5 / sqrt(MANY)) == sum(drawn) / MANY


def test_exponential_pauses_do_not_depend_on_each_other() -> None:
    """What comes next says nothing about what came before."""
    drawn = pauses(Think(10 * MILLISECOND))
    later = [drawn[i + 1] for i in range(0, MANY - 1, 2) if drawn[i] > 0.02]

    assert len(later) > 1000
    assert distance(later, lambda t: 1 - exp(-t / 0.01)) < most_distance(len(later))


def test_constant_pauses_are_constant_but_for_the_first() -> None:
    """Handlers started together begin anywhere within one pause, and keep their distance."""
    think = Think(5 * MILLISECOND, Distribution.CONSTANT)
    firsts = [pauses(think, 1, seed=str(i))[0] for i in range(2000)]

    assert {0.005} == set(pauses(think, 100)[1:])
    assert distance(firsts, lambda t: t / 0.005) < most_distance(len(firsts))


@pytest.mark.parametrize("distribution", Distribution)
def test_no_pause_is_none_at_all(distribution: Distribution) -> None:
    """A mean of zero saturates, whatever the distribution."""
    assert {0.0} == set(pauses(Think(0, distribution), 100))


@given(thinks, st.text(max_size=8))
@settings(deadline=None)
def test_pauses_can_be_repeated(think: Think, seed: str) -> None:
    """The same seed gives the same pauses, none of them negative."""
    drawn = pauses(think, 20, seed=seed)

    assert drawn == pauses(think, 20, seed=seed)
    assert min(drawn) >= 0


def test_handlers_pause_differently() -> None:
    """Every seed has pauses of its own."""
    for distribution in Distribution:
        think = Think(SECOND, distribution)
        assert 100 == len({pauses(think, 1, seed=str(i))[0] for i in range(100)})
