"""`valkeybench observe`: from a URL to who holds which connections, and an exit code."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from valkeybench import workflow
from valkeybench.analysis.observing import Wish
from valkeybench.cli.consoles import show
from valkeybench.cli.ending import is_terminal, say_error
from valkeybench.cli.progress import time_left
from valkeybench.errors import ExitCode, Problem, ScenarioError, ServerError
from valkeybench.measurement.looking import Pace
from valkeybench.report.observe import observe_document, observe_summary
from valkeybench.report.observe_json import observe_json
from valkeybench.results.store import check_replaceable, write_text
from valkeybench.scenario.reader import read_scenario
from valkeybench.scenario.sizing import parse_headroom
from valkeybench.scenario.wording import legible
from valkeybench.units import MILLISECOND, SECOND, format_count, format_duration, parse_duration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.server.endpoint import Endpoint

    Flags = Mapping[str, str | list[str]]

_SHORTEST_INTERVAL_NS = 100 * MILLISECOND
_NO_PLACE_HERE = {
    "cluster": ("--cluster", "one node is observed at a time", "leave it out, and name a node"),
    "client_name": ("--client-name", "our one connection has its own name", "leave it out"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the flags of `observe` alone say, as words."""

    lasts: str
    interval: str
    lookback: str
    headroom: str
    max_clients: int


def observe(
    flags: Flags, wishes: Wishes, *, output: Path | None, as_json: bool, quiet: bool
) -> ExitCode:
    """Watch and report; give the exit code."""
    pace, wish = _pace(wishes), _wish(wishes)
    scenario = read_scenario({}, flags=_checked(flags), environment=os.environ)
    if scenario.server.url is None:
        raise ScenarioError.one(
            "--url",
            "observe looks at a server that is in use, and none is named",
            "give --url valkey://host:6379, or VALKEYBENCH_URL",
        )
    if output is not None:
        check_replaceable(output, remedy="use --json to print it")
    with _Progress(quiet=quiet) as progress:
        findings = workflow.observe(scenario, pace, wish, watcher=progress)
    text = observe_json(findings, created=datetime.now(UTC))
    if output is not None:
        write_text(text, output)
    if as_json:
        sys.stdout.write(text)
    show((observe_summary if quiet else observe_document)(findings), on_stderr=as_json)
    if findings.watched.lost:
        say_error(ServerError(findings.watched.lost, remedy="what was seen until then is shown"))
        return ExitCode.SERVER
    return ExitCode.INTERRUPTED if findings.watched.was_interrupted else ExitCode.DONE


def _checked(flags: Flags) -> Flags:
    unfit = [
        Problem(*said)
        for name, said in _NO_PLACE_HERE.items()
        if flags.get(name) not in (None, "false")
    ]
    if unfit:
        raise ScenarioError(unfit)
    return flags


def _pace(wishes: Wishes) -> Pace:
    if wishes.max_clients < 1:
        raise ScenarioError.one("--max-clients", f"{wishes.max_clients} is none", "use 1 or more")
    return Pace(
        lasts_ns=_duration("--for", wishes.lasts, least_ns=_SHORTEST_INTERVAL_NS),
        interval_ns=_duration("--interval", wishes.interval, least_ns=_SHORTEST_INTERVAL_NS),
        most_clients=wishes.max_clients,
    )


def _wish(wishes: Wishes) -> Wish:
    return Wish(
        lookback_ns=_duration("--lookback", wishes.lookback, least_ns=SECOND),
        headroom=parse_headroom(wishes.headroom),
    )


def _duration(place: str, word: str, *, least_ns: int) -> int:
    try:
        duration_ns = parse_duration(word)
    except ValueError:
        raise ScenarioError.one(
            place, f"»{legible(word)}« is no duration", "write it with a unit, like 60s or 10m"
        ) from None
    if duration_ns < least_ns:
        least = format_duration(least_ns)
        raise ScenarioError.one(place, f"»{legible(word)}« is too short", f"use {least} or more")
    return duration_ns


class _TimeLeft(ProgressColumn):
    """Counts down by the clock: looks may be far apart."""

    def render(self, task: Task) -> Text:
        """Write the time left, once it is known."""
        ends = task.fields["ends"]
        if ends is None:
            return Text("")
        left = max(0, round(ends - monotonic()))
        return Text(f"{time_left(left)} left")


class _Progress:
    """Says how the watching gets on: a bar where a person watches, two lines where none does."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._live = quiet, not quiet and is_terminal()
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            _TimeLeft(),
            console=self._console,
            transient=True,
            expand=True,
            disable=not self._live,
        )
        self._task = self._bar.add_task("looking", total=None, ends=None)

    def __enter__(self) -> Self:
        """Start drawing, if anybody looks."""
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Take the bar away again."""
        self._bar.stop()

    def watching(self, endpoint: Endpoint, facts: ServerFacts, pace: Pace) -> None:
        """Say what is watched, and for how long."""
        ends = monotonic() + pace.lasts_ns / SECOND
        self._bar.update(self._task, total=pace.lasts_ns, ends=ends)
        if not self._quiet:
            name = f"{facts.flavour or 'server'} {facts.version or ''}".strip()
            lasts = format_duration(pace.lasts_ns)
            self._console.print(
                f"{name} at {endpoint.address}: watching its clients for {lasts} (Ctrl-C: enough)"
            )

    def looked(self, *, clients: int, looks: int, lasted_ns: int, cost_ns: int) -> None:
        """Say what was seen so far."""
        share = 100 * cost_ns / lasted_ns if lasted_ns else 0.0
        self._bar.update(
            self._task,
            completed=lasted_ns,
            description=f"look {looks}, {format_count(clients)} clients, {share:.2f} % of a core",
        )
