"""What a server says of itself: which INFO field means what, under which of its names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from valkeybench.scenario.wording import legible
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping


class Flavour(StrEnum):
    """Whose server it is."""

    VALKEY = "valkey"
    REDIS = "redis"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerReading:
    """The server's own numbers at one instant. None is what it did not or may not tell us."""

    at_ns: int
    """When it was read, on the clock of `time.perf_counter_ns`."""
    connected_clients: int | None = None
    total_connections_received: int | None = None
    rejected_connections: int | None = None
    used_memory: int | None = None
    """Bytes, everything together."""
    mem_clients_normal: int | None = None
    """Bytes of ordinary clients; the server brings it up to date only about once a second."""
    cpu_ns: int | None = None
    """User and system time of the main thread, or of the whole process if it tells only that."""
    commands_processed: int | None = None
    error_replies: int | None = None
    blocked_clients: int | None = None
    evicted_keys: int | None = None
    errors: tuple[tuple[str, int], ...] | None = None
    """Error replies to all clients, by their code (`NOPERM`, `ERR`); older servers do not tell."""
    life: str | None = None
    """Another one is another server: one that was restarted counts afresh (`run_id`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterReading(ServerReading):
    """The numbers of a cluster: the sums of its nodes', and each node's own."""

    nodes: tuple[ServerReading, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerFacts:
    """What stays the same during a run. None is what the server did not or may not tell us."""

    version: str | None = None
    flavour: Flavour | None = None
    mode: str | None = None
    """`standalone`, `cluster` or `sentinel`."""
    role: str | None = None
    """`master` or `slave`, as the protocol says it."""
    maxclients: int | None = None
    connected_clients: int | None = None
    """At first look, the one who looked included."""
    connected_slaves: int | None = None
    process_id: int | None = None
    io_threads: int | None = None
    tls: bool = False
    """Whether we speak TLS with it."""
    idle_timeout_s: int | None = None
    """Seconds after which it closes a connection that says nothing (`timeout`); 0 is never."""
    tcp_backlog: int | None = None
    """How many connections may wait to be accepted; the kernel's somaxconn is a limit, too."""
    accepts_per_cycle: int | None = None
    """How many of them it takes in at once, before it serves those it has."""
    tls_accepts_per_cycle: int | None = None
    """How many over TLS."""
    tcp_keepalive_s: int | None = None
    """After how long it asks a silent client whether it is there; 0 is never."""
    maxmemory: int | None = None
    """Bytes it may use; 0 is no limit."""
    missing: tuple[str, ...] = ()
    """The commands we asked for and may not use: `INFO`, `CLIENT`, `CONFIG`."""
    address: str | None = None
    """Of a cluster's node: where it is."""
    slots: int | None = None
    """Of a cluster's node: how many slots it holds."""
    nodes: tuple[ServerFacts, ...] = ()
    """Of a cluster: each node's own; the facts above are the first node's."""


SETTINGS = (
    "maxclients",
    "io-threads",
    "timeout",
    "tcp-backlog",
    "max-new-connections-per-cycle",
    "max-new-tls-connections-per-cycle",
    "tcp-keepalive",
    "maxmemory",
)
"""What to ask of a server's configuration; older servers do not know those per cycle."""


_ERRORS = "errorstat_"
MOST = 1 << 60
"""No server has counted further: an exabyte, or 36 years of a core in nanoseconds. A run file
holds numbers eight times as large."""


def parse_info(text: str) -> dict[str, str]:
    """Split the reply to INFO into its fields; section titles and what is no field are left out."""
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value for name, separator, value in lines if separator}


def reading_from_info(info: Mapping[str, object], at_ns: int) -> ServerReading:
    """Pick the numbers of one instant out of INFO's fields, given as text or as numbers."""
    cpu_ns = _cpu_ns(info, "used_cpu_user_main_thread", "used_cpu_sys_main_thread")
    if cpu_ns is None:
        cpu_ns = _cpu_ns(info, "used_cpu_user", "used_cpu_sys")
    return ServerReading(
        at_ns=at_ns,
        connected_clients=_count(info, "connected_clients"),
        total_connections_received=_count(info, "total_connections_received"),
        rejected_connections=_count(info, "rejected_connections"),
        used_memory=_count(info, "used_memory"),
        mem_clients_normal=_count(info, "mem_clients_normal"),
        cpu_ns=cpu_ns,
        commands_processed=_count(info, "total_commands_processed"),
        error_replies=_count(info, "total_error_replies"),
        blocked_clients=_count(info, "blocked_clients"),
        evicted_keys=_count(info, "evicted_keys"),
        errors=_errors(info),
        life=_first(info, "run_id"),
    )


def facts_from_info(
    info: Mapping[str, object],
    *,
    settings: Mapping[str, int | None] = MappingProxyType({}),
    tls: bool = False,
    missing: tuple[str, ...] = (),
) -> ServerFacts:
    """Pick what does not change out of INFO's (or HELLO's) fields.

    `settings` is what the configuration says, by the names of `SETTINGS`; its `maxclients` is
    used when INFO is silent about it.
    """
    reported = _count(info, "maxclients")
    return ServerFacts(
        version=_first(info, "valkey_version", "redis_version", "version"),
        flavour=_flavour(info),
        mode=_first(info, "server_mode", "redis_mode", "mode"),
        role=_first(info, "role"),
        maxclients=settings.get("maxclients") if reported is None else reported,
        connected_clients=_count(info, "connected_clients"),
        connected_slaves=_count(info, "connected_slaves"),
        process_id=_count(info, "process_id"),
        io_threads=settings.get("io-threads"),
        tls=tls,
        idle_timeout_s=settings.get("timeout"),
        tcp_backlog=settings.get("tcp-backlog"),
        accepts_per_cycle=settings.get("max-new-connections-per-cycle"),
        tls_accepts_per_cycle=settings.get("max-new-tls-connections-per-cycle"),
        tcp_keepalive_s=settings.get("tcp-keepalive"),
        maxmemory=_count(info, "maxmemory") if "maxmemory" in info else settings.get("maxmemory"),
        missing=missing,
    )


def _errors(info: Mapping[str, object]) -> tuple[tuple[str, int], ...] | None:
    """Read `errorstat_CODE:count=N`; None when the server does not count errors."""
    if "total_error_replies" not in info:
        return None
    found = (
        (name.removeprefix(_ERRORS), re.fullmatch(r"count=([0-9]{1,18})", str(value)))
        for name, value in info.items()
        if name.startswith(_ERRORS)
    )
    return tuple((code, int(count[1])) for code, count in found if count)


def _flavour(info: Mapping[str, object]) -> Flavour | None:
    """Tell by the fields only Valkey has; Valkey calls itself Redis in the older ones."""
    if "valkey_version" in info or Flavour.VALKEY in (info.get("server_name"), info.get("server")):
        return Flavour.VALKEY
    return Flavour.REDIS if "redis_version" in info or "server" in info else None


def _first(info: Mapping[str, object], *names: str) -> str | None:
    """Give the first of these that was told, fit to be shown: a server may say anything."""
    return next((legible(str(info[name])) for name in names if info.get(name)), None)


def _count(info: Mapping[str, object], name: str) -> int | None:
    number = _number(info, name)
    return None if number is None else round(number)


def _cpu_ns(info: Mapping[str, object], user: str, system: str) -> int | None:
    """Add two figures in seconds; the sum of which one is unknown is unknown."""
    seconds = [_number(info, user), _number(info, system)]
    if None in seconds:
        return None
    total = sum(round(each * SECOND) for each in seconds if each)
    return total if total <= MOST else None


def _number(info: Mapping[str, object], name: str) -> float | None:
    """Read a field as a number; what cannot be read, or cannot be, was not reported."""
    try:
        number = float(str(info[name]))
    except (KeyError, ValueError):
        return None
    return number if 0 <= number <= MOST else None
