"""The language of limits: what a run must keep (`--slo`) or must not do (`--fail-if`).

    limit    ::= quantity op value
    quantity ::= term | term "/" term
    term     ::= metric [ "[" pick { "," pick } "]" ]
    pick     ::= axis "=" word
    op       ::= "<" | "<=" | ">" | ">="
    value    ::= duration (a phase) | rate (throughput) | number | number "%" (of attempted)
               | number "x" | number "%" (a quotient)

`metric` is what `analysis.metric` says, `axis` and `word` are what flags and scenario files
call them. Such as `response.p99 < 5ms`, `throughput >= 1000/s`, `failed <= 0.1%`,
`command.p50[tls=on] / command.p50[tls=off] < 1.5`.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass, replace
from math import inf, nextafter
from typing import TYPE_CHECKING

from valkeybench.analysis.metric import THROUGHPUT, Metric, MetricError, parse_metric
from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario.axis import Pick, parse_pick
from valkeybench.scenario.kinds import UnfitError
from valkeybench.scenario.wording import legible
from valkeybench.units import DAY, compact_duration, parse_duration, parse_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from valkeybench.results.runfile import Summary

    Span = tuple[int, int]

_OPERATORS: Mapping[str, Callable[[float, float], bool]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_TERM = r"(?P<metric{0}>[^\[\]<>=!/\s]+)\s*(?:\[(?P<picks{0}>[^\[\]]*)\])?\s*"
_SHAPE = re.compile(
    r"\s*" + _TERM.format(1) + r"(?:/\s*" + _TERM.format(2) + r")?"
    r"(?P<op>[<>=!]+)\s*(?P<value>\S+(?:\s*\S+)*)\s*"
)
_EXAMPLE = "write it like response.p99 < 5ms, throughput > 1000/s or failed <= 0.1%"
_RATIO_EXAMPLE = "write how many times, as 1.5, 1.5x or 150%"
_LONGEST_MARKED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """A metric, of every case or of those that were picked."""

    metric: Metric
    picks: tuple[Pick, ...] = ()

    def __str__(self) -> str:
        """Write it as a person would."""
        return (
            f"{self.metric}[{','.join(map(str, self.picks))}]" if self.picks else f"{self.metric}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One limit. Values are in the unit of the metric, or a plain number for a quotient."""

    term: Term
    over: Term | None = None
    """What the term is divided by; None for the term itself."""
    op: str
    value: float

    @property
    def metric(self) -> Metric:
        """Give what is limited, or divided."""
        return self.term.metric

    @property
    def is_upper(self) -> bool:
        """Tell whether it is about something small, rather than large."""
        return self.op.startswith("<")

    @property
    def quantity(self) -> str:
        """Write what is limited."""
        return f"{self.term}" if self.over is None else f"{self.term} / {self.over}"

    def __str__(self) -> str:
        """Write it as a person would, and exactly: reading it gives the same limit."""
        return f"{self.quantity} {self.op} {self._exactly()}"

    def _exactly(self) -> str:
        """Write the value as values are written, or in full where that would round it."""
        rounded = self.written(self.value)
        if self._reads(rounded):
            return rounded
        if self.over is not None:
            return f"{self.value!r}x"
        if self.metric.phase is not None:
            return compact_duration(round(self.value))
        if not self.metric.is_share:
            return f"{self.value!r}"
        # Which per cent was meant is not always a hundred times its hundredth.
        near = (self.value * 100, *(nextafter(self.value * 100, to) for to in (0, inf)))
        return next(filter(self._reads, (f"{percent!r}%" for percent in near)))

    def _reads(self, word: str) -> bool:
        """Tell whether a word is read as this very value."""
        try:
            if self.over is not None:
                return self.value == _ratio(self.term.metric, self.over.metric, word)
            return (self.value, self.metric.is_share) == _value(word, self.metric)
        except ValueError:
            return False

    def written(self, value: float | None) -> str:
        """Write a value of what is limited with its unit."""
        if self.over is None:
            return self.metric.written(value)
        return "nothing" if value is None else f"{value:.3g}x"

    def measured(self, summary: Summary) -> float | None:
        """Read the limited value off a summary; None when nothing of the kind was seen."""
        return self.metric.measured(summary)

    def is_true(self, summary: Summary) -> bool | None:
        """Tell whether what was measured is so; None when nothing of the kind was seen."""
        found = self.measured(summary)
        return None if found is None else self.is_so(found)

    def is_so(self, value: float) -> bool:
        """Tell whether it is true of a value."""
        return _OPERATORS[self.op](value, self.value)


def parse_limits(
    texts: Sequence[str], *, place: str, across_cases: bool = False
) -> tuple[Limit, ...]:
    """Read limits; raises ScenarioError with every problem, a caret below each wrong part.

    Cases can be picked and divided by one another only where there are several of them.
    """
    limits, problems = [], []
    for text in texts:
        try:
            limits.append(_parse(text, across_cases=across_cases))
        except _UnreadableError as error:
            problems.append(Problem(place, error.reason, error.remedy))
    if problems:
        raise ScenarioError(problems)
    return tuple(limits)


class _UnreadableError(ValueError):
    """A limit that cannot be read; `span` is the part that is wrong."""

    def __init__(self, text: str, span: Span, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason, self.remedy = _marked(text, span, reason), remedy


def _marked(text: str, span: Span, reason: str) -> str:
    """Write the text below the reason, with a caret below each sign that is wrong."""
    if not text.isprintable() or len(text) > _LONGEST_MARKED:
        return f"{reason}: {legible(text)}"
    first, last = span
    return f"{reason}\n    {text}\n    {' ' * first}{'^' * max(last - first, 1)}"


def _parse(text: str, *, across_cases: bool) -> Limit:
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise _UnreadableError(text, _odd_part(text), "that is no limit", _EXAMPLE)
    if not across_cases:
        _one_case_only(text, shape)
    if shape["op"] not in _OPERATORS:
        known = ", ".join(_OPERATORS)
        raise _UnreadableError(
            text, shape.span("op"), "that is no comparison", f"use one of {known}"
        )
    term = _term(text, shape, 1)
    over = _term(text, shape, 2) if shape["metric2"] else None
    limit = Limit(term=term, over=over, op=shape["op"], value=0.0)
    try:
        if over is not None:
            return replace(limit, value=_ratio(term.metric, over.metric, shape["value"]))
        value, is_share = _value(shape["value"], term.metric)
    except _UndividableError as error:
        raise _UnreadableError(text, shape.span("metric2"), str(error), _EXAMPLE) from None
    except ValueError as error:
        remedy = _RATIO_EXAMPLE if over is not None else _EXAMPLE
        raise _UnreadableError(text, shape.span("value"), str(error), remedy) from None
    metric = replace(term.metric, is_share=is_share)
    return replace(limit, term=replace(term, metric=metric), value=value)


def _one_case_only(text: str, shape: re.Match[str]) -> None:
    """Refuse what needs several cases."""
    for group in ("picks1", "metric2"):
        if shape[group] is not None:
            raise _UnreadableError(
                text, shape.span(group), "there is only one case here", "leave that part out"
            )


def _odd_part(text: str) -> Span:
    """Find where a text stops being a limit: a bracket nobody closed, or all of it."""
    opened = text.find("[")
    if opened >= 0 and text.find("]", opened) < 0:
        return opened, len(text)
    return 0, len(text)


def _term(text: str, shape: re.Match[str], number: int) -> Term:
    try:
        metric = parse_metric(shape[f"metric{number}"])
    except MetricError as error:
        span = shape.span(f"metric{number}")
        raise _UnreadableError(text, span, error.reason, error.remedy) from None
    picks = []
    words = shape[f"picks{number}"]
    at = shape.start(f"picks{number}")
    for word in () if words is None else words.split(","):
        try:
            picks.append(parse_pick(word))
        except UnfitError as error:
            raise _UnreadableError(text, (at, at + len(word)), error.reason, error.remedy) from None
        at += len(word) + 1
    return Term(metric=metric, picks=tuple(picks))


class _UndividableError(ValueError):
    """A quotient of two things that have not the same unit."""


def _ratio(metric: Metric, by: Metric, word: str) -> float:
    """Read how many times one is the other; raises ValueError saying what is wrong."""
    alike = (
        metric == by
        or (metric.phase is not None and by.phase is not None)
        or (metric.is_count and by.is_count)
    )
    if not alike:
        raise _UndividableError(f"{metric} cannot be divided by {by}")
    if word.endswith("%"):
        return _number(word[:-1]) / 100
    return _number(word.removesuffix("x"))


def _value(word: str, metric: Metric) -> tuple[float, bool]:
    """Read a value in the unit of its metric; raises ValueError saying what is wrong."""
    word = word.replace("\N{NARROW NO-BREAK SPACE}", "")  # as counts are written in reports
    if metric.phase is not None:
        return _duration(word), False
    if metric.stat == THROUGHPUT:
        return parse_rate(word), False
    if metric.is_count and word.endswith("%"):
        if not metric.has_share:
            raise ValueError("it counts handlers, and a share is one of commands")
        return _share(word), True
    return _number(word), False


def _share(word: str) -> float:
    share = _number(word[:-1]) / 100
    if share > 1:
        raise ValueError("it is a share of the commands, and no more than all of them can be")
    return share


def _duration(word: str) -> float:
    nanoseconds = parse_duration(word)
    if nanoseconds > DAY:
        raise ValueError("no request lasts longer than a day")
    return float(nanoseconds)


def _number(word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        raise ValueError("no number") from None
    if not 0 <= number < float("inf"):
        raise ValueError("that is no amount")
    return number
