"""How two sides take turns, in pairs of drawn order, until there is enough to say something.

Sides may differ in anything: an axis, the server, the Python. Sides that name the same server
share one, so that nothing but what was meant differs.
"""

from __future__ import annotations

import secrets
from contextlib import ExitStack
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, Protocol

from valkeybench.analysis.regression import look_at
from valkeybench.load.caution import nobody
from valkeybench.load.interpreter import OURS, other_interpreter
from valkeybench.load.places import LocalPlace, open_place
from valkeybench.load.preflight import check_clients
from valkeybench.plan.trial import make_plan
from valkeybench.results.store import write_run
from valkeybench.server.session import open_watched
from valkeybench.trials import Bench, Watcher, run_trials, stand_up

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from valkeybench.analysis.comparison import Rule
    from valkeybench.analysis.regression import Look
    from valkeybench.errors import ValkeybenchError
    from valkeybench.load.caution import Consent
    from valkeybench.load.interpreter import Interpreter
    from valkeybench.load.places import Place
    from valkeybench.plan.trial import Plan, Trial
    from valkeybench.results.book import Status
    from valkeybench.results.runfile import CaseRecord, RunFile
    from valkeybench.scenario.model import Scenario, ServerSettings
    from valkeybench.server.serving import Serving
    from valkeybench.server.watching import Watching
    from valkeybench.trials import Stand


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two sides: a scenario of one case, and the Python its load runs in."""

    name: str
    scenario: Scenario
    python: str | None = None
    """An interpreter; None is ours."""
    output: Path | None = None
    consent: Consent = nobody
    """Who is asked when something speaks against loading its server."""


class TurnsWatcher(Watcher, Protocol):
    """Who is told how turns get on."""

    def turn_of(self, side: str) -> None:
        """Hear whose turn it is."""

    def looked(self, look: Look) -> None:
        """Hear what the pairs so far say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turned:
    """What came of it: both runs, the last look, and what stopped it early, if anything did."""

    base: RunFile
    new: RunFile
    look: Look
    status: Status
    stopped_by: ValkeybenchError | None = None


@dataclass(slots=True)
class _Standing:
    """A side whose trials can be run."""

    side: Side
    stand: Stand
    turns: int = 0
    lost_in_a_row: int = 0

    @property
    def case(self) -> CaseRecord:
        """Give its case with the trials it has."""
        return self.stand.book.cases()[0]

    def next_trial(self) -> Trial:
        """Plan one more trial."""
        book = self.stand.book
        if self.turns:
            book.plan = book.plan.with_trial(book.plan.cases[0], seed=book.scenario.seed)
        self.turns += 1
        book.scenario = replace(book.scenario, repeats=self.turns)
        return book.plan.trials[-1]


def take_turns(
    base: Side,
    new: Side,
    *,
    rules: Callable[[RunFile], Sequence[Rule]],
    is_enough: Callable[[Look], bool],
    watcher: TurnsWatcher,
) -> Turned:
    """Run pairs until it is enough; keep each side's run in its output.

    `rules` are told by the machine and load a run names. Raises what a run raises when it
    cannot begin.
    """
    draw = Random(base.scenario.seed)  # noqa: S311 - an order, not cryptography
    with ExitStack() as stack:
        sides = _stand_up([base, new], stack, watcher)
        chosen = rules(sides[0].stand.book.run_file("interrupted"))
        look = look_at(sides[0].case, sides[1].case, rules=chosen)
        status: Status = "complete"
        stopped_by: ValkeybenchError | None = None
        while status == "complete":
            for side in draw.sample(sides, 2):
                watcher.turn_of(side.side.name)
                status, stopped_by = _run_one(side, watcher)
                if status != "complete":
                    break
            look = look_at(sides[0].case, sides[1].case, rules=chosen)
            if status == "complete":
                watcher.looked(look)
                if is_enough(look):
                    break
    runs = [_kept(side, status) for side in sides]
    return Turned(base=runs[0], new=runs[1], look=look, status=status, stopped_by=stopped_by)


def _run_one(side: _Standing, watcher: Watcher) -> tuple[Status, ValkeybenchError | None]:
    """Run one more trial of a side; one that is lost is no end, two in a row are."""
    known = len(side.stand.book.lost)
    status, stopped_by = run_trials(side.stand, [side.next_trial()], side.side.output, watcher)
    if len(side.stand.book.lost) == known:
        side.lost_in_a_row = 0
        return status, stopped_by
    side.lost_in_a_row += 1
    return ("complete", None) if side.lost_in_a_row == 1 else (status, stopped_by)


def _kept(side: _Standing, status: Status) -> RunFile:
    finished = side.stand.finished(status)
    if side.side.output is not None:
        write_run(finished, side.side.output)
    return finished


def _stand_up(sides: Sequence[Side], stack: ExitStack, watcher: Watcher) -> list[_Standing]:
    """Open every place and server, and put both sides' keys there."""
    plans = [_plan(side) for side in sides]
    places = [_open_place(side, stack) for side in sides]
    servers: list[tuple[ServerSettings, tuple[Serving, Watching]]] = []
    found = []
    for side, plan, (where, interpreter) in zip(sides, plans, places, strict=True):
        scenario = side.scenario
        opened = next((each for asked, each in servers if asked == scenario.server), None)
        if opened is None:
            opened = stack.enter_context(_opened(scenario.server, sides, plans))
            servers.append((scenario.server, opened))
        serving, sampler = opened
        way = _one_way(serving, tls=plan.cases[0].tls)
        bench = Bench(way, sampler, where, interpreter.about, side.consent)
        stand = stack.enter_context(stand_up(scenario, plan, bench, watcher=watcher))
        found.append(_Standing(side=side, stand=stand))
    return found


def _plan(side: Side) -> Plan:
    scenario = replace(side.scenario, repeats=1)
    plan = make_plan(scenario, key_prefix=f"valkeybench:{secrets.token_hex(4)}:")
    if side.python is None:
        check_clients(plan, scenario.server.tls)
    return plan


def _open_place(side: Side, stack: ExitStack) -> tuple[Place, Interpreter]:
    """Open where a side's load runs, and say in which Python."""
    if side.python is None:
        scenario = side.scenario
        return stack.enter_context(open_place(scenario.place, scenario.server)), OURS
    asking = f"--{side.name} python"
    interpreter = stack.enter_context(other_interpreter(side.python, place=asking))
    return LocalPlace(interpreter), interpreter


def _opened(
    settings: ServerSettings, sides: Sequence[Side], plans: Sequence[Plan]
) -> AbstractContextManager[tuple[Serving, Watching]]:
    """Open a server for all sides that name it, by all the ways they go."""
    alike = [side.scenario for side in sides if side.scenario.server == settings]
    return open_watched(
        settings,
        maxclients_needed=max(plan.most_connections for plan in plans),
        tls=tuple({tls for scenario in alike for tls in scenario.axes.tls}),
    )


def _one_way(serving: Serving, *, tls: bool) -> Serving:
    """Leave of a server's ways the one a side goes, so that its run tells of no other."""
    return replace(serving, plain=None) if tls else replace(serving, tls=None, tls_provider=None)
