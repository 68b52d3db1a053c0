"""What happens when every client of a fleet reconnects at once: the rules, and a simulation.

The server is one queue, first come, first served, that completes `per_second` handshakes; a
client that waited longer than its patience gives up, tries again, and the server spends as much
on the handshake it left behind as on any other. Where the queue takes everybody that is the
worst case. Where it holds so many and no more, as an accept queue does, the kernel turns the
others away and their kernels knock again after 1 s, 3 s, 7 s (RFC 6298): less is done in vain,
and the server stands idle meanwhile.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, NamedTuple

from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable

SAFE_SHARE = 0.8
"""Share of its patience after which the last client must be served. A judgement."""
SPREAD = 1.5
"""How many times the ideal recovery reconnects are to be spread over: the server is then busy
two thirds of the time, so that hardly anybody waits for somebody else."""

_MOST_CLIENTS = 2_000
"""More are simulated by so many, each standing for several, before a server as much slower."""
_HORIZON_NS = 120 * SECOND
_ROUNDS = 100
"""Rounds of giving up and trying again after which what has not ended hardly will."""
_POINTS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """How long a client waits before it tries again, as redis-py's ExponentialWithJitterBackoff.

    After the n-th failure it waits min(cap, random × base × 2ⁿ), the random number between 0
    and 1; after `retries` of them the command fails, and the application asks again at once,
    which begins anew. The defaults are those of redis-py 8's `Redis(host=…)`.
    """

    base_ns: int = 10 * MILLISECOND
    cap_ns: int = SECOND
    retries: int = 10

    def pause_ns(self, failures: int, draw: float) -> int:
        """Give the pause after so many failures in a row; `draw` is between 0 and 1."""
        return int(min(self.cap_ns, draw * self.base_ns * 2.0**failures))


NO_BACKOFF = Backoff(base_ns=0, retries=0)
"""What a redis-py client over an explicit pool, or made by `from_url`, does: it retries nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Clients that all want a connection, and the server that has to give it."""

    clients: int
    per_second: float
    """Handshakes the server completes."""
    patience_ns: int | None
    """How long a client waits before it gives up and tries again; None is for ever."""
    backoff: Backoff = NO_BACKOFF
    queue: int | None = None
    """How many may wait for the server; None is any number."""
    spread_ns: int = 0
    """Over how long the first attempts are spread, at random."""

    @property
    def horizon_ns(self) -> int:
        """Give when it is given up on: two minutes after the spread, or a hundred patiences."""
        longest = _HORIZON_NS if self.patience_ns is None else _ROUNDS * self.patience_ns
        return self.spread_ns + min(_HORIZON_NS, longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How a storm ended."""

    recovered_ns: int | None
    """When the last client was connected; None if some never were before the horizon."""
    connected: float
    """Share of clients connected in the end."""
    attempts: float
    """Attempts to connect for each client, the average."""
    curve: tuple[tuple[int, float], ...]
    """Nanoseconds since the storm began, to its end or horizon, and the share connected by then."""


def ideal_ns(clients: float, per_second: float) -> float:
    """Give the shortest recovery there can be: clients ÷ handshakes per second."""
    return clients / per_second * SECOND


def safe_clients(per_second: float, patience_ns: float, spread_ns: float = 0) -> int:
    """Give how many clients may come back at once, or spread over so long.

    Livelock begins where clients ÷ rate exceeds their patience (valkey-io/valkey#4308,
    redis/redis#10524): those who gave up are served in vain while the others wait. The limit is
    four fifths of that.
    """
    at_once = SAFE_SHARE * per_second * patience_ns / SECOND
    over_time = per_second * spread_ns / SECOND / SPREAD
    return int(max(at_once, over_time) + 1e-9)


def spread_needed_ns(clients: float, per_second: float) -> float:
    """Give over how long reconnects must be spread for everybody to be served when they come."""
    return SPREAD * ideal_ns(clients, per_second)


def weather(storm: Storm, *, seed: int = 1) -> Recovery:
    """Simulate a storm to its end or its horizon; the same seed gives the same storm."""
    longest_ns = float("inf") if storm.queue is None else storm.queue * SECOND / storm.per_second
    if storm.clients > _MOST_CLIENTS:
        # Each stands for several: clients ÷ rate, patience and back-off stay what they are.
        scale = _MOST_CLIENTS / storm.clients
        storm = replace(storm, clients=_MOST_CLIENTS, per_second=storm.per_second * scale)
    draw = Random(seed).random  # noqa: S311 - a model's dice
    service_ns = SECOND / storm.per_second
    patience_ns = float("inf") if storm.patience_ns is None else storm.patience_ns
    end_ns = storm.horizon_ns
    firsts = (draw() * storm.spread_ns for _ in range(storm.clients))
    coming = [_Knock(at_ns, client, at_ns) for client, at_ns in enumerate(firsts)]
    heapq.heapify(coming)
    free_ns, attempts, connected = 0.0, 0, []
    # Whoever comes first is served first, so knocks are taken in the order they are made.
    while coming and coming[0].at_ns <= end_ns:
        knock = coming[0]
        attempts += not knock.knocked
        until_ns = knock.began_ns + patience_ns
        if free_ns - knock.at_ns < longest_ns:
            free_ns = max(free_ns, knock.at_ns) + service_ns
            if free_ns <= until_ns:
                heapq.heappop(coming)
                connected.append(free_ns)
                continue
        else:
            again = knock.again()
            if again.at_ns < until_ns:
                heapq.heapreplace(coming, again)
                continue
        heapq.heapreplace(coming, knock.after(storm.backoff, until_ns, draw))
    return _recovery(storm, connected, attempts, end_ns)


class _Knock(NamedTuple):
    """A client at the server's door; they sort by when."""

    at_ns: float
    client: int
    began_ns: float
    """When this attempt to connect began."""
    failures: int = 0
    """Attempts that failed before this one, since the client last began anew."""
    knocked: int = 0
    """How often it was turned away in this attempt."""

    def again(self) -> _Knock:
        """Knock again in the same attempt, as a kernel does that hears nothing."""
        times = self.knocked + 1
        return self._replace(at_ns=self.began_ns + (2**times - 1) * SECOND, knocked=times)

    def after(self, backoff: Backoff, failed_ns: float, draw: Callable[[], float]) -> _Knock:
        """Begin another attempt after one that failed."""
        failures, pause_ns = self.failures + 1, 0
        if failures > backoff.retries:
            failures = 0
        else:
            pause_ns = backoff.pause_ns(failures, draw())
        begins_ns = failed_ns + pause_ns
        return _Knock(begins_ns, self.client, begins_ns, failures)


def _recovery(storm: Storm, connected: list[float], attempts: int, end_ns: int) -> Recovery:
    """Sum up; handshakes end in the order they were begun, so `connected` is sorted."""
    within = bisect_right(connected, end_ns)
    all_there = within == storm.clients
    last_ns = round(connected[-1]) if all_there and connected else None
    until_ns = end_ns if last_ns is None else last_ns
    times = [round(until_ns * point / _POINTS) for point in range(_POINTS + 1)]
    return Recovery(
        recovered_ns=last_ns,
        connected=within / storm.clients,
        attempts=attempts / storm.clients,
        curve=tuple((at, bisect_right(connected, at + 1) / storm.clients) for at in times),
    )
