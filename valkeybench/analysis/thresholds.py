"""Where analysis draws its lines, each with the reason why it is drawn there."""

from __future__ import annotations

from dataclasses import dataclass

from valkeybench.units import MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """The lines between a number that can be trusted and one that needs a word of warning.

    "Simulated" refers to 24 simulated applications whose best pool size was known by
    exhaustive search; "measured" to redis-py 8.1 against Valkey 9.1 on two cores.
    """

    client_cpu: float = 0.90
    """CPU share of the average client process that counts as saturated.

    Python gives a process one core. Simulated: where no size was right, it was 0.94 or more.
    """

    loop_lag: float = 0.25
    """Lag of the event loop over response time, both at p99, that is worth a word.

    A reply waits for the loop at least once, and hardly anything else should take a quarter
    of its time. A judgement.
    """

    loop_lag_ns: int = MILLISECOND
    """Lag below which it is the machine's waking up rather than a busy loop. A judgement."""

    server_cpu: float = 0.80
    """Share of the server's main thread. M/M/1 waits four service times there and climbs."""

    pool_in_use: float = 0.95
    """Share of the pool in use at p99.9 of the acquires from where the pool was the limit.

    An in-use quantile cannot exceed the pool, so near it, it says nothing of the need.
    """

    pool_waiting: float = 0.5
    """Share of all time in commands that went into waiting, from where the pool was the limit.

    Counts only where all connections were seen taken. Asking a pool that has connections
    left takes time too. Measured: 0.11 to 0.20 of the time where the pool was no limit,
    0.68 and more where it starved its waiters.
    """

    waiting_at_close: float = 0.05
    """Share of handlers that still waited for a connection when the window closed.

    Handlers under way, less the connections there are: no more of them can have had one.
    Measured: 0 where the pool was no limit; nearly all where it starved its waiters.
    """

    unfairness: float = 1 / 9
    """Squared coefficient of variation of handlers' commands, beyond chance, not to exceed.

    1/9 is half the handlers doing twice what the others do; Jain's index is 0.9 then:
    R. Jain, D. Chiu, W. Hawe, "A Quantitative Measure of Fairness and Discrimination for
    Resource Allocation in Shared Computer Systems", 1984.
    """

    achieved: float = 0.99
    """Share of an open load to be completed. Below it the queue grew, or commands failed."""

    lateness: float = 0.5
    """Share of mean response before a handler began. Beyond it, handlers are what is measured."""

    fair_commands: float = 10
    """Commands the average handler must have done before fairness is judged at all."""

    censored: float = 0.01
    """Share of unfinished commands from which p99 is only a lower bound: what lies beyond it."""

    p99_spread: float = 0.15
    """Standard deviation of log p99 over repeats. Measured: 0.07 when nothing is wrong."""

    throughput_spread: float = 0.05
    """Standard deviation of log throughput. Measured: 0.004 when nothing is wrong."""

    sizing_throughput_spread: float = 0.10
    """The same where it makes a size meaningless: the load itself was another each time."""

    sizing_repeats: float = 3.0
    """How many times the smallest the largest of the repeats' own sizes may be.

    Generous, as more connections than needed cost little. A judgement.
    """

    sizing_repeats_apart: int = 5
    """How far apart they may be in any case: among small sizes chance alone makes a triple."""

    drift: float = 0.03
    """Difference between the halves of a trial that is a drift, if chance is excluded.

    Simulated: with three standard errors it finds a 30 % drift in 82 to 100 % of the runs,
    and cries wolf in at most 2 %.
    """

    drift_errors: float = 3.0
    """How many standard errors of the difference exclude chance."""

    tail_samples: int = 100
    """Samples beyond a percentile that make it repeatable: ±10 % of them by chance alone."""

    sizing_tail_samples: int = 20
    """Acquires beyond p99.9 that make an in-use quantile good to one connection (measured)."""

    sizing_acquires: int = 1000
    """Acquires without which there is no p99.9 to speak of: not one of them lies beyond."""

    uneven_start: float = 0.01
    """Part of the window a process may miss, or a clock be wrong by: what p99 leaves out."""

    failures: float = 0.01
    """Share of failures other than the pool's own that makes a size meaningless."""

    waiting: float = 0.001
    """Share of acquires that may find no connection free, in a pool that is enough.

    p99.9 of in use, plus one. Simulated: within 1.5 times the true minimum, and never too
    small in the 18 applications that were not saturated.
    """

    waiting_minimum: float = 0.01
    """The same for the smallest pool worth trying: p99 of in use, plus one."""

    headroom: float = 0.25
    """What to add for growth, shown beside a size and never added in silence. A judgement."""

    size_wait_share: float = 0.05
    """Share of the base's p99 that p99 of the wait may be longer in a pool that is enough.

    Simulated: alone it left no size too small by more than 13 % of p99.
    """

    size_wait_ns: int = 100_000
    """Wait that is always allowed: redis-py's pool takes that long where nobody waits."""

    size_p99: float = 1.10
    """How many times the base's response p99 a pool that is enough may show."""

    size_throughput: float = 0.98
    """Share of the base's throughput a pool that is enough must reach."""

    size_base_spread: float = 0.5
    """Standard deviation of log p99 over base runs that makes pairs say nothing. A judgement:
    p99 then differs by two thirds from run to run, seven times what is usual."""

    size_busy: float = 0.5
    """CPU share of client or server from where base runs must be as alike as any repeats."""

    size_better: float = 0.90
    """Share of the base's p99 below which, in every pair, a smaller pool is truly better."""

    size_bursts: float = 6.0
    """Variance over mean of connections in use beyond which commands come in bursts.

    Independent arrivals give 1 or less, threads on a busy machine 4 (measured), bursts of
    sixteen 9 (simulated).
    """

    size_sooner: float = 0.95
    """The same where handlers wait for connections, and should be slower for it."""

    size_two_kinds: float = 12.0
    """p99 over p90 beyond which two kinds of commands are measured.

    An exponential tail doubles from p90 to p99, and a busy interpreter makes it five times.
    """
