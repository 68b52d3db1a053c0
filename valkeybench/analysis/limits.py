"""The language of limits: what a run must keep (`--slo`) or must not do, and whether it did.

    limit    ::= metric op value
    metric   ::= phase "." stat | total | failure
    phase    ::= "lateness" | "pool_wait" | "construct" | "connect" | "tls_context" | "tls"
               | "handshake" | "command" | "release" | "service" | "response"
    stat     ::= "min" | "mean" | "p50" | "p90" | "p99" | "p999" | "max"
    total    ::= "throughput" | "failed" | "unfinished" | "dropped" | "starved" | "fairness"
    failure  ::= "pool_exhausted" | "pool_timeout" | "connect_timeout" | …
    op       ::= "<" | "<=" | ">" | ">="
    value    ::= duration (a phase) | rate (throughput) | number | number "%" (of attempted)

Such as `response.p99 < 5ms`, `throughput >= 1000/s`, `failed <= 0.1%`.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.errors import Problem, ScenarioError
from valkeybench.measurement.metrics import PARTS, FailureKind, Phase
from valkeybench.scenario.wording import did_you_mean, legible
from valkeybench.units import (
    format_count,
    format_duration,
    format_percent,
    format_rate,
    parse_duration,
    parse_rate,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from valkeybench.results.runfile import Summary

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_PHASES = (Phase.LATENESS, *PARTS, Phase.SERVICE, Phase.RESPONSE)
_STATS = ("min", "mean", "p50", "p90", "p99", "p999", "max")
_COUNTS = ("failed", "unfinished", "dropped", "starved", *FailureKind)
_TOTALS = ("throughput", "fairness", *_COUNTS)
_SHAPE = re.compile(r"\s*(?P<metric>[^<>=\s]+)\s*(?P<op>[<>=!]+)\s*(?P<value>\S+(?:\s*\S+)*)\s*")
_EXAMPLE = "write it like response.p99 < 5ms, throughput > 1000/s or failed <= 0.1%"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit. Values are nanoseconds, per second, counts, or shares of what was attempted."""

    phase: Phase | None
    """None for a total."""
    stat: str
    """The statistic of the phase, or the name of the total."""
    op: str
    value: float
    is_share: bool = False
    """Whether a count is meant as a share of the commands attempted."""

    @property
    def metric(self) -> str:
        """Name what is limited, as it is written."""
        return self.stat if self.phase is None else f"{self.phase}.{self.stat}"

    @property
    def is_upper(self) -> bool:
        """Tell whether it keeps something small, rather than large."""
        return self.op.startswith("<")

    def __str__(self) -> str:
        """Write it as a person would."""
        return f"{self.metric} {self.op} {self.written(self.value)}"

    def written(self, value: float | None) -> str:
        """Write a value of this metric with its unit."""
        if value is None:
            return "nothing"
        if self.phase is not None:
            return format_duration(value)
        if self.is_share:
            return format_percent(value)
        if self.stat == "throughput":
            return format_rate(value)
        return f"{value:.2f}" if self.stat == "fairness" else format_count(value)

    def measured(self, summary: Summary) -> float | None:
        """Read the limited value off a summary; None when nothing of the kind was seen."""
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

    def is_true(self, summary: Summary) -> bool | None:
        """Tell whether what was measured is so; None when nothing of the kind was seen."""
        found = self.measured(summary)
        return None if found is None else _OPERATORS[self.op](found, self.value)


def parse_limits(texts: Sequence[str], *, place: str) -> tuple[Limit, ...]:
    """Read limits; raises ScenarioError with every problem, the wrong part between » and «."""
    limits, problems = [], []
    for text in texts:
        try:
            limits.append(_parse(text))
        except _UnreadableError as error:
            problems.append(Problem(place, error.reason, error.remedy))
    if problems:
        raise ScenarioError(problems)
    return tuple(limits)


class _UnreadableError(ValueError):
    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = reason, remedy


def _parse(text: str) -> Limit:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise _UnreadableError(f"»{legible(text)}« is no limit", _EXAMPLE)

    def wrong(group: str, reason: str, remedy: str) -> _UnreadableError:
        first, last = shape.span(group)
        marked = f"{text[:first]}»{text[first:last]}«{text[last:]}"
        return _UnreadableError(f"{reason}: {legible(marked.strip())}", remedy)

    if shape["op"] not in _OPERATORS:
        raise wrong("op", "that is no comparison", f"use one of {', '.join(_OPERATORS)}")
    phase, stat = _metric(shape["metric"], wrong)
    try:
        value, is_share = _value(shape["value"], phase, stat)
    except ValueError as error:
        raise wrong("value", str(error), _EXAMPLE) from None
    return Limit(phase=phase, stat=stat, op=shape["op"], value=value, is_share=is_share)


def _metric(
    word: str, wrong: Callable[[str, str, str], _UnreadableError]
) -> tuple[Phase | None, str]:
    name, dot, stat = word.partition(".")
    if not dot:
        if name in _TOTALS:
            return None, name
        if name in _PHASES:
            raise wrong("metric", "which of its values is meant", f"write {name}.p99")
        raise wrong("metric", "there is no such metric", did_you_mean(name, [*_TOTALS, *_PHASES]))
    if name not in _PHASES:
        raise wrong("metric", f"there is no phase {legible(name)}", did_you_mean(name, _PHASES))
    stat = stat.replace("p99.9", "p999")
    if stat not in _STATS:
        raise wrong("metric", f"{name} has no {legible(stat)}", f"use one of {', '.join(_STATS)}")
    return Phase(name), stat


def _value(word: str, phase: Phase | None, stat: str) -> tuple[float, bool]:
    """Read a value in the unit of its metric; raises ValueError saying what is wrong."""
    try:
        if phase is not None:
            return float(parse_duration(word)), False
        if stat == "throughput":
            return parse_rate(word), False
        if stat in _COUNTS and word.endswith("%"):
            return float(word[:-1]) / 100, True
        number = float(word)
    except ValueError as error:
        raise ValueError(str(error) if phase or stat == "throughput" else "no number") from None
    if not 0 <= number < float("inf"):
        raise ValueError("that is no amount")
    return number, False
