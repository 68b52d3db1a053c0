"""A gate looks a few times, cries wolf as rarely as it says, and finds what it says it does."""

from __future__ import annotations

from math import log1p

import numpy as np
import pytest

from benchmarks.gate import (
    CI,
    NOISY,
    QUIET,
    Attempt,
    Noise,
    compared,
    gate,
    pairs,
    sequential,
    single_pair,
)
from valkeybench.analysis.sequential import Design, scatter

GATES = 1500


@pytest.mark.parametrize(
    ("metrics", "looks"),
    [(1, (8, 12, 16, 24)), (2, (9, 13, 17, 25)), (3, (10, 14, 18, 26)), (10, (12, 16, 20, 28))],
)
def test_more_metrics_need_more_pairs(metrics: int, looks: tuple[int, ...]) -> None:
    """The first look has enough for a chance as small as its share to show."""
    design = Design(metrics)
    assert looks == design.looks
    assert 2.0 ** -looks[0] <= design.alpha(looks[0])
    assert 0.013 == pytest.approx(metrics * sum(map(design.alpha, looks)))
    assert looks[1] == design.next_look(looks[0])
    assert design.next_look(looks[-1]) is None


def test_it_fails_for_what_is_sure_and_large_only() -> None:
    """Sure and small, or large and unsure, is not enough."""
    design, line = Design(), log1p(0.05)
    sure_and_small = [0.01 + 0.0001 * k for k in range(8)]
    unsure = [0.2, -0.1, 0.3, -0.2, 0.4, 0.25, -0.05, 0.35]
    assert not design.fails(sure_and_small, line)
    assert design.passes(sure_and_small, line)
    assert not design.fails(unsure, line)
    assert not design.passes(unsure, line)
    assert design.fails([0.1 + each for each in sure_and_small], line)


@pytest.mark.parametrize(
    ("noise", "wolf", "found"), [(QUIET, 0.001, 0.99), (CI, 0.002, 0.98), (NOISY, 0.01, 0.80)]
)
@pytest.mark.parametrize("metrics", [1, 3])
def test_it_hardly_cries_wolf_and_finds_what_matters(
    noise: Noise, wolf: float, found: float, metrics: int
) -> None:
    """False alarms and power at +10 %, on three kinds of machine; nothing that bad is passed."""
    same = sequential(noise, Attempt(gates=GATES, effect=0.0, seed=1), metrics=metrics)
    worse = sequential(noise, Attempt(gates=GATES, effect=0.1, seed=2), metrics=metrics)
    assert same.failed <= wolf
    assert worse.failed >= found
    assert worse.passed <= 0.005


def test_other_ways_cry_wolf_on_the_same_machines() -> None:
    """So the noise is no easy one: one pair of runs, or two blocks of runs, fail for nothing."""
    attempt = Attempt(gates=GATES, effect=0.0, seed=1, threshold=0.1)
    assert single_pair(NOISY, attempt) > 0.1
    assert compared(NOISY, attempt, repeats=10) > 0.03


@pytest.mark.parametrize("metrics", [1, 3])
@pytest.mark.parametrize("sigma", [0.02, 0.08, 0.2])
def test_what_it_says_it_finds_it_finds(sigma: float, metrics: int) -> None:
    """Four of five times or somewhat more, where noise is normal."""
    design, line = Design(metrics), log1p(0.05)
    least = design.least_found(sigma, line)
    gaps = np.random.default_rng(3).normal(least, sigma, (4000, design.most))
    assert 0.78 < gate([gaps], design, [line]).failed < 0.91


def test_scatter_is_not_moved_by_outliers() -> None:
    """It is the standard deviation where noise is normal, and stays near it where it is not."""
    gaps = pairs(QUIET, 1, 4000, effect=0.0, dice=np.random.default_rng(1))[0]
    usual = scatter(gaps)
    gaps[:40] = 5.0
    assert usual == pytest.approx(np.std(gaps[40:]), rel=0.1)
    assert usual == pytest.approx(scatter(gaps), rel=0.05)
