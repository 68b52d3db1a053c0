"""`valkeybench report`: stored runs in many formats, without a server and without redis-py."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import environment, valkeybench
from tests.report.examples import two_cases
from valkeybench.cli.report import Wishes, report
from valkeybench.errors import ScenarioError
from valkeybench.report.formats import Format

NOTHING = Wishes(output=None, format=None, case=(), phase=None)

WITHOUT_REDIS = """
import sys
sys.modules["redis"] = None
from valkeybench.cli.app import app
for name in sys.argv[1:]:
    app(["report", "run.json", "-o", name], standalone_mode=False)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A directory with a run in `run.json`."""
    (tmp_path / "run.json").write_text(two_cases().model_dump_json(by_alias=True), "utf-8")
    return tmp_path


def names(directory: Path) -> list[str]:
    """List what is in a directory."""
    return sorted(path.name for path in directory.iterdir())


def test_every_format_is_written_without_redis(directory: Path) -> None:
    """In a process that cannot import it; one file each, but for percentiles one for each case."""
    subprocess.run(
        [sys.executable, "-c", WITHOUT_REDIS, *(f"out.{each}" for each in Format)],
        cwd=directory,
        env=environment({}),
        check=True,
        capture_output=True,
        timeout=60,
    )

    assert sorted(
        [
            "run.json",
            *(f"out.{each}" for each in Format if each is not Format.HGRM),
            *("out-blocking-10.hgrm", "out-no-pool.hgrm"),
        ]
    ) == names(directory)


def test_what_was_written_is_said_apart(directory: Path) -> None:
    """On standard error; standard output holds nothing but what was asked for."""
    ended = valkeybench(directory, "report", "run.json", "-o", "out.csv")
    printed = valkeybench(directory, "report", "run.json", "-o", "-", "--format", "csv")

    assert (0, "", "written: out.csv\n") == (ended.code, ended.out, ended.err)
    written = (directory / "out.csv").read_text("utf-8")
    assert (0, written, "") == (printed.code, printed.out, printed.err)


def test_one_case_can_be_chosen(directory: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of every format; and then a percentile table fits standard output, of any phase."""
    run, chosen = [directory / "run.json"], replace(NOTHING, case=[two_cases().cases[1].id])
    report(run, chosen)
    shown = capsys.readouterr().out
    report(run, replace(chosen, format="hgrm"))
    response = capsys.readouterr().out
    report(run, replace(chosen, format="hgrm", phase="command"))
    command = capsys.readouterr().out

    assert "blocking" in shown
    assert "no pool" not in shown
    assert "Percentile" in response
    assert response != command


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "suffix": (
        {"output": "out.txt"},
        "end it in one of .html, .htm, .md, .markdown, .csv, .json, .hgrm",
    ),
    "print": ({"output": "-"}, "say which: --format html|md|csv|json|hgrm|hlog|om|prom"),
    "format": ({"format": "cvs"}, "csv"),
    "many": ({"format": "hgrm"}, "--case ID"),
    "phase-of": ({"output": "out.csv", "phase": "tls"}, "only percentile tables"),
    "phase": ({"output": "out.hgrm", "phase": "tsl"}, "tls"),
    "case": ({"case": ["x"]}, "there is no case 'x'"),
    "nowhere": ({"output": "nowhere/out.csv"}, "mkdir -p nowhere"),
    "link": ({"output": "link.csv"}, "link.csv is a symbolic link"),
    "folder": ({"output": "folder.csv"}, "is a directory"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_is_refused(
    directory: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to do instead, and writes nothing."""
    monkeypatch.chdir(directory)
    Path("link.csv").symlink_to("elsewhere.csv")
    Path("folder.csv").mkdir()
    before = names(Path())
    wishes, said = REFUSED[name]
    if "output" in wishes:
        wishes = {**wishes, "output": Path(wishes["output"])}

    with pytest.raises(ScenarioError, match=re.escape(said)):
        report([Path("run.json")], replace(NOTHING, **wishes))
    assert before == names(Path())


def test_a_refusal_has_its_exit_code(directory: Path) -> None:
    """No file, and no run: 2, and nothing on standard output."""
    ended = valkeybench(directory, "report")

    assert (2, "") == (ended.code, ended.out)
    assert "no run file was named" in ended.err


def test_a_file_that_is_there_is_replaced(directory: Path) -> None:
    """As `run` does: whole, in one step, keeping its mode; other names of it keep what it was."""
    (directory / "out.md").write_text("old", "utf-8")
    (directory / "out.md").chmod(0o640)
    (directory / "other.md").hardlink_to(directory / "out.md")

    assert 0 == valkeybench(directory, "report", "run.json", "-o", "out.md").code
    assert (directory / "out.md").read_text("utf-8").startswith("# An ad-hoc run")
    assert 0o640 == (directory / "out.md").stat().st_mode & 0o777
    assert "old" == (directory / "other.md").read_text("utf-8")


def test_a_file_that_is_no_run_writes_nothing(directory: Path) -> None:
    """Exit code 5, and what was there stays."""
    (directory / "out.csv").write_text("old", "utf-8")
    (directory / "half.json").write_bytes((directory / "run.json").read_bytes()[:5000])
    ended = valkeybench(directory, "report", "run.json", "half.json", "-o", "out.csv")

    assert 5 == ended.code
    assert "half.json is not JSON" in ended.err
    assert "old" == (directory / "out.csv").read_text("utf-8")
