"""Shows how a search gets on: what is known of each size so far, what is tried, the time left."""

from __future__ import annotations

from math import exp
from time import monotonic
from typing import TYPE_CHECKING

from valkeybench.analysis.inference import Conclusion, SequentialTest
from valkeybench.analysis.search import Stage
from valkeybench.cli.ending import is_terminal
from valkeybench.cli.progress import (
    START_UP_SECONDS,
    LiveProgress,
    PlainProgress,
    Silence,
    time_left,
)
from valkeybench.report.labels import distance_label
from valkeybench.scenario.model import plain
from valkeybench.units import SECOND, are, format_duration, format_rate, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.certificate import Certificate
    from valkeybench.analysis.enough import Judged
    from valkeybench.analysis.search import Answer, Attempt, Step
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
        """Say what it saw, what it was for, and how much is left."""
        self._log.stop()
        place = self._log.place(trial)
        self._console.print(f"{_trial_line(trial, record)}, {place}  ({self._log.left()})")

    def chose(self, step: Step, walk: Sequence[Judged]) -> None:
        """Say which sizes are settled by now."""
        for line in self._log.chose(step, walk):
            self._console.print(line)

    def answered(self, answer: Answer) -> None:
        """Say which sizes are settled in the end."""
        for line in self._log.ended(answer):
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
        words = f"{self._log.purpose(trial)}  {self._log.said}"
        self._progress.update(self._task, description=words)

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Learn how long trials take."""
        self._log.stop()

    def chose(self, step: Step, walk: Sequence[Judged]) -> None:
        """Leave a line for each size that is settled by now."""
        self._show(self._log.chose(step, walk))

    def answered(self, answer: Answer) -> None:
        """Leave a line for the sizes settled last."""
        self._show(self._log.ended(answer))

    def seconds(self) -> tuple[float, float | None]:
        """Give the seconds done and likely left, for the bar."""
        return self._log.done_seconds(), self._log.left_seconds()

    def left(self, seconds: float) -> str:
        """Say beside the bar how long it will likely take, and at most where that is known."""
        return self._log.left()

    def _show(self, lines: Sequence[str]) -> None:
        for line in lines:
            self._progress.console.print(line, markup=False)


class _Log:
    """What has been said of sizes, and how long trials take."""

    def __init__(self) -> None:
        self.each_seconds = START_UP_SECONDS
        self.said = ""
        self._likely = 0
        self._most: int | None = None
        self._step: Step | None = None
        self._pairs = 0
        self._settled: dict[int, bool] = {}
        self._looked: set[tuple[int, int]] = set()
        self._spent: list[float] = []
        self._started: float | None = None

    def start(self) -> None:
        self._started = monotonic()

    def stop(self) -> None:
        if self._started is not None:
            self._spent.append(monotonic() - self._started)
            self._likely -= 1
            self._most = None if self._most is None else self._most - 1
        self._started = None

    def done_seconds(self) -> float:
        return sum(self._spent) + self._under_way()

    def left_seconds(self) -> float:
        return self._seconds_of(self._likely)

    def left(self) -> str:
        likely = f"about {time_left(self.left_seconds())} left"
        if self._most is None or self._most <= self._likely:
            return likely
        return f"{likely}, at most {time_left(self._seconds_of(self._most))}"

    def purpose(self, trial: Trial) -> str:
        """Say what is under way: which size is looked at, and whether this is its base."""
        looked_at = self._looked_at()
        if looked_at is None:
            return f"base: {trial.case.max_connections} connections"
        doing = "certifying" if looked_at.stage is Stage.CERTIFY else "trying"
        if looked_at.stage is Stage.CURE:
            what = f"{looked_at.size} with pool fair"
        else:
            what = f"{looked_at.size}, pair {self._pairs + 1}"
        size = trial.case.max_connections
        return f"{doing} {what}" + ("" if _is_it(looked_at, trial) else f": its base of {size}")

    def place(self, trial: Trial) -> str:
        """Say what a trial that was done is: the base, or a half of a pair."""
        looked_at = self._looked_at()
        if looked_at is None:
            return "the base"
        fresh = "fresh " if looked_at.stage is Stage.CERTIFY else ""
        base = "" if _is_it(looked_at, trial) else "the base beside "
        if looked_at.stage is Stage.CURE:
            return f"{base}the cure of {looked_at.size}"
        return f"{base}{looked_at.size}, {fresh}pair {self._pairs + 1}"

    def _looked_at(self) -> Attempt | None:
        attempts = () if self._step is None else self._step.attempts
        return next((each for each in attempts if not each.is_base), None)

    def chose(self, step: Step, walk: Sequence[Judged]) -> list[str]:
        """Take in what is tried next; give a line for each size that was settled by now."""
        self._step = step
        self._likely = len(step.attempts) + step.likely_after
        self._most = None if step.most_after is None else len(step.attempts) + step.most_after
        at = {each.size for each in step.attempts if not each.is_base}
        self._pairs = sum(len(each.pairs) for each in walk if each.size in at)
        if step.certificates:
            self._pairs = step.certificates[-1].pairs
        return [*self._of_walk(walk), *self._of_certificates(step.certificates)]

    def ended(self, answer: Answer) -> list[str]:
        """Give a line for each size that was settled last."""
        return [*self._of_walk(answer.walk), *self._of_certificates(answer.certificates)]

    def _of_walk(self, walk: Sequence[Judged]) -> list[str]:
        lines = []
        for judged in walk:
            if judged.enough is not None and self._settled.get(judged.size) != judged.enough:
                self._settled[judged.size] = judged.enough
                lines.append(_judged_line(judged))
        marks = (f"{size}{'✓' if ok else '✗'}" for size, ok in sorted(self._settled.items()))
        self.said = " ".join(marks)
        return lines

    def _of_certificates(self, certificates: Sequence[Certificate]) -> list[str]:
        """Give a line for each look that was taken at fresh pairs since it was last asked."""
        lines = []
        for each in certificates:
            look = (each.size, each.pairs)
            if look not in self._looked and (not each.pairs or each.is_a_look):
                self._looked.add(look)
                lines.append(_certificate_line(each))
        return lines

    def _seconds_of(self, trials: int) -> float:
        each = sum(self._spent) / len(self._spent) if self._spent else self.each_seconds
        return max(each * max(trials, 0) - self._under_way(), 0.0)

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


def _is_it(attempt: Attempt, trial: Trial) -> bool:
    return (attempt.size, attempt.pool) == (trial.case.max_connections, trial.case.pool)


def _judged_line(judged: Judged) -> str:
    if judged.enough:
        p99s = [round(pair.candidate.p99_ns) for pair in judged.pairs]
        bases = [round(pair.base.p99_ns) for pair in judged.pairs]
        return (
            f"✓ {plural(judged.size, 'connection')} {are(judged.size)} enough: response p99"
            f" {_range(p99s)}, beside {_range(bases)} with"
            f" {judged.pairs[0].base.case.max_connections}"
        )
    why = "" if judged.failed is None else f": {judged.failed.said}"
    return f"✗ {plural(judged.size, 'connection')} {are(judged.size)} not enough{why}"


def _range(times: Sequence[int]) -> str:
    """Write the shortest and the longest of some times, or the only one."""
    low, high = format_duration(min(times)), format_duration(max(times))
    return low if low == high else f"{low} to {high}"


def _certificate_line(certificate: Certificate) -> str:
    """Say what is being proved with fresh pairs, or what a look at them showed."""
    size, looks = certificate.size, ", ".join(map(str, SequentialTest().looks))
    if not certificate.pairs:
        return f"· certifying {size} with fresh pairs; looking at them after {looks}"
    marks = {Conclusion.HOLDS: "✓", Conclusion.BROKEN: "✗", Conclusion.OPEN: "·"}
    said = {
        Conclusion.HOLDS: "certified",
        Conclusion.BROKEN: "disproved",
        Conclusion.OPEN: "not yet proved",
    }
    found = "; ".join(
        f"{clause.claim} {clause.low:.2f} to {clause.high:.2f}, at most {exp(clause.limit):.2f}"
        " is asked"
        for clause in certificate.clauses
        if clause.low is not None and clause.high is not None
    )
    mark, word = marks[certificate.conclusion], said[certificate.conclusion]
    return f"{mark} {size} {word} by {certificate.pairs} fresh pairs" + (
        f": {found}" if found else ""
    )
