"""`valkeybench gate` and `run --fail-if`, as CI runs them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import TINY, files_in, valkeybench
from tests.runs import case_record, run_file
from valkeybench.cli.gate import RunWishes, gate_run
from valkeybench.cli.verdicts import Outlets
from valkeybench.errors import ExitCode, ResultError, ValkeybenchError
from valkeybench.results.store import write_run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Give a directory with a run and baselines, fit and unfit."""
    run = run_file(case_record("none"), case_record(p99_ms=4.0))
    scenario = run.scenario | {"fail_if": ["response.p99[pool=blocking] > 1ms"]}
    write_run(run, tmp_path / "run.json")
    write_run(run.model_copy(update={"scenario": scenario}), tmp_path / "limited.json")
    later = run.model_copy(update={"created": "2026-01-03T03:04:05Z"})
    write_run(later, tmp_path / "later.json")
    write_run(run_file(case_record(repeats=0)), tmp_path / "empty.json")
    write_run(run_file(case_record("none"), case_record(p99_ms=2.0)), tmp_path / "better.json")
    write_run(run_file(case_record("fair", 3)), tmp_path / "other.json")
    whole = (tmp_path / "run.json").read_text(encoding="utf-8")
    (tmp_path / "cut.json").write_text(whole[:1000], encoding="utf-8")
    newer = whole.replace('"schema_version": 1', '"schema_version": 2')
    (tmp_path / "newer.json").write_text(newer, encoding="utf-8")
    nulls = re.sub(r'"p99_ns": \d+', '"p99_ns": null', whole)
    (tmp_path / "nulls.json").write_text(nulls, encoding="utf-8")
    write_run(run_file(), tmp_path / "caseless.json")
    unsampled = re.sub(r'"histograms": \{[^}]*\}', '"histograms": {}', whole)
    (tmp_path / "unsampled.json").write_text(unsampled, encoding="utf-8")
    return tmp_path


def gate(
    directory: Path, name: str, *fail_if: str, baseline: str = "", fails: bool = False
) -> ExitCode:
    """Gate a run of that directory."""
    path = directory / f"{baseline}.json" if baseline else None
    wishes = RunWishes(fail_if=fail_if, baseline=path, fails=fails)
    return gate_run(directory / f"{name}.json", wishes, Outlets())


@pytest.mark.parametrize(
    ("name", "limits", "code"),
    [
        ("run", ["failed > 0"], ExitCode.DONE),
        ("run", ["response.p99[pool=blocking] > 1ms", "failed > 0"], ExitCode.GATE_FAIL),
        ("run", ["response.p99[pool=blocking] > 4ms"], ExitCode.GATE_INCONCLUSIVE),
        ("limited", [], ExitCode.GATE_FAIL),
        ("limited", ["failed > 0"], ExitCode.DONE),
        ("empty", ["failed > 0"], ExitCode.GATE_FAIL),
    ],
)
def test_the_exit_code_is_the_verdict(
    runs: Path, name: str, limits: list[str], code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Limits that are named go before those of the scenario."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert code == gate(runs, name, *limits)


@pytest.mark.parametrize(
    ("name", "baseline", "code"),
    [
        ("run", "later", ExitCode.DONE),
        ("run", "better", ExitCode.DONE),
        ("empty", "run", ExitCode.GATE_INCONCLUSIVE),
        ("run", "empty", ExitCode.GATE_INCONCLUSIVE),
    ],
)
def test_a_baseline_only_warns(
    runs: Path, name: str, baseline: str, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what was not measured: that can't be told, and is not a pass."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    assert code == gate(runs, name, baseline=baseline)
    if baseline == "better":
        assert ExitCode.GATE_FAIL == gate(runs, name, baseline=baseline, fails=True)


def test_a_run_that_is_its_own_baseline_is_no_pass(runs: Path) -> None:
    """Exit code 5, as for any baseline that is none."""
    with pytest.raises(ResultError, match="the same once more"):
        gate(runs, "run", baseline="run")


@pytest.mark.parametrize(
    ("name", "limits", "code", "said"),
    [
        ("run", [], ExitCode.USAGE, "run without limits"),
        ("run", ["failed[m=3] > 0"], ExitCode.USAGE, "cases there are not"),
        ("run", ["fialed > 0"], ExitCode.USAGE, "no such metric"),
        ("cut", ["failed > 0"], ExitCode.RESULT, "not JSON"),
        ("newer", ["failed > 0"], ExitCode.RESULT, "schema version"),
        ("nulls", ["failed > 0"], ExitCode.RESULT, "not a valid run file"),
        ("caseless", ["failed > 0"], ExitCode.RESULT, "nothing was measured"),
        ("unsampled", ["failed > 0"], ExitCode.RESULT, "the histogram of"),
    ],
)
def test_what_cannot_be_gated_never_passes(
    runs: Path, name: str, limits: list[str], code: ExitCode, said: str
) -> None:
    """A clear message and the exit code of its kind."""
    with pytest.raises(ValkeybenchError) as caught:
        gate(runs, name, *limits)
    assert code == caught.value.exit_code
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("baseline", "said"),
    [("cut", "not JSON"), ("newer", "schema version"), ("other", "no case of one run")],
)
def test_a_baseline_that_does_not_fit_never_passes(runs: Path, baseline: str, said: str) -> None:
    """Unreadable, newer than we know, or of another scenario."""
    with pytest.raises(ResultError, match=said):
        gate(runs, "run", baseline=baseline)


def test_every_outlet_is_written(runs: Path) -> None:
    """JUnit and Markdown to their files, JSON to standard output, the job told on the side."""
    (runs / "summary.md").write_text("before\n", encoding="utf-8")
    words = ["limited.json", "--json", "--junit", "gate.xml", "--markdown", "gate.md"]
    ended = valkeybench(
        runs, "gate", *words, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY="summary.md"
    )

    assert ExitCode.GATE_FAIL == ended.code, ended.err
    assert "fail" == json.loads(ended.out)["ruling"]
    assert ended.err.startswith("::error title=valkeybench gate::response.p99[pool=blocking]")
    assert "<failure" in (runs / "gate.xml").read_text(encoding="utf-8")
    report = (runs / "gate.md").read_text(encoding="utf-8")
    assert f"before\n{report}" == (runs / "summary.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--junit", "no/gate.xml"], "--junit: there is no directory no"),
        (["--junit", "one.x", "--markdown", "one.x"], "--markdown: one.x is what --junit names"),
        (["--markdown", "."], "--markdown: . is a directory"),
        (["--calibrate", "--noise", "link"], "--noise: link is a symbolic link"),
        (["-o", "no/sides.json"], "--output: there is no directory no"),
    ],
)
def test_what_cannot_be_written_stops_before_the_load(
    tmp_path: Path, words: list[str], said: str
) -> None:
    """Exit code 2 and the flag, before anybody has waited for a verdict."""
    (tmp_path / "link").symlink_to("elsewhere")
    ended = valkeybench(tmp_path, "gate", *TINY, "--new", "max_conn=3", *words)
    assert (ExitCode.USAGE, "") == (ended.code, ended.out)
    assert said in ended.err
    assert "pair" not in ended.err


def test_a_summary_that_cannot_be_written_is_said(runs: Path) -> None:
    """Exit code 2, before anything is judged."""
    ended = valkeybench(
        runs, "gate", "run.json", "--fail-if", "failed > 0", GITHUB_STEP_SUMMARY="no/summary.md"
    )
    assert (ExitCode.USAGE, "") == (ended.code, ended.out)
    assert "GITHUB_STEP_SUMMARY: no/summary.md cannot be written" in ended.err


def test_a_scenario_without_sides_is_told_how_to_be_gated(tmp_path: Path) -> None:
    """By its bare name, too."""
    ended = valkeybench(tmp_path, "gate", "size-web")
    assert ExitCode.USAGE == ended.code
    assert "size-web is to be run, and nothing says against what" in ended.err


def test_a_kept_run_has_no_sides(tmp_path: Path) -> None:
    """It cannot be run again; its scenario can."""
    ended = valkeybench(tmp_path, "gate", "kept.json", "--new", "max_conn=5")
    assert ExitCode.USAGE == ended.code
    assert "kept.json is a run that was kept" in ended.err


def test_a_run_is_held_against_its_limits(tmp_path: Path) -> None:
    """The verdict follows the report, and is the exit code."""
    ended = valkeybench(
        tmp_path,
        *("run", *TINY, "--repeats", "2", "--pool", "blocking", "--fail-if", "throughput > 1/s"),
    )
    assert ExitCode.GATE_FAIL == ended.code, ended.err
    assert "FAIL: 1 of 1 finding" in ended.out
    (kept,) = files_in(tmp_path)
    assert ["throughput > 1/s"] == json.loads((tmp_path / kept).read_text())["scenario"]["fail_if"]


def test_a_limit_with_a_typo_stops_before_the_load(tmp_path: Path) -> None:
    """Exit code 2, a caret at the place, nothing measured and nothing written."""
    (tmp_path / "mine.toml").write_text('fail_if = ["respnse.p99 > 5ms"]\n', encoding="utf-8")
    ended = valkeybench(tmp_path, "run", "mine.toml")
    assert (ExitCode.USAGE, "") == (ended.code, ended.out)
    assert "    respnse.p99 > 5ms\n    ^^^^^^^^^^^\n" in ended.err
    assert ["mine.toml"] == files_in(tmp_path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--baseline", "run.json", "--threshold", "response.p99=3%"), "--threshold"),
        (("--fail-if", "failed > 0", "--fail-on-baseline"), "--fail-on-baseline"),
        (("--fail-if", "failed > 0", "--even-if-different"), "--even-if-different"),
    ],
)
def test_a_flag_that_would_change_nothing_is_refused(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """Left unheard it would let pass what it was given to stop."""
    ended = valkeybench(tmp_path, "gate", "run.json", *words)
    assert 2 == ended.code
    assert said in ended.err
