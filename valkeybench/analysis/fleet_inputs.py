"""Reads from stored runs what a fleet is planned with; what a person said comes first.

Nothing is made up: what neither a person nor a run tells is unknown, with the flag that fills it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from valkeybench.analysis.cases import SeenCase, undisturbed
from valkeybench.analysis.quantity import Quantity, Unit
from valkeybench.analysis.ways import Way, grown, is_relayed, read_way, server_of
from valkeybench.errors import ResultError, ScenarioError
from valkeybench.scenario.wording import did_you_mean, legible
from valkeybench.units import SECOND, format_duration, format_percent, format_rate, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.results.runfile import Recommendation, RunFile
    from valkeybench.scenario.fleet import Fleet

_FEWEST_COMMANDS = 1000
"""Fewer say little of what one of them costs the server."""
_REDIS_PY_PATIENCE_NS = 5 * SECOND
_KEEPALIVE_NS = 300 * SECOND
"""Valkey's default for tcp-keepalive."""
_BUSY_ENOUGH = 0.3
"""CPU share of the server's main thread from where its CPU over its commands is about what it is
when it is busy. Below, its own work, and a turn of its loop for every command, count for more.
Measured: a GET took 28 µs at 3 %, 9.9 µs at 5 %, 6.9 µs at 23 % and 3.9 µs at 45 %."""
_OWN_CLIENTS = 10
_BUS = 2
"""Connections of a cluster's bus for each node (valkey.io, "Client handling")."""
_EMBEDDED = "embedded"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything a plan is reckoned from."""

    processes: int
    pods: int
    nodes: int
    tls: bool
    case: str | None
    """Id of the case that was read; None where the run holds none with a pool."""
    pool: Quantity
    needed: Quantity
    """Connections one process needs, by the run."""
    in_use: Quantity
    """Connections of one process in use, but for one acquire in a thousand."""
    dedicated: int
    maxclients: Quantity
    is_private: bool
    """Whether that is a private server's, for want of anything said of the real one."""
    file_limit: Quantity
    reserved: Quantity
    safety: float
    surge: float
    dead: float
    held: Quantity
    """How long the server holds the connection of a peer that is gone."""
    server_memory: Quantity
    data_memory: Quantity
    rate: Quantity
    """Commands per second of one process."""
    cpu_per_command: Quantity
    cpu_is_at_most: bool
    """Whether the server had so little to do in the run that a command costs no more than that."""
    cpu_limit: float
    patience: Quantity
    accept_queue: Quantity
    """Connections that may wait for the server to take them in."""
    spread_ns: int
    churn: float
    seed: int
    plain: Way
    secure: Way

    @property
    def way(self) -> Way:
        """Give the way the fleet goes."""
        return self.secure if self.tls else self.plain


def read_inputs(fleet: Fleet, run: RunFile, storm: RunFile | None) -> Inputs:
    """Gather what is known; `storm` is a run that was made to fill what `run` leaves open.

    Raises ResultError when the run says nothing of pools and no size was given, ScenarioError for
    a case it does not hold.
    """
    chosen = _choose(fleet, run)
    case, said = chosen
    if case is None and fleet.max_connections is None:
        raise ResultError(
            "the run says nothing of connections in use: none of its cases had a pool",
            remedy="give the pool's size (--max-conn), or a run with a pool (--pool blocking)",
        )
    axes = case.record.axes if case else {}
    secure = bool(axes.get("tls")) if fleet.tls is None else fleet.tls
    runs = [each for each in (storm, run) if each is not None]
    server = _real_server(run, storm)
    nodes = fleet.nodes or max(len(_list(server_of(run).get("nodes"))), 1)
    relayed = secure and is_relayed(run)
    busiest = None if relayed else _busiest(run, case, tls=secure)
    cpu = _cpu_per_command(fleet, busiest, relayed=relayed)
    maxclients, is_private = _maxclients(fleet, server)
    return Inputs(
        processes=fleet.processes,
        pods=fleet.pods,
        nodes=nodes,
        tls=secure,
        case=case.id if case else None,
        pool=_pool(fleet, case, said),
        needed=_needed(said),
        in_use=_in_use(case),
        dedicated=fleet.dedicated,
        maxclients=maxclients,
        is_private=is_private,
        file_limit=_given(fleet.file_limit, Unit.COUNT, "--file-limit", otherwise="not given"),
        reserved=_reserved(fleet, server, nodes),
        safety=fleet.safety,
        surge=fleet.surge,
        dead=fleet.dead,
        held=_held(fleet, server),
        server_memory=_server_memory(fleet, server),
        data_memory=_given(fleet.data_memory, Unit.BYTES, "--data-memory", otherwise=""),
        rate=_rate(fleet, case),
        cpu_per_command=cpu,
        cpu_is_at_most=fleet.cpu_per_command_ns is None and cpu.value is not None
        and (busiest is None or (busiest.server_cpu or 0.0) < _BUSY_ENOUGH),
        cpu_limit=fleet.cpu_limit,
        patience=_patience(fleet, axes),
        accept_queue=_accept_queue(fleet, server),
        spread_ns=fleet.spread_ns,
        churn=fleet.churn,
        seed=fleet.seed,
        plain=read_way(fleet, runs, tls=False, asked=secure is False),
        secure=read_way(fleet, runs, tls=True, asked=secure),
    )  # fmt: skip


def _choose(fleet: Fleet, run: RunFile) -> tuple[SeenCase | None, Recommendation | None]:
    """Choose the case to read, and what the run recommends for its load."""
    cases = {case.id: case for case in undisturbed(run.cases)}
    if fleet.case is not None and fleet.case not in cases:
        reason = f"the run holds no case {legible(fleet.case)}"
        raise ScenarioError.one("--case", reason, did_you_mean(fleet.case, cases))
    pooled = [c for c in cases.values() if c.pool.is_pooled and c.summary.in_use is not None]
    if fleet.case is not None:
        pooled = [case for case in pooled if case.id == fleet.case]
        if not pooled:
            reason = f"{legible(fleet.case)} had no pool, so it has no connections in use"
            raise ScenarioError.one("--case", reason, "name a case with a pool")
    found = [
        (each, case)
        for each in run.recommendations
        if (case := _rests_on(each, pooled)) is not None
    ]
    if found:
        said, case = max(found, key=lambda pair: pair[0].max_connections or 0)
        return case, said
    return (
        (max(pooled, key=lambda each: each.max_connections or 0), None) if pooled else (None, None)
    )


def _rests_on(said: Recommendation, pooled: Sequence[SeenCase]) -> SeenCase | None:
    """Find the case a recommendation was read from, or another of the load it is for."""
    named = next((case for case in pooled if case.id == said.evidence.get("case")), None)
    if named is not None:
        return named
    return next(
        (
            case
            for case in pooled
            if all(case.load.get(axis) == value for axis, value in said.applies_to.items())
        ),
        None,
    )


def _pool(fleet: Fleet, case: SeenCase | None, said: Recommendation | None) -> Quantity:
    if fleet.max_connections is not None or case is None:
        return Quantity(fleet.max_connections, Unit.COUNT, "--max-conn")
    size = said.max_connections if said else None
    if said is None or size is None:
        why = f"; no size is recommended: {said.reason}" if said else ""
        return Quantity(
            case.max_connections, Unit.COUNT, f"what case {case.id} ran with{why} (--max-conn)"
        )
    headroom = said.evidence.get("headroom")
    pasted = said.evidence.get("with_headroom")
    if not isinstance(pasted, int) or not isinstance(headroom, int | float) or pasted < size:
        return Quantity(size, Unit.COUNT, "what the run recommends (--max-conn)")
    return Quantity(
        pasted,
        Unit.COUNT,
        f"what the run recommends, {size}, and {format_percent(headroom)} headroom (--max-conn)",
    )


def _needed(said: Recommendation | None) -> Quantity:
    if said is None or said.max_connections is None:
        why = said.reason if said else "the run recommends no size"
        return Quantity(None, Unit.COUNT, why)
    return Quantity(said.max_connections, Unit.COUNT, f"what the run recommends ({said.basis})")


def _in_use(case: SeenCase | None) -> Quantity:
    if case is None or case.summary.in_use is None:
        return Quantity(None, Unit.COUNT, "no case of the run had a pool")
    how = f"in use at 99.9 % of the acquires of case {case.id}"
    return Quantity(case.summary.in_use.p999, Unit.COUNT, how)


def _given(value: float | None, unit: Unit, flag: str, *, otherwise: str) -> Quantity:
    return Quantity(value, unit, flag if value is not None else otherwise)


def _maxclients(fleet: Fleet, server: Mapping[str, Any]) -> tuple[Quantity, bool]:
    """Give the server's maxclients, and whether it is only a private server's."""
    if fleet.maxclients is not None:
        return Quantity(fleet.maxclients, Unit.COUNT, "--maxclients"), False
    servers = (server, *_list(server.get("nodes")))
    told = [n for each in servers if (n := _whole(each.get("maxclients"))) is not None]
    if not told:
        how = "the run's server did not tell; say it with --maxclients"
        return Quantity(None, Unit.COUNT, how), False
    if server.get("provider") != _EMBEDDED:
        how = "what the measured server says (--maxclients)"
        return Quantity(min(told), Unit.COUNT, how), False
    how = "of the private server of the run, not of yours (--maxclients)"
    return Quantity(min(told), Unit.COUNT, how), True


def _reserved(fleet: Fleet, server: Mapping[str, Any], nodes: int) -> Quantity:
    if fleet.reserved is not None:
        return Quantity(fleet.reserved, Unit.COUNT, "--reserved")
    replicas = _whole(server.get("connected_slaves")) or 0
    bus = _BUS * nodes if nodes > 1 else 0
    parts = [f"{_OWN_CLIENTS} for monitoring and people", plural(replicas, "replica")]
    parts += [f"{_BUS} for each of {nodes} nodes"] if bus else []
    how = f"{', '.join(parts)} (--reserved)"
    return Quantity(_OWN_CLIENTS + replicas + bus, Unit.COUNT, how)


def _held(fleet: Fleet, server: Mapping[str, Any]) -> Quantity:
    """Say how long a peer that is gone is held: Valkey asks for as long again before it closes."""
    keepalive_ns, whose = _KEEPALIVE_NS, "Valkey's default, --keepalive"
    if fleet.keepalive_ns is not None:
        keepalive_ns, whose = fleet.keepalive_ns, "--keepalive"
    elif isinstance(told := server.get("tcp_keepalive_s"), int):
        keepalive_ns, whose = told * SECOND, "the measured server's, --keepalive"
    timeout_ns = fleet.idle_timeout_ns
    if timeout_ns is None:
        timeout_ns = (_whole(server.get("idle_timeout_s")) or 0) * SECOND
    if keepalive_ns and not 0 < timeout_ns < 2 * keepalive_ns:
        how = f"2 × tcp-keepalive = 2 × {format_duration(keepalive_ns)}; {whose}"
        return Quantity(2 * keepalive_ns, Unit.NANOSECONDS, how)
    if timeout_ns:
        return Quantity(timeout_ns, Unit.NANOSECONDS, "the server's timeout, --idle-timeout")
    how = "for ever: tcp-keepalive and timeout are off"
    return Quantity(None, Unit.NANOSECONDS, how)


def _server_memory(fleet: Fleet, server: Mapping[str, Any]) -> Quantity:
    if fleet.server_memory is not None:
        return Quantity(fleet.server_memory, Unit.BYTES, "--server-memory")
    told = _whole(server.get("maxmemory"))
    if told is not None:
        return Quantity(told, Unit.BYTES, "maxmemory of the measured server (--server-memory)")
    how = "no run tells what the server may use; say it with --server-memory"
    return Quantity(None, Unit.BYTES, how)


def _rate(fleet: Fleet, case: SeenCase | None) -> Quantity:
    if fleet.rate is not None:
        each = fleet.rate / (fleet.processes * fleet.pods)
        how = f"{format_rate(fleet.rate)} ÷ {fleet.processes * fleet.pods} processes (--rate)"
        return Quantity(each, Unit.PER_SECOND, how)
    if case is None:
        how = "no case of the run had a pool; say it for the whole fleet with --rate"
        return Quantity(None, Unit.PER_SECOND, how)
    summary, seconds = case.summary, sum(t.duration_ns for t in case.trials) / SECOND
    commands = summary.completed if summary.commands is None else summary.commands
    if not commands or not seconds:
        how = f"case {case.id} completed no command; say it for the whole fleet with --rate"
        return Quantity(None, Unit.PER_SECOND, how)
    return Quantity(
        commands / seconds / case.processes,
        Unit.PER_SECOND,
        f"what case {case.id} did: {format_rate(commands / seconds)} ÷ {case.processes}"
        f" {'process' if case.processes == 1 else 'processes'} (--rate)",
    )


def _cpu_per_command(fleet: Fleet, case: SeenCase | None, *, relayed: bool) -> Quantity:
    if fleet.cpu_per_command_ns is not None:
        return Quantity(fleet.cpu_per_command_ns, Unit.NANOSECONDS, "--cpu-per-command")
    fills = "say it with --cpu-per-command"
    if case is None:
        how = "no case with a pool and the fleet's transport told the server's CPU"
        if relayed:
            how = "a relay did TLS for the run's server, whose CPU lacks it"
        return Quantity(None, Unit.NANOSECONDS, f"{how}; {fills}")
    cpu_ns, commands = 0, 0
    for trial in case.trials:
        server = trial.server
        if server is None or server.lost:
            continue
        spent = grown(server.ready.cpu_ns, server.after.cpu_ns)
        done = grown(server.ready.commands_processed, server.after.commands_processed)
        if spent and done:
            cpu_ns, commands = cpu_ns + spent, commands + done
    if commands < _FEWEST_COMMANDS:
        how = f"the run's server did not tell its CPU, or did too little; {fills}"
        return Quantity(None, Unit.NANOSECONDS, how)
    how = (
        f"server CPU ÷ commands in case {case.id} = {format_duration(cpu_ns)} ÷ {commands},"
        " on the machine of the run (--cpu-per-command)"
    )
    return Quantity(cpu_ns / commands, Unit.NANOSECONDS, how)


def _busiest(run: RunFile, case: SeenCase | None, *, tls: bool) -> SeenCase | None:
    """Find the case with a pool in which the server was busiest: what a command costs it there."""
    pooled = [
        each
        for each in undisturbed(run.cases)
        if each.pool.is_pooled and bool(each.record.axes.get("tls")) == tls and each.server_cpu
    ]
    # What a command costs without TLS says nothing of one with it.
    alike = case is not None and bool(case.record.axes.get("tls")) == tls
    return max(pooled, key=lambda each: each.server_cpu or 0.0, default=case if alike else None)


def _patience(fleet: Fleet, axes: Mapping[str, Any]) -> Quantity:
    if fleet.patience_ns is not None:
        return Quantity(fleet.patience_ns, Unit.NANOSECONDS, "--connect-timeout")
    names = ("connect_timeout_ns", "socket_timeout_ns")
    told = [n for name in names if (n := _whole(axes.get(name))) is not None]
    if told:
        how = "the shorter of connect and socket timeout of the run (--connect-timeout)"
        return Quantity(min(told), Unit.NANOSECONDS, how)
    if any(name in axes for name in names):
        how = "the run had no timeouts: clients wait for ever (--connect-timeout)"
        return Quantity(None, Unit.NANOSECONDS, how)
    how = "redis-py 8's default (--connect-timeout)"
    return Quantity(_REDIS_PY_PATIENCE_NS, Unit.NANOSECONDS, how)


def _accept_queue(fleet: Fleet, server: Mapping[str, Any]) -> Quantity:
    if fleet.accept_queue is not None:
        return Quantity(fleet.accept_queue, Unit.COUNT, "--accept-queue")
    told = _whole(server.get("tcp_backlog"))
    if told is None:
        how = "the run's server did not tell its tcp-backlog; say it with --accept-queue"
        return Quantity(None, Unit.COUNT, how)
    return Quantity(told, Unit.COUNT, "the server's tcp-backlog (--accept-queue)")


def _real_server(run: RunFile, storm: RunFile | None) -> Mapping[str, Any]:
    """Give what is said of the server: of one that is not ours rather than of a private one.

    Of two private ones the run's, and what it did not tell from the other.
    """
    told = [server_of(each) for each in (storm, run) if each is not None]
    for server in told:
        if server and server.get("provider") != _EMBEDDED:
            return server
    known = {name: value for name, value in told[-1].items() if value is not None}
    return {**told[0], **known}


def _list(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _whole(value: object) -> int | None:
    """Take a whole number above zero; anything else is none."""
    return value if isinstance(value, int) and value is not True and value > 0 else None
