"""`valkeybench size`: from words on the command line to the smallest pool that is enough."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.analysis.enough import Yardstick
from valkeybench.analysis.goal import Confidence, Goal
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.reach import out_of_reach
from valkeybench.cli.consent import Consent
from valkeybench.cli.consoles import show
from valkeybench.cli.run import exit_code, load_scenario
from valkeybench.cli.search_progress import make_search_progress
from valkeybench.cli.size_options import REFUSED
from valkeybench.errors import Problem, ScenarioError
from valkeybench.report.size import size_document, size_summary
from valkeybench.results.store import default_path, place_for
from valkeybench.scenario.sizing import one_load, parse_growth, parse_headroom
from valkeybench.scenario.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from valkeybench.errors import ExitCode
    from valkeybench.scenario.model import Scenario

    Flags = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the flags of `size` alone say, as words."""

    slo: Sequence[str]
    confidence: str
    headroom: str
    growth: str
    cap: int | None


def size(
    word: str | None,
    flags: Flags,
    wishes: Wishes,
    *,
    output: Path | None,
    as_json: bool,
    quiet: bool,
    yes: bool,
) -> ExitCode:
    """Search and report; give the exit code."""
    scenario, goal = prepare(word, flags, wishes)
    path = output
    if path is None and not as_json:
        path = default_path(
            f"size-{scenario.name}".replace("size-size-", "size-"), datetime.now(UTC)
        )
    with (
        place_for(path, make_directory=output is None),
        make_search_progress(quiet=quiet) as progress,
    ):
        consent = Consent(progress, yes=yes)
        outcome = workflow.size(scenario, goal, output=path, watcher=progress, consent=consent)
    if as_json:
        sys.stdout.write(outcome.run.model_dump_json(by_alias=True, indent=1) + "\n")
    if quiet:
        document = size_summary(outcome.run)
    else:
        document = size_document(outcome.run, path=None if path is None else str(path))
    show(document, on_stderr=as_json)
    return exit_code(outcome)


def prepare(word: str | None, flags: Flags, wishes: Wishes) -> tuple[Scenario, Goal]:
    """Read what is asked; raises ScenarioError where it cannot be."""
    unfit = [Problem(*said) for name, said in REFUSED.items() if flags.get(name)]
    if unfit:
        raise ScenarioError(unfit)
    scenario = one_load(load_scenario(word, flags))
    slo = parse_limits(wishes.slo, place="--slo")
    out_of_reach(slo, scenario.axes)
    if wishes.cap is not None and wishes.cap < 1:
        raise ScenarioError.one("--cap", f"{wishes.cap} is no pool size", "use 1 or more")
    known = [each.value for each in Confidence]
    if wishes.confidence not in known:
        raise ScenarioError.one(
            "--confidence",
            f"{wishes.confidence!r} is no confidence",
            did_you_mean(wishes.confidence, known),
        )
    return scenario, Goal(
        handlers=scenario.axes.concurrency[0],
        pool=scenario.axes.pool[0],
        cap=wishes.cap,
        confidence=Confidence(wishes.confidence),
        headroom=parse_headroom(wishes.headroom),
        growth=parse_growth(wishes.growth),
        yardstick=Yardstick(slo=slo),
    )
