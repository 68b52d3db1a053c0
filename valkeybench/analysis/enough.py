"""Tells whether a pool of some size is enough, beside a pool that was no limit.

A pair is two trials run one after the other: the base, with a connection for everyone, and
the candidate. A candidate is only held against what it does worse than every base run did,
so that one lucky base condemns nobody.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from math import inf, sqrt
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.analysis.delivery import delivery
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.measurement.metrics import Phase
from valkeybench.units import format_count, format_duration, format_percent, format_rate

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from valkeybench.analysis.limits import Limit
    from valkeybench.results.runfile import CaseRecord, PhaseSummary
    from valkeybench.scenario.model import Pool

PAIRS_TO_AGREE = 2
"""Pairs that must say the same; a third decides where two do not."""

_FAR = 3.0
"""How many times what is allowed makes a second pair unnecessary: the knee is that steep."""


_CHANCE = 2.0
"""Standard deviations of two counts apart that are no difference."""


_CLEARLY = 1.5
"""How many times better than an SLO needs no second pair before a smaller size is tried."""


class Criterion(StrEnum):
    """What a size is held to."""

    POOL_FAILURES = "pool_failures"
    STARVED = "starved"
    DELIVERED = "delivered"
    POOL_WAIT = "pool_wait"
    THROUGHPUT = "throughput"
    RESPONSE = "response"
    SLO = "slo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One criterion, what was measured, and where the line was."""

    criterion: Criterion
    measured: float
    allowed: float
    passed: bool
    far: bool = False
    """Whether it failed by so much that nobody needs to look again."""
    clear: bool = False
    """Whether it passed by so much that a smaller size can be tried at once."""
    said: str = ""
    """The failure in words."""

    @property
    def is_asked(self) -> bool:
        """Tell whether the user asked for it, rather than every pool."""
        return self.criterion is Criterion.SLO


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """One finished trial of a search: the case it belongs to, with this trial alone."""

    case: SeenCase
    repeat: int

    @classmethod
    def of(cls, record: CaseRecord, index: int = -1) -> Sight:
        """See one trial of a case; the last one unless told otherwise."""
        trial = record.trials[index]
        alone = record.model_copy(update={"summary": trial.summary, "trials": [trial]})
        return cls(case=SeenCase(alone, trial.summary), repeat=trial.repeat)

    @property
    def response(self) -> PhaseSummary | None:
        """Give the response times; None when nothing was answered."""
        return self.case.response

    @property
    def p99_ns(self) -> float:
        """Give response p99; infinite when nothing was answered."""
        return inf if self.response is None else float(self.response.p99_ns)

    @property
    def wait_p99_ns(self) -> float:
        """Give p99 of the wait for a connection; zero when nobody asked a pool."""
        found = self.case.summary.phases.get(Phase.POOL_WAIT)
        return 0.0 if found is None else float(found.p99_ns)

    @property
    def throughput(self) -> float:
        """Give completed commands per second."""
        return self.case.summary.throughput


@dataclass(frozen=True, slots=True, kw_only=True)
class Yardstick:
    """What candidates are held to: the policy's own promises, and an SLO if there is one."""

    slo: tuple[Limit, ...] = ()
    limits: Thresholds = field(default_factory=Thresholds)

    def checks(self, candidate: Sight, base: Sight, bases: Sequence[Sight]) -> list[Check]:
        """Hold a candidate to everything; `bases` are all base runs so far, this one among them."""
        found = [*self._promises(candidate, base, bases)]
        if self.slo:
            return [*found, *self._slo(candidate, base)]
        # Where nobody waits for a connection no pool is slower for being small: it fails.
        if not candidate.case.pool.waits:
            return found
        return [*found, *self._beside(candidate, base, bases)]

    def _promises(self, one: Sight, base: Sight, bases: Sequence[Sight]) -> Iterator[Check]:
        limits, failed = self.limits, one.case.pool_failures
        yield Check(
            criterion=Criterion.POOL_FAILURES,
            measured=failed,
            allowed=0,
            passed=failed == 0,
            far=failed > 0,
            said=f"{format_count(failed)} commands got no connection",
        )
        starving = one.case.is_starving(limits)
        fairness = one.case.fairness
        yield Check(
            criterion=Criterion.STARVED,
            measured=0.0 if fairness is None else fairness,
            allowed=1 / (1 + limits.unfairness),
            passed=not starving,
            far=starving,
            said=f"handlers got very unequal shares (fairness {fairness or 0:.2f})",
        )
        delivered = delivery(one.case)
        if delivered is not None:
            yield Check(
                criterion=Criterion.DELIVERED,
                measured=delivered.achieved,
                allowed=limits.achieved,
                passed=not delivered.is_behind(limits),
                said=f"the load fell behind its schedule ({format_percent(delivered.achieved)}"
                " of it was done)",
            )
        # Counts of independent commands scatter by the root of themselves, in either run.
        chance = _CHANCE * sqrt(2 / max(base.case.summary.completed, 1))
        less_allowed = max(1 - limits.size_throughput, chance)
        least = (1 - less_allowed) * base.throughput
        usual = min(each.throughput for each in bases)
        less = format_percent(1 - one.throughput / base.throughput) if base.throughput else "–"
        yield Check(
            criterion=Criterion.THROUGHPUT,
            measured=one.throughput,
            allowed=least,
            passed=one.throughput >= min(least, usual),
            far=one.throughput < base.throughput * (1 - _FAR * less_allowed),
            said=f"throughput was {less} less: {format_rate(one.throughput)}",
        )

    def _beside(self, one: Sight, base: Sight, bases: Sequence[Sight]) -> Iterator[Check]:
        limits = self.limits
        room = max(limits.size_wait_share * base.p99_ns, limits.size_wait_ns)
        floor = max(each.wait_p99_ns for each in bases)
        yield Check(
            criterion=Criterion.POOL_WAIT,
            measured=one.wait_p99_ns,
            allowed=floor + room,
            passed=one.wait_p99_ns <= floor + room,
            far=one.wait_p99_ns > floor + _FAR * room,
            said=f"one in a hundred waited {format_duration(one.wait_p99_ns)} or more for a"
            f" connection, {format_duration(floor + room)} is allowed",
        )
        most = limits.size_p99 * base.p99_ns
        worst = max(each.p99_ns for each in bases)
        more = format_percent(one.p99_ns / base.p99_ns - 1) if base.p99_ns else "–"
        yield Check(
            criterion=Criterion.RESPONSE,
            measured=one.p99_ns,
            allowed=most,
            # Never far: a tail is that noisy, where the wait for a connection is that steep.
            passed=one.p99_ns <= max(most, worst),
            said=f"response p99 was {more} more: {format_duration(one.p99_ns)}",
        )

    def _slo(self, one: Sight, base: Sight) -> Iterator[Check]:
        for limit in self.slo:
            measured, beside = (limit.measured(each.case.summary) for each in (one, base))
            kept = limit.is_true(one.case.summary)
            yield Check(
                criterion=Criterion.SLO,
                measured=inf if measured is None else measured,
                allowed=limit.value,
                passed=kept is True,
                # Where the base itself is near the limit, so much to spare was luck.
                clear=measured is not None
                and beside is not None
                and _is_clear(limit, measured)
                and _is_clear(limit, beside),
                said=f"{limit.metric} was {limit.written(measured)}, and {limit} is asked",
            )


def _is_clear(limit: Limit, measured: float) -> bool:
    """Tell whether a limit is kept with so much to spare that noise cannot break it."""
    if limit.is_upper:
        return measured <= limit.value / _CLEARLY
    return measured >= limit.value * _CLEARLY


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two trials run one after the other."""

    base: Sight
    candidate: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """What the pairs of one pool said."""

    pool: Pool
    size: int
    pairs: tuple[Pair, ...]
    checks: tuple[tuple[Check, ...], ...]
    """Those of each pair."""

    @property
    def enough(self) -> bool | None:
        """Tell whether it is enough; None when the pairs have not agreed yet.

        A single pair says so where it failed by far, or kept an SLO by far. With the second a
        search goes on to a smaller size; before it names this one it sees it once more.
        """
        if any(check.far for checks in self.checks for check in checks if not check.passed):
            return False
        asked = [check.clear for one in self.checks for check in one if check.is_asked]
        if asked and all(asked) and self.agrees:
            return True
        for said in (True, False):
            if self._votes.count(said) >= PAIRS_TO_AGREE:
                return said
        return None

    @property
    def agrees(self) -> bool:
        """Tell whether every pair passed, however many there are."""
        return all(self._votes)

    @property
    def _votes(self) -> list[bool]:
        return [all(check.passed for check in checks) for checks in self.checks]

    @property
    def failed(self) -> Check | None:
        """Give the criterion it failed first, most important first, where it was worst."""
        broken = [check for checks in self.checks for check in checks if not check.passed]
        order = list(Criterion)
        return min(broken, key=lambda c: (not c.far, order.index(c.criterion)), default=None)


def judge(
    pool: Pool, size: int, pairs: Sequence[Pair], bases: Sequence[Sight], yardstick: Yardstick
) -> Judged:
    """Judge a pool by its pairs."""
    return Judged(
        pool=pool,
        size=size,
        pairs=tuple(pairs),
        checks=tuple(tuple(yardstick.checks(pair.candidate, pair.base, bases)) for pair in pairs),
    )
