"""`valkeybench gate`: from a run that was kept, or two sides to run, to a verdict."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.noise import told_apart
from valkeybench.analysis.verdict import joined
from valkeybench.cli.compare import rules_of
from valkeybench.cli.consent import Consent
from valkeybench.cli.consoles import show
from valkeybench.cli.ending import say_error
from valkeybench.cli.limits import PLACE
from valkeybench.cli.sides import read_side
from valkeybench.cli.thresholds import regression_rules
from valkeybench.cli.turns_progress import make_turns_progress
from valkeybench.cli.verdicts import check_outlets, publish
from valkeybench.errors import ExitCode, Problem, ResultError, ScenarioError
from valkeybench.report.gate import noise_document, sides_document
from valkeybench.report.labels import axes_labels, labels
from valkeybench.results.noisefile import read_noise, write_noise
from valkeybench.results.store import default_path, place_for, read_run
from valkeybench.scenario.library import seed_paths
from valkeybench.units import are, plural

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.analysis.limits import Limit
    from valkeybench.analysis.verdict import Verdict
    from valkeybench.cli.verdicts import Outlets
    from valkeybench.results.runfile import RunFile

    Flags = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWishes:
    """What the flags about a run that was kept say."""

    fail_if: Sequence[str] = ()
    baseline: Path | None = None
    fails: bool = False
    """Whether the baseline fails the gate, and does not only warn."""
    even_if_different: bool = False
    metrics: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the flags about two sides say, as words."""

    base: Sequence[str] = ()
    new: Sequence[str] = ()
    is_calibration: bool = False
    metrics: Sequence[str] = ()
    thresholds: Sequence[str] = ()
    noise: Path
    output: Path | None = None
    quiet: bool = False
    yes: bool = False


def gate(
    what: str | None, flags: Flags, run: RunWishes, sides: Wishes, outlets: Outlets
) -> ExitCode:
    """Judge a run, or two sides where it is said how they differ."""
    check_outlets(outlets)
    if sides.is_calibration or sides.base or sides.new:
        _only_of_sides(run)
        _no_kept_run(what)
        if sides.is_calibration:
            return calibrate(what, flags, sides)
        return gate_sides(what, flags, sides, outlets)
    _only_of_a_run(run, sides)
    return gate_run(_run_named(what, flags), run, outlets)


def _run_named(what: str | None, flags: Flags) -> Path:
    """Take what was named for a run that was kept; raises ScenarioError when it cannot be one."""
    remedy = (
        "name a run file, as in results/….json; for two sides say how they differ, as in "
        "--new max_conn=5; to run a scenario and hold its limits: valkeybench run"
    )
    if what is None:
        raise ScenarioError.one("RUN", "nothing was named to judge", remedy)
    if flags or what.endswith(".toml") or (what in seed_paths() and not Path(what).exists()):
        reason = f"{what} is to be run, and nothing says against what"
        raise ScenarioError.one("RUN", reason, remedy)
    return Path(what)


def _no_kept_run(what: str | None) -> None:
    """Raise ScenarioError for a run file where a load is to be run."""
    if what is not None and what.endswith(".json"):
        raise ScenarioError.one(
            "SCENARIO",
            f"{what} is a run that was kept, and two sides are to be run",
            "name the scenario it was made of; to hold a run against one that was kept:"
            f" valkeybench gate {what} --baseline FILE",
        )


def _only_of_sides(run: RunWishes) -> None:
    """Raise ScenarioError for what says nothing of two sides."""
    given = [
        name for name, value in (("--fail-if", run.fail_if), ("--baseline", run.baseline)) if value
    ]
    if given:
        reason = "is about a run that was kept, not about two sides"
        raise ScenarioError([Problem(name, reason, "leave it out") for name in given])


def _only_of_a_run(run: RunWishes, sides: Wishes) -> None:
    """Raise ScenarioError for what would change nothing here, and so promise what is not kept."""
    if sides.thresholds:
        reason = "is about two sides (--base, --new), not about a run that was kept"
        raise ScenarioError.one("--threshold", reason, "leave it out; for limits: --fail-if")
    alone = [
        name
        for name, given in (
            ("--fail-on-baseline", run.fails), ("--even-if-different", run.even_if_different),
        )
        if given and run.baseline is None
    ]  # fmt: skip
    if alone:
        reason = "is about a baseline, and none is named"
        raise ScenarioError([Problem(each, reason, "name one: --baseline FILE") for each in alone])


def gate_run(path: Path, wishes: RunWishes, outlets: Outlets) -> ExitCode:
    """Hold limits, or else the scenario's own, and a baseline against a run that was kept."""
    limits = parse_limits(wishes.fail_if, place=PLACE, across_cases=True)
    rules = rules_of(wishes.metrics)
    run = read_run(path)
    if not run.cases:
        raise ResultError(f"{path} has no cases: nothing was measured that could be judged")
    limits = limits or _own_limits(run, path)
    if not limits and wishes.baseline is None:
        raise ScenarioError.one(
            PLACE,
            f"{path} was run without limits, and none are named",
            "name some: --fail-if 'response.p99 > 5ms', or a --baseline",
        )
    verdicts = [workflow.gate(run, limits)] if limits else []
    if wishes.baseline is not None:
        against = workflow.gate_against(
            run,
            read_run(wishes.baseline),
            rules=rules,
            named=bool(wishes.metrics),
            fails=wishes.fails,
            even_if_different=wishes.even_if_different,
        )
        verdicts.append(against)
    return publish(joined(verdicts), labels(run.cases), outlets)


def gate_sides(word: str | None, flags: Flags, wishes: Wishes, outlets: Outlets) -> ExitCode:
    """Let two sides take turns, and say whether the new one is worse."""
    asked = regression_rules(wishes.metrics, wishes.thresholds)
    paths = _outputs(wishes, outlets)
    sides = [
        read_side(name, word, flags, own, output=path)
        for (name, own), path in zip(
            (("base", wishes.base), ("new", wishes.new)), paths, strict=True
        )
    ]
    for side in sides:
        # They are for a run, not for two sides; what cannot be read is wrong all the same.
        parse_limits(side.scenario.fail_if, place="fail_if", across_cases=True)
    noise = read_noise(wishes.noise)
    progress = make_turns_progress(quiet=wishes.quiet)
    with ExitStack() as places:
        for path in paths:
            places.enter_context(place_for(path, make_directory=wishes.output is None))
        consent = Consent(progress, yes=wishes.yes)
        both = [replace(side, consent=consent) for side in sides]
        contest = workflow.gate_sides(*both, asked=asked, noise=noise, watcher=progress)
    turned = contest.turned
    verdict = _with_note(contest.verdict, len(both[0].scenario.fail_if))
    case = turned.new.cases[0]
    names = {case.id: axes_labels([case.axes])[0]}
    document = sides_document(
        verdict,
        names,
        base=turned.base,
        new=turned.new,
        paths=[str(path) for path in paths if path is not None],
    )
    code = publish(verdict, names, outlets, document=document)
    if turned.stopped_by is not None:
        say_error(turned.stopped_by)
        return turned.stopped_by.exit_code
    return code if turned.status == "complete" else ExitCode.INTERRUPTED


def _with_note(verdict: Verdict, limits: int) -> Verdict:
    """Say of a scenario's own limits that nobody held them against anything."""
    if not limits:
        return verdict
    said = (
        f"The scenario's {plural(limits, 'limit')} (fail_if) {are(limits)} for a run, and not held"
        " against two sides."
    )
    return replace(verdict, notes=(*verdict.notes, said))


def calibrate(word: str | None, flags: Flags, wishes: Wishes) -> ExitCode:
    """Learn what cannot be told apart, and keep it."""
    asked = regression_rules(wishes.metrics, wishes.thresholds)
    side = read_side("base", word, flags, wishes.base, output=None)
    progress = make_turns_progress(quiet=wishes.quiet)
    side = replace(side, consent=Consent(progress, yes=wishes.yes))
    with place_for(wishes.noise, make_directory=True, flag="--noise"):
        # Read once nobody else writes it: what they learned stays.
        noise = read_noise(wishes.noise)
        turned, learned = workflow.calibrate(side, rules=asked.rules, noise=noise, watcher=progress)
        write_noise(learned, wishes.noise)
    scatters = told_apart(turned.look)
    show(noise_document(scatters, pairs=turned.look.pairs, path=str(wishes.noise)))
    return ExitCode.DONE


def _outputs(wishes: Wishes, outlets: Outlets) -> list[Path | None]:
    """Choose where the two runs are kept: a name and what side it is."""
    stem = wishes.output
    if stem is None:
        if outlets.as_json:
            return [None, None]
        stem = default_path("gate", datetime.now(UTC))
    name = stem.name.removesuffix(".json")
    return [stem.with_name(f"{name}-{side}.json") for side in ("base", "new")]


def _own_limits(run: RunFile, path: Path) -> tuple[Limit, ...]:
    """Read the limits a run was made with."""
    written = run.scenario.get("fail_if")
    texts = [str(each) for each in written] if isinstance(written, list) else []
    return parse_limits(texts, place=f"{path}: fail_if", across_cases=True)
