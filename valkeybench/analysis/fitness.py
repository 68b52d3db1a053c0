"""Is this machine, client and server fit to measure? Judged from what was read, by pure rules."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from valkeybench.units import MICROSECOND, MILLISECOND, format_duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valkeybench.errors import ServerError
    from valkeybench.measurement.reading import ServerFacts

_FILES_FOR_A_USUAL_LOAD = 1_100
"""A thousand connections and what a process needs besides."""

_BUSY_SHARE = 0.5
"""Load average per CPU from which others disturb what is measured."""

_CROWDED_SHARE = 0.5
"""Share of the port range in TIME_WAIT from which unpooled loads run into its end."""

_SLEEP_NS = MILLISECOND


class Status(StrEnum):
    """What came of a check."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at; a remedy where something should be done."""

    name: str
    status: Status
    seen: str
    remedy: str = ""


def fitness(
    environment: Mapping[str, Any],
    state: Mapping[str, Any],
    server: ServerFacts | ServerError,
    *,
    ours: bool,
) -> list[Check]:
    """Judge everything that was read.

    `environment` is results.environment.read_environment(), `state` is read_state() from
    there, and `server` what the server said of itself, or why it could not be asked; `ours`
    tells whether it is one that we start for each run.
    """
    return [
        *_client(environment),
        *_machine(environment, state),
        *_network(environment, state),
        *_server(server, ours=ours),
    ]


def _client(environment: Mapping[str, Any]) -> Iterator[Check]:
    build = " (debug build)" if environment["debug_build"] else ""
    yield Check(
        name="Python",
        status=Status.WARN if build else Status.OK,
        seen=f"{environment['implementation']} {environment['python']}{build}",
        remedy="measure with a release build: a debug build is several times slower",
    )
    packages = environment["packages"]
    yield Check(name="redis-py", status=Status.OK, seen=str(packages["redis"]))
    yield Check(
        name="hiredis",
        status=Status.OK if packages["hiredis"] else Status.WARN,
        seen=str(packages["hiredis"] or "not installed"),
        remedy="pip install hiredis: replies are parsed in C, a quarter less CPU per command",
    )


def _machine(environment: Mapping[str, Any], state: Mapping[str, Any]) -> Iterator[Check]:
    cpus = environment["cpus_usable"] or 1
    yield Check(
        name="CPUs",
        status=Status.OK if cpus > 1 else Status.WARN,
        seen=f"{cpus} usable, {environment['cpu'] or environment['machine']}",
        remedy="client and server share one CPU here: compare only runs of this machine",
    )
    busy = environment["load_average"][0] / cpus
    yield Check(
        name="load of others",
        status=Status.OK if busy < _BUSY_SHARE else Status.WARN,
        seen=f"load average {environment['load_average'][0]} on {cpus} CPUs",
        remedy="wait until the machine is quiet; what else runs here shows in p99",
    )
    yield Check(
        name="clock",
        status=Status.OK if state["clock_step_ns"] <= MICROSECOND else Status.WARN,
        seen=f"steps of {format_duration(state['clock_step_ns'])}",
        remedy="the clock is coarser than a command: trust nothing below a few of its steps",
    )
    late = state["sleep_late_ns"]
    yield Check(
        name="timer",
        status=Status.OK if late <= _SLEEP_NS else Status.WARN,
        seen=f"a pause of 1 ms ends {format_duration(late)} late at worst of fifty",
        remedy="think times and arrivals will be late by as much; a quieter machine helps",
    )
    files = state["open_files_hard_limit"]
    enough = files is None or files >= _FILES_FOR_A_USUAL_LOAD
    yield Check(
        name="open files",
        status=Status.OK if enough else Status.WARN,
        seen="no limit" if files is None else f"at most {files} in a process",
        remedy="raise it (ulimit -Hn) before asking for many connections",
    )


def _network(environment: Mapping[str, Any], state: Mapping[str, Any]) -> Iterator[Check]:
    ports, waiting = environment["port_range"], state["time_wait"]
    if ports is None or waiting is None:
        return
    count = ports[1] - ports[0] + 1
    yield Check(
        name="ports",
        status=Status.OK if waiting < _CROWDED_SHARE * count else Status.WARN,
        seen=f"{waiting} of {count} in TIME_WAIT",
        remedy="wait a minute: loads without a pool leave one behind for each command",
    )


def _server(server: ServerFacts | ServerError, *, ours: bool) -> Iterator[Check]:
    if isinstance(server, Exception):
        yield Check(name="server", status=Status.FAIL, seen=server.message, remedy=server.remedy)
        return
    name = f"{server.flavour or 'server'} {server.version or 'of unknown version'}"
    yield Check(
        name="server",
        status=Status.OK,
        seen=f"{name}, {server.mode or 'mode unknown'}, {'TLS' if server.tls else 'no TLS'}",
    )
    others = max((server.connected_clients or 1) - 1, 0)
    replicas = server.connected_slaves or 0
    shared = others > 0 or replicas > 0
    yield Check(
        name="its other users",
        status=Status.WARN if shared else Status.OK,
        seen=f"{plural(others, 'client')} and {plural(replicas, 'replica')}" if shared else "none",
        remedy="others use this server: they disturb the measurement, and it disturbs them",
    )
    if server.maxclients is not None:
        more = ", and more where a run needs more" if ours else ""
        yield Check(name="maxclients", status=Status.OK, seen=f"{server.maxclients}{more}")
    yield Check(
        name="permissions",
        status=Status.WARN if server.missing else Status.OK,
        seen=f"may not use {', '.join(server.missing)}" if server.missing else "all it takes",
        remedy="allow them to this user (ACL SETUSER) to see the server's side as well",
    )
