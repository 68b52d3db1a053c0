"""What GitHub's runner reads from a job: annotations, and a job summary of limited size.

GitHub shows ten annotations of a kind for each step, and refuses a summary above 1 MiB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.verdict import Ruling
from valkeybench.report.gate import summary_lines
from valkeybench.report.text import typeface

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.analysis.verdict import Verdict

MOST_ANNOTATIONS = 10
LARGEST_SUMMARY = 2**20
"""Bytes of a step's summary."""

_CUT = "\n\n*Cut here: a job summary holds no more. `--markdown FILE` has all of it.*\n"


def workflow_commands(verdict: Verdict, names: Mapping[str, str]) -> list[str]:
    """Write what did not pass as workflow commands, the worst first, ten at most."""
    failed = sum(finding.counts_as is Ruling.FAIL for finding in verdict.findings)
    lines = summary_lines(verdict, names)
    shown = lines if len(lines) <= MOST_ANNOTATIONS else lines[: MOST_ANNOTATIONS - 1]
    found = [
        _command("error" if number < failed else "warning", line)
        for number, line in enumerate(shown)
    ]
    if len(shown) < len(lines):
        more = f"{len(lines) - len(shown)} more findings did not pass; the job summary has them"
        found.append(_command("warning", more))
    return found


def _command(kind: str, text: str) -> str:
    """Escape what ends a command: a per cent sign, and line ends."""
    harmless = typeface("utf-8").text(text).replace("%", "%25")
    return f"::{kind} title=valkeybench gate::{harmless}"


def fitting(text: str, *, room: int) -> str:
    """Give as much of a Markdown text as so many bytes hold, whole lines, and say if it was cut."""
    if len(text.encode()) <= room:
        return text
    left = room - len(_CUT.encode())
    if left < 0:
        return ""
    cut = text.encode()[:left].decode("utf-8", "ignore")
    return cut[: cut.rfind("\n") + 1].rstrip("\n") + _CUT
