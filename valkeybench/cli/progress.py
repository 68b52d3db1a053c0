"""Shows how the work gets on: a bar with the time left for people, plain lines for logs."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from valkeybench.cli.consoles import Lines
from valkeybench.cli.ending import is_terminal
from valkeybench.report.labels import axes_labels, distance_label
from valkeybench.scenario.model import plain
from valkeybench.units import SECOND, format_duration, format_rate, plural

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.runfile import Trial as TrialRecord
    from valkeybench.server.endpoint import Endpoint

START_UP_SECONDS = 0.8
"""What starting a load process takes before we know better."""

_REDRAW_SECONDS = 0.25
_MANY_SECONDS = 120


class Silence:
    """Says nothing."""

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Say nothing."""

    def trial_started(self, trial: Trial) -> None:
        """Say nothing."""

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Say nothing."""

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Leave the screen to somebody else for a while."""
        yield

    def __enter__(self) -> Self:
        """Begin to say nothing."""
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""


class PlainProgress(Silence):
    """Writes a line for the plan and one for each trial, to standard error."""

    def __init__(self) -> None:
        self._console = Lines()
        self._clock = _Clock()

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Say what will be done."""
        self._clock.plan = plan
        self._console.print(_plan_line(plan, endpoint, facts, self._clock))

    def trial_started(self, trial: Trial) -> None:
        """Note when it began."""
        self._clock.start()

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Say what it saw, and how much is left."""
        self._clock.stop()
        self._console.print(_trial_line(trial, record, self._clock))


class LiveProgress(Silence):
    """Draws a bar that moves with the clock, and says what is under way and the time left."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._clock = _Clock()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            TextColumn("{task.fields[left]}", justify="right", markup=False),
            console=self._console,
            transient=True,
            expand=True,
            auto_refresh=False,
        )
        self._task = self._progress.add_task("starting", total=None, left="")
        self._stop = threading.Event()
        self._redrawing = threading.Thread(target=self._redraw, daemon=True)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Take the bar away, and bring it back."""
        self._progress.stop()
        try:
            yield
        finally:
            self._progress.start()

    def __enter__(self) -> Self:
        """Start drawing."""
        self._progress.start()
        self._redrawing.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away again."""
        self._stop.set()
        self._redrawing.join()
        self._progress.stop()

    def planned(self, plan: Plan, endpoint: Endpoint, facts: ServerFacts) -> None:
        """Show what will be done above the bar."""
        self._clock.plan = plan
        line = _plan_line(plan, endpoint, facts, self._clock)
        self._progress.console.print(line, markup=False, style="dim")

    def trial_started(self, trial: Trial) -> None:
        """Show what is under way."""
        self._clock.start()
        description = f"trial {self._clock.number}/{self._clock.total}  {self._clock.label(trial)}"
        self._progress.update(self._task, description=description)

    def trial_done(self, trial: Trial, record: TrialRecord) -> None:
        """Learn how long trials take."""
        self._clock.stop()

    def seconds(self) -> tuple[float, float | None]:
        """Give the seconds done and left, for the bar; None is not known yet."""
        return self._clock.done_seconds(), self._clock.left_seconds()

    def left(self, seconds: float) -> str:
        """Say beside the bar how long it will still take."""
        return f"{time_left(seconds)} left"

    def _redraw(self) -> None:
        while not self._stop.wait(_REDRAW_SECONDS):
            done, left = self.seconds()
            if left is not None:
                self._progress.update(
                    self._task,
                    completed=done,
                    total=done + left,
                    left=self.left(left),
                )
            self._progress.refresh()


class _Clock:
    """Estimates the time left from the trials so far."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.number = 0
        self._spent: list[float] = []
        self._started: float | None = None

    def label(self, trial: Trial) -> str:
        """Name a trial's case by what sets it apart."""
        cases = self.plan.cases if self.plan else (trial.case,)
        label = axes_labels([plain(case) for case in cases])[trial.case_index]
        distance = distance_label([plain(trial.case)])
        return label if distance in label else f"{label}, {distance}"

    @property
    def total(self) -> int:
        return len(self.plan.trials) if self.plan else 0

    def start(self) -> None:
        self.number += 1
        self._started = monotonic()

    def stop(self) -> None:
        if self._started is not None:
            self._spent.append(monotonic() - self._started)
        self._started = None

    def done_seconds(self) -> float:
        return sum(self._spent) + self._under_way()

    def left_seconds(self) -> float | None:
        if self.plan is None:
            return None
        left = self._per_trial() * (self.total - len(self._spent)) - self._under_way()
        return max(left, 0.0)

    def _under_way(self) -> float:
        return 0.0 if self._started is None else monotonic() - self._started

    def _per_trial(self) -> float:
        if self._spent:
            return sum(self._spent) / len(self._spent)
        planned = self.plan.duration_ns / SECOND / max(self.total, 1) if self.plan else 0.0
        return planned + START_UP_SECONDS


def time_left(seconds: float) -> str:
    """Write whole seconds: more figures would promise what nobody knows."""
    whole = round(seconds)
    return f"{whole} s" if whole < _MANY_SECONDS else format_duration(whole * SECOND)


def make_progress(*, quiet: bool) -> Silence:
    """Choose how to show progress: a bar where a person watches, lines where none does."""
    if quiet:
        return Silence()
    return LiveProgress() if is_terminal() else PlainProgress()


def _plan_line(plan: Plan, endpoint: Endpoint, facts: ServerFacts, clock: _Clock) -> str:
    flavour = f"{(facts.flavour or 'server')} {facts.version or ''}".strip()
    cases, trials = len(plan.cases), len(plan.trials)
    left = clock.left_seconds() or 0.0
    distance = distance_label(plain(case) for case in plan.cases)
    distance += ", " if distance else ""
    return (
        f"{flavour} at {endpoint.address} ({endpoint.provider}); "
        f"{plural(cases, 'case')}, {plural(trials, 'trial')}, {distance}"
        f"about {time_left(left)}"
    )


def _trial_line(trial: Trial, record: TrialRecord, clock: _Clock) -> str:
    summary, response = record.summary, record.summary.phases.get("response")
    # What was unfinished is in the distribution too, and by itself says nothing of replies.
    p99 = (
        f"p99 {format_duration(response.p99_ns)}" if response and summary.completed else "no reply"
    )
    failed = f", {summary.failed} failed" if summary.failed else ""
    left = clock.left_seconds() or 0.0
    return (
        f"trial {clock.number}/{clock.total}  {clock.label(trial)}: "
        f"{format_rate(summary.throughput)}, {p99}{failed}  "
        f"({time_left(left)} left)"
    )
