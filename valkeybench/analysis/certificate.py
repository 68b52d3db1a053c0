"""The certificate of a pool size: what fresh pairs prove, with which confidence."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, log
from typing import TYPE_CHECKING

from valkeybench.analysis.inference import Conclusion, log_ratios, mean_bounds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.enough import Pair
    from valkeybench.analysis.inference import SequentialTest
    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.thresholds import Thresholds


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One thing a certificate claims: a quantity that must stay at or below its limit."""

    claim: str
    logs: tuple[float, ...]
    """Logarithm of the quantity in each pair."""
    limit: float
    """The line, in logarithms as well."""
    conclusion: Conclusion
    low: float | None
    """Bounds of the quantity itself, once two pairs are there."""
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What fresh pairs say of a size. HOLDS only when every clause does, at the same look."""

    size: int
    pairs: int
    clauses: tuple[Clause, ...]
    failures: int
    """Commands that got no connection, in all pairs."""
    conclusion: Conclusion
    is_a_look: bool
    """Whether something is concluded after so many pairs."""


def certify(
    size: int,
    pairs: Sequence[Pair],
    *,
    slo: Sequence[Limit],
    limits: Thresholds,
    test: SequentialTest,
) -> Certificate:
    """Look at fresh pairs of a size.

    Claimed is p99 at most a tenth above, and throughput at most a fiftieth below, the
    base's; with an SLO its limits take the place of p99. Of a pool in which nobody waits
    p99 is not asked: none of its commands may go without. All clauses must hold, so none
    needs a stricter level than the test's own (an intersection-union test: R. L. Berger,
    "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982).
    """
    clauses = tuple(
        _clause(claim, logs, limit, test) for claim, logs, limit in _claims(pairs, slo, limits)
    )
    failures = sum(pair.candidate.case.pool_failures for pair in pairs)
    said = {clause.conclusion for clause in clauses}
    kept = all(
        limit.is_true(pair.candidate.case.summary) for limit in _counted(slo) for pair in pairs
    )
    conclusion = Conclusion.OPEN
    if failures or not kept or Conclusion.BROKEN in said:
        conclusion = Conclusion.BROKEN
    elif said == {Conclusion.HOLDS}:
        conclusion = Conclusion.HOLDS
    return Certificate(
        size=size,
        pairs=len(pairs),
        clauses=clauses,
        failures=failures,
        conclusion=conclusion,
        is_a_look=len(pairs) in test.looks or conclusion is not Conclusion.OPEN,
    )


def _claims(
    pairs: Sequence[Pair], slo: Sequence[Limit], limits: Thresholds
) -> list[tuple[str, list[float], float]]:
    """Give each claim in words, its values in logarithms, and their limit."""
    rates = [
        (pair.base.throughput, pair.candidate.throughput)
        for pair in pairs
        if pair.base.throughput > 0 and pair.candidate.throughput > 0
    ]
    claims = [
        (
            "throughput of the base ÷ its own",
            log_ratios(*_columns(rates)),
            -log(limits.size_throughput),
        )
    ]
    if not slo:
        if not all(pair.candidate.case.pool.waits for pair in pairs):
            return claims
        p99s = [(pair.candidate.p99_ns, pair.base.p99_ns) for pair in pairs]
        ratios = log_ratios(*_columns(p99s))
        return [("response p99 ÷ the base's", ratios, log(limits.size_p99)), *claims]
    for limit in slo:
        if limit in _counted(slo):
            continue
        found = [limit.measured(pair.candidate.case.summary) for pair in pairs]
        logs = [log(value / limit.value) for value in found if value]
        if limit.is_upper:
            claims.append((f"{limit.metric} ÷ its limit", logs, 0.0))
        else:
            claims.append((f"its limit ÷ {limit.metric}", [-each for each in logs], 0.0))
    return claims


def _counted(slo: Sequence[Limit]) -> list[Limit]:
    """Give limits of zero, or on what may be: they have no logarithm, and each pair keeps them."""
    return [
        limit
        for limit in slo
        if not limit.value or (limit.metric.phase is None and limit.metric.stat != "throughput")
    ]


def _columns(rows: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [one for one, _ in rows], [other for _, other in rows]


def _clause(claim: str, logs: Sequence[float], limit: float, test: SequentialTest) -> Clause:
    several = len(logs) > 1
    bounds = mean_bounds(logs, alpha=test.each) if several else None
    return Clause(
        claim=claim,
        logs=tuple(logs),
        limit=limit,
        conclusion=test.at_most(logs, limit),
        low=exp(bounds.low) if bounds else None,
        high=exp(bounds.high) if bounds else None,
    )
