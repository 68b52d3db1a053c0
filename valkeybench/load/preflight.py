"""What would make a load impossible, found out before it starts."""

from __future__ import annotations

import resource
import select
from typing import TYPE_CHECKING

from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario.model import Driver

if TYPE_CHECKING:
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan

_OTHER_FILES = 64
"""Files a load process needs besides its connections."""

_WATCHERS = 2
"""Connections of our own besides the load's: the sampler and the one that loads keys."""

_MACOS_OPEN_MAX = 10_240
"""What macOS takes for a limit where the system sets none; it takes no infinity (setrlimit(2))."""


def check_room(plan: Plan, facts: ServerFacts) -> None:
    """See whether server and system have room for every connection the plan can open.

    Raises ScenarioError with all that stands in the way.
    """
    problems = []
    if not hasattr(select, "epoll") and any(case.driver is Driver.WIRE for case in plan.cases):
        problems.append(
            Problem("--driver", "wire needs epoll, which only Linux has", "use --driver threads")
        )
    needed = plan.most_connections + _WATCHERS
    if facts.maxclients is not None:
        free = facts.maxclients - max((facts.connected_clients or 1) - 1, 0)
        if needed > free:
            problems.append(
                Problem(
                    "connections",
                    f"{needed} are needed and the server has room for {free} "
                    f"(maxclients {facts.maxclients})",
                    "ask for a smaller --max-conn, --concurrency or --processes, "
                    "or raise maxclients on the server",
                )
            )
    files = max(case.most_connections // case.processes for case in plan.cases) + _OTHER_FILES
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
