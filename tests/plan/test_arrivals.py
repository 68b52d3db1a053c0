"""Pauses and arrivals are distributed as was asked for, and can be repeated by seed."""

from __future__ import annotations

from itertools import chain, islice, pairwise
from math import exp, sqrt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.plan.arrivals import due_offsets, think_times
from valkeybench.scenario.model import Arrivals, Distribution, Think
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


# --- arrivals of an open load ---


def offsets(  # noqa: PLR0913 - a schedule is said in as many words
    rate: float,
    arrivals: Arrivals,
    count: int = MANY,
    *,
    seed: str = "1",
    process: int = 0,
    processes: int = 1,
) -> list[int]:
    """Draw the first instants of one process's share."""
    lists = due_offsets(rate, arrivals, seed=seed, process=process, processes=processes)
    return list(islice(chain.from_iterable(lists), count))


def test_poisson_arrivals_are_apart_exponentially() -> None:
    """The gaps of a Poisson process are exponential with the rate's mean."""
    gaps = [(b - a) / SECOND for a, b in pairwise([0, *offsets(1000, Arrivals.POISSON)])]

    assert distance(gaps, lambda t: 1 - exp(-t * 1000)) < most_distance(len(gaps))
    assert pytest.approx(0.001, rel=5 / sqrt(MANY)) == sum(gaps) / MANY


@pytest.mark.parametrize("arrivals", Arrivals)
def test_processes_together_make_the_rate(arrivals: Arrivals) -> None:
    """The rate is the total: three processes' shares add up to it, and are not the same."""
    shares = [offsets(3000, arrivals, 10_000, process=p, processes=3) for p in range(3)]
    together = sorted(chain.from_iterable(shares))[:20_000]
    gaps = [(b - a) / SECOND for a, b in pairwise(together)]

    assert pytest.approx(1 / 3000, rel=5 / sqrt(len(gaps))) == sum(gaps) / len(gaps)
    assert 3 == len({tuple(share[:10]) for share in shares})
    if arrivals is Arrivals.POISSON:
        assert distance(gaps, lambda t: 1 - exp(-t * 3000)) < most_distance(len(gaps))


def test_steady_arrivals_are_evenly_apart_over_all_processes() -> None:
    """Dealt out in turn, to the nanosecond, and without drift."""
    shares = [offsets(300, Arrivals.STEADY, 1000, process=p, processes=3) for p in range(3)]

    expected = [round(n * SECOND / 300) for n in range(3000)]
    assert all(
        abs(wanted - got) <= 1
        for wanted, got in zip(expected, sorted(chain.from_iterable(shares)), strict=True)
    )


@pytest.mark.parametrize("arrivals", Arrivals)
def test_arrivals_are_repeated_by_seed(arrivals: Arrivals) -> None:
    """The same seed gives the same instants, ascending; another gives other Poisson ones."""
    one = offsets(1000, arrivals, 2000, seed="a")

    assert one == offsets(1000, arrivals, 2000, seed="a")
    assert one == sorted(one)
    assert (arrivals is Arrivals.STEADY) == (one == offsets(1000, arrivals, 2000, seed="b"))
