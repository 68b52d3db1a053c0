"""`valkeybench fleet`: from a stored run and a few words to a capacity plan."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from valkeybench import __version__
from valkeybench.analysis.fleet import plan_fleet
from valkeybench.analysis.fleet_inputs import read_inputs
from valkeybench.cli.consoles import show
from valkeybench.errors import ExitCode, Problem, ScenarioError
from valkeybench.report.fleet import fleet_document
from valkeybench.report.fleet_dossier import fleet_dossier
from valkeybench.report.fleet_verdict import fleet_summary
from valkeybench.report.formats import Format, format_of
from valkeybench.report.html.page import page_text
from valkeybench.report.markdown import markdown
from valkeybench.results.store import (
    check_replaceable,
    default_path,
    place_for,
    read_run,
    write_text,
)
from valkeybench.scenario.field import Panel
from valkeybench.scenario.fields import FLAGGED
from valkeybench.scenario.fleet import read_fleet
from valkeybench.scenario.library import find_scenario, read_text
from valkeybench.scenario.model import plain
from valkeybench.scenario.reader import parse_toml, read_scenario

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from valkeybench.analysis.fleet import FleetPlan
    from valkeybench.results.runfile import RunFile
    from valkeybench.scenario.model import Scenario
    from valkeybench.workflow import Outcome

    Flags = Mapping[str, str | list[str]]

SCENARIO = "fleet-storm"
"""What `--measure` runs."""

PLAN_VERSION = 1


def fleet(
    path: Path | None,
    flags: Flags,
    *,
    measure: bool,
    output: Path | None,
    page: Path | None,
    as_json: bool,
    quiet: bool,
    yes: bool = False,
) -> ExitCode:
    """Plan and report; the verdict is in the words, not in the exit code."""
    asked = read_fleet(flags)
    if path is None:
        raise ScenarioError.one("RUN", "no run file was named", "name one, as in results/….json")
    if not measure:
        _check_unmeasured(flags, output)
    if page is not None:
        check_plan_page(page)
    run, storm, code = read_run(path), None, ExitCode.DONE
    sources = [str(path)]
    # What cannot be planned is said before anything is measured.
    read_inputs(asked, run, None)
    if measure:
        outcome, kept = _measure(flags, output=output, quiet=quiet, yes=yes)
        storm, code = outcome.run, _exit_code(outcome)
        sources.append(str(kept))
    plan = plan_fleet(read_inputs(asked, run, storm))
    if as_json:
        sys.stdout.write(json.dumps(plan_json(plan, sources), indent=1, allow_nan=False) + "\n")
    document = fleet_summary(plan) if quiet else fleet_document(plan, sources=sources)
    show(document, on_stderr=as_json)
    if page is not None:
        write_plan(plan, sources, page, runs=[run] if storm is None else [run, storm])
    return code


def check_plan_page(page: Path) -> None:
    """Find out early whether the plan can be written there; raises ScenarioError."""
    if format_of(page.name) not in (Format.HTML, Format.MARKDOWN):
        raise ScenarioError.one(
            "--page", f"a plan is no {page.suffix or 'such'} file", "end it in .html or .md"
        )
    check_replaceable(page, flag="--page")


def write_plan(plan: FleetPlan, sources: list[str], page: Path, *, runs: Sequence[RunFile]) -> None:
    """Write a plan as a page or as Markdown, and say where."""
    if format_of(page.name) is Format.HTML:
        text = page_text(fleet_dossier(plan, sources=sources, runs=runs))
    else:
        text = markdown(fleet_document(plan, sources=sources))
    write_text(text, page, flag="--page")
    sys.stderr.write(f"written: {page}\n")


def plan_json(plan: FleetPlan, sources: list[str]) -> dict[str, object]:
    """Write a plan as JSON; docs/fleet.md describes it."""
    return {
        "schema_version": PLAN_VERSION,
        "tool": {"name": "valkeybench", "version": __version__},
        "sources": sources,
        "plan": plain(plan),
    }


def storm_scenario(flags: Flags, environment: Mapping[str, str]) -> Scenario:
    """Make the scenario that is measured, against the server the flags name."""
    source = find_scenario(SCENARIO)
    of_servers = {f.parameter for f in FLAGGED if f.panel in (Panel.SERVER, Panel.TLS)}
    scenario = read_scenario(
        parse_toml(read_text(source), source=str(source)),
        name=SCENARIO,
        source=source.name,
        flags={k: v for k, v in flags.items() if k in of_servers and k not in ("tls", "cluster")},
        environment=environment,
    )
    if flags.get("cluster"):
        raise ScenarioError.one(
            "--cluster",
            "a storm is measured on one server",
            "leave it out to measure a private one, and say how many --nodes there are",
        )
    if scenario.server.url is None:
        return scenario
    from valkeybench.server.endpoint import endpoint_from_url  # noqa: PLC0415 - only when measuring

    # A URL names one way.
    over_tls = endpoint_from_url(scenario.server).tls
    return replace(scenario, axes=replace(scenario.axes, tls=(over_tls,)))


def _measure(flags: Flags, *, output: Path | None, quiet: bool, yes: bool) -> tuple[Outcome, Path]:
    """Measure what a storm is to a server; the run is kept as any other."""
    from valkeybench import workflow  # noqa: PLC0415 - redis-py and all, only when measuring
    from valkeybench.cli.consent import Consent  # noqa: PLC0415 - the same
    from valkeybench.cli.progress import make_progress  # noqa: PLC0415 - the same

    scenario = storm_scenario(flags, os.environ)
    path = default_path(scenario.name, datetime.now(UTC)) if output is None else output
    with place_for(path, make_directory=output is None), make_progress(quiet=quiet) as progress:
        consent = Consent(progress, yes=yes)
        return workflow.fleet(scenario, output=path, watcher=progress, consent=consent), path


def _exit_code(outcome: Outcome) -> ExitCode:
    from valkeybench.cli.run import exit_code  # noqa: PLC0415 - only when measuring

    return exit_code(outcome)


def _check_unmeasured(flags: Flags, output: Path | None) -> None:
    """Refuse what would ask a server, or keep what it said, when nothing is measured."""
    unfit = [
        Problem(f.flags[0], "no server is asked", "add --measure, or leave it out")
        for f in FLAGGED
        if f.panel in (Panel.SERVER, Panel.TLS) and f.parameter != "tls" and flags.get(f.parameter)
    ]
    if output is not None:
        reason = "nothing is measured, so there is nothing to keep"
        unfit.append(Problem("--output", reason, "add --measure, or use --json > FILE"))
    if unfit:
        raise ScenarioError(unfit)
