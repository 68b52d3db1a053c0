"""Where a verdict goes: the terminal, files, the job it runs in, and the exit code."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from valkeybench.analysis.verdict import Ruling
from valkeybench.cli.consoles import show
from valkeybench.errors import ExitCode, ResultError, ScenarioError
from valkeybench.report.gate import gate_document, verdict_record
from valkeybench.report.github import LARGEST_SUMMARY, fitting, workflow_commands
from valkeybench.report.junit import junit
from valkeybench.report.markdown import markdown
from valkeybench.results.store import check_replaceable, write_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.analysis.verdict import Verdict
    from valkeybench.report.document import Document

CODES = {
    Ruling.PASS: ExitCode.DONE,
    Ruling.FAIL: ExitCode.GATE_FAIL,
    Ruling.CANNOT_SAY: ExitCode.GATE_INCONCLUSIVE,
}

_SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable that names the file of a job's summary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlets:
    """What to write besides the terminal."""

    junit: Path | None = None
    markdown: Path | None = None
    as_json: bool = False


def check_outlets(outlets: Outlets) -> None:
    """Find out before a load whether a verdict could be written; raises ScenarioError."""
    for flag, path in (("--junit", outlets.junit), ("--markdown", outlets.markdown)):
        if path is not None:
            check_replaceable(path, flag=flag)
    if outlets.junit is not None and outlets.junit == outlets.markdown:
        reason = f"{outlets.junit} is what --junit names, too"
        raise ScenarioError.one("--markdown", reason, "name another file")
    if summary := os.environ.get(_SUMMARY):
        try:
            os.close(_open_to_append(Path(summary)))
        except OSError as error:
            reason = f"{summary} cannot be written ({error.strerror or error})"
            raise ScenarioError.one(_SUMMARY, reason, "name a file, or unset it") from None


def publish(
    verdict: Verdict,
    names: Mapping[str, str],
    outlets: Outlets,
    *,
    document: Document | None = None,
) -> ExitCode:
    """Write a verdict everywhere it should be; give the exit code.

    `document` is its report, should that be more than the verdict. Raises ResultError for a
    file that cannot be written.
    """
    document = document or gate_document(verdict, names)
    if outlets.as_json:
        sys.stdout.write(json.dumps(verdict_record(verdict, names), indent=1) + "\n")
    else:
        show(document)
    if outlets.junit is not None:
        write_text(junit(verdict, names), outlets.junit, flag="--junit")
    if outlets.markdown is not None:
        write_text(markdown(document), outlets.markdown, flag="--markdown")
    _tell_job(verdict, names, document, on_stderr=outlets.as_json)
    return code_of(verdict)


def code_of(verdict: Verdict) -> ExitCode:
    """Give the exit code of a verdict."""
    return CODES[verdict.ruling]


def _tell_job(
    verdict: Verdict, names: Mapping[str, str], document: Document, *, on_stderr: bool
) -> None:
    """Tell the job of GitHub's that this runs in, if it runs in one."""
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in workflow_commands(verdict, names):
            typer.echo(line, err=on_stderr)
    summary = os.environ.get(_SUMMARY)
    if summary:
        _append(Path(summary), markdown(document))


def _open_to_append(path: Path) -> int:
    """Open a file to add to it; a pipe nobody reads would have us wait for ever, and is refused."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NONBLOCK, 0o644)


def _append(path: Path, text: str) -> None:
    """Add to the job's own summary, where other steps write as well, what there is room for."""
    try:
        with open(_open_to_append(path), "a", encoding="utf-8") as file:
            room = LARGEST_SUMMARY - os.fstat(file.fileno()).st_size
            file.write(fitting(text, room=room))
    except OSError as error:
        raise ResultError(
            f"the verdict could not be written to {path}: {error.strerror or error}"
        ) from None
