"""The courses a measurement can take: which trials are run, and what is recommended after them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from valkeybench.analysis.enough import Sight
from valkeybench.analysis.found import recommendation
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.search import Step, Tried, answer_so_far, judged_so_far, next_step
from valkeybench.analysis.sizing import recommend
from valkeybench.results.environment import read_environment
from valkeybench.server.probe import WORTH_IT_NS
from valkeybench.trials import Watcher

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from valkeybench.analysis.enough import Judged
    from valkeybench.analysis.search import Answer
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.book import Book
    from valkeybench.results.runfile import CaseRecord, Recommendation


class SearchWatcher(Watcher, Protocol):
    """Who is told how a search gets on as well."""

    def chose(self, step: Step, walk: Sequence[Judged]) -> None:
        """Hear what is tried next, and what is known of the sizes tried so far."""

    def answered(self, answer: Answer) -> None:
        """Hear what was found."""


class Course(Protocol):
    """Which trials are run, and what is recommended after them."""

    plan: Plan
    """The trials that are known before the first."""
    wants_costs: bool
    """Whether what a connection costs is looked at however short the load is."""

    def trials(self, book: Book) -> Iterable[Trial]:
        """Give the trials; each is entered in the book before the next is asked for."""

    def recommend(self, cases: Sequence[CaseRecord]) -> list[Recommendation]:
        """Recommend sizes."""


class Planned:
    """Every trial of the plan, whatever is seen."""

    def __init__(self, plan: Plan, *, wants_costs: bool = False) -> None:
        self.plan = plan
        self.wants_costs = wants_costs

    def trials(self, book: Book) -> Iterable[Trial]:
        """Give the trials of the plan."""
        return book.plan.trials

    def recommend(self, cases: Sequence[CaseRecord]) -> list[Recommendation]:
        """Recommend sizes for whatever loads there were."""
        return recommend(cases)


class Search:
    """Each trial by what those before it saw."""

    def __init__(self, plan: Plan, goal: Goal, watcher: SearchWatcher) -> None:
        self.plan = plan
        self._goal, self._watcher = goal, watcher
        trials = 1 if goal.confidence is Confidence.QUICK else goal.usual_trials
        self.wants_costs = trials * plan.duration_ns >= WORTH_IT_NS
        self._tried: list[Tried] = []
        self._answer: Answer | None = None

    def trials(self, book: Book) -> Iterator[Trial]:
        """Give what the search asks for, until it has its answer."""
        while isinstance(found := next_step(self._goal, self._tried), Step):
            self._watcher.chose(found, judged_so_far(self._goal, self._tried))
            for attempt in found.attempts:
                if self._tried:
                    case = replace(
                        book.plan.cases[0], pool=attempt.pool, max_connections=attempt.size
                    )
                    book.plan = book.plan.with_trial(case, seed=book.scenario.seed)
                trial = book.plan.trials[-1]
                known = len(book.cases()[trial.case_index].trials)
                yield trial
                record = book.cases()[trial.case_index]
                # One whose load was lost is not there; its pair is asked for again.
                if len(record.trials) > known:
                    self._tried.append(Tried(attempt=attempt, sight=Sight.of(record)))
        self._answer = found
        self._watcher.answered(found)

    def recommend(self, cases: Sequence[CaseRecord]) -> list[Recommendation]:
        """Recommend what was found, or what was known when the search was stopped."""
        answer = self._answer or answer_so_far(self._goal, self._tried)
        if answer is None:
            return recommend(cases)
        cpus = read_environment().get("cpus_usable")
        return [
            recommendation(
                self._goal,
                self._tried,
                answer,
                cpus=cpus if isinstance(cpus, int) else None,
            )
        ]
