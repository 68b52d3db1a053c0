"""Reads from a run how many connections its load needs, or why that cannot be read from it.

The estimate is the in-use quantile: where the pool was no limit, the connections taken when
a handler asked are what the load occupies, and a pool with one more than 99.9 % of the
acquires found taken makes only the rest wait. It needs no model, and bursts, slow commands
and a busy interpreter are all in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.cases import Group, SeenCase, groups, quantile_of_counts, seen
from valkeybench.analysis.delivery import behind_schedule
from valkeybench.analysis.finding import Code, Finding, Look
from valkeybench.analysis.health import (
    client_saturated,
    failures,
    few_samples,
    no_think,
    repeats_disagree,
    starved,
)
from valkeybench.analysis.queueing import smallest_erlang_pool, smallest_pool
from valkeybench.analysis.remedies import more_repeats
from valkeybench.analysis.server_health import server_lost, server_saturated
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.analysis.unsizable import unsizable
from valkeybench.measurement.metrics import Phase
from valkeybench.results.runfile import Recommendation
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND, are, format_duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.results.runfile import CaseRecord

_PREFERRED = (Pool.RAISING, Pool.FAIR, Pool.BLOCKING)
"""Of pools of the same size that say as much, the last of these is read."""

_SEVERAL = 2
"""Nodes from which a cluster's load has several pools."""


def recommend(
    cases: Sequence[CaseRecord], limits: Thresholds | None = None
) -> list[Recommendation]:
    """Recommend a pool size for each load among the cases, or say why there is none.

    One recommendation for all cases that differ in nothing but the pool. Sizes are for one
    process, at least 1 and at most its handlers; headroom is shown, not added. They are sizes
    of a client library's pool, by a server that is let be: what has none stands beside those that
    have, and is told why only when it stands alone. Raises ResultError when a case's axes make no
    sense.
    """
    limits = limits or Thresholds()
    found = groups(seen(cases))
    sizable = [group for group in found if unsizable(group) is None]
    return [_recommend(group, limits) for group in sizable or found]


def _recommend(group: Group, limits: Thresholds) -> Recommendation:
    without = unsizable(group)
    if without is not None:
        cause, nothing = without
        return _no_size(group, nothing, {"causes": [cause]})
    if not group.pooled:
        nothing = Finding(
            "no pool was measured: each command opened a connection of its own",
            "measure a pool beside it (--pool none,blocking)",
        )
        return _no_size(group, nothing, {"causes": ["no_pool"]})
    case = _most_telling(group.pooled, limits)
    found = dict(causes(case, limits))
    if found:
        known = {
            "causes": [str(cause) for cause in found],
            "case": case.id,
            "acquires": sum(case.in_use_counts),
            "client_cpu": case.client_cpu,
            "server_cpu": case.server_cpu,
            "pool_bound": case.is_pool_bound(limits),
        }
        return _no_size(group, next(iter(found.values())), known)
    need = Need.read(case, limits)
    tried = _tried(group.pooled, need, limits)
    return Recommendation(
        applies_to=group.load,
        verdict="size",
        max_connections=need.size,
        minimum=need.minimum,
        basis="measured" if tried else "estimated",
        reason=" ".join(_sentences(need, tried, limits)),
        evidence=_evidence(need, limits) | {"tried": tried.id if tried else None},
    )


def _no_size(group: Group, cause: Finding, evidence: dict[str, Any]) -> Recommendation:
    return Recommendation(
        applies_to=group.load,
        verdict="no_size",
        max_connections=None,
        minimum=None,
        basis="estimated",
        reason=cause.message,
        evidence=evidence | {"remedy": cause.remedy},
    )


def _tried(pooled: Sequence[SeenCase], need: Need, limits: Thresholds) -> SeenCase | None:
    """Find a case that ran with the size found, and in which it was enough."""
    for case in pooled:
        if case.max_connections == need.size and not any(causes(case, limits)):
            counts = case.in_use_counts
            waited = sum(counts[need.size :]) + case.pool_failures
            if waited <= limits.waiting * sum(counts):
                return case
    return None


def _most_telling(pooled: Sequence[SeenCase], limits: Thresholds) -> SeenCase:
    """Choose the case to read: the largest pool, before all those that were no limit."""
    return max(
        pooled,
        key=lambda case: (
            not case.is_pool_bound(limits),
            case.max_connections or 0,
            not case.is_starving(limits),
            _PREFERRED.index(case.pool),
        ),
    )


def causes(case: SeenCase, limits: Thresholds) -> Iterator[tuple[Code, Finding]]:
    """Find what makes any size read from the case meaningless, worst first."""
    attempted, failed = case.summary.attempted, case.summary.failed - case.pool_failures
    look = Look(case, (), limits)
    found = {
        Code.SERVER_LOST: server_lost(look),
        Code.FAILURES: failures(look) if failed > limits.failures * attempted else None,
        # What is saturated comes before what that does to the load.
        Code.CLIENT_SATURATED: client_saturated(look),
        Code.SERVER_SATURATED: server_saturated(look),
        Code.BEHIND_SCHEDULE: behind_schedule(look),
        Code.NO_THINK: no_think(look),
        Code.STARVED: starved(look),
        Code.POOL_BOUND: _several_pools_bound(case, limits),
        Code.REPEATS_DISAGREE: _other_loads(case, limits),
        Code.FEW_SAMPLES: _few_acquires(case, limits),
    }
    return ((code, finding) for code, finding in found.items() if finding is not None)


def _several_pools_bound(case: SeenCase, limits: Thresholds) -> Finding | None:
    """Find that the pools of several nodes were the limit; no model here is of several."""
    busy = sum(node.commands > 0 for node in case.record.nodes or ())
    if busy < _SEVERAL or not case.is_pool_bound(limits):
        return None
    return Finding(
        f"the pools of {busy} nodes were the limit, and what each of them needs cannot be"
        " modelled from all together",
        f"try a larger one (--max-conn {2 * (case.max_connections or 1)})",
    )


def _few_acquires(case: SeenCase, limits: Thresholds) -> Finding | None:
    acquires = sum(case.in_use_counts)
    if not case.summary.completed:
        return few_samples(Look(case, (), limits))
    if acquires >= limits.sizing_acquires:
        return None
    return Finding(
        f"the window held only {plural(acquires, 'acquire')}, and what one in 1 000 of them finds"
        " cannot be told from so few",
        "measure longer (--duration), or more at once (a shorter --think, a higher --rate)",
    )


def _other_loads(case: SeenCase, limits: Thresholds) -> Finding | None:
    """Find repeats so different that they are not one load. Noise in p99 alone is no obstacle."""
    spread, sizes = case.throughput_spread, _repeats(case, limits)
    if spread is not None and spread > limits.sizing_throughput_spread:
        return repeats_disagree(Look(case, (), limits))
    low, high = min(sizes, default=1), max(sizes, default=1)
    if high <= limits.sizing_repeats * low or high - low <= limits.sizing_repeats_apart:
        return None
    listed = ", ".join(map(str, sizes))
    return Finding(
        f"the repeats ask for pools as different as {listed} connections: they did not see the"
        " same load",
        more_repeats(case),
    )


def _repeats(case: SeenCase, limits: Thresholds) -> list[int]:
    """Give the size each trial alone would have said."""
    return [
        min(case.concurrency, quantile_of_counts(counts, 1 - limits.waiting) + 1)
        for trial in case.trials
        if sum(counts := trial.in_use_counts)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a case says about the connections one process needs."""

    case: SeenCase
    counts: Sequence[int]
    bound: bool
    size: int
    minimum: int
    hold_ns: float
    """Mean time from a connection in hand until it was given back."""
    think_ns: float
    """Mean time between commands of a handler, as it was rather than as it was asked."""
    load: float
    """Mean connections in use by Little's law: throughput × hold."""
    erlang: int
    finite_source: int
    finite_minimum: int
    """The same for the smallest pool worth trying."""

    @classmethod
    def read(cls, case: SeenCase, limits: Thresholds) -> Need:
        """Read the need off the acquires, or off a model when the pool hid it."""
        summary, handlers = case.summary, case.concurrency
        service, failed = case.mean_ns(Phase.SERVICE), case.mean_ns(Phase.FAILED)
        hold = service - case.mean_ns(Phase.POOL_WAIT)
        rate = summary.throughput / case.processes / SECOND
        # Handlers that failed went round as well, and sooner.
        rounds = (summary.completed + summary.failed) / summary.completed
        busy = service + failed * summary.failed / summary.completed
        think = handlers / rate / rounds - busy / rounds
        think = think if think > 0 else float(case.think_ns or 0)

        def modelled(waiting: float) -> int:
            return smallest_pool(handlers=handlers, think_ns=think, hold_ns=hold, waiting=waiting)

        counts, bound = case.in_use_counts, case.is_pool_bound(limits)
        shares = (limits.waiting, limits.waiting_minimum)
        sizes, models = [], [modelled(waiting) for waiting in shares]
        for waiting, model in zip(shares, models, strict=True):
            # A pool that was the limit still shows what is certainly not enough.
            found = quantile_of_counts(counts, 1 - waiting) + 1
            sizes.append(min(handlers, max(found, model) if bound else found))
        return cls(
            case=case,
            counts=counts,
            bound=bound,
            size=sizes[0],
            minimum=sizes[1],
            hold_ns=hold,
            think_ns=think,
            load=rate * hold,
            erlang=smallest_erlang_pool(rate * hold, waiting=limits.waiting),
            finite_source=models[0],
            finite_minimum=models[1],
        )

    @property
    def acquires(self) -> int:
        """Count the acquires it rests on."""
        return sum(self.counts)

    def with_headroom(self, limits: Thresholds) -> int:
        """Add room for growth, up to one connection for each handler."""
        return min(self.case.concurrency, ceil(self.size * (1 + limits.headroom)))


def _sentences(need: Need, tried: SeenCase | None, limits: Thresholds) -> Iterator[str]:
    """Explain a size to a person, one thing at a time."""
    case, size = need.case, need.size
    yield _modelled(need, limits) if need.bound else _observed(need, limits)
    if size == case.concurrency:
        yield "That is one for each handler; more could never be used."
    if case.processes > 1:
        yield (
            f"Each of the {case.processes} processes has a pool of its own:"
            f" {plural(size * case.processes, 'connection')} in all."
        )
    yield from _doubts(need, limits)
    if case.pool is Pool.RAISING and size < case.concurrency:
        yield (
            "A raising pool fails who finds no connection free; a blocking one"
            " (--pool blocking) lets them wait a moment."
        )
    if tried is not None and tried.response is not None and case.response is not None:
        beside = "" if tried is case else f", against {format_duration(case.response.p99_ns)}"
        yield f"It was tried: p99 was {format_duration(tried.response.p99_ns)}{beside}."
    if need.with_headroom(limits) > size:
        yield (
            f"Headroom for growth is not in it: {_percent(limits.headroom)} more is"
            f" {need.with_headroom(limits)}."
        )


def _observed(need: Need, limits: Thresholds) -> str:
    most, usual = 1 - limits.waiting, 1 - limits.waiting_minimum
    found = (
        f"The pool of {need.case.max_connections} was no limit: handlers found"
        f" {_at_most(quantile_of_counts(need.counts, most))} of its connections taken in"
        f" {_percent(most)} of {plural(need.acquires, 'acquire')}, so {need.size}"
        f" {are(need.size)} enough"
    )
    if need.minimum == need.size:
        return f"{found}."
    fewer = _at_most(quantile_of_counts(need.counts, usual))
    return (
        f"{found}; in {_percent(usual)} {fewer}, so fewer than {need.minimum} are not worth trying."
    )


def _at_most(count: int) -> str:
    return f"at most {count}" if count else "none"


def _modelled(need: Need, limits: Thresholds) -> str:
    case, model = need.case, need.finite_source
    fails = case.pool is Pool.RAISING
    said = (
        f"By a model (M/M/c//N) of {plural(case.concurrency, 'handler')} that hold a connection for"
        f" {format_duration(need.hold_ns)} and pause {format_duration(need.think_ns)} between"
        f" commands, an acquire finds none free and {'fails' if fails else 'waits'}"
        f" in less than {_percent(limits.waiting)} of cases with {plural(model, 'connection')}, in"
        " less than"
        f" {_percent(limits.waiting_minimum)} with {need.finite_minimum}."
    )
    seen = f"The pool of {case.max_connections} was the limit, so the need was not seen"
    if need.size > model:
        answer = (
            f"{seen}. Yet {need.size - 1} were found taken, so {need.size} are the least there can"
            f" be: that is what was seen, not a model's answer. {said}"
        )
    else:
        answer = f"{seen}; this is a model's answer. {said}"
    if fails:
        return (
            f"{answer} It takes handlers as independent of each other, and those of one process are"
            " not quite: more commands may fail than it says. Run this size to verify it."
        )
    return (
        f"{answer} The model serves in order and redis-py does not, so waits will be longer than"
        " it says: run this size to verify it."
    )


def _doubts(need: Need, limits: Thresholds) -> Iterator[str]:
    """Say what makes an observed size uncertain, if anything does."""
    if need.bound:
        return
    beyond = int(need.acquires * limits.waiting)
    if beyond < limits.sizing_tail_samples:
        yield (
            f"That rests on {plural(beyond, 'acquire')} beyond {_percent(1 - limits.waiting)}, so"
            " it may be off by one or two; a longer run (--duration) would tell."
        )
    repeats = _repeats(need.case, limits)
    if max(repeats) - min(repeats) > max(1, need.size * limits.headroom):
        listed = ", ".join(map(str, repeats))
        yield (
            f"The repeats alone would have said {listed}: {max(repeats)} is on the safe side, and"
            " more of them (--repeats) would tell."
        )


def _evidence(need: Need, limits: Thresholds) -> dict[str, Any]:
    """Keep the numbers behind a size, and what other rules would have said."""
    case, in_use = need.case, need.case.summary.in_use
    return {
        "case": case.id,
        "model": "M/M/c//N" if need.bound and need.size <= need.finite_source else None,
        "pool_bound": need.bound,
        "acquires": need.acquires,
        "acquires_beyond": sum(need.counts[need.size :]),
        "in_use": None if in_use is None else in_use.model_dump(),
        "repeats": _repeats(case, limits),
        "hold_ns": round(need.hold_ns),
        "think_ns": round(need.think_ns),
        "littles_law": round(need.load, 3),
        "client_cpu": case.client_cpu,
        "server_cpu": case.server_cpu,
        "with_headroom": need.with_headroom(limits),
        "headroom": limits.headroom,
        "other_rules": {
            "handlers_plus_10_percent": ceil(case.concurrency * 1.1 - 1e-9),
            "little_times_1_5": max(1, ceil(need.load * 1.5)),
            "erlang_c": need.erlang,
            "finite_source": need.finite_source,
        },
    }


def _percent(share: float) -> str:
    """Write 0.999 as `99.9 %`: here the last digit is the point."""
    return f"{100 * share:.4g} %"
