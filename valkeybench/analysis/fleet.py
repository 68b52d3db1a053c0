"""Plans a fleet: what many processes and their pools are to one server, and what still fits.

Every number carries its formula. What cannot be reckoned for want of an input stays unknown and
says which; a plan fits only as far as it is known.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valkeybench.analysis.quantity import Fit, Quantity, Unit, reckon, rounded_down, rounded_up
from valkeybench.analysis.reconnecting import Churn, StormPlan, churn_plan, storm_plan
from valkeybench.analysis.storm import SAFE_SHARE, SPREAD
from valkeybench.units import SECOND, format_count, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.analysis.fleet_inputs import Inputs
    from valkeybench.analysis.ways import Way

_RESERVED_FILES = 32
"""Files Valkey keeps for itself before it counts clients (CONFIG_MIN_RESERVED_FDS)."""
_POINTS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that has to fit."""

    name: str
    seen: Quantity
    safe: Quantity
    limit: Quantity
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Connections at one server at one moment, and the memory they take."""

    name: str
    connections: Quantity
    memory_idle: Quantity
    """When all of them lie idle."""
    memory_fresh: Quantity
    """When all of them were just used, or just opened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """How far one resource lets the fleet go."""

    name: str
    pool: Quantity
    """Connections in each process's pool at most."""
    processes: Quantity
    """Processes in all pods at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What a fleet of another size would be, for a chart; None is not known."""

    processes: int
    now: int
    deploy: int
    failover: int
    memory_idle: float | None
    memory_fresh: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Everything reckoned of a fleet. Numbers are for one server: one node of a cluster."""

    inputs: Inputs
    effective: Quantity
    """Clients the server takes."""
    safe: Quantity
    """Of those, what the fleet may use."""
    moments: tuple[Moment, ...]
    """Now, during a deploy, and after a failover with dead peers."""
    memory_now: Quantity
    """With as many connections at work as the run saw."""
    memory_room: Quantity
    """What connections may take."""
    commands: Quantity
    cpu: Quantity
    storms: tuple[StormPlan, ...]
    """Plain and over TLS, as far as asked or known; the fleet's own way first."""
    churn: Churn
    bounds: tuple[Bound, ...]
    largest_pool: Quantity
    largest_fleet: Quantity
    """In processes."""
    checks: tuple[Check, ...]
    fit: Fit
    growth: tuple[Point, ...]

    @property
    def unknown(self) -> tuple[Check, ...]:
        """Give the checks that could not be made."""
        return tuple(check for check in self.checks if check.fit is Fit.UNKNOWN)


def plan_fleet(inputs: Inputs) -> FleetPlan:
    """Reckon a fleet."""
    effective, safe = _takes(inputs)
    now, deploy, failover = moments = tuple(_moments(inputs))
    room = reckon(
        Unit.BYTES,
        "safety × server memory − data",
        f"{format_percent(inputs.safety)} × {{0}} − {{1}}",
        lambda memory, data: inputs.safety * memory - data,
        inputs.server_memory,
        inputs.data_memory,
    )
    commands, cpu = _cpu(inputs)
    ways = (inputs.way, inputs.plain if inputs.tls else inputs.secure)
    storms = tuple(storm_plan(inputs, way, now.connections) for way in ways)
    bounds = tuple(_bounds(inputs, safe, room, storms[0]))
    checks = (
        *(_clients(inputs, moment, safe, effective) for moment in moments),
        _memory(inputs, max(deploy, failover, key=_value), room),
        _busy(inputs, cpu),
        _stormy(inputs, storms[0]),
    )
    pool = _least("pool", bounds)
    # By an upper bound of CPU the largest fleet is none.
    fleet = _least("processes", bounds[:-1] if inputs.cpu_is_at_most else bounds)
    return FleetPlan(
        inputs=inputs,
        effective=effective,
        safe=safe,
        moments=moments,
        memory_now=_memory_now(inputs, now.connections),
        memory_room=room,
        commands=commands,
        cpu=cpu,
        storms=tuple(s for s in storms if s is storms[0] or s.handshakes.value is not None),
        churn=churn_plan(inputs, now.connections, deploy.connections),
        bounds=bounds,
        largest_pool=pool,
        largest_fleet=fleet,
        checks=checks,
        fit=_worst(check.fit for check in checks),
        growth=tuple(_growth(inputs, fleet)),
    )  # fmt: skip


def _takes(inputs: Inputs) -> tuple[Quantity, Quantity]:
    """Say how many clients the server takes, and how many of them the fleet may be.

    valkey.io, "Client handling": a server lowers its maxclients to what its file limit allows,
    less the files it needs for itself.
    """
    effective = inputs.maxclients
    if inputs.file_limit.value is not None:
        effective = reckon(
            Unit.COUNT, "min(maxclients, file limit − 32)", "min({0}, {1} − 32)",
            lambda clients, files: max(min(clients, files - _RESERVED_FILES), 0),
            inputs.maxclients, inputs.file_limit,
        )  # fmt: skip
    safe = reckon(
        Unit.COUNT, "safety × maxclients − reserved",
        f"{format_percent(inputs.safety)} × {{0}} − {{1}}",
        lambda clients, reserved: max(int(inputs.safety * clients + 1e-9) - reserved, 0),
        effective, inputs.reserved,
    )  # fmt: skip
    return effective, safe


def _moments(inputs: Inputs) -> Iterator[Moment]:
    """Count connections now, while a deploy runs both old and new, and with dead peers."""
    fleet = f"{format_count(inputs.processes)} × {format_count(inputs.pods)}"
    each = inputs.dedicated
    words, worked = "processes × pods × pool", f"{fleet} × {{0}}"
    if each:
        words, worked = "processes × pods × (pool + dedicated)", f"{fleet} × ({{0}} + {each})"
    now = reckon(
        Unit.COUNT, words, worked,
        lambda pool: inputs.processes * inputs.pods * (pool + each), inputs.pool,
    )  # fmt: skip
    yield _moment("now", now, inputs.way)
    for name, formula, share in (
        ("during a deploy", "now × (1 + surge)", inputs.surge),
        ("after a failover", "now × (1 + dead peers)", inputs.dead),
    ):
        worked = f"{{0}} × (1 + {format_percent(share)})"
        grown = reckon(Unit.COUNT, formula, worked, lambda n, s=share: rounded_up(n * (1 + s)), now)
        yield _moment(name, grown, inputs.way)


def _moment(name: str, connections: Quantity, way: Way) -> Moment:
    idle, fresh = (
        reckon(
            Unit.BYTES, f"connections × {kind}", "{0} × {1}",
            lambda count, size: count * size, connections, each,
        )
        for kind, each in (("idle", way.memory_idle), ("fresh", way.memory_fresh))
    )  # fmt: skip
    return Moment(name=name, connections=connections, memory_idle=idle, memory_fresh=fresh)


def _memory_now(inputs: Inputs, now: Quantity) -> Quantity:
    """Reckon the memory with as many at work as the run saw; the others have shrunk."""
    processes = inputs.processes * inputs.pods
    at_work = reckon(
        Unit.COUNT, "processes × pods × min(pool, in use)",
        f"{format_count(processes)} × min({{0}}, {{1}})",
        lambda pool, used: processes * min(pool, used), inputs.pool, inputs.in_use,
    )  # fmt: skip
    return reckon(
        Unit.BYTES, "processes × pods × min(pool, in use) × fresh + others × idle",
        "{1} × {2} + ({0} − {1}) × {3}",
        lambda count, used, fresh, idle: used * fresh + max(count - used, 0) * idle,
        now, at_work, inputs.way.memory_fresh, inputs.way.memory_idle,
    )  # fmt: skip


def _cpu(inputs: Inputs) -> tuple[Quantity, Quantity]:
    """Reckon commands per second, and how busy they keep the main thread (utilisation law)."""
    processes = inputs.processes * inputs.pods
    worked = f"{format_count(processes)} × {{0}}"
    formula = "processes × rate"
    if inputs.nodes > 1:
        formula, worked = f"{formula} ÷ nodes", f"{worked} ÷ {inputs.nodes}"
    commands = reckon(
        Unit.PER_SECOND, formula, worked,
        lambda rate: processes * rate / inputs.nodes, inputs.rate,
    )  # fmt: skip
    cpu = reckon(
        Unit.SHARE, "commands per second × CPU per command", "{0} × {1}",
        lambda rate, ns: rate * ns / SECOND, commands, inputs.cpu_per_command,
    )  # fmt: skip
    return commands, cpu


def _bounds(inputs: Inputs, safe: Quantity, room: Quantity, storm: StormPlan) -> Iterator[Bound]:
    """Turn each limit round: the largest pool, and the largest fleet, that keep it."""
    peak = "deploy" if inputs.surge > inputs.dead else "failover"
    extra = max(inputs.surge, inputs.dead)
    fits = reckon(
        Unit.COUNT, "memory ÷ fresh", "{0} ÷ {1}",
        lambda memory, size: max(memory, 0) / max(size, 1), room, inputs.way.memory_fresh,
    )  # fmt: skip
    factor = "surge" if inputs.surge > inputs.dead else "dead peers"
    yield _bound(inputs, f"connections at a {peak}", safe, (factor, extra))
    yield _bound(inputs, f"memory at a {peak}", fits, (factor, extra))
    yield _bound(inputs, "reconnecting at once", storm.safe_clients)
    per_node = f" × {inputs.nodes}" if inputs.nodes > 1 else ""
    yield Bound(
        name="server CPU" + (", at least" if inputs.cpu_is_at_most else ""),
        pool=Quantity(None, Unit.COUNT, "the CPU does not depend on the pool"),
        processes=reckon(
            Unit.COUNT, "CPU limit ÷ CPU of a process",
            f"{format_percent(inputs.cpu_limit)}{per_node} ÷ ({{0}} × {{1}})",
            lambda rate, ns: rounded_down(inputs.cpu_limit * inputs.nodes / (rate * ns / SECOND)),
            inputs.rate, inputs.cpu_per_command,
        ),
    )  # fmt: skip


def _bound(inputs: Inputs, name: str, most: Quantity, peak: tuple[str, float] = ("", 0.0)) -> Bound:
    """Divide what there may be among processes, and among the connections of one.

    `peak` is what makes connections more than they are now, and by which share.
    """
    processes, beside, (word, extra) = inputs.processes * inputs.pods, inputs.dedicated, peak
    count = format_count(processes)
    words, each, pooled, pool = "processes", count, "pool", "{1}"
    if beside:
        pooled, pool = "(pool + dedicated)", f"({{1}} + {beside})"
    if word:
        grown = f" × (1 + {format_percent(extra)})"
        words, each = f"(processes × (1 + {word}))", f"({count}{grown})"
        pooled, pool = f"({pooled} × (1 + {word}))", f"({pool}{grown})"
    return Bound(
        name=name,
        pool=reckon(
            Unit.COUNT,
            f"limit ÷ {words}" + (" − dedicated" if beside else ""),
            f"{{0}} ÷ {each}" + (f" − {beside}" if beside else ""),
            lambda limit: max(rounded_down(limit / (processes * (1 + extra))) - beside, 0),
            most,
        ),
        processes=reckon(
            Unit.COUNT,
            f"limit ÷ {pooled}",
            f"{{0}} ÷ {pool}",
            lambda limit, pool: rounded_down(limit / ((pool + beside) * (1 + extra))),
            most,
            inputs.pool,
        ),
    )


def _least(which: str, bounds: Sequence[Bound]) -> Quantity:
    """Take the tightest of the bounds that are known."""
    least, name = Quantity(None, Unit.COUNT, "no limit is known"), ""
    for bound in bounds:
        found: Quantity = bound.pool if which == "pool" else bound.processes
        if found.value is not None and (least.value is None or found.value < least.value):
            least, name = found, bound.name
    return replace(least, how=f"{name}: {least.how}") if name else least


def _clients(inputs: Inputs, moment: Moment, safe: Quantity, effective: Quantity) -> Check:
    limit = reckon(
        Unit.COUNT, "maxclients − reserved", "{0} − {1}",
        lambda clients, reserved: max(clients - reserved, 0), effective, inputs.reserved,
    )  # fmt: skip
    name = f"connections {moment.name}"
    return _check(name, moment.connections, safe, limit)


def _memory(inputs: Inputs, peak: Moment, room: Quantity) -> Check:
    limit = reckon(
        Unit.BYTES, "server memory − data", "{0} − {1}",
        lambda memory, data: memory - data, inputs.server_memory, inputs.data_memory,
    )  # fmt: skip
    return _check(f"memory {peak.name}", peak.memory_fresh, room, limit)


def _busy(inputs: Inputs, cpu: Quantity) -> Check:
    safe = Quantity(inputs.cpu_limit, Unit.SHARE, "--cpu-limit")
    whole = Quantity(1.0, Unit.SHARE, "one thread runs commands")
    check = _check("server CPU", cpu, safe, whole)
    if inputs.cpu_is_at_most and check.fit in (Fit.TIGHT, Fit.EXCEEDS):
        # A server with more to do spends less on each command: an upper bound condemns nobody.
        return replace(check, fit=Fit.UNKNOWN)
    return check


def _stormy(inputs: Inputs, storm: StormPlan) -> Check:
    name = "everybody reconnecting at once"
    # A spread shorter than what clients wait out in any case changes nothing.
    if inputs.spread_ns > SPREAD * SAFE_SHARE * (inputs.patience.value or 0):
        given = Quantity(inputs.spread_ns, Unit.NANOSECONDS, "--spread")
        name = "everybody reconnecting, spread"
        return Check(name=name, seen=storm.spread_needed, safe=given, limit=given, fit=storm.fit)
    safe = reckon(
        Unit.NANOSECONDS, f"{SAFE_SHARE} × timeout", f"{SAFE_SHARE} × {{0}}",
        lambda patience: SAFE_SHARE * patience, inputs.patience,
    )  # fmt: skip
    return Check(name=name, seen=storm.ideal, safe=safe, limit=inputs.patience, fit=storm.fit)


def _check(name: str, seen: Quantity, safe: Quantity, limit: Quantity) -> Check:
    fit = Fit.UNKNOWN
    if seen.value is not None and safe.value is not None and limit.value is not None:
        fit = Fit.TIGHT
        if seen.value <= safe.value:
            fit = Fit.FITS
        elif seen.value > limit.value:
            fit = Fit.EXCEEDS
    return Check(name=name, seen=seen, safe=safe, limit=limit, fit=fit)


def _worst(fits: Iterator[Fit]) -> Fit:
    """Give the worst; what is not known is no obstacle, and stands beside."""
    found = set(fits)
    return next(fit for fit in (Fit.EXCEEDS, Fit.TIGHT, Fit.FITS, Fit.UNKNOWN) if fit in found)


def _growth(inputs: Inputs, largest: Quantity) -> Iterator[Point]:
    """Reckon fleets from nothing to twice this one, or a little beyond the largest."""
    processes = inputs.processes * inputs.pods
    most = max(2 * processes, rounded_down(1.25 * min(largest.value or 0, 20 * processes)))
    each = (inputs.pool.value or 0) + inputs.dedicated
    fresh, idle = inputs.way.memory_fresh.value, inputs.way.memory_idle.value
    for step in range(_POINTS + 1):
        count = round(most * step / _POINTS)
        now = int(count * each)
        peak = rounded_up(now * (1 + max(inputs.surge, inputs.dead)))
        yield Point(
            processes=count,
            now=now,
            deploy=rounded_up(now * (1 + inputs.surge)),
            failover=rounded_up(now * (1 + inputs.dead)),
            memory_idle=None if idle is None else now * idle,
            memory_fresh=None if fresh is None else peak * fresh,
        )


def _value(moment: Moment) -> float:
    return moment.connections.value or 0
