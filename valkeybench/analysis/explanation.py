"""Explains a pool size in numbers: what limits beyond it, what other rules say, what grows.

None of this chooses a size. Operational bounds: P. J. Denning, J. P. Buzen, "The
Operational Analysis of Queueing Network Models", ACM Computing Surveys 10, 1978.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from valkeybench.analysis.inference import negative_binomial_quantile
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.sizing import Need
    from valkeybench.analysis.thresholds import Thresholds

_BUFFER = 1.1
_LITTLE_FACTOR = 1.5
_FURTHER = 4
"""How many connections beyond a size are worth a line each."""

_GROWN_CPU = 0.70
_MOST_GROWTH = 2.0
"""Simulated: up to twice the load, and with client CPU to spare, the quantile extrapolates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """What one resource allows each process, in commands per second."""

    resource: str
    rate: float
    formula: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What a rule of thumb says, and what following it would cost."""

    name: str
    max_connections: int
    extra: int
    """Connections more than were found to be enough; negative is fewer."""
    waiting: float
    """Share of acquires that found so many taken, and would have had to wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grown:
    """The size a grown load would need, by what it occupies now."""

    factor: float
    max_connections: int
    trusted: bool
    """Whether the extrapolation goes no further than it was found to hold."""


def bounds(need: Need, size: int) -> list[Bound]:
    """Give what pool, client, server and handlers each allow, the tightest first.

    Demands are measured: CPU time over commands done. The pool's bound is Little's law,
    connections over the time each is held; all are upper bounds, never reached at once.
    """
    case = need.case
    rate = case.summary.throughput / case.processes
    found = [
        Bound(
            resource="pool",
            rate=size * SECOND / need.hold_ns if need.hold_ns else 0.0,
            formula="connections / hold",
        ),
        Bound(
            resource="handlers",
            rate=case.concurrency * SECOND / (need.think_ns + need.hold_ns),
            formula="handlers / (think + hold)",
        ),
    ]
    if case.client_cpu:
        found.append(
            Bound(resource="client CPU", rate=rate / case.client_cpu, formula="commands / CPU time")
        )
    if case.server_cpu:
        # All processes share the server; this is what is left of it for each.
        found.append(
            Bound(resource="server CPU", rate=rate / case.server_cpu, formula="commands / CPU time")
        )
    return sorted((bound for bound in found if bound.rate), key=lambda bound: bound.rate)


def waiting_share(counts: Sequence[int], size: int) -> float:
    """Give the share of acquires that found `size` or more connections taken."""
    total = sum(counts)
    return sum(counts[size:]) / total if total else 0.0


def further(counts: Sequence[int], size: int, most: int) -> list[tuple[int, float]]:
    """Give each of the next sizes with the share of acquires that would wait at it.

    The last one is the first at which none would, unless that is far.
    """
    found = []
    for each in range(size, min(size + _FURTHER, most) + 1):
        found.append((each, waiting_share(counts, each)))
        if not found[-1][1]:
            break
    return found


def rules(need: Need, size: int, *, cpus: int | None) -> list[Rule]:
    """Give what rules of thumb say: concurrency and a buffer, HikariCP's, Little's law × 1.5.

    HikariCP's is for databases whose cores and disks saturate: `2 × cores + spindles`
    ("About Pool Sizing", HikariCP's wiki).
    """
    said = {
        "concurrency + 10 %": ceil(need.case.concurrency * _BUFFER - 1e-9),
        "Little's law × 1.5": max(1, ceil(need.load * _LITTLE_FACTOR)),
    }
    if cpus:
        said["HikariCP: 2 × cores + 1"] = 2 * cpus + 1
    return [
        Rule(
            name=name,
            max_connections=found,
            extra=found - size,
            waiting=waiting_share(need.counts, found),
        )
        for name, found in said.items()
    ]


def grown(need: Need, size: int, factor: float, limits: Thresholds) -> Grown:
    """Say what a load that is `factor` times as much would need, never less than `size`.

    Connections in use have mean m and variance v now; they are taken to have k·m and k·v
    then, as a negative binomial, of which all but the share that may wait is covered.
    """
    counts = need.counts
    total = sum(counts)
    mean = sum(k * count for k, count in enumerate(counts)) / total
    variance = sum((k - mean) ** 2 * count for k, count in enumerate(counts)) / total

    def covered(times: float) -> int:
        share = 1 - limits.waiting
        scaled = negative_binomial_quantile(share, mean=times * mean, variance=times * variance)
        return scaled + 1

    # What was found by trying is moved by the difference; the model alone would start elsewhere.
    moved = size + max(covered(factor) - covered(1.0), 0)
    cpu = need.case.client_cpu or 0.0
    return Grown(
        factor=factor,
        max_connections=min(moved, ceil(need.case.concurrency * factor)),
        trusted=factor <= _MOST_GROWTH and cpu * factor < _GROWN_CPU,
    )
