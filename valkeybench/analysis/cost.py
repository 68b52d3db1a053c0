"""Works out what opening a connection costs, and who paid it how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.cases import Group, SeenCase, groups, undisturbed
from valkeybench.analysis.setup import is_counted
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord, PhaseSummary

_TCP_ROUND_TRIP = 1
_TLS_ROUND_TRIP = 1
"""TLS 1.3, which every server that speaks TLS to redis-py has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Payer:
    """One case, and what opening connections was for it. None is not known."""

    case: str
    pool: str
    max_connections: int | None
    openings: int
    """Connections opened in all trials, before the load and during it."""
    commands: int
    """Commands attempted in all trials."""
    opened_per_command: float | None
    """Connections opened during the load for each command attempted in it."""
    opening_share: float | None
    """Share of the time of its commands that went into opening connections."""
    cpu_ns_per_command: float | None
    """Client CPU for each command attempted, all processes together."""
    response_p50_ns: int | None
    response_p99_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """How many times as much the unpooled case took as one pooled case. None is not known."""

    case: str
    """Id of the pooled case."""
    response_p50: float | None
    response_p99: float | None
    cpu_per_command: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningCost:
    """What opening a connection costs under one load, and what it cost whom."""

    applies_to: Mapping[str, Any]
    """The axes that all cases of it agree on."""
    source: str | None
    """Id of the case the phases come from."""
    under_load: bool
    """Whether they were measured amid commands, or while the pool was filled before them."""
    phases: Mapping[Phase, float]
    """Mean nanoseconds for each opening, by phase, in order; empty when none was timed."""
    total_ns: float | None
    round_trips: float | None
    """Round trips until a connection can take its first command: TCP, TLS 1.3, set-up."""
    unpooled: Payer | None
    pooled: tuple[Payer, ...]
    ratios: tuple[Ratio, ...]
    """Unpooled over pooled, for each pooled case; empty without an unpooled one."""


def opening_cost(cases: Sequence[CaseRecord]) -> list[OpeningCost]:
    """Answer, for each load, what opening a connection costs and who paid it how often.

    The phases come from the case without a pool, whose every command opens a connection;
    without such a case from filling the pools before the load. A client that opens its one
    connection out of sight is passed over, as is a server that was disturbed. Raises ResultError
    when a case's axes make no sense.
    """
    found = groups(undisturbed(cases))
    return [_cost(group) for group in found if group.leader.pool is not Pool.MULTIPLEXED]


def _cost(group: Group) -> OpeningCost:
    unpooled = next(iter(group.unpooled), None)
    source, phases = _phases(group)
    return OpeningCost(
        applies_to=group.load,
        source=source.id if source else None,
        under_load=source is not None and source is unpooled,
        phases=phases,
        total_ns=sum(phases.values()) if phases else None,
        round_trips=_round_trips(source, phases) if source else None,
        unpooled=_payer(unpooled) if unpooled else None,
        pooled=tuple(_payer(case) for case in group.pooled),
        ratios=tuple(_ratio(unpooled, case) for case in group.pooled) if unpooled else (),
    )


def _phases(group: Group) -> tuple[SeenCase | None, dict[Phase, float]]:
    """Find the mean of each opening phase, and the case it was found in."""
    for case in group.unpooled:
        means = _means([case.summary.phases])
        if means:
            return case, means
    for case in group.pooled:
        filled = [trial.client.prewarm for trial in case.trials]
        means = _means([prewarm.phases for prewarm in filled if prewarm is not None])
        if means:
            return case, means
    return None, {}


def _means(summaries: Sequence[Mapping[str, PhaseSummary]]) -> dict[Phase, float]:
    """Give the mean of each opening phase that happened, over all summaries together."""
    means = {}
    for phase in OPENING:
        found = [phases[phase] for phases in summaries if phase in phases]
        if found:
            total = sum(each.mean_ns * each.count for each in found)
            means[phase] = total / sum(each.count for each in found)
    return means


def _round_trips(case: SeenCase, phases: Mapping[Phase, float]) -> float | None:
    connections = case.summary.connections
    setup, tls = connections.setup_round_trips, connections.tls_round_trips
    if setup is None or not is_counted(connections):
        return None
    if Phase.TLS in phases:
        # As counted: TLS 1.2 takes two. Older files do not say.
        setup += tls or _TLS_ROUND_TRIP
    return setup + _TCP_ROUND_TRIP


def _payer(case: SeenCase) -> Payer:
    connections, attempted = case.summary.connections, case.summary.attempted
    cpu = sum(trial.client.cpu_ns for trial in case.trials)
    response = case.response
    return Payer(
        case=case.id,
        pool=case.pool.value,
        max_connections=case.max_connections,
        openings=connections.prewarmed + connections.opened,
        commands=attempted,
        opened_per_command=connections.opened / attempted if attempted else None,
        opening_share=_opening_share(case),
        cpu_ns_per_command=cpu / attempted if attempted and cpu else None,
        response_p50_ns=response.p50_ns if response else None,
        response_p99_ns=response.p99_ns if response else None,
    )


def _opening_share(case: SeenCase) -> float | None:
    """Give opening's share of all time spent in commands; phases add up to the service."""
    phases = case.summary.phases
    service = phases.get(Phase.SERVICE)
    if service is None or not service.mean_ns:
        return None
    timed = [phases[phase] for phase in OPENING if phase in phases]
    opening = sum(phase.mean_ns * phase.count for phase in timed)
    return opening / (service.mean_ns * service.count)


def _ratio(unpooled: SeenCase, pooled: SeenCase) -> Ratio:
    dear, cheap = _payer(unpooled), _payer(pooled)
    return Ratio(
        case=pooled.id,
        response_p50=_over(dear.response_p50_ns, cheap.response_p50_ns),
        response_p99=_over(dear.response_p99_ns, cheap.response_p99_ns),
        cpu_per_command=_over(dear.cpu_ns_per_command, cheap.cpu_ns_per_command),
    )


def _over(dear: float | None, cheap: float | None) -> float | None:
    return dear / cheap if dear is not None and cheap else None
