"""How three servers of our own become a cluster, and which of them holds which slots."""

from __future__ import annotations

import random
import secrets
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from valkeybench.errors import ScenarioError, ServerError
from valkeybench.scenario.secret import Secret
from valkeybench.server.binary import find_server_binary, find_tls_binary
from valkeybench.server.certificates import make_certificates
from valkeybench.server.embedded import Wish, check_wish, server_order
from valkeybench.server.exchange import RefusedError, ask
from valkeybench.server.guarded import LOOPBACK, guarded
from valkeybench.server.serving import Serving, TlsOffer, TlsProvider
from valkeybench.server.topology import SLOTS
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from valkeybench.server.endpoint import Endpoint

_NODES = 3
_BUS = 10_000
"""How far above its port a node talks with the others."""
_LOWEST_PORT = 10_000
_HIGHEST_PORT = 65_535 - _BUS
_TRIES = 100
_TIMEOUT_NS = 2 * SECOND
_READY_NS = 20 * SECOND
_PAUSE_NS = 20 * MILLISECOND

_LINES = ("cluster-enabled yes", "cluster-config-file nodes.conf")
"""What a node is told besides what every server of ours is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """One primary, and the slots it holds: from first to last, both included."""

    endpoint: Endpoint
    first_slot: int
    last_slot: int
    secured: Endpoint | None = None
    """The way to it over TLS, when that was asked for."""

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
def cluster_serving(
    *,
    tls: TlsOffer | None = None,
    username: str | None = None,
    maxclients: int = 10_000,
    binary: str | None = None,
) -> Iterator[Serving]:
    """Run a private cluster while the context lasts, and give the ways to its first node.

    Raises what `embedded_cluster` raises.
    """
    with embedded_cluster(
        tls=tls, username=username, maxclients=maxclients, binary=binary
    ) as nodes:
        first = nodes[0]
        yield Serving(
            plain=first.endpoint,
            tls=first.secured,
            tls_provider=TlsProvider.NATIVE if first.secured else None,
        )


@contextmanager
def embedded_cluster(
    *,
    tls: TlsOffer | None = None,
    username: str | None = None,
    maxclients: int = 10_000,
    binary: str | None = None,
    pick_port: Callable[[], int] = pick_cluster_port,
) -> Iterator[tuple[ClusterNode, ...]]:
    """Run a private cluster of three primaries on loopback while the context lasts.

    All nodes have one random password, and an equal share of the slots, in order. Each is
    guarded like a single server of ours: however we end, they end and leave nothing behind.
    Raises ServerError when a node does not start, they do not find each other, or one has died
    before the context ended well; ScenarioError when no server here can do the TLS asked for.
    """
    check_wish(tls, username)
    wish = Wish(
        binary=find_server_binary(binary)
        if tls is None
        else (find_tls_binary(binary) or _no_tls()),
        username=username,
        password=Secret(secrets.token_hex(24)),
        maxclients=maxclients,
        tls=tls,
        files=make_certificates(tls.key_type).files(mutual=tls.mutual) if tls else {},
    )
    with ExitStack() as stack:
        ways = [
            stack.enter_context(
                guarded(lambda: server_order(wish, pick_port, what="cluster node", more=_LINES))
            ).endpoints
            for _ in range(_NODES)
        ]
        nodes = _shared_out(ways)
        try:
            _introduce(nodes)
            _wait_until_ready(nodes)
        except (OSError, RefusedError) as error:
            raise _failed(str(error).replace(wish.password.reveal(), "***")) from None
        yield nodes


def _no_tls() -> NoReturn:
    # A relay would not do: the nodes tell clients of their own ports, past any relay.
    raise ScenarioError.one(
        "--tls",
        "a cluster of our own over TLS needs a server that speaks it, and there is none here",
        "install valkey-server built with TLS, or name one by VALKEYBENCH_SERVER",
    )


def _shared_out(ways: Sequence[tuple[Endpoint, ...]]) -> tuple[ClusterNode, ...]:
    """Give each node its share of the slots."""
    bounds = [SLOTS * n // len(ways) for n in range(len(ways) + 1)]
    return tuple(
        ClusterNode(
            endpoint=plain,
            secured=secured[0] if secured else None,
            first_slot=first,
            last_slot=after - 1,
        )
        for (plain, *secured), first, after in zip(ways, bounds, bounds[1:], strict=False)
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
