"""Shows how a search gets on: what is known of each size so far, what is tried, the time left."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

from valkeybench.cli.ending import is_terminal
from valkeybench.cli.progress import START_UP_SECONDS, LiveProgress, PlainProgress, Silence
from valkeybench.report.labels import distance_label
from valkeybench.scenario.model import plain
from valkeybench.units import SECOND, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.enough import Judged
    from valkeybench.analysis.search import Answer, Step
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.server.endpoint import Endpoint


class SilentSearch(Silence):
    """Says nothing."""

    def chose(self, step: Step, walk: Sequence[Judged]) -> None:
        """Say nothing."""

    def answered(self, answer: Answer) -> None:
        """Say nothing."""


class PlainSearch(PlainProgress, SilentSearch):
    """Writes a line for each trial and one for each size that is settled."""

    def __init__(self) -> None:
        super().__init__()
        self._log = _Log()

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Say against whom."""
        self._log.each_seconds = plan.duration_ns / SECOND + START_UP_SECONDS
        self._console.print(_server_line(plan, endpoint, facts))

    def trial_started(self, trial: Trial) -> None:
        """Note when it began."""
        self._log.start()

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Say what it saw, and how much is left."""
        self._log.stop()
        self._console.print(f"{_trial_line(trial, record)}  ({self._log.left()})")

    def chose(self, step: Step, walk: Sequence[Judged]) -> None:
        """Say which sizes are settled by now."""
        self._log.likely = len(step.attempts) + step.likely_after
        for line in self._log.settled(walk):
            self._console.print(line)

    def answered(self, answer: Answer) -> None:
        """Say which sizes are settled in the end."""
        for line in self._log.settled(answer.walk):
            self._console.print(line)


class LiveSearch(LiveProgress, SilentSearch):
    """Draws a bar, and leaves a line above it for each size that is settled."""

    def __init__(self) -> None:
        super().__init__()
        self._log = _Log()

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Show against whom."""
        self._log.each_seconds = plan.duration_ns / SECOND + START_UP_SECONDS
        self._progress.console.print(_server_line(plan, endpoint, facts), markup=False, style="dim")

    def trial_started(self, trial: Trial) -> None:
        """Show what is under way."""
        self._log.start()
        size = trial.case.max_connections
        words = f"trying {size} connections ({trial.case.pool})  {self._log.said}"
        self._progress.update(self._task, description=words)

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Learn how long trials take."""
        self._log.stop()

    def chose(self, step: Step, walk: Sequence[Judged]) -> None:
        """Leave a line for each size that is settled by now."""
        self._log.likely = len(step.attempts) + step.likely_after
        self._settle(walk)

    def answered(self, answer: Answer) -> None:
        """Leave a line for the sizes settled last."""
        self._settle(answer.walk)

    def seconds(self) -> tuple[float, float | None]:
        """Give the seconds done and likely left, for the bar."""
        return self._log.done_seconds(), self._log.left_seconds()

    def _settle(self, walk: Sequence[Judged]) -> None:
        for line in self._log.settled(walk):
            self._progress.console.print(line, markup=False)


class _Log:
    """What has been said of sizes, and how long trials take."""

    def __init__(self) -> None:
        self.each_seconds = START_UP_SECONDS
        self.likely = 0
        self.said = ""
        self._settled: dict[int, bool] = {}
        self._spent: list[float] = []
        self._started: float | None = None

    def start(self) -> None:
        self._started = monotonic()

    def stop(self) -> None:
        if self._started is not None:
            self._spent.append(monotonic() - self._started)
            self.likely -= 1
        self._started = None

    def done_seconds(self) -> float:
        return sum(self._spent) + self._under_way()

    def left_seconds(self) -> float:
        each = sum(self._spent) / len(self._spent) if self._spent else self.each_seconds
        return max(each * max(self.likely, 0) - self._under_way(), 0.0)

    def left(self) -> str:
        return f"about {format_duration(round(self.left_seconds()) * SECOND)} left"

    def settled(self, walk: Sequence[Judged]) -> list[str]:
        """Give a line for each size that was settled since it was last asked."""
        lines = []
        for judged in walk:
            if judged.enough is not None and self._settled.get(judged.size) != judged.enough:
                self._settled[judged.size] = judged.enough
                lines.append(_judged_line(judged))
        marks = (f"{size}{'✓' if ok else '✗'}" for size, ok in sorted(self._settled.items()))
        self.said = " ".join(marks)
        return lines

    def _under_way(self) -> float:
        return 0.0 if self._started is None else monotonic() - self._started


def make_search_progress(*, quiet: bool) -> SilentSearch:
    """Choose how to show a search: a bar where a person watches, lines where none does."""
    if quiet:
        return SilentSearch()
    return LiveSearch() if is_terminal() else PlainSearch()


def _server_line(plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> str:
    flavour = f"{(facts.flavour or 'server')} {facts.version or ''}".strip()
    distance = distance_label(plain(case) for case in plan.cases)
    return (
        f"{flavour} at {endpoint.address} ({endpoint.provider}); looking for the smallest pool"
        + (f" over an {distance}" if distance else "")
    )


def _trial_line(trial: Trial, record: TrialRecord) -> str:
    response = record.summary.phases.get("response")
    p99 = format_duration(response.p99_ns) if response else "no reply"
    failed = f", {record.summary.failed} failed" if record.summary.failed else ""
    what = filter(None, (trial.case.pool, distance_label([plain(trial.case)])))
    return (
        f"tried {trial.case.max_connections} ({', '.join(what)}):"
        f" {format_rate(record.summary.throughput)}, p99 {p99}{failed}"
    )


def _judged_line(judged: Judged) -> str:
    if judged.enough:
        return f"✓ {judged.size} connections are enough"
    why = "" if judged.failed is None else f": {judged.failed.said}"
    return f"✗ {judged.size} connections are not enough{why}"
