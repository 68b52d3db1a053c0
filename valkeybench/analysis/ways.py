"""Reads from stored runs what a connection costs the server: to open, and in memory.

By the server's own figures: connections it counted, CPU of its main thread, memory of what
holds the connections. A figure that a client limited, or a relay hid, is not taken for one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.cases import SeenCase, undisturbed
from valkeybench.analysis.quantity import Quantity, Unit, reckon
from valkeybench.scenario.model import Driver
from valkeybench.units import SECOND, format_duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from valkeybench.results.runfile import ConnectionCost, RunFile
    from valkeybench.scenario.fleet import Fleet

_FEWEST_OPENED = 100
"""Fewer say little of what one of them costs the server."""
_SERVER_BUSY = 0.9
"""CPU share of the server's main thread from where nobody could have got more out of it."""
_RELAY = "relay"
_MEASURE = "--measure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """What a connection costs the server, over plain TCP or over TLS."""

    tls: bool
    handshakes: Quantity
    """Connections per second the server was seen to open."""
    handshakes_by_cpu: Quantity
    """How many it could open with all of its main thread's CPU."""
    cpu_per_opening: Quantity
    memory_fresh: Quantity
    memory_idle: Quantity


def read_way(fleet: Fleet, runs: Sequence[RunFile], *, tls: bool, asked: bool) -> Way:
    """Gather what is known of one way; what a person said is about the way the fleet goes."""
    openings = [each for run in runs for each in _openings(run, tls=tls)]
    cost = _memory_cost(runs, tls=tls)
    way = "over TLS" if tls else "plain"
    if tls and any(map(is_relayed, runs)):
        way += " by the server itself (a relay did it)"
    handshakes = _handshakes(openings, way)
    by_cpu = _cpu_per_opening(openings, way)
    fresh, idle = _memory(cost, way)
    if asked and fleet.handshakes is not None:
        handshakes = Quantity(fleet.handshakes, Unit.PER_SECOND, "--handshakes-per-second")
    if asked and fleet.cpu_per_opening_ns is not None:
        by_cpu = Quantity(fleet.cpu_per_opening_ns, Unit.NANOSECONDS, "--cpu-per-opening")
    if asked and fleet.memory_fresh is not None:
        fresh = Quantity(fleet.memory_fresh, Unit.BYTES, "--memory-fresh")
    if asked and fleet.memory_idle is not None:
        idle = Quantity(fleet.memory_idle, Unit.BYTES, "--memory-idle")
    most = handshakes
    if not (asked and fleet.handshakes is not None):
        most = reckon(
            Unit.PER_SECOND, "1 s ÷ CPU per opening", "1 s ÷ {0}", lambda ns: SECOND / ns, by_cpu
        )
    return Way(
        tls=tls,
        handshakes=handshakes,
        handshakes_by_cpu=most,
        cpu_per_opening=by_cpu,
        memory_fresh=fresh,
        memory_idle=idle,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opening:
    """A case that opened a connection for every command."""

    case: str
    is_storm: bool
    """Whether it opened them as fast as it could, without a client library."""
    rate: float
    cpu_ns: int
    counted: int
    cpu_share: float | None

    @property
    def server_was_busy(self) -> bool:
        return self.cpu_share is not None and self.cpu_share >= _SERVER_BUSY


def _openings(run: RunFile, *, tls: bool) -> Iterator[_Opening]:
    """Find the cases without a pool, by what the server itself counted and spent."""
    if tls and is_relayed(run):
        return
    for case in undisturbed(run.cases):
        if case.pool.is_pooled or bool(case.record.axes.get("tls")) != tls or case.server_lost:
            continue
        cpu_ns = counted = 0
        for trial in case.trials:
            server = trial.server
            if server is None:
                continue
            spent = grown(server.ready.cpu_ns, server.after.cpu_ns)
            if spent and server.connections_counted:
                cpu_ns, counted = cpu_ns + spent, counted + server.connections_counted
        # One that was turned away was no handshake, however soon that was.
        opened = min(case.summary.connections.opened, case.summary.completed)
        seconds = _seconds(case)
        if opened < _FEWEST_OPENED or not seconds:
            continue
        yield _Opening(
            case=case.id,
            is_storm=case.record.axes.get("driver") == Driver.WIRE and case.think_ns == 0,
            rate=opened / seconds,
            cpu_ns=cpu_ns,
            counted=counted,
            cpu_share=case.server_cpu,
        )


def _seconds(case: SeenCase) -> float:
    return sum(trial.duration_ns for trial in case.trials) / SECOND


def _handshakes(openings: Sequence[_Opening], way: str) -> Quantity:
    storm = next((each for each in openings if each.is_storm), None)
    if storm is None:
        how = f"no storm was measured {way}; use {_MEASURE}, or say it with --handshakes-per-second"
        return Quantity(None, Unit.PER_SECOND, how)
    limit = (
        "the server was the limit"
        if storm.server_was_busy
        else "at least: the client was the limit"
    )
    how = f"measured, case {storm.case}, {limit} (--handshakes-per-second)"
    return Quantity(storm.rate, Unit.PER_SECOND, how)


def _cpu_per_opening(openings: Sequence[_Opening], way: str) -> Quantity:
    told = next((each for each in openings if each.counted >= _FEWEST_OPENED), None)
    if told is None:
        how = f"nothing was measured without a pool {way}; use {_MEASURE}, or --cpu-per-opening"
        return Quantity(None, Unit.NANOSECONDS, how)
    how = (
        f"server CPU ÷ connections in case {told.case}, each with one command ="
        f" {format_duration(told.cpu_ns)} ÷ {told.counted} (--cpu-per-opening)"
    )
    return Quantity(told.cpu_ns / told.counted, Unit.NANOSECONDS, how)


def _memory_cost(runs: Sequence[RunFile], *, tls: bool) -> ConnectionCost | None:
    """Find what a connection costs in memory; a note stands in where no run could tell."""
    costs = [cost for run in runs for cost in run.connection_costs if cost.tls == tls]
    told = (
        cost for cost in costs if (cost.allocated_fresh if tls else cost.used_fresh) is not None
    )
    return next(told, costs[0] if costs else None)


def _memory(cost: ConnectionCost | None, way: str) -> tuple[Quantity, Quantity]:
    """Give what a connection takes fresh and idle: over TLS with what the TLS library takes."""
    fresh, idle, by = None, None, ""
    if cost is not None and cost.tls:
        fresh, idle, by = cost.allocated_fresh, cost.allocated_idle, "allocator_allocated"
    elif cost is not None:
        fresh, idle, by = cost.used_fresh, cost.used_idle, "used_memory"
    if fresh is None or idle is None:
        why = cost.note if cost is not None and cost.note else f"not measured {way}"
        how = f"{why}; use {_MEASURE}, or say it with --memory-fresh and --memory-idle"
        return Quantity(None, Unit.BYTES, how), Quantity(None, Unit.BYTES, how)
    count = cost.connections if cost is not None else 0
    said = f"measured by {by} with {plural(count, 'connection')}"
    return (
        Quantity(fresh, Unit.BYTES, f"{said} (--memory-fresh)"),
        Quantity(idle, Unit.BYTES, f"{said} (--memory-idle)"),
    )


def is_relayed(run: RunFile) -> bool:
    """Tell whether a relay did TLS in front of the run's server, whose figures lack it then."""
    return server_of(run).get("tls_provider") == _RELAY


def server_of(run: RunFile) -> Mapping[str, Any]:
    """Give what a run says of its server; empty where it says nothing."""
    told = run.environment.get("server")
    return told if isinstance(told, dict) else {}


def grown(before: int | None, after: int | None) -> int | None:
    """Give how much a counter grew; None when it is not known, or began anew."""
    return None if before is None or after is None or after < before else after - before
