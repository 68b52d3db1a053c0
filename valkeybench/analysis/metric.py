"""The metrics limits and comparisons speak of: their names, and how each is read off a summary.

metric   ::= phase "." stat | total | failure
phase    ::= "lateness" | "pool_wait" | "construct" | "connect" | "tls_context" | "tls"
| "handshake" | "command" | "release" | "service" | "response"
stat     ::= "min" | "mean" | "p50" | "p90" | "p99" | "p999" | "max"
total    ::= "throughput" | "failed" | "unfinished" | "dropped" | "starved" | "fairness"
failure  ::= "pool_exhausted" | "pool_timeout" | "connect_timeout" | …
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import PARTS, FailureKind, Phase
from valkeybench.scenario.wording import did_you_mean, legible
from valkeybench.units import format_count, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.results.runfile import Summary

THROUGHPUT = "throughput"

PHASES = (Phase.LATENESS, *PARTS, Phase.SERVICE, Phase.RESPONSE)
STATS = ("min", "mean", "p50", "p90", "p99", "p999", "max")
COUNTS = ("failed", "unfinished", "dropped", "starved", *FailureKind)
TOTALS = (THROUGHPUT, "fairness", *COUNTS)
_QUANTILES: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p999": 0.999}
_MORE_IS_BETTER = (THROUGHPUT, "fairness")


class MetricError(ValueError):
    """No metric is called like that: why, and what was probably meant."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One number of a summary. Nanoseconds, per second, counts, or shares of the attempted."""

    phase: Phase | None = None
    """None for a total."""
    stat: str
    """The statistic of the phase, or the name of the total."""
    is_share: bool = False
    """Whether a count is meant as a share of the commands attempted."""

    def __str__(self) -> str:
        """Name it as it is written."""
        return self.stat if self.phase is None else f"{self.phase}.{self.stat}"

    @property
    def is_count(self) -> bool:
        """Tell whether it counts something, or gives the share of it."""
        return self.phase is None and self.stat in COUNTS

    @property
    def has_share(self) -> bool:
        """Tell whether it counts commands, of which there is a share; handlers starve."""
        return self.is_count and self.stat != "starved"

    @property
    def more_is_better(self) -> bool:
        """Tell whether more of it is what one wants."""
        return self.phase is None and self.stat in _MORE_IS_BETTER

    @property
    def quantile(self) -> float | None:
        """Give the share of samples a percentile lies above; None when it is no percentile."""
        return None if self.phase is None else _QUANTILES.get(self.stat)

    def measured(self, summary: Summary) -> float | None:
        """Read it off a summary; None when nothing of the kind was seen."""
        if self.phase is not None:
            found = summary.phases.get(self.phase)
            return None if found is None else float(getattr(found, f"{self.stat}_ns"))
        if self.stat in set(FailureKind):
            count: float | None = summary.failures.get(self.stat, 0)
        else:
            count = getattr(summary, self.stat)
        if count is None or not self.is_share:
            return count
        return count / summary.attempted if summary.attempted else None

    def written(self, value: float | None) -> str:
        """Write a value of it with its unit."""
        if value is None:
            return "nothing"
        if self.phase is not None:
            return format_duration(value)
        if self.is_share:
            return format_percent(value)
        if self.stat == THROUGHPUT:
            return format_rate(value)
        return f"{value:.2f}" if self.stat == "fairness" else format_count(value)


def parse_metric(word: str) -> Metric:
    """Read a metric by its name; raises MetricError."""
    name, dot, stat = word.partition(".")
    if not dot:
        if name in TOTALS:
            return Metric(stat=name)
        if name in PHASES:
            raise MetricError("which of its values is meant", f"write {name}.p99")
        raise MetricError("there is no such metric", did_you_mean(name, [*TOTALS, *PHASES]))
    if name not in PHASES:
        raise MetricError(f"there is no phase {legible(name)}", did_you_mean(name, PHASES))
    stat = stat.replace("p99.9", "p999")
    if stat not in STATS:
        raise MetricError(f"{name} has no {legible(stat)}", f"use one of {', '.join(STATS)}")
    return Metric(phase=Phase(name), stat=stat)
