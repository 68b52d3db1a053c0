"""`valkeybench run`: from words on the command line to a report and an exit code."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from valkeybench import workflow
from valkeybench.cli.consent import Consent
from valkeybench.cli.consoles import show
from valkeybench.cli.ending import say_error
from valkeybench.cli.limits import limits_of
from valkeybench.cli.progress import make_progress
from valkeybench.cli.verdicts import code_of
from valkeybench.errors import ExitCode
from valkeybench.report.advice import recommendation_callouts
from valkeybench.report.document import Document
from valkeybench.report.gate import gate_blocks
from valkeybench.report.labels import labels
from valkeybench.report.run import run_document
from valkeybench.results.store import default_path, place_for
from valkeybench.scenario.library import find_scenario, read_text
from valkeybench.scenario.reader import parse_toml, read_scenario
from valkeybench.server.endpoint import endpoint_from_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.scenario.model import Scenario
    from valkeybench.workflow import Outcome

    Flags = Mapping[str, str | list[str]]


def run(
    word: str | None, flags: Flags, *, output: Path | None, as_json: bool, quiet: bool, yes: bool
) -> ExitCode:
    """Measure and report; give the exit code."""
    scenario = load_scenario(word, flags)
    limits = limits_of(scenario)
    path = output
    if path is None and not as_json:
        path = default_path(scenario.name, datetime.now(UTC))
    with (
        place_for(path, make_directory=output is None),
        make_progress(quiet=quiet) as progress,
    ):
        consent = Consent(progress, yes=yes)
        outcome = workflow.run(scenario, output=path, watcher=progress, consent=consent)
    if as_json:
        sys.stdout.write(outcome.run.model_dump_json(by_alias=True, indent=1) + "\n")
    if quiet:
        document = Document(tuple(recommendation_callouts(outcome.run.recommendations)))
    else:
        document = run_document(
            outcome.run, path=None if path is None else str(path), login=_login(scenario, flags)
        )
    verdict = workflow.gate(outcome.run, limits) if limits else None
    if verdict is not None:
        blocks = gate_blocks(verdict, labels(outcome.run.cases), level=2)
        document = Document((*document.blocks, *blocks))
    show(document, on_stderr=as_json)
    stopped = exit_code(outcome)
    return stopped if stopped or verdict is None else code_of(verdict)


def load_scenario(word: str | None, flags: Flags) -> Scenario:
    """Read the scenario a word names, or make one of flags alone."""
    if word is None:
        return read_scenario({}, flags=flags, environment=os.environ)
    path = find_scenario(word)
    return read_scenario(
        parse_toml(read_text(path), source=str(path)),
        name=path.stem,
        source=path.name,
        flags=flags,
        environment=os.environ,
    )


def _login(scenario: Scenario, flags: Flags) -> list[str]:
    """Write the flags that say who we are to somebody else's server, without any password."""
    if scenario.server.url is None:
        return []
    endpoint = endpoint_from_url(scenario.server)
    words = ["--user", endpoint.username] if endpoint.username else []
    file = flags.get("password_file")
    if isinstance(file, str):
        return [*words, "--password-file", file]
    # One from the environment is still there; one from a URL or a scenario is for its owner.
    known = endpoint.password is None or scenario.server.password == endpoint.password
    return words if known else [*words, "--password-file", "FILE"]


def exit_code(outcome: Outcome) -> ExitCode:
    """Say what stopped a run, if anything did, and give the exit code."""
    if outcome.stopped_by is not None:
        say_error(outcome.stopped_by)
        return outcome.stopped_by.exit_code
    return ExitCode.INTERRUPTED if outcome.run.status == "interrupted" else ExitCode.DONE
