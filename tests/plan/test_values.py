"""Values have the sizes and contents asked for, as distributed as asked, in bounded memory."""

from __future__ import annotations

import zlib
from math import erf, log, sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.plan.values import MOST_VALUES, size_at, value_pool
from valkeybench.scenario.sizes import values
from valkeybench.scenario.values import Content, Spread, Values


def pool(size: int | Values, seed: int = 1) -> list[str]:
    """Make the values of a load process."""
    return value_pool(size, Random(seed))  # noqa: S311 - a load, no cryptography


def lognormal_share(size: float, least: int, most: int) -> float:
    """Give the share of values up to a size, by the law: normal in ln(size), cut at two sigma."""

    def phi(z: float) -> float:
        return (1 + erf(z / sqrt(2))) / 2

    middle, sigma = (log(least) + log(most)) / 2, (log(most) - log(least)) / 4
    return (phi((log(size) - middle) / sigma) - phi(-2)) / (phi(2) - phi(-2))


def test_sizes_of_a_range_are_uniform() -> None:
    """Every size of a range comes as often as another, both ends included."""
    sizes = sorted(len(value) for value in pool(Values(1, 8)))
    assert MOST_VALUES == len(sizes)
    assert [MOST_VALUES // 8] * 8 == [sizes.count(size) for size in range(1, 9)]


@pytest.mark.parametrize(("least", "most"), [(1, 100), (100, 4096), (64, 16384)])
def test_lognormal_sizes_follow_their_law(least: int, most: int) -> None:
    """The distance to the law is nowhere more than rounding and the number of values allow.

    Kolmogorov's distance; one value is a share of 1 / n, and a size is rounded by half a byte.
    """
    sizes = sorted(len(value) for value in pool(Values(least, most, Spread.LOGNORMAL)))
    assert least <= sizes[0] <= sizes[-1] <= most
    for index, size in enumerate(sizes):
        below, above = (
            lognormal_share(max(size + half, 1e-9), least, most) for half in (-0.5, 0.5)
        )
        assert below - 1 / len(sizes) <= (index + 0.5) / len(sizes) <= above + 1 / len(sizes)
    # The median is the geometric mean of the ends: most values are small.
    assert pytest.approx(sqrt(least * most), rel=0.05) == sizes[len(sizes) // 2]


@given(
    st.integers(1, 10**6), st.integers(0, 10**6), st.sampled_from(Spread), st.floats(0.001, 0.999)
)
def test_a_size_is_never_outside_its_range(
    least: int, more: int, spread: Spread, share: float
) -> None:
    """Whatever the range, and however near its ends."""
    assert least <= size_at(Values(least, least + more, spread), share) <= least + more


def test_contents_are_what_they_are_called() -> None:
    """Repeated ones vanish when compressed, random ones keep the six bits of each byte."""
    (repeated,) = pool(100_000)
    assert "x" * 100_000 == repeated
    random = pool(Values(100_000, 100_000, content=Content.RANDOM))[0]
    assert 100_000 == len(random.encode())
    assert len(zlib.compress(repeated.encode())) < 1000
    assert 74_000 < len(zlib.compress(random.encode(), 9)) < 78_000


def test_random_contents_differ_and_can_be_repeated() -> None:
    """No two values of a pool are alike; the seed decides all of them."""
    random = Values(32, 32, content=Content.RANDOM)
    assert MOST_VALUES == len(set(pool(random)))
    assert pool(random, 1) == pool(random, 1)
    assert pool(random, 1) != pool(random, 2)


@pytest.mark.parametrize("size", [512 * 2**20, Values(0, 4 * 2**20)])
def test_large_values_are_few(size: int | Values) -> None:
    """All values of a load process together are 64 MiB at most, or one value."""
    values_ = pool(size)
    assert sum(map(len, values_)) <= max(64 * 2**20, len(values_[0]))
    assert (1 if isinstance(size, int) else 16) == len(values_)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("64", 64),
        (64, 64),
        ("1KiB", 1024),
        ("1 KiB", 1024),
        ("64..64", 64),
        (" 100 .. 4 KiB ", Values(100, 4096)),
        ("lognormal 64..64", 64),
        ("100..4KiB", Values(100, 4096)),
        ("uniform 100..4KiB", Values(100, 4096)),
        ("lognormal 1..10", Values(1, 10, Spread.LOGNORMAL)),
        ("random 64", Values(64, 64, content=Content.RANDOM)),
        ("random lognormal 1..10", Values(1, 10, Spread.LOGNORMAL, Content.RANDOM)),
        ("lognormal random 1..10", Values(1, 10, Spread.LOGNORMAL, Content.RANDOM)),
    ],
)
def test_sizes_are_read(word: object, expected: int | Values) -> None:
    """What is only a size is a number; what is written is read back the same."""
    read = values().convert(word)
    assert expected == read
    assert read == values().convert(str(read))
