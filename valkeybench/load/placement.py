"""Which CPUs load and server run on: placement changes results two- to threefold."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from valkeybench.errors import ScenarioError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.server.endpoint import Endpoint


def place(pin: str, endpoint: Endpoint, nodes: Iterable[ServerFacts] = ()) -> frozenset[int] | None:
    """Put our own server where `pin` says, and give the CPUs for load processes; None is any.

    `auto` gives the server the last CPU and the load all others; `nodes` are the servers of a
    cluster, which share what the server gets. Raises ScenarioError when
    this machine cannot do it.
    """
    if pin == "none":
        return None
    if not hasattr(os, "sched_setaffinity"):
        raise ScenarioError.one("--pin", "this system cannot place processes", "use --pin none")
    usable = sorted(os.sched_getaffinity(0))
    sides = _automatic(usable) if pin == "auto" else _read(pin)
    unknown = [cpu for cpus in sides.values() for cpu in cpus if cpu not in usable]
    if unknown:
        listed = ", ".join(map(str, usable))
        raise ScenarioError.one("--pin", f"there is no CPU {unknown[0]} to use", f"use {listed}")
    if "server" in sides and endpoint.pid is not None:
        others = (node.process_id for node in nodes)
        for pid in {endpoint.pid, *filter(None, others)}:
            os.sched_setaffinity(pid, sides["server"])
    return sides.get("client")


def _automatic(usable: list[int]) -> dict[str, frozenset[int]]:
    *others, last = usable
    if not others:
        raise ScenarioError.one("--pin", "there is only one CPU to share", "use --pin none")
    return {"client": frozenset(others), "server": frozenset([last])}


def _read(pin: str) -> dict[str, frozenset[int]]:
    pairs = (part.partition("=") for part in pin.split(","))
    return {side: frozenset([int(cpu)]) for side, _, cpu in pairs}
