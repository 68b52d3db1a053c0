"""Which nodes a cluster has, asked of one of them, and whether a load could run over it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.errors import ScenarioError, ServerError
from valkeybench.server.endpoint import Node
from valkeybench.server.sampler import ServerSampler

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint
    from valkeybench.server.serving import Serving

SLOTS = 16_384
"""How many slots every cluster has."""

_CLUSTER_MODE = "cluster"


def find_nodes(serving: Serving) -> Serving:
    """Give the same ways, each knowing the primaries of the cluster it leads into.

    Raises ScenarioError when there is no cluster, ServerError when it cannot be reached or
    does not hold all slots.
    """
    return replace(serving, plain=_with_nodes(serving.plain), tls=_with_nodes(serving.tls))


def check_alone(endpoint: Endpoint, sampler: ServerSampler) -> None:
    """See that a server taken for a single one is no part of a larger cluster.

    Its commands would be answered with MOVED. Raises ScenarioError.
    """
    if sampler.facts().mode != _CLUSTER_MODE:
        return
    nodes = _read(sampler.cluster("SLOTS"), endpoint)
    if len(nodes) != 1 or nodes[0].slots != SLOTS:
        raise ScenarioError.one(
            "--cluster",
            f"{endpoint.address} belongs to a cluster of {_count(nodes)}; taken for a single "
            "server, it answers MOVED for every key of another node",
            "add --cluster",
        )


def _with_nodes(endpoint: Endpoint | None) -> Endpoint | None:
    if endpoint is None:
        return None
    with ServerSampler(endpoint) as sampler:
        facts, slots = sampler.facts(), sampler.cluster("SLOTS")
    if slots is None and facts.mode == _CLUSTER_MODE:
        raise ServerError(
            f"{endpoint.address}: the user may not ask for CLUSTER SLOTS",
            remedy="permit it: redis-py finds a cluster's nodes by it",
        )
    if slots is None:
        raise ScenarioError.one(
            "--cluster",
            f"the server at {endpoint.address} is not in cluster mode",
            "leave --cluster out, or name a node of a cluster",
        )
    nodes = _read(slots, endpoint)
    covered = sum(node.slots for node in nodes)
    if covered != SLOTS:
        raise ServerError(
            f"{endpoint.address}: the cluster holds {covered} of {SLOTS} slots in {_count(nodes)}",
            remedy="redis-py uses no cluster with slots missing; assign them (CLUSTER ADDSLOTS)",
        )
    return replace(endpoint, nodes=nodes)


def _read(slots: object, asked: Endpoint) -> tuple[Node, ...]:
    """Read CLUSTER SLOTS: a list of first slot, last slot, primary, replicas."""
    held: dict[tuple[str, int], int] = {}
    for share in slots if isinstance(slots, list) else []:
        match share:
            case [int(first), int(last), [host, int(port), *_], *_]:
                # A node that knows no name of its own says none: it is where we asked.
                place = str(host or asked.host), port
                held[place] = held.get(place, 0) + last - first + 1
    # The one that was asked comes first.
    places = sorted(held, key=lambda place: (place != _of(asked), place))
    return tuple(
        Node(endpoint=_at(asked, host, port), slots=held[host, port]) for host, port in places
    )


def _of(endpoint: Endpoint) -> tuple[str, int]:
    return endpoint.host, endpoint.port


def _at(asked: Endpoint, host: str, port: int) -> Endpoint:
    """Give the way to another node, as the same user and with the same trust."""
    there = (host, port) == _of(asked)
    return replace(asked, host=host, port=port, pid=asked.pid if there else None)


def _count(nodes: tuple[Node, ...]) -> str:
    return "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
