"""How to ask a whole cluster about itself: every node at once, and what it comes to together."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Self

from valkeybench.errors import ServerError
from valkeybench.measurement.reading import ClusterReading, ServerReading, parse_info
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.topology import SLOTS
from valkeybench.server.watching import Watching

if TYPE_CHECKING:
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.server.endpoint import Endpoint


_NOT_SUMMED = ("at_ns", "errors")


class ClusterSampler(Watching):
    """Asks every primary of a cluster, over one connection each.

    What it gives is the cluster's, with each node's own beside it. Entering raises ServerError
    naming the node that cannot be used; so does reading when one of them has gone.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._nodes = endpoint.nodes
        self._samplers = [ServerSampler(node.endpoint) for node in endpoint.nodes]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Connect to every node."""
        with ExitStack() as opened:
            for node, sampler in zip(self._nodes, self._samplers, strict=True):
                try:
                    opened.enter_context(sampler)
                except ServerError as error:
                    message = f"cluster node {error.message}"
                    raise ServerError(message, remedy=error.remedy) from None
                _check_state(node.endpoint, sampler)
            self._stack = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close every connection."""
        self._stack.close()

    @property
    def samplers(self) -> tuple[ServerSampler, ...]:
        """Give who asks each node."""
        return tuple(self._samplers)

    @property
    def own_connections(self) -> int:
        """Count all connections opened to ask, over all nodes."""
        return sum(sampler.own_connections for sampler in self._samplers)

    def facts(self) -> ServerFacts:
        """Ask every node for what does not change; raises ServerError when one is gone."""
        each = tuple(
            replace(sampler.facts(), address=node.endpoint.address, slots=node.slots)
            for node, sampler in zip(self._nodes, self._samplers, strict=True)
        )
        return replace(each[0], address=None, slots=None, nodes=each)

    def read(self) -> ClusterReading:
        """Ask every node for the numbers of this instant; raises ServerError when one is gone."""
        return summed([sampler.read() for sampler in self._samplers])


def _check_state(endpoint: Endpoint, sampler: ServerSampler) -> None:
    """See that a node takes commands; raises ServerError."""
    told = parse_info(str(sampler.cluster("INFO") or ""))
    if told.get("cluster_state", "ok") != "ok":
        served = told.get("cluster_slots_ok", "not all")
        raise ServerError(
            f"cluster node {endpoint.address} says that the cluster is down: "
            f"{served} of {SLOTS} slots are served",
            remedy="see which of its nodes fail (CLUSTER NODES)",
        )


def summed(each: list[ServerReading]) -> ClusterReading:
    """Add the readings of all nodes up; what one of them does not tell is unknown of all."""
    sums = {}
    for field in fields(ServerReading):
        if field.name not in _NOT_SUMMED:
            values = [getattr(reading, field.name) for reading in each]
            sums[field.name] = None if None in values else sum(values)
    return ClusterReading(
        at_ns=time.perf_counter_ns(), nodes=tuple(each), errors=_errors(each), **sums
    )


def _errors(each: list[ServerReading]) -> tuple[tuple[str, int], ...] | None:
    total: Counter[str] = Counter()
    for reading in each:
        if reading.errors is None:
            return None
        total.update(dict(reading.errors))
    return tuple(sorted(total.items()))
