"""The search for the smallest pool that is enough: given what was seen, what to try next.

A state machine without a clock and without a server: it is asked after every trial, looks
at all of them, and answers with the next trials or with what it found. So it can be driven
by real trials, or by a model whose answer is known.

One unconstrained base run says what the load occupies; the walk starts at that size, goes
down while sizes are enough and up while they are not, each beside a base run of its own;
what it finds can be certified by fresh pairs, which the walk cannot have biased.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from typing import TYPE_CHECKING

from valkeybench.analysis.certificate import Certificate, certify
from valkeybench.analysis.enough import (
    PAIRS_TO_AGREE,
    Criterion,
    Judged,
    Pair,
    Sight,
    judge,
)
from valkeybench.analysis.estimate import estimate
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.inference import Conclusion, SequentialTest
from valkeybench.analysis.refusal import Refusal, refuse_base, refuse_certificates, refuse_walk
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Stage(StrEnum):
    """What a trial is for."""

    BASE = "base"
    WALK = "walk"
    CURE = "cure"
    """A pool that serves in order, where one that does not was too small."""
    CERTIFY = "certify"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One trial to run. Base and candidate of the same `pair` stand beside each other."""

    stage: Stage
    pool: Pool
    size: int
    pair: int = 0
    is_base: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A trial that was run, and what it saw."""

    attempt: Attempt
    sight: Sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Trials to run next, in this order, and how many more are likely after them."""

    attempts: tuple[Attempt, ...]
    likely_after: int = 0
    most_after: int | None = None
    """How many more there can be, where that is known."""
    certificates: tuple[Certificate, ...] = ()
    """What fresh pairs have said so far, the size they are at last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What was found: a size with its basis, or why there is none."""

    size: int | None = None
    basis: Confidence = Confidence.STANDARD
    refusal: Refusal | None = None
    walk: tuple[Judged, ...] = ()
    cure: Judged | None = None
    certificates: tuple[Certificate, ...] = ()
    fresh: tuple[Judged, ...] = ()
    """What the pairs of the certificates look like, judged as those of the walk are."""
    cut_short: bool = False
    """Whether the walk ended before the next smaller size was known not to be enough."""
    stopped: bool = False
    """Whether somebody ended the search before it was done."""

    @property
    def next_smaller(self) -> Judged | None:
        """Give the largest size that was not enough."""
        return max((j for j in self.walk if j.enough is False), key=lambda j: j.size, default=None)

    def judged(self, size: int) -> Judged | None:
        """Give what was said of a size, by the walk if it came there."""
        return next((each for each in (*self.walk, *self.fresh) if each.size == size), None)


def next_step(goal: Goal, tried: Sequence[Tried]) -> Step | Answer:
    """Say what to try next, or what was found."""
    return _Search(goal, tuple(tried)).next()


def answer_so_far(goal: Goal, tried: Sequence[Tried]) -> Answer | None:
    """Give what a search had found when it was stopped; None before any size was tried."""
    return _Search(goal, tuple(tried)).stopped()


def judged_so_far(goal: Goal, tried: Sequence[Tried]) -> tuple[Judged, ...]:
    """Judge every size of the walk so far, smallest first."""
    return _Search(goal, tuple(tried)).walk


@dataclass(frozen=True, slots=True)
class _Search:
    """One look at everything that was tried."""

    goal: Goal
    tried: tuple[Tried, ...]

    def next(self) -> Step | Answer:
        goal = self.goal
        if not self.tried:
            base = Attempt(stage=Stage.BASE, pool=goal.pool, size=goal.most, is_base=True)
            return Step(
                attempts=(base,), likely_after=self._likely_walk(), most_after=self._most(1)
            )
        refusal = refuse_base(self.bases, slo=goal.slo, cap=goal.cap, limits=goal.limits)
        if refusal is not None and refusal.is_hasty and len(self.bases) == 1 and self._has_room(1):
            # One stall of the machine looks like that, and condemns no load.
            return self._another_base()
        if refusal is None and goal.confidence is Confidence.QUICK:
            # Who finds no connection free waits for one, or fails: none may.
            waiting = 0.0 if goal.pool is Pool.RAISING else None
            size = estimate(goal, self.bases, waiting=waiting)
            return Answer(size=size, basis=Confidence.QUICK)
        refusal = refusal or refuse_walk(self.walk, self.bases, slo=goal.slo, limits=goal.limits)
        if refusal is not None:
            return Answer(refusal=refusal, walk=self.walk)
        target = self._target() if self._has_room(2) else None
        if target is not None:
            return self._pair(Stage.WALK, goal.pool, target, after=self._likely_walk() - 2)
        return self._after_walk()

    @property
    def bases(self) -> list[Sight]:
        """Give every run of the unconstrained pool."""
        return [each.sight for each in self.tried if each.attempt.is_base]

    @property
    def walk(self) -> tuple[Judged, ...]:
        """Judge every size of the walk, smallest first."""
        return self._judged(Stage.WALK)

    @property
    def passing(self) -> int:
        """Give the smallest size known to be enough."""
        return min((j.size for j in self.walk if j.enough), default=self.goal.most)

    @property
    def named(self) -> int:
        """Give the smallest size that enough pairs found enough; the base's own if none was."""
        found = (j for j in self.walk if j.enough and len(j.pairs) >= PAIRS_TO_AGREE)
        return min((each.size for each in found), default=self.goal.most)

    @property
    def failing(self) -> int:
        """Give the largest size known not to be; 0 when there is none."""
        return max((j.size for j in self.walk if j.enough is False), default=0)

    def _after_walk(self) -> Step | Answer:
        cure = self._cure()
        if isinstance(cure, Step):
            return cure
        certificates = self._certify()
        if isinstance(certificates, Step):
            return certificates
        refusal = refuse_certificates(certificates)
        held = [each for each in certificates if each.conclusion is Conclusion.HOLDS]
        open_ = [each for each in certificates if each.conclusion is Conclusion.OPEN]
        best = (held or open_)[0].size if held or open_ else self.named
        return Answer(
            size=None if refusal else best,
            basis=Confidence.CERTIFIED if held else Confidence.STANDARD,
            refusal=refusal,
            walk=self.walk,
            cure=cure,
            certificates=certificates,
            fresh=self._judged(Stage.CERTIFY),
            cut_short=self.named > self.passing or not self._is_bracketed(),
        )

    def stopped(self) -> Answer | None:
        """Give what is known without another trial."""
        if not self.walk:
            return None
        return Answer(
            size=self.passing if self._has_passed() else None,
            walk=self.walk,
            cut_short=not self._is_bracketed(),
            stopped=True,
        )

    def _target(self) -> int | None:
        """Choose the size to look at: one that is undecided, or the next of the walk."""
        if self._is_bracketed() or (self._is_spent() and self._has_passed()):
            return self.passing if self._is_hasty() else None
        undecided = [each.size for each in self.walk if each.enough is None]
        if undecided:
            return undecided[0]
        grid = self.goal.grid
        start = self._start()
        if not self.walk:
            return grid[start]
        low, high = grid.index(self.failing) if self.failing else -1, grid.index(self.passing)
        if self.failing and self._has_passed():
            return grid[(low + high) // 2]
        # The start is near as a rule: the first step is a small one, later ones double.
        stride = 1 << (len(self.walk) - 1)
        if self.failing:
            # The base, which is the last of the grid, needs no trial of its own.
            up = min(low + stride, len(grid) - 2)
            return grid[up] if up > low else None
        return grid[max(high - stride, 0)]

    def _start(self) -> int:
        """Find where on the grid to begin: at what the base run found in use."""
        goal = self.goal
        waiting = goal.limits.waiting if goal.pool is Pool.RAISING else goal.limits.waiting_minimum
        # Of two, one was thought to be spoilt: such a one asks for too many.
        need = min(estimate(goal, [base], waiting=waiting) for base in self.bases)
        fitting = [index for index, size in enumerate(goal.grid[:-1]) if size >= need]
        return fitting[0] if fitting else max(len(goal.grid) - 2, 0)

    def _is_bracketed(self) -> bool:
        """Tell whether nothing is left between what is enough and what is not."""
        grid = self.goal.grid
        return (self.failing, self.passing) in pairwise((0, *grid))

    def _has_passed(self) -> bool:
        return any(each.enough for each in self.walk)

    def _is_spent(self) -> bool:
        # What one pair was enough to pass on the way down is seen again before it is named.
        kept = 2 * self._is_hasty()
        return len(self.tried) + 2 + kept > self.goal.usual_trials

    def _has_room(self, more: int) -> bool:
        return len(self.tried) + more <= self.goal.most_trials

    def _is_hasty(self) -> bool:
        """Tell whether the smallest size that is enough rests on a single pair."""
        found = [each for each in self.walk if each.enough and each.size == self.passing]
        return bool(found) and len(found[0].pairs) < PAIRS_TO_AGREE

    def _cure(self) -> Judged | Step | None:
        """Try whether serving in order would cure what the next smaller size suffers from."""
        size = self.failing
        if self.goal.pool is not Pool.BLOCKING or not size:
            return None
        worst = next(each for each in self.walk if each.size == size).failed
        own_doing = (Criterion.STARVED, Criterion.POOL_WAIT, Criterion.RESPONSE)
        if worst is None or worst.criterion not in own_doing:
            return None
        found = self._judged(Stage.CURE)
        if found or self._is_spent():
            return found[0] if found else None
        return self._pair(Stage.CURE, Pool.FAIR, size, after=self._likely_certificate())

    def _certify(self) -> tuple[Certificate, ...] | Step:
        goal = self.goal
        found: list[Certificate] = []
        if goal.confidence is not Confidence.CERTIFIED:
            return ()
        test = SequentialTest()
        sizes = [size for size in goal.grid if self.passing <= size < goal.most]
        for size in sizes[: test.tries]:
            pairs = self._pairs(Stage.CERTIFY, goal.pool, size)
            certificate = certify(size, pairs, slo=goal.slo, limits=goal.limits, test=test)
            if certificate.conclusion is Conclusion.OPEN and test.next_look(len(pairs)):
                # At most: it ends at the first look that can say something.
                after = 2 * (test.looks[-1] - len(pairs) - 1)
                more = 2 * test.looks[-1] * (len(sizes[: test.tries]) - len(found) - 1)
                step = self._pair(Stage.CERTIFY, goal.pool, size, after=after)
                said = (*found, certificate)
                return replace(step, most_after=after + more, certificates=said)
            found.append(certificate)
            if certificate.conclusion is Conclusion.HOLDS:
                break
        return tuple(found)

    def _judged(self, stage: Stage) -> tuple[Judged, ...]:
        which = {(t.attempt.pool, t.attempt.size) for t in self._candidates(stage)}
        bases, yardstick = self.bases, self.goal.yardstick
        return tuple(
            judge(pool, size, self._pairs(stage, pool, size), bases, yardstick)
            for pool, size in sorted(which, key=lambda each: each[1])
            if self._pairs(stage, pool, size)
        )

    def _candidates(self, stage: Stage) -> Iterator[Tried]:
        return (t for t in self.tried if t.attempt.stage is stage and not t.attempt.is_base)

    def _pairs(self, stage: Stage, pool: Pool, size: int) -> list[Pair]:
        """Give the finished pairs of a pool, in the order they were run."""
        bases = {t.attempt.pair: t.sight for t in self.tried if t.attempt.is_base}
        return [
            Pair(base=bases[each.attempt.pair], candidate=each.sight)
            for each in self._candidates(stage)
            if (each.attempt.pool, each.attempt.size) == (pool, size) and each.attempt.pair in bases
        ]

    def _pair(self, stage: Stage, pool: Pool, size: int, *, after: int) -> Step:
        """Ask for a pair; which of the two comes first takes turns, so that drift falls on both."""
        number = 1 + max(each.attempt.pair for each in self.tried)
        base = Attempt(
            stage=stage, pool=self.goal.pool, size=self.goal.most, pair=number, is_base=True
        )
        candidate = Attempt(stage=stage, pool=pool, size=size, pair=number)
        both = (base, candidate) if number % 2 else (candidate, base)
        return Step(attempts=both, likely_after=max(after, 0), most_after=self._most(2))

    def _another_base(self) -> Step:
        base = Attempt(
            stage=Stage.BASE, pool=self.goal.pool, size=self.goal.most, pair=1, is_base=True
        )
        return self._one(base)

    def _one(self, base: Attempt) -> Step:
        likely = self._likely_walk()
        return Step(attempts=(base,), likely_after=likely, most_after=self._most(1))

    def _most(self, asked: int) -> int | None:
        """Count the trials that can come after those asked for, where certainty is wanted."""
        if self.goal.confidence is not Confidence.CERTIFIED:
            return None
        walk = max(self.goal.most_trials - len(self.tried) - asked, 0)
        return walk + self.goal.most_fresh_trials

    def _likely_walk(self) -> int:
        """Guess how many trials are left: two pairs for each size that must still be looked at."""
        if self.goal.confidence is Confidence.QUICK:
            return 0
        sizes = 1 + (not self.failing) - self._is_bracketed()
        decided = sum(len(each.pairs) for each in self.walk if each.enough is None)
        cure = 2 * (self.goal.pool is Pool.BLOCKING)
        walk = max(4 * sizes - 2 * decided, 2) + cure
        room = max(self.goal.most_trials - len(self.tried), 0)
        return min(walk, room) + self._likely_certificate()

    def _likely_certificate(self) -> int:
        certified = self.goal.confidence is Confidence.CERTIFIED
        return 2 * SequentialTest().looks[-1] if certified else 0
