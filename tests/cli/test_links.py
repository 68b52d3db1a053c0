"""Nothing that is written goes through a symbolic link of its name, whatever writes it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, valkeybench
from tests.fuzz.files import REFERENCES
from valkeybench.errors import ExitCode

if TYPE_CHECKING:
    from pathlib import Path

GATE = ("gate", "kept.json", "--fail-if", "failed > 100%")


@pytest.mark.parametrize(
    ("flag", "name", "words"),
    [
        ("--output", "a.json", ("run", *TINY, "-o", "a.json")),
        ("--output", "a.html", ("report", "kept.json", "-o", "a.html")),
        ("--page", "a.md", ("fleet", "kept.json", "--processes", "2", "--page", "a.md")),
        ("--junit", "a.xml", (*GATE, "--junit", "a.xml")),
        ("--markdown", "a.md", (*GATE, "--markdown", "a.md")),
        ("--noise", "a.json", ("gate", "-c", "2", "-m", "2", "--calibrate", "--noise", "a.json")),
        ("--output", "a-base.json", ("gate", "-m", "2", "--new", "c=2", "-c", "2", "-o", "a.json")),
    ],
)
@pytest.mark.parametrize("there", [True, False], ids=["to a file", "to nowhere"])
def test_a_link_is_refused_before_anything_is_measured(
    tmp_path: Path, flag: str, name: str, words: tuple[str, ...], *, there: bool
) -> None:
    """What it leads to stays as it is, or is not made; the message names the flag."""
    theirs = tmp_path / "elsewhere" / "theirs"
    theirs.parent.mkdir()
    if there:
        theirs.write_text("theirs", encoding="utf-8")
    place = tmp_path / "here"
    place.mkdir()
    shutil.copy(REFERENCES[0], place / "kept.json")
    (place / name).symlink_to(theirs)
    ended = valkeybench(place, *words)
    assert ExitCode.USAGE == ended.code, ended.err
    assert f"{flag}: " in ended.err
    assert "is a symbolic link" in ended.err
    assert (flag == "--output") == ("or use -" in ended.err)
    assert "trial" not in ended.err
    assert (place / name).is_symlink()
    assert there == theirs.exists()
    assert not there or "theirs" == theirs.read_text(encoding="utf-8")
    assert {"kept.json", name} == {each.name for each in place.iterdir()}


def test_a_job_s_summary_that_nobody_reads_does_not_hang_the_gate(tmp_path: Path) -> None:
    """A pipe without a reader is told before anything is done; so is a place that is none."""
    shutil.copy(REFERENCES[0], tmp_path / "kept.json")
    os.mkfifo(tmp_path / "pipe")
    for summary in ("pipe", "nowhere/summary.md"):
        ended = valkeybench(tmp_path, *GATE, GITHUB_STEP_SUMMARY=summary)
        assert (ExitCode.USAGE, "") == (ended.code, ended.out)
        assert f"GITHUB_STEP_SUMMARY: {summary} cannot be written" in ended.err
