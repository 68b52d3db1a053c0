"""The bins of a latency histogram are few, round and cover everything."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.report.spread import MOST_BINS, bin_edges
from valkeybench.units import HOUR


@given(one=st.integers(0, HOUR), other=st.integers(0, HOUR))
def test_bins_are_few_and_cover_everything(one: int, other: int) -> None:
    """At most twelve, growing, from at most the smallest to more than the largest value."""
    lowest, highest = sorted((one, other))
    edges = bin_edges(lowest, highest)

    assert 1 <= len(edges) - 1 <= MOST_BINS
    assert all(before < after for before, after in pairwise(edges))
    assert edges[0] <= max(lowest, 1)
    assert edges[-1] > highest


@pytest.mark.parametrize(
    ("lowest", "highest", "edges"),
    [
        (160, 280, [150, 200, 300]),
        (100, 999, [100, 150, 200, 300, 500, 700, 1000]),
        (1_000, 150_000, [1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000]),
        (7, 7, [7, 10]),
        (0, HOUR, [1, *(10**n for n in range(2, 14))]),
    ],
)
def test_edges_are_round_numbers(lowest: int, highest: int, edges: list[int]) -> None:
    """As fine as twelve bins allow."""
    assert edges == bin_edges(lowest, highest)
