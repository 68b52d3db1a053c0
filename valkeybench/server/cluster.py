"""How three servers of our own become a cluster, and which of them holds which slots."""

from __future__ import annotations

import random
import secrets
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valkeybench.errors import ServerError
from valkeybench.scenario.model import Secret
from valkeybench.server.binary import find_server_binary
from valkeybench.server.embedded import server_lines
from valkeybench.server.endpoint import Endpoint, Provider
from valkeybench.server.exchange import RefusedError, ask
from valkeybench.server.guarded import LOOPBACK, Order, guarded
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SLOTS = 16_384
"""How many slots every cluster has."""

_NODES = 3
_BUS = 10_000
"""How far above its port a node talks with the others."""
_LOWEST_PORT = 10_000
_HIGHEST_PORT = 65_535 - _BUS
_TRIES = 100
_TIMEOUT_NS = 2 * SECOND
_READY_NS = 20 * SECOND
_PAUSE_NS = 20 * MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """One primary, and the slots it holds: from first to last, both included."""

    endpoint: Endpoint
    first_slot: int
    last_slot: int

    @property
    def slots(self) -> int:
        """How many slots it holds."""
        return self.last_slot - self.first_slot + 1


def pick_cluster_port() -> int:
    """Find a port that is free, as is the one 10000 above; somebody may take either before us.

    Raises ServerError when there is none after many tries.
    """
    draw = random.Random()  # noqa: S311 - no secret
    for _ in range(_TRIES):
        port = draw.randint(_LOWEST_PORT, _HIGHEST_PORT)
        with suppress(OSError), socket.socket() as node, socket.socket() as bus:
            node.bind((LOOPBACK, port))
            bus.bind((LOOPBACK, port + _BUS))
            return port
    raise ServerError(
        f"there is no free port from {_LOWEST_PORT} to {_HIGHEST_PORT} for a cluster node",
        remedy="see what listens on this machine",
    )


@contextmanager
def embedded_cluster(
    *, maxclients: int = 10_000, pick_port: Callable[[], int] = pick_cluster_port
) -> Iterator[tuple[ClusterNode, ...]]:
    """Run a private cluster of three primaries on loopback while the context lasts.

    All nodes have one random password, and an equal share of the slots, in order. Each is
    guarded like a single server of ours: however we end, they end and leave nothing behind.
    Raises ServerError when a node does not start, they do not find each other, or one has died
    before the context ended well.
    """
    binary, password = find_server_binary(), Secret(secrets.token_hex(24))
    with ExitStack() as stack:
        endpoints = [
            stack.enter_context(
                guarded(lambda: _order(binary, password, pick_port(), maxclients=maxclients))
            )[0]
            for _ in range(_NODES)
        ]
        nodes = _shared_out(endpoints)
        try:
            _introduce(nodes)
            _wait_until_ready(nodes)
        except (OSError, RefusedError) as error:
            raise _failed(str(error).replace(password.reveal(), "***")) from None
        yield nodes


def _order(binary: Path, password: Secret, port: int, *, maxclients: int) -> Order:
    lines = [
        *server_lines(port, maxclients=maxclients),
        f"requirepass {password.reveal()}",
        f"masterauth {password.reveal()}",
        "cluster-enabled yes",
        "cluster-config-file nodes.conf",
    ]
    endpoint = Endpoint(host=LOOPBACK, port=port, password=password, provider=Provider.EMBEDDED)
    return Order(
        what="cluster node",
        command=(binary, "-"),
        configuration="\n".join(lines),
        secret=password,
        find=lambda pid, _: (replace(endpoint, pid=pid),),
    )


def _shared_out(endpoints: list[Endpoint]) -> tuple[ClusterNode, ...]:
    """Give each node its share of the slots."""
    bounds = [SLOTS * n // len(endpoints) for n in range(len(endpoints) + 1)]
    return tuple(
        ClusterNode(endpoint=endpoint, first_slot=first, last_slot=after - 1)
        for endpoint, first, after in zip(endpoints, bounds, bounds[1:], strict=False)
    )


def _introduce(nodes: tuple[ClusterNode, ...]) -> None:
    """Tell every node its slots and rank, and the first one where the others are."""
    for rank, node in enumerate(nodes, 1):
        first, last = str(node.first_slot), str(node.last_slot)
        _ask(node, ["CLUSTER", "ADDSLOTSRANGE", first, last])
        # Ranks that differ spare the nodes from finding out who is to change.
        _ask(node, ["CLUSTER", "SET-CONFIG-EPOCH", str(rank)])
    for node in nodes[1:]:
        place = [node.endpoint.host, str(node.endpoint.port)]
        _ask(nodes[0], ["CLUSTER", "MEET", *place])


def _wait_until_ready(nodes: tuple[ClusterNode, ...]) -> None:
    """Wait until every node knows all others and where all slots are."""
    give_up_at = time.perf_counter_ns() + _READY_NS
    waiting = list(nodes)
    while waiting:
        state = _ask(waiting[0], ["CLUSTER", "INFO"]).splitlines()
        if {"cluster_state:ok", f"cluster_known_nodes:{len(nodes)}"} <= set(state):
            del waiting[0]
        elif time.perf_counter_ns() > give_up_at:
            raise _failed("; ".join(state[:6]))
        else:
            time.sleep(_PAUSE_NS / SECOND)


def _ask(node: ClusterNode, command: list[str]) -> str:
    return ask(node.endpoint, command, timeout_ns=_TIMEOUT_NS)[0]


def _failed(reason: str) -> ServerError:
    return ServerError(
        f"the embedded cluster did not come together: {reason}",
        remedy="see whether ports of this machine may talk to each other, or name one by --url",
    )
