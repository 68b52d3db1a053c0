"""The table of contents: what valkeybench does, from a scenario to an answer.

    scenario → plan → load (against a server) → measurement → results → analysis → report

Each public function here is one command of the tool. It joins the stages and holds no
arithmetic, no wording and no sockets of its own.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valkeybench.analysis.agreement import differences, refuse_different
from valkeybench.analysis.baseline import judge_against, refuse_any_difference
from valkeybench.analysis.comparison import RunComparison, compare_cases
from valkeybench.analysis.fitness import fitness
from valkeybench.analysis.gate import judge_limits
from valkeybench.analysis.matching import match_runs, match_within
from valkeybench.analysis.noise import (
    CALIBRATION_PAIRS,
    fingerprint,
    heed,
    learned_scatter,
)
from valkeybench.analysis.observing import judge
from valkeybench.analysis.regression import apart, verdict_of
from valkeybench.courses import Planned, Search
from valkeybench.errors import ServerError, ValkeybenchError
from valkeybench.load.caution import nobody
from valkeybench.load.places import open_place
from valkeybench.load.preflight import check_clients
from valkeybench.plan.trial import make_plan
from valkeybench.preview import look_ahead
from valkeybench.results.environment import read_environment, read_state
from valkeybench.results.noisefile import Floor
from valkeybench.results.store import read_run, write_run
from valkeybench.scenario.model import Pool
from valkeybench.server.client_watch import watch_clients
from valkeybench.server.session import open_servers, open_watched
from valkeybench.trials import Bench, Watcher, run_trials, stand_up
from valkeybench.turns import take_turns

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from valkeybench.analysis.comparison import Rule
    from valkeybench.analysis.fitness import Check
    from valkeybench.analysis.goal import Goal
    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.noise import Asked
    from valkeybench.analysis.observing import Findings, Wish
    from valkeybench.analysis.verdict import Verdict
    from valkeybench.courses import Course, SearchWatcher
    from valkeybench.load.caution import Consent
    from valkeybench.measurement.looking import Pace
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.preview import Preview
    from valkeybench.results.book import Status
    from valkeybench.results.noisefile import NoiseFile
    from valkeybench.results.runfile import RunFile
    from valkeybench.scenario.model import Scenario
    from valkeybench.server.client_watch import LookWatcher
    from valkeybench.turns import Side, Turned, TurnsWatcher


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run: what was measured, and what stopped it early, if anything did."""

    run: RunFile
    stopped_by: ValkeybenchError | None = None


def run(
    scenario: Scenario, *, output: Path | None, watcher: Watcher, consent: Consent = nobody
) -> Outcome:
    """Measure what a scenario asks for; keep it in `output` after every trial.

    `consent` is asked when something speaks against loading the server. Ctrl-C ends it early and
    keeps the finished trials, marked `interrupted`. So does a server that goes away or a load
    that fails twice in a row, marked `failed`. Raises ServerError, LoadError or ScenarioError
    when the load cannot even begin, ResultError when it cannot be kept.
    """
    plan = make_plan(scenario, key_prefix=_prefix())
    return _measure(scenario, Planned(plan), output=output, watcher=watcher, consent=consent)


def preview(scenario: Scenario, goal: Goal | None = None) -> Preview:
    """Say what `run` would do, or with a goal `size`: a server that is named is only asked.

    Raises ServerError and ScenarioError as they would before the load; of ours none is started.
    """
    return look_ahead(scenario if goal is None else _first_of_search(scenario, goal))


def size(
    scenario: Scenario,
    goal: Goal,
    *,
    output: Path | None,
    watcher: SearchWatcher,
    consent: Consent = nobody,
) -> Outcome:
    """Find the smallest pool that is enough for a load of one kind, by measurement.

    Every trial is kept as `run` keeps them, and it ends early in the same ways; what was
    tried until then still gives an estimate. Raises what `run` raises.
    """
    plan = make_plan(_first_of_search(scenario, goal), key_prefix=_prefix())
    pools = (goal.pool, Pool.FAIR) if goal.pool is Pool.BLOCKING else (goal.pool,)
    asked = replace(scenario, axes=replace(scenario.axes, pool=pools, max_connections=goal.grid))
    course = Search(plan, goal, watcher)
    return _measure(asked, course, output=output, watcher=watcher, consent=consent)


def _first_of_search(scenario: Scenario, goal: Goal) -> Scenario:
    """Give the scenario of the one trial a search begins with, the largest of them all."""
    return replace(scenario, repeats=1, axes=replace(scenario.axes, max_connections=(goal.most,)))


def fleet(
    scenario: Scenario, *, output: Path | None, watcher: Watcher, consent: Consent = nobody
) -> Outcome:
    """Measure what a fleet is planned with: a storm of connections, and what each costs.

    It is a run like any other, but what connections cost is always looked at. Raises what
    `run` raises.
    """
    course = Planned(make_plan(scenario, key_prefix=_prefix()), wants_costs=True)
    return _measure(scenario, course, output=output, watcher=watcher, consent=consent)


def compare(
    paths: Sequence[Path], *, rules: Sequence[Rule], by: Sequence[str], even_if_different: bool
) -> RunComparison:
    """Say what changed between two kept runs, or along axes of one.

    Raises ResultError when a file cannot be read, no case stands against another, or the runs
    differ in what makes numbers incommensurable, unless that was asked for.
    """
    runs = [read_run(path) for path in paths]
    base, new = runs[0], runs[-1]
    if len(runs) == 1:
        found = []
        matching = match_within(base.cases, by=by)
    else:
        found = differences(base, new)
        if not even_if_different:
            refuse_different(found)
        matching = match_runs(base.cases, new.cases, by=by)
    return RunComparison(
        base=base,
        new=new,
        differences=found,
        matching=matching,
        comparisons=[compare_cases(pair, rules=rules) for pair in matching.pairs],
    )


def gate(run: RunFile, limits: Sequence[Limit]) -> Verdict:
    """Hold limits against a run; raises ScenarioError when one is about no case of it."""
    return judge_limits(run, limits)


def gate_against(  # noqa: PLR0913 - a verdict has that many terms
    run: RunFile,
    baseline: RunFile,
    *,
    rules: Sequence[Rule],
    named: bool,
    fails: bool,
    even_if_different: bool,
) -> Verdict:
    """Hold a run against a baseline that was kept; it warns, or `fails` as well.

    Rules that were `named` must have been measured. Raises ResultError for any difference.
    """
    found = differences(baseline, run)
    if not even_if_different:
        refuse_any_difference(found)
    matching = match_runs(baseline.cases, run.cases)
    pairs = [compare_cases(pair, rules=rules) for pair in matching.pairs]
    compared = RunComparison(
        base=baseline, new=run, differences=found, matching=matching, comparisons=pairs
    )
    return judge_against(compared, fails=fails, named=rules if named else ())


@dataclass(frozen=True, slots=True, kw_only=True)
class Contest:
    """What two sides that took turns came to."""

    turned: Turned
    verdict: Verdict


def gate_sides(
    base: Side,
    new: Side,
    *,
    asked: Asked,
    noise: NoiseFile,
    watcher: TurnsWatcher,
) -> Contest:
    """Let two sides take turns until it can be said whether one is worse, or that it can't.

    Thresholds are raised to what the machine is known to tell apart, but for those that were named.
    Raises what `run` raises when it cannot begin.
    """
    notes: list[str] = []

    def heeding(run: RunFile) -> Sequence[Rule]:
        floor = noise.find(fingerprint(run))
        heeded = heed(asked, floor.scatter if floor else {})
        notes.extend(heeded.notes)
        return heeded.rules

    turned = take_turns(
        base, new, rules=heeding, is_enough=lambda look: look.is_over, watcher=watcher
    )
    notes.insert(0, apart(turned.base, turned.new))
    verdict = verdict_of(turned.look, turned.new.cases[0].id, notes=notes)
    return Contest(turned=turned, verdict=verdict)


def calibrate(
    side: Side, *, rules: Sequence[Rule], noise: NoiseFile, watcher: TurnsWatcher
) -> tuple[Turned, NoiseFile]:
    """Let a side take turns with itself, and learn how much nothing scatters.

    Raises what `run` raises when it cannot begin, and LoadError when it could not be finished.
    """
    turned = take_turns(
        side,
        replace(side, name="new", output=None),
        rules=lambda _: rules,
        is_enough=lambda look: look.pairs >= CALIBRATION_PAIRS,
        watcher=watcher,
    )
    if turned.status != "complete":
        raise turned.stopped_by or KeyboardInterrupt
    floor = Floor(
        created=turned.base.created,
        fingerprint=fingerprint(turned.base),
        pairs=turned.look.pairs,
        scatter=learned_scatter(turned.look),
    )
    return turned, noise.learned(floor)


def _prefix() -> str:
    return f"valkeybench:{secrets.token_hex(4)}:"


def _measure(
    scenario: Scenario, course: Course, *, output: Path | None, watcher: Watcher, consent: Consent
) -> Outcome:
    """Run trials against the server a scenario names, and keep what they saw."""
    plan = course.plan
    check_clients(plan, scenario.server.tls)
    status: Status | None = None
    try:
        with (
            open_place(scenario.place, scenario.server) as where,
            open_watched(
                scenario.server, maxclients_needed=plan.most_connections, tls=scenario.axes.tls
            ) as (serving, sampler),
            stand_up(
                scenario,
                plan,
                Bench(serving, sampler, where, consent=consent),
                watcher=watcher,
                wants_costs=course.wants_costs,
            ) as stand,
        ):
            status, stopped_by = run_trials(stand, course.trials(stand.book), output, watcher)
    except ServerError as error:
        if status is None:
            raise
        # A server of our own that has died says so last, and can say of what.
        status, stopped_by = "failed", error
    finished = stand.finished(status, course.recommend(stand.book.cases()))
    if output is not None:
        write_run(finished, output)
    return Outcome(finished, stopped_by)


def doctor(scenario: Scenario) -> list[Check]:
    """Check whether machine, client and the scenario's server are fit to measure.

    A server that cannot be reached is a failed check, not an error.
    """
    server: ServerFacts | ServerError
    try:
        with open_watched(scenario.server, maxclients_needed=0, tls=()) as (_, sampler):
            server = sampler.facts()
    except ServerError as error:
        server = error
    return fitness(read_environment(), read_state(), server, ours=scenario.server.url is None)


def observe(scenario: Scenario, pace: Pace, wish: Wish, *, watcher: LookWatcher) -> Findings:
    """Watch who uses the scenario's server, without any load, and judge what they would need.

    Ctrl-C ends it early with what was seen. Raises ServerError when the server cannot be used
    or does not let us look, ScenarioError when it has more clients than shall be listed.
    """
    with open_servers(scenario.server, maxclients_needed=0, tls=scenario.axes.tls) as serving:
        return judge(watch_clients(serving.endpoint(), pace, watcher), wish)
