"""What would make a load impossible, found out before it starts."""

from __future__ import annotations

import resource
import select
from importlib.util import find_spec
from typing import TYPE_CHECKING

from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario.model import Client, Driver, EventLoop

if TYPE_CHECKING:
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan
    from valkeybench.scenario.model import TlsSettings

_OTHER_FILES = 64
"""Files a load process needs besides its connections."""

WATCHERS = 2
"""Connections of our own besides the load's: the sampler and the one that loads keys."""

_GLIDE = {
    Driver.THREADS: ("glide_sync", "valkey-glide-sync"),
    Driver.ASYNCIO: ("glide", "valkey-glide"),
}
"""The module and the package that is valkey-glide for each driver."""

_MACOS_OPEN_MAX = 10_240
"""What macOS takes for a limit where the system sets none; it takes no infinity (setrlimit(2))."""


def check_clients(plan: Plan, trust: TlsSettings) -> None:
    """See whether libraries and event loops can do what is asked; raises ScenarioError if not."""
    on_uvloop = [case for case in plan.cases if case.event_loop is EventLoop.UVLOOP]
    instead = "use --event-loop asyncio"
    problems = []
    if on_uvloop and not find_spec("uvloop"):
        what = "the package uvloop is not installed"
        remedy = f"pip install 'valkeybench[uvloop]', or {instead}"
        problems.append(Problem("client.event_loop", what, remedy))
    if any(case.rtt_ns for case in on_uvloop):
        what = "uvloop's timers are too coarse to emulate a network: up to a millisecond early"
        problems.append(Problem("load.rtt", what, instead))
    with_valkey_py = [case for case in plan.cases if case.client is Client.VALKEY_PY]
    if with_valkey_py and not find_spec("valkey"):
        what = "the package valkey, which is valkey-py, is not installed"
        remedy = "pip install 'valkeybench[valkey-py]', or use --client redis-py"
        problems.append(Problem("client.client", what, remedy))
    with_tasks = any(case.driver is Driver.ASYNCIO for case in with_valkey_py)
    if with_tasks and (trust.ca_path or trust.key_password):
        what = "valkey-py's asyncio client takes neither ssl_ca_path nor ssl_password"
        remedy = "use --driver threads, a file of certificates, or a key without a password"
        problems.append(Problem("client.driver", what, remedy))
    problems += _missing_glide(plan)
    if with_valkey_py and (trust.include_verify_flags or trust.exclude_verify_flags):
        what = "valkey-py lets nobody choose verify flags"
        problems.append(Problem("server.ssl_include_verify_flags", what, "use --client redis-py"))
    if problems:
        raise ScenarioError(problems)


def _missing_glide(plan: Plan) -> list[Problem]:
    """Find the packages of valkey-glide that are asked for and not there."""
    drivers = {case.driver for case in plan.cases if case.client is Client.VALKEY_GLIDE}
    remedy = "pip install 'valkeybench[valkey-glide]', or use --client redis-py"
    return [
        Problem("client.client", f"the package {package} is not installed", remedy)
        for driver, (module, package) in _GLIDE.items()
        if driver in drivers and not find_spec(module)
    ]


def check_room(plan: Plan, facts: ServerFacts) -> None:
    """See whether server and system have room for every connection the plan can open.

    Raises ScenarioError with all that stands in the way.
    """
    # A pool for each node of a cluster: every one of them must have room for a whole pool.
    problems = [
        problem
        for server in facts.nodes or (facts,)
        if (problem := _no_room(plan.most_connections + WATCHERS, server))
    ]
    if not hasattr(select, "epoll") and any(case.driver is Driver.WIRE for case in plan.cases):
        problems.append(
            Problem("--driver", "wire needs epoll, which only Linux has", "use --driver threads")
        )
    pools = max(len(facts.nodes), 1)
    per_process = max(case.most_connections // case.processes for case in plan.cases)
    files = per_process * pools + _OTHER_FILES
    limit = open_files_limit()
    if limit is not None and files > limit:
        problems.append(
            Problem(
                "connections",
                f"a load process needs {files} open files and may have {limit}",
                "raise the limit (ulimit -n), or spread the load over more --processes",
            )
        )
    if problems:
        raise ScenarioError(problems)


def _no_room(needed: int, facts: ServerFacts) -> Problem | None:
    if facts.maxclients is None:
        return None
    free = facts.maxclients - max((facts.connected_clients or 1) - 1, 0)
    if needed <= free:
        return None
    who = f"cluster node {facts.address}" if facts.address else "the server"
    return Problem(
        "connections",
        f"{needed} are needed and {who} has room for {free} (maxclients {facts.maxclients})",
        "ask for a smaller --max-conn, --concurrency or --processes, "
        "or raise maxclients on the server",
    )


def open_files_limit() -> int | None:
    """Give how many files a process of ours may open, once it has raised its own limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if hard == resource.RLIM_INFINITY else hard


def raise_open_files_limit() -> None:
    """Let this process open as many files as it is allowed to allow itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = max(soft, _MACOS_OPEN_MAX) if hard == resource.RLIM_INFINITY else hard
    if soft != wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
