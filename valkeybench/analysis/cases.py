"""Reads a stored case: its axes as the types they were, its trials as the sums they make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import log, sqrt
from statistics import fmean, median, stdev
from typing import TYPE_CHECKING, Any

from valkeybench.errors import ResultError
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Pool
from valkeybench.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.thresholds import Thresholds
    from valkeybench.results.runfile import CaseRecord, PhaseSummary, Summary, Trial


_OF_THE_POOL = frozenset({"pool", "max_connections", "pool_timeout_ns"})


class PoolLimit(StrEnum):
    """What shows that a pool was the limit, the plainest sign first."""

    FAILURES = "failures"
    """Commands got no connection in time, or at once."""
    IN_USE = "in_use"
    """Handlers that asked found nearly all connections taken."""
    WAITING = "waiting"
    """Most of the time in commands was waiting for a connection."""
    UNSERVED = "unserved"
    """More handlers were in a command at the end than there were connections."""


@dataclass(frozen=True, slots=True)
class SeenCase:
    """A case of which at least one trial was finished.

    Properties raise ResultError when the file holds no such axis, or nonsense in it.
    """

    record: CaseRecord
    summary: Summary

    @property
    def id(self) -> str:
        """Give the name the run file knows it by."""
        return self.record.id

    @property
    def trials(self) -> Sequence[Trial]:
        """Give the trials."""
        return self.record.trials

    @property
    def pool(self) -> Pool:
        """Give the pool policy."""
        try:
            return Pool(str(self.record.axes.get("pool")))
        except ValueError as error:
            raise self._nonsense("pool") from error

    @property
    def max_connections(self) -> int | None:
        """Give the size of each process's pool; None without a pool."""
        return self._whole("max_connections") if self.pool.is_pooled else None

    @property
    def concurrency(self) -> int:
        """Give the number of handlers in each process."""
        return self._whole("concurrency")

    @property
    def processes(self) -> int:
        """Give the number of processes."""
        return self._whole("processes")

    @property
    def handlers(self) -> int:
        """Give the number of handlers in all processes together."""
        return self.concurrency * self.processes

    @property
    def think_ns(self) -> int | None:
        """Give the mean think time; zero saturates, None is a load by schedule."""
        if self.rate is not None:
            return None
        try:
            # The distribution, if it is named, comes first: `constant 10ms`.
            return parse_duration(str(self.record.axes.get("think")).rpartition(" ")[2])
        except ValueError as error:
            raise self._nonsense("think") from error

    @property
    def rate(self) -> float | None:
        """Give the commands due per second, all processes together; None for a closed load."""
        value = self.record.axes.get("rate")
        if value is None or (isinstance(value, int | float) and value > 0):
            return value
        raise self._nonsense("rate")

    @property
    def response(self) -> PhaseSummary | None:
        """Give the response times of all trials together; None when nothing was answered."""
        return self.summary.phases.get(Phase.RESPONSE)

    @property
    def client_cpu(self) -> float | None:
        """Give the CPU share of the average client process in the median trial."""
        shares = [trial.client.cpu_share for trial in self.trials]
        return median(shares) if shares else None

    @property
    def server_cpu(self) -> float | None:
        """Give the CPU share of the server's main thread in the median trial that knows it."""
        servers = [trial.server for trial in self.trials if trial.server is not None]
        shares = [server.cpu_share for server in servers if server.cpu_share is not None]
        return median(shares) if shares else None

    @property
    def server_lost(self) -> bool:
        """Tell whether the server went away in a trial."""
        return any(trial.server is not None and trial.server.lost for trial in self.trials)

    @property
    def is_disturbed(self) -> bool:
        """Tell whether something was done to the server on purpose in its trials."""
        return self.record.axes.get("disturb") is not None

    @property
    def censored(self) -> float:
        """Give the share of response times that are only known to be longer than recorded."""
        begun = self.summary.completed + self.summary.unfinished
        return self.summary.unfinished / begun if begun else 0.0

    @property
    def not_seen(self) -> float:
        """Give the share of commands whose end was not seen: unfinished, or due and never sent."""
        missing = self.summary.unfinished + self.summary.dropped
        due = self.summary.completed + missing
        return missing / due if due else 0.0

    @property
    def p99_spread(self) -> float | None:
        """Give the standard deviation of log response p99 over the trials; None below two."""
        return _log_spread([float(p99) for p99 in self.p99s])

    @property
    def throughput_spread(self) -> float | None:
        """Give the standard deviation of log throughput over the trials; None below two."""
        return _log_spread([trial.summary.throughput for trial in self.trials])

    @property
    def p99s(self) -> list[int]:
        """Give each trial's response p99 in nanoseconds."""
        found = (trial.summary.phases.get(Phase.RESPONSE) for trial in self.trials)
        return [response.p99_ns for response in found if response is not None]

    @property
    def in_use_counts(self) -> list[int]:
        """Count the acquires of all trials that found 0, 1, 2, … connections in use."""
        longest = max((len(trial.in_use_counts) for trial in self.trials), default=0)
        counts = [0] * longest
        for trial in self.trials:
            for found, acquires in enumerate(trial.in_use_counts):
                counts[found] += acquires
        return counts

    def mean_ns(self, phase: Phase) -> float:
        """Give a phase's mean; zero when it never happened."""
        found = self.summary.phases.get(phase)
        return 0.0 if found is None else found.mean_ns

    @property
    def fairness(self) -> float | None:
        """Give Jain's index of the least fair trial; None when nothing was done."""
        found = [trial.summary.fairness for trial in self.trials]
        return min((index for index in found if index is not None), default=None)

    def starved(self, limits: Thresholds) -> int:
        """Count the handlers that were starved in the worst trial, rather than just unlucky."""
        return max((t.summary.starved for t in self.trials if _tells_shares(t, limits)), default=0)

    def is_starving(self, limits: Thresholds) -> bool:
        """Tell whether handlers went without, so that percentiles rank nothing."""
        return self.starved(limits) > 0 or any(
            _is_unfair(trial, limits) for trial in self.trials if _tells_shares(trial, limits)
        )

    def is_pool_bound(self, limits: Thresholds) -> bool:
        """Tell whether the pool was, or nearly was, what handlers had to wait for.

        A connection for every handler can never be: an asking handler finds at most all
        others at work.
        """
        return self.pool_limit(limits) is not None

    def pool_limit(self, limits: Thresholds) -> PoolLimit | None:
        """Tell by what it shows that the pool was the limit; None where it was none.

        Connections in use are counted when a handler asks. A starved handler asks once and
        then waits, so where few are served, they may hardly ever find the pool taken: then
        the waiting itself tells.
        """
        size, in_use = self.max_connections, self.summary.in_use
        if size is None or size >= self.concurrency:
            return None
        if self.pool_failures:
            return PoolLimit.FAILURES
        if in_use is not None and in_use.p999 >= limits.pool_in_use * size:
            return PoolLimit.IN_USE
        if in_use is not None and in_use.max >= size and self.wait_share >= limits.pool_waiting:
            return PoolLimit.WAITING
        if self.waiting_at_close >= limits.waiting_at_close * self.handlers * len(self.trials):
            return PoolLimit.UNSERVED
        return None

    @property
    def wait_share(self) -> float:
        """Give the share of all time in completed commands that went into waiting for a pool."""
        wait, service = (self.summary.phases.get(p) for p in (Phase.POOL_WAIT, Phase.SERVICE))
        if wait is None or service is None or not service.mean_ns:
            return 0.0
        return wait.mean_ns * wait.count / (service.mean_ns * service.count)

    @property
    def waiting_at_close(self) -> int:
        """Count handlers that had no connection when a window closed, over all trials.

        At least so many: of those in the middle of a command, no more can have had one than
        there are.
        """
        connections = (self.max_connections or self.concurrency) * self.processes
        return sum(max(trial.summary.unfinished - connections, 0) for trial in self.trials)

    @property
    def pool_failures(self) -> int:
        """Count the commands that got no connection from the pool."""
        kinds = (FailureKind.POOL_EXHAUSTED, FailureKind.POOL_TIMEOUT)
        return sum(self.summary.failures.get(kind, 0) for kind in kinds)

    @property
    def load(self) -> dict[str, Any]:
        """Give the axes that say what is asked of a pool, rather than which pool answers."""
        return {axis: value for axis, value in self.record.axes.items() if axis not in _OF_THE_POOL}

    def is_same_load(self, other: SeenCase) -> bool:
        """Tell whether two cases differ in nothing but the pool.

        What means nothing without a pool does not tell a case without one apart.
        """
        apart = set() if self.pool.is_pooled and other.pool.is_pooled else {"clients"}
        one, two = self.load, other.load
        return all(one.get(axis) == two.get(axis) for axis in (one.keys() | two.keys()) - apart)

    def _whole(self, axis: str) -> int:
        value = self.record.axes.get(axis)
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise self._nonsense(axis)
        return value

    def _nonsense(self, axis: str) -> ResultError:
        value = self.record.axes.get(axis)
        return ResultError(
            f"case {self.id}: {value!r} is no value for {axis}",
            remedy="the file was edited, or written by another version; measure again",
        )


def seen(records: Sequence[CaseRecord]) -> list[SeenCase]:
    """Take the cases of which something was seen."""
    return [SeenCase(record, record.summary) for record in records if record.summary is not None]


def undisturbed(records: Sequence[CaseRecord]) -> list[SeenCase]:
    """Take the cases whose figures are those of a server that was let be."""
    return [case for case in seen(records) if not case.is_disturbed]


@dataclass(frozen=True, slots=True)
class Group:
    """Cases that differ in nothing but the pool; those without a pool stand apart."""

    pooled: tuple[SeenCase, ...]
    unpooled: tuple[SeenCase, ...]

    @property
    def leader(self) -> SeenCase:
        """Give the case that stands for what all of them have in common."""
        return (self.pooled or self.unpooled)[0]

    @property
    def load(self) -> dict[str, Any]:
        """Give the axes its cases agree on."""
        return self.leader.load


def groups(cases: Sequence[SeenCase]) -> list[Group]:
    """Put cases of the same load together, in the order they come."""
    leaders: list[SeenCase] = []
    # Pooled cases lead: one without a pool belongs to all that differ in a pool's matters only.
    for case in sorted(cases, key=lambda case: not case.pool.is_pooled):
        if not any(case.is_same_load(leader) for leader in leaders):
            leaders.append(case)
    return [
        Group(
            tuple(c for c in cases if c.pool.is_pooled and c.is_same_load(leader)),
            tuple(c for c in cases if not c.pool.is_pooled and c.is_same_load(leader)),
        )
        for leader in leaders
    ]


def quantile_of_counts(counts: Sequence[int], share: float) -> int:
    """Give the index that `share` of the counted do not exceed, by nearest rank; 0 when empty."""
    # The tiny slack keeps 0.999 × 1000 from asking for rank 1000 by a rounding error.
    rank, reached = share * sum(counts) - 1e-9, 0
    for index, count in enumerate(counts):
        reached += count
        if reached >= rank:
            return index
    return max(len(counts) - 1, 0)


def _tells_shares(trial: Trial, limits: Thresholds) -> bool:
    """Tell whether handlers did enough for their shares to mean anything."""
    return bool(trial.handlers) and fmean(trial.handlers) >= limits.fair_commands


def _is_unfair(trial: Trial, limits: Thresholds) -> bool:
    """Tell whether handlers did more unequal work than chance explains.

    Jain's index J hides a squared coefficient of variation of 1/J - 1. Handlers that come by
    chance have about 1 / (their mean count) of it, give or take √(2 / (handlers - 1)) times
    that.
    """
    fairness, handlers = trial.summary.fairness, len(trial.handlers)
    if not fairness or handlers == 1:
        return False
    chance = 1 / fmean(trial.handlers)
    doubt = sqrt(2 / (handlers - 1)) * chance
    return 1 / fairness - 1 - chance > max(limits.unfairness, 3 * doubt)


def _log_spread(values: Sequence[float]) -> float | None:
    logs = [log(value) for value in values if value > 0]
    return stdev(logs) if len(logs) > 1 else None
