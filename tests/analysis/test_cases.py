"""Stored cases are read as what they were, and nonsense in them is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.runs import case_record
from valkeybench.analysis.cases import SeenCase, groups, quantile_of_counts, seen
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.errors import ResultError
from valkeybench.scenario.model import Pool


def case_of(**wishes: object) -> SeenCase:
    """Make a case and read it."""
    [case] = seen([case_record(**wishes)])  # type: ignore[arg-type]
    return case


def test_axes_are_the_types_they_were() -> None:
    """Pool, sizes, handlers and the mean of the think time."""
    case = case_of(processes=2, think="constant 5ms")

    assert (Pool.BLOCKING, 10, 50, 2, 100) == (
        case.pool,
        case.max_connections,
        case.concurrency,
        case.processes,
        case.handlers,
    )
    assert 5_000_000 == case.think_ns
    assert case_of(pool="none").max_connections is None
    assert 0 == case_of(think="0").think_ns


@pytest.mark.parametrize(
    ("axis", "value"),
    [
        ("pool", "deep"),
        ("pool", None),
        ("max_connections", None),
        ("concurrency", 0),
        ("concurrency", True),
        ("processes", "two"),
        ("think", "a while"),
        ("think", None),
    ],
)
def test_nonsense_is_an_error_that_names_case_and_axis(axis: str, value: object) -> None:
    """A file that was edited is not guessed at."""
    record = case_record()
    edited = record.model_copy(update={"axes": {**record.axes, axis: value}})
    [case] = seen([edited])
    name = "think_ns" if axis == "think" else axis

    with pytest.raises(ResultError, match=f"case blocking-m10-c50: .* is no value for {axis}"):
        getattr(case, name)


def test_shares_of_cpu_are_the_median_trial_s() -> None:
    """One trial that something disturbed does not speak for the case."""
    case = case_of(cpu_share=[0.2, 0.99, 0.3], server_cpu_share=[0.5, 0.1, 0.2])

    assert (0.3, 0.2) == (case.client_cpu, case.server_cpu)
    assert case_of(server=False).server_cpu is None


def test_in_use_counts_of_all_trials_add_up() -> None:
    """Trials that found different maxima are added position by position."""
    case = case_of(repeats=2, in_use=[[1], [1, 1]], throughput=1000)

    assert [4500, 1500] == case.in_use_counts


@pytest.mark.parametrize(
    ("counts", "share", "index"),
    [
        ([999, 1], 0.999, 0),
        ([998, 2], 0.999, 1),
        ([55, 45], 0.55, 0),
        ([0, 0, 5], 0.5, 2),
        ([1], 1.0, 0),
        ([], 0.99, 0),
        ([0, 0], 0.99, 0),
    ],
)
def test_a_quantile_of_counts_is_the_nearest_rank(
    counts: list[int], share: float, index: int
) -> None:
    """The smallest index that reaches the rank; rounding errors do not push it on."""
    assert index == quantile_of_counts(counts, share)


@given(
    st.lists(st.integers(0, 50), min_size=1, max_size=20).filter(lambda counts: sum(counts) > 0),
    st.sampled_from([0.5, 0.9, 0.99, 0.999]),
)
def test_a_quantile_leaves_no_more_than_the_rest_beyond(counts: list[int], share: float) -> None:
    """At most 1 - share of the counted lie beyond it, and not so for any smaller index."""
    index = quantile_of_counts(counts, share)
    rest = (1 - share) * sum(counts) + 1e-6

    assert sum(counts[index + 1 :]) <= rest
    assert 0 == index or sum(counts[index:]) > rest


def test_a_group_keeps_its_cases_in_order_and_no_case_is_lost() -> None:
    """Each pooled case is in one group; unpooled cases without pooled kin make their own."""
    cases = seen(
        [
            case_record("none", concurrency=20),
            case_record(max_connections=5),
            case_record("none"),
            case_record("fair", max_connections=5),
        ]
    )
    found = groups(cases)

    assert [
        (["blocking-m5-c50", "fair-m5-c50"], ["none-c50"]),
        ([], ["none-c20"]),
    ] == [([c.id for c in group.pooled], [c.id for c in group.unpooled]) for group in found]
    assert [50, 20] == [group.load["concurrency"] for group in found]


def test_chance_is_no_unfairness() -> None:
    """The fewer the commands or the handlers, the more unequal they may be by chance alone."""
    limits = Thresholds()

    assert not case_of(throughput=200, fairness=1 / 1.17).is_starving(limits)
    assert case_of(throughput=500, fairness=1 / 1.17).is_starving(limits)
    assert not case_of(concurrency=2, throughput=8, fairness=0.8).is_starving(limits)
    assert not case_of(concurrency=1, max_connections=1, fairness=0.5).is_starving(limits)
