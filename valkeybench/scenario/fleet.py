"""What a person may say of a fleet: its size, the server's limits, and every figure by hand."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario import kinds
from valkeybench.scenario.field import Field
from valkeybench.scenario.kinds import Kind, UnfitError, shown
from valkeybench.units import parse_size

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_MOST = 1_000_000
_LARGEST = 1 << 50
_SHARE = re.compile(r"(?P<number>[0-9]{1,12}(?:\.[0-9]{0,12})?|\.[0-9]{1,12})(?P<percent>%?)")
"""Without an exponent: that of 1e9999999999 alone would take all memory there is."""


class FleetPanel(StrEnum):
    """The headings the flags of a fleet are listed under."""

    FLEET = "The fleet"
    CONNECTIONS = "What the server takes"
    MEMORY = "Server memory"
    CPU = "Server CPU"
    STORM = "When all reconnect"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """A fleet as it was asked about. None is not said: the run tells, or nobody does."""

    processes: int
    pods: int = 1
    max_connections: int | None = None
    dedicated: int = 0
    nodes: int | None = None
    case: str | None = None
    tls: bool | None = None
    maxclients: int | None = None
    file_limit: int | None = None
    reserved: int | None = None
    safety: float = 0.8
    surge: float = 0.25
    dead: float = 1.0
    keepalive_ns: int | None = None
    idle_timeout_ns: int | None = None
    server_memory: int | None = None
    data_memory: int = 0
    memory_fresh: int | None = None
    memory_idle: int | None = None
    rate: float | None = None
    cpu_per_command_ns: int | None = None
    cpu_per_opening_ns: int | None = None
    cpu_limit: float = 0.7
    handshakes: float | None = None
    patience_ns: int | None = None
    accept_queue: int | None = None
    spread_ns: int = 0
    churn: float = 0.1
    seed: int = 1


def _share(of: str, *, most: float = 1.0, none: bool = False) -> Kind:
    """Take a share: `25%` or `0.25`, up to `most`; zero only where `none` is sensible."""
    remedy = f"write it like 25%, {'' if none else 'more than '}0% to {100 * most:.0f}%"

    def convert(value: object) -> float:
        found = _SHARE.fullmatch(str(value).strip())
        if found is None:
            raise UnfitError(f"{shown(value)} is no {of}", remedy)
        number = Fraction(found["number"])
        share = float(number / 100 if found["percent"] else number)
        if not (0 if none else 1e-9) <= share <= most:
            raise UnfitError(f"{shown(value)} is no {of}", remedy)
        return share

    return Kind("SHARE", convert, {"type": "string"})


def _on_off() -> Kind:
    """Take one way: on or off."""

    def convert(value: object) -> bool:
        if value not in ("on", "off"):
            raise UnfitError(f"{shown(value)} is no way for a fleet", "write on or off")
        return value == "on"

    return Kind("WORD", convert, {"enum": ["on", "off"]})


def _memory() -> Kind:
    """Take a size in bytes, as large as a server."""

    def convert(value: object) -> int:
        try:
            size = parse_size(str(value))
        except ValueError:
            size = -1
        if not 0 <= size <= _LARGEST:
            raise UnfitError(f"{shown(value)} is no size", "write it like 17KiB, 512MiB or 8GiB")
        return size

    return Kind("SIZE", convert, {"type": "string"})


def _field(
    target: str,
    kind: Kind,
    help_: str,
    *flags: str,
    panel: FleetPanel,
    default: str = "",
) -> Field:
    return Field(
        section="", key=target, target=target, kind=kind, help=help_, flags=flags, panel=panel,
        default=default,
    )  # fmt: skip


_FLEET, _TAKES, _STORM = FleetPanel.FLEET, FleetPanel.CONNECTIONS, FleetPanel.STORM
_MEMORY, _CPU = FleetPanel.MEMORY, FleetPanel.CPU

FLEET_FIELDS: tuple[Field, ...] = (
    _field(
        "processes", kinds.count("number of processes", most=_MOST),
        "Application processes in each pod (on each machine), every one with a pool of its own.",
        "--processes", panel=_FLEET,
    ),
    _field(
        "pods", kinds.count("number of pods", most=_MOST),
        "Pods, or machines, of so many processes each.", "--pods", panel=_FLEET, default="1",
    ),
    _field(
        "max_connections", kinds.count("pool size", most=65_000),
        "Pool size of each process.", "--max-conn", "-m", panel=_FLEET,
        default="what the run recommends, with its headroom",
    ),
    _field(
        "dedicated", kinds.count("number of connections", least=0, most=65_000),
        "Connections of each process beside its pool: pub/sub, blocking commands.",
        "--dedicated", panel=_FLEET, default="0",
    ),
    _field(
        "nodes", kinds.count("number of nodes", most=1000),
        "Nodes of a cluster: a client holds a pool for each, and each has its own limits.",
        "--nodes", panel=_FLEET, default="as in the run",
    ),
    _field(
        "case", kinds.text("ID"),
        "The case of the run to read.", "--case", panel=_FLEET,
        default="the one the largest recommendation rests on",
    ),
    _field(
        "tls", _on_off(), "Whether its connections go over TLS: on or off.", "--tls", panel=_FLEET,
        default="as in the run",
    ),
    _field(
        "maxclients", kinds.count("number of clients", most=100_000_000),
        "The server's maxclients.", "--maxclients", panel=_TAKES, default="the run's server's",
    ),
    _field(
        "file_limit", kinds.count("number of files", most=1_000_000_000),
        "The server's limit of open files; 32 of them it keeps for itself.",
        "--file-limit", panel=_TAKES,
    ),
    _field(
        "reserved", kinds.count("number of clients", least=0, most=_MOST),
        "Clients that are none of the fleet: replicas, monitoring, people.",
        "--reserved", panel=_TAKES, default="10, its replicas, and 2 for each cluster node",
    ),
    _field(
        "safety", _share("share"),
        "How much of maxclients, and of the server's memory, may be used.",
        "--safety-share", panel=_TAKES, default="80%",
    ),
    _field(
        "surge", _share("surge", most=10, none=True),
        "Pods a rolling deploy starts before it stops as many; blue/green is 100%.",
        "--surge", panel=_TAKES, default="25%",
    ),
    _field(
        "dead", _share("share", most=10, none=True),
        "Connections the server still holds of peers that are gone, when all have come back.",
        "--dead-share", panel=_TAKES, default="100%",
    ),
    _field(
        "keepalive_ns", kinds.duration(zero=True),
        "The server's tcp-keepalive; the dead are held for twice as long.",
        "--keepalive", panel=_TAKES, default="Valkey's 300s",
    ),
    _field(
        "idle_timeout_ns", kinds.duration(zero=True),
        "The server's timeout for idle clients; 0 is none.",
        "--idle-timeout", panel=_TAKES, default="Valkey's 0",
    ),
    _field(
        "server_memory", _memory(), "Memory the server may use in all.",
        "--server-memory", panel=_MEMORY,
    ),
    _field(
        "data_memory", _memory(), "How much of it the data take.",
        "--data-memory", panel=_MEMORY, default="0",
    ),
    _field(
        "memory_fresh", _memory(), "A connection's memory while it is used.",
        "--memory-fresh", panel=_MEMORY, default="what the run measured",
    ),
    _field(
        "memory_idle", _memory(), "A connection's memory when it lies idle.",
        "--memory-idle", panel=_MEMORY, default="what the run measured",
    ),
    _field(
        "rate", kinds.rate(), "Commands per second of the whole fleet.",
        "--rate", panel=_CPU, default="the run's for each process",
    ),
    _field(
        "cpu_per_command_ns", kinds.duration(), "CPU of the server's main thread for a command.",
        "--cpu-per-command", panel=_CPU, default="what the run measured",
    ),
    _field(
        "cpu_per_opening_ns", kinds.duration(), "The same for opening a connection.",
        "--cpu-per-opening", panel=_CPU, default="what was measured",
    ),
    _field(
        "cpu_limit", _share("share"), "How busy the server's main thread may be.",
        "--cpu-limit", panel=_CPU, default="70%",
    ),
    _field(
        "handshakes", kinds.rate(), "Connections the server can open per second.",
        "--handshakes-per-second", panel=_STORM, default="what was measured",
    ),
    _field(
        "patience_ns", kinds.duration(), "How long a client waits for a connection.",
        "--connect-timeout", panel=_STORM, default="the run's",
    ),
    _field(
        "accept_queue", kinds.count("number of connections", most=_MOST),
        "Connections that may wait for the server: the lesser of tcp-backlog and somaxconn.",
        "--accept-queue", panel=_STORM, default="the server's tcp-backlog",
    ),
    _field(
        "spread_ns", kinds.duration(zero=True),
        "Over how long your clients spread their reconnects.",
        "--spread", panel=_STORM, default="0",
    ),
    _field(
        "churn", _share("share"),
        "How much of that rate may go into opening connections day by day.",
        "--churn-share", panel=_STORM, default="10%",
    ),
    _field(
        "seed", kinds.count("seed", least=0, most=2**63 - 1), "Repeats the same simulation.",
        "--seed", panel=_STORM, default="1",
    ),
)  # fmt: skip
"""Every lever of a fleet, once: its flag, its kind, its words."""


def read_fleet(flags: Mapping[str, str | Sequence[str]]) -> Fleet:
    """Make a fleet of what flags say, by parameter name; raises ScenarioError with all problems."""
    problems: list[Problem] = []
    found: dict[str, Any] = {}
    for field in FLEET_FIELDS:
        word = flags.get(field.parameter)
        if not isinstance(word, str):
            continue
        try:
            found[field.target] = field.kind.convert(field.kind.literal(word.strip()))
        except UnfitError as error:
            problems.append(Problem(field.flags[0], error.reason, error.remedy))
    if "processes" not in flags:
        problems.insert(
            0,
            Problem(
                "--processes",
                "how large the fleet is was not said",
                "say how many processes each pod runs, and how many --pods there are",
            ),
        )
    problems += _contradictions(Fleet(**{"processes": 1, **found}))
    if problems:
        raise ScenarioError(problems)
    return Fleet(**found)


def _contradictions(fleet: Fleet) -> Iterator[Problem]:
    """Find memory that no server can have."""
    if fleet.server_memory == 0:
        yield Problem("--server-memory", "a server without memory holds nothing", "leave it out")
    elif fleet.server_memory is not None and fleet.data_memory >= fleet.server_memory:
        yield Problem(
            "--data-memory",
            "the data take all that --server-memory gives the server",
            "say less, or more with --server-memory",
        )
    fresh, idle = fleet.memory_fresh, fleet.memory_idle
    if fresh is not None and idle is not None and idle > fresh:
        yield Problem(
            "--memory-idle",
            "a connection that lies idle takes no more than one that is used (--memory-fresh)",
            "say less, or leave one of the two out",
        )
