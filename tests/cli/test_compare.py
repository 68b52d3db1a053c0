"""`valkeybench compare`, as a user types it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import valkeybench
from tests.runs import case_record, run_file
from valkeybench.cli.compare import compare
from valkeybench.errors import ExitCode, ValkeybenchError
from valkeybench.results.store import write_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Give a directory with two runs, the second one slower, and some that cannot be compared."""
    base = run_file(case_record("none"), case_record(p99_ms=2.0))
    write_run(base, tmp_path / "base.json")
    write_run(run_file(case_record(p99_ms=3.0)), tmp_path / "new.json")
    elsewhere = base.model_copy(update={"environment": base.environment | {"cpu": "Other CPU"}})
    write_run(elsewhere, tmp_path / "elsewhere.json")
    whole = (tmp_path / "base.json").read_text(encoding="utf-8")
    (tmp_path / "cut.json").write_text(whole[:1000], encoding="utf-8")
    newer = whole.replace('"schema_version": 1', '"schema_version": 2')
    (tmp_path / "newer.json").write_text(newer, encoding="utf-8")
    return tmp_path


def test_two_runs_are_compared_for_people_and_for_programs(runs: Path) -> None:
    """The same outcome in both; found out is exit code 0, whatever was found."""
    shown = valkeybench(runs, "compare", "base.json", "new.json")
    assert (ExitCode.DONE, "") == (shown.code, shown.err)
    assert "worse" in next(row for row in shown.out.splitlines() if "response.p99" in row)
    assert "only in the base: none-c50" in shown.out

    told = json.loads(valkeybench(runs, "compare", "base.json", "new.json", "--json").out)
    metrics = {each["metric"]: each for each in told["cases"][0]["metrics"]}
    p99 = metrics["response.p99"]
    assert ("changed", False, True) == (p99["outcome"], p99["better"], p99["relative"])
    assert p99["low"] < p99["change"] < p99["high"]
    assert 0.5 == pytest.approx(p99["change"], rel=0.05)


def test_cases_of_one_run_are_compared_along_an_axis(runs: Path) -> None:
    """Each against the first, by the word of the flag."""
    ended = valkeybench(runs, "compare", "base.json", "--by", "pool", "--metric", "response.mean")
    assert ExitCode.DONE == ended.code, ended.err
    assert "blocking 10, against no pool" in ended.out
    assert "response.mean" in ended.out
    assert "throughput" not in ended.out


@pytest.mark.parametrize(
    ("words", "wish", "code", "said"),
    [
        ("base", {}, ExitCode.USAGE, "only one run"),
        ("base", {"by": ["poool"]}, ExitCode.USAGE, "no axis poool"),
        ("base new", {"metrics": ["p99"]}, ExitCode.USAGE, "no such metric"),
        ("base cut", {}, ExitCode.RESULT, "cut.json is not JSON"),
        ("newer base", {}, ExitCode.RESULT, "schema version 1"),
        ("base none", {}, ExitCode.RESULT, "none.json cannot be read"),
        ("base elsewhere", {}, ExitCode.RESULT, "Example CPU and Other CPU"),
        ("base", {"by": ["tls"]}, ExitCode.RESULT, "differ in tls alone"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    runs: Path, words: str, wish: dict[str, list[str]], code: ExitCode, said: str
) -> None:
    """With what is wrong, and the exit code of its kind."""
    with pytest.raises(ValkeybenchError) as caught:
        compare(
            [runs / f"{word}.json" for word in words.split()],
            by=wish.get("by", []),
            metrics=wish.get("metrics", []),
            even_if_different=False,
            as_json=False,
        )
    assert code == caught.value.exit_code
    assert said in str(caught.value)


def test_a_refusal_is_a_message_and_an_exit_code(runs: Path) -> None:
    """On standard error, without a traceback; nothing on standard output."""
    ended = valkeybench(runs, "compare", "base.json", "cut.json")
    assert (ExitCode.RESULT, "") == (ended.code, ended.out)
    assert "is not JSON" in ended.err
    assert "Traceback" not in ended.err


def test_different_machines_are_compared_where_that_is_wanted(runs: Path) -> None:
    """With the difference above what it may explain."""
    ended = valkeybench(runs, "compare", "base.json", "elsewhere.json", "--even-if-different")
    assert ExitCode.DONE == ended.code
    assert ended.out.index("Other CPU") < ended.out.index("throughput")
