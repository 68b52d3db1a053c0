"""What a network would forbid and loopback allows: how many new connections a second."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import seen
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.results.runfile import RunFile

TIME_WAIT_SECONDS = 60
"""How long Linux keeps the port of a connection we closed (TCP_TIMEWAIT_LEN, net/tcp.h)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The ports new connections of one address to one server port can have."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """Give how many there are."""
        return self.last - self.first + 1

    @property
    def most_per_second(self) -> float:
        """Give how many connections a second can be opened and closed for long."""
        return self.count / TIME_WAIT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptQueue:
    """Where new connections wait for the server to accept them. None is not known."""

    backlog: int | None
    """What the server asked for (`tcp-backlog`)."""
    somaxconn: int | None
    """What the kernel allows at most."""
    overflows: int | None
    """How often it was full during the trials, whoever listened on that machine."""

    @property
    def length(self) -> int | None:
        """Give how many connections it holds: the lesser of the two (listen(2))."""
        if self.backlog is None or self.somaxconn is None:
            return None
        return min(self.backlog, self.somaxconn)


def ports(run: RunFile) -> Ports | None:
    """Read the kernel's range of ports; None where it did not tell."""
    match run.environment.get("port_range"):
        case [int(first), int(last)] if first <= last:
            return Ports(first=first, last=last)
    return None


def accept_queue(run: RunFile) -> AcceptQueue:
    """Say what is known of the accept queue, all trials together."""
    server = run.environment.get("server")
    trials = [trial.server for case in run.cases for trial in case.trials if trial.server]
    counts = [trial.listen_overflows for trial in trials if trial.listen_overflows is not None]
    # What this kernel allows says nothing of a server elsewhere, whose overflows we cannot see.
    somaxconn = _whole(run.environment, "somaxconn") if counts else None
    return AcceptQueue(
        backlog=_whole(server if isinstance(server, dict) else {}, "tcp_backlog"),
        somaxconn=somaxconn,
        overflows=sum(counts) if counts else None,
    )


def unpooled_rates(run: RunFile) -> dict[str, float]:
    """Give the new connections a second of each case without a pool, by the case's id."""
    rates = {}
    for case in seen(run.cases):
        seconds = sum(trial.duration_ns for trial in case.trials) / SECOND
        if case.pool is Pool.NONE and seconds:
            rates[case.id] = case.summary.connections.opened / seconds
    return rates


def _whole(record: Mapping[str, object], key: str) -> int | None:
    value = record.get(key)
    return value if isinstance(value, int) else None
