"""A certificate holds when every clause does, in fresh pairs, and nothing failed in any of them."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Any

import pytest

from tests.analysis.trying import sight
from valkeybench.analysis.certificate import Certificate, certify
from valkeybench.analysis.enough import Pair
from valkeybench.analysis.inference import Conclusion, SequentialTest
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

SCATTER = (1.00, 1.02, 0.99, 1.01)
"""How the four pairs of the first look differ by chance."""


def certified(  # noqa: PLR0913 - a certificate rests on all of them
    *,
    slower: float = 1.0,
    less: float = 1.0,
    slo: Sequence[str] = (),
    last: dict[str, Any] | None = None,
    pairs: int = 4,
    pool: str = "blocking",
) -> Certificate:
    """Certify a size whose p99 and throughput are these shares of the base's."""
    made = []
    for number, chance in enumerate(SCATTER[:pairs]):
        wishes: dict[str, Any] = {
            "p99_ms": 0.8 * slower * chance,
            "throughput": 4000.0 * less * (1 + (chance - 1) / 20),
        }
        if number == pairs - 1:
            wishes |= last or {}
        candidate = sight(pool, size=9, **wishes)
        made.append(Pair(base=sight(pool, throughput=4000.0), candidate=candidate))
    limits = parse_limits(slo, place="--slo")
    return certify(9, made, slo=limits, limits=Thresholds(), test=SequentialTest())


@pytest.mark.parametrize(
    ("slower", "less", "conclusion"),
    [
        (1.0, 1.0, Conclusion.HOLDS),
        (1.3, 1.0, Conclusion.BROKEN),
        (1.0, 0.9, Conclusion.BROKEN),
        (1.08, 1.0, Conclusion.OPEN),
    ],
)
def test_both_clauses_must_hold(slower: float, less: float, conclusion: Conclusion) -> None:
    """P99 a tenth above at most, throughput a fiftieth below at most; near the line it is open."""
    assert conclusion is certified(slower=slower, less=less).conclusion


def test_bounds_are_those_of_the_ratio_itself() -> None:
    """Around the mean ratio of the pairs, not around its logarithm."""
    p99, rate = certified(slower=1.2).clauses
    assert p99.low is not None
    assert p99.high is not None
    assert p99.low < 1.2 < p99.high
    assert log(1.10) == p99.limit
    assert rate.high is not None
    assert rate.high < 1 / 0.98


def test_one_command_without_a_connection_breaks_it() -> None:
    """However good the latencies are, and before any look."""
    failing = {"failures": {"pool_timeout": 1}}
    assert Conclusion.BROKEN is certified(last=failing).conclusion
    assert Conclusion.BROKEN is certified(last=failing, pairs=2).conclusion
    assert 1 == certified(last=failing).failures


def test_an_slo_takes_the_place_of_the_base_in_p99() -> None:
    """Twice the base's p99 is fine where the limit is far above it, and not where it is below."""
    assert Conclusion.HOLDS is certified(slower=2, slo=["response.p99 < 5ms"]).conclusion
    assert Conclusion.BROKEN is certified(slower=2, slo=["response.p99 < 1ms"]).conclusion
    assert Conclusion.HOLDS is certified(slo=["throughput > 3000/s"]).conclusion


def test_a_claim_is_the_quotient_its_bounds_are_of() -> None:
    """What is to be more than its limit divides it: 3 000 ÷ 4 000."""
    *_, upper = certified(slo=["response.p99 < 1.6ms"]).clauses
    *_, lower = certified(slo=["throughput > 3000/s"]).clauses
    said = [(clause.claim, round(clause.low or 0, 1)) for clause in (upper, lower)]
    assert [("response.p99 ÷ its limit", 0.5), ("its limit ÷ throughput", 0.7)] == said


def test_a_count_must_be_kept_in_every_pair() -> None:
    """What may be zero has no ratio: one pair that breaks it is enough."""
    slo = ["unfinished <= 5"]
    assert Conclusion.HOLDS is certified(slo=slo).conclusion
    assert Conclusion.BROKEN is certified(slo=slo, last={"unfinished": 9}).conclusion


def test_a_limit_of_zero_must_be_kept_in_every_pair() -> None:
    """Nothing is a multiple of it: who asks for more than nothing has an answer all the same."""
    assert Conclusion.HOLDS is certified(slo=["throughput > 0/s"]).conclusion
    assert Conclusion.BROKEN is certified(slo=["response.p99 <= 0ms"]).conclusion


def test_nothing_is_said_between_looks() -> None:
    """Three pairs that agree are still open."""
    assert Conclusion.OPEN is certified(pairs=3).conclusion


def test_a_pool_in_which_nobody_waits_is_held_to_no_tail() -> None:
    """Its p99 is the network's and the server's; what it must not do is turn anybody away."""
    assert Conclusion.HOLDS is certified(slower=1.3, pool="raising").conclusion
    turned_away = {"failures": {"pool_exhausted": 1}}
    assert Conclusion.BROKEN is certified(pool="raising", last=turned_away).conclusion
