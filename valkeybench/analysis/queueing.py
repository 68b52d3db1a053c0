"""What queueing theory says a pool of connections makes its handlers wait.

A pool is a queue: connections are servers, the time one is held is the service time, and
handlers are customers. All of it is arithmetic on numbers that were measured; which of
these models a pool deserves is decided elsewhere.

The models assume first come, first served. redis-py's blocking pool is not, and lets late
handlers overtake waiting ones, so its measured tail waits are longer than these.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import count, islice
from math import exp, inf
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Probabilities = NDArray[np.float64]

_HALVINGS = 60
"""Halving an interval this often leaves a part in 10**18: all a float can tell apart."""


def erlang_b(load: float, servers: int) -> float:
    """Give the share of arrivals that find every server busy and are lost (M/G/c/c).

    `load` is in erlangs: arrival rate × mean holding time. A raising pool under arrivals
    that do not slow down is one. Raises ValueError for a negative load or no servers.

    Source: A. K. Erlang, "Solution of some problems in the theory of probabilities of
    significance in automatic telephone exchanges", 1917; the recursion in the number of
    servers as in R. B. Cooper, "Introduction to Queueing Theory", 2nd ed., 1981.
    """
    _check(load, servers)
    return next(islice(_blocked(load), servers - 1, None))


def erlang_c(load: float, servers: int) -> float:
    """Give the share of arrivals that have to wait (M/M/c); 1 when the load is too much.

    Source: Erlang 1917, from his loss formula as in R. B. Cooper, "Introduction to
    Queueing Theory", 2nd ed., 1981.
    """
    return _delayed(load, servers, erlang_b(load, servers))


def erlang_wait_exceeds(wait_ns: float, *, load: float, servers: int, hold_ns: float) -> float:
    """Give the probability that an arrival waits longer than `wait_ns` (M/M/c).

    P(W > t) = C(c, a) · exp(-(c - a) t / h), with mean holding time h.

    Source: R. B. Cooper, "Introduction to Queueing Theory", 2nd ed., 1981.
    """
    if load >= servers:
        return 1.0
    return erlang_c(load, servers) * exp(-(servers - load) * wait_ns / hold_ns)


def erlang_mean_wait(*, load: float, servers: int, hold_ns: float) -> float:
    """Give the mean wait of all arrivals in nanoseconds (M/M/c); infinite when overloaded.

    Source: R. B. Cooper, "Introduction to Queueing Theory", 2nd ed., 1981.
    """
    if load >= servers:
        return inf
    return erlang_c(load, servers) * hold_ns / (servers - load)


def allen_cunneen(arrival_variability: float, service_variability: float) -> float:
    """Give the factor by which general distributions stretch an M/M/c mean wait.

    Both are squared coefficients of variation (variance / mean²): 1 is exponential, 0 is
    constant. Exact for M/M/c, and for M/G/1 (Pollaczek and Khinchine); else approximate.

    Source: A. O. Allen, "Probability, Statistics, and Queueing Theory with Computer
    Science Applications", 2nd ed., 1990.
    """
    if arrival_variability < 0 or service_variability < 0:
        raise ValueError("a squared coefficient of variation is not negative")
    return (arrival_variability + service_variability) / 2


def smallest_erlang_pool(load: float, *, waiting: float) -> int:
    """Give the fewest servers that make at most the share `waiting` wait (M/M/c).

    Raises ValueError unless `waiting` is between 0 and 1, exclusive.
    """
    if not 0 < waiting < 1:
        raise ValueError("the share that may wait lies between 0 and 1")
    sizes = enumerate(_blocked(load), start=1)
    return next(size for size, blocked in sizes if _delayed(load, size, blocked) <= waiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class FiniteSource:
    """A closed loop over a pool: M/M/c//N, also known as the machine repairman.

    Each of `handlers` thinks for `think_ns` on average, asks for one of `connections`,
    waits in line if none is free, holds it for `hold_ns` on average, and thinks again.
    Raises ValueError when a number is not positive.

    Holding times are taken as exponential. The distribution of think times does not
    matter, only their mean: F. Baskett, K. M. Chandy, R. R. Muntz, F. G. Palacios, "Open,
    Closed, and Mixed Networks of Queues with Different Classes of Customers", J. ACM 22,
    1975.

    Source: C. Palm, "The distribution of repairmen in servicing automatic machines", 1947;
    formulas as in D. Gross, J. F. Shortle, J. M. Thompson, C. M. Harris, "Fundamentals of
    Queueing Theory", 4th ed., 2008, section 2.7.
    """

    handlers: int
    connections: int
    think_ns: float
    hold_ns: float

    def __post_init__(self) -> None:
        """Refuse what is no closed loop."""
        if min(self.handlers, self.connections, self.think_ns, self.hold_ns) <= 0:
            raise ValueError("a finite source needs positive handlers, connections and times")

    def busy(self) -> Probabilities:
        """Give the probabilities that 0, 1, … `handlers` handlers wait or hold, at any time."""
        return self._states(self.handlers)

    def found(self) -> Probabilities:
        """Give the probabilities that an asking handler finds 0, 1, … others waiting or holding.

        That is what anyone would see if the asking handler were not there: K. C. Sevcik,
        I. Mitrani, "The Distribution of Queuing Network States at Input and Output
        Instants", J. ACM 28, 1981.
        """
        return self._states(self.handlers - 1)

    def throughput(self) -> float:
        """Give the commands per nanosecond of all handlers together."""
        busy = self.busy()
        thinking = self.handlers - float(busy @ np.arange(busy.size))
        return thinking / self.think_ns

    def wait_probability(self) -> float:
        """Give the share of acquires that find no connection free."""
        return min(float(self.found()[self.connections :].sum()), 1.0)

    def wait_exceeds(self, wait_ns: float) -> float:
        """Give the probability that an acquire waits longer than `wait_ns`.

        Who finds k others waits for k - c + 1 releases, `hold_ns / c` apart on average: a
        Gamma distribution, whose tail is a sum of Poisson probabilities.
        """
        ahead = self.found()[self.connections :]
        if not ahead.size or wait_ns <= 0:
            return self.wait_probability()
        due = wait_ns * self.connections / self.hold_ns
        counts = np.arange(ahead.size)
        logs = counts * np.log(due) - due - np.cumsum(np.log(np.maximum(counts, 1)))
        return min(float(ahead @ np.cumsum(np.exp(logs))), 1.0)

    def wait_quantile(self, share: float) -> float:
        """Give the wait in nanoseconds that `share` of the acquires do not exceed."""
        if self.wait_probability() <= 1 - share:
            return 0.0
        low, high = 0.0, self.hold_ns
        while self.wait_exceeds(high) > 1 - share:
            low, high = high, 2 * high
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            low, high = (middle, high) if self.wait_exceeds(middle) > 1 - share else (low, middle)
        return high

    def _states(self, handlers: int) -> Probabilities:
        """Solve the birth-death chain, in logarithms: its terms span hundreds of decades."""
        before = np.arange(handlers)
        asks = (handlers - before) / self.think_ns
        gives = np.minimum(before + 1, self.connections) / self.hold_ns
        logs = np.concatenate(([0.0], np.cumsum(np.log(asks) - np.log(gives))))
        weights = np.exp(logs - logs.max())
        states: Probabilities = weights / weights.sum()
        return states


def smallest_pool(
    *,
    handlers: int,
    think_ns: float,
    hold_ns: float,
    waiting: float = 1.0,
    wait_p99_ns: float = inf,
) -> int:
    """Give the fewest connections that keep both promises, in a closed loop (`FiniteSource`).

    At most the share `waiting` of the acquires waits, and 99 % wait no longer than
    `wait_p99_ns`. As many connections as handlers keep any promise.
    """

    def enough(connections: int) -> bool:
        pool = FiniteSource(
            handlers=handlers, connections=connections, think_ns=think_ns, hold_ns=hold_ns
        )
        return pool.wait_probability() <= waiting and (
            wait_p99_ns == inf or pool.wait_quantile(0.99) <= wait_p99_ns
        )

    sizes = range(1, handlers)
    return 1 + bisect_left(sizes, 1, key=enough)


def _blocked(load: float) -> Iterator[float]:
    """Give Erlang's B for one server, two servers, and so on."""
    blocked = 1.0
    for servers in count(1):
        blocked = load * blocked / (servers + load * blocked)
        yield blocked


def _delayed(load: float, servers: int, blocked: float) -> float:
    """Turn Erlang's B into his C."""
    return 1.0 if load >= servers else blocked / (1 - (load / servers) * (1 - blocked))


def _check(load: float, servers: int) -> None:
    if load < 0 or servers < 1:
        raise ValueError("a queue needs a load of 0 or more and at least one server")
