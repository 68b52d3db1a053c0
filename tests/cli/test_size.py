"""What `valkeybench size` asks, leaves behind and says, and how it refuses."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.commandline import Ended, files_in, kept_run, running, valkeybench

if TYPE_CHECKING:
    from pathlib import Path

SOON = (
    *("--duration", "700ms", "--warmup", "100ms"),
    *("-c", "4", "--think", "1ms", "--slo", "response.p99 < 5s"),
)
"""A search that is over soon: nothing breaks such a limit, and it is kept at once."""


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the directory in which a search takes place."""
    return tmp_path_factory.mktemp("size")


@pytest.fixture(scope="module")
def searched(directory: Path) -> Ended:
    """Search with real trials against our own server."""
    return valkeybench(directory, "size", *SOON)


def test_a_search_keeps_every_trial_in_one_run_file(directory: Path, searched: Ended) -> None:
    """The base and each size tried are cases; the evidence points at their trials."""
    assert 0 == searched.code, searched.err
    (name,) = files_in(directory)
    assert "-size-ad-hoc.json" in name
    run = kept_run(directory / name)
    assert "complete" == run.status
    (said,) = run.recommendations
    trials = {case.axes["max_connections"]: len(case.trials) for case in run.cases}
    assert 4 in trials
    assert sum(trials.values()) == said.evidence["trials"]
    evidence: dict[str, Any] = said.evidence
    for each in evidence["walk"]:
        assert len(each["repeats"]) <= trials[each["max_connections"]]


def test_a_search_that_finds_a_size_says_so_in_words_and_in_lines_to_paste(
    searched: Ended,
) -> None:
    """The report is on standard output, the progress on standard error."""
    assert "The smallest pool that is enough" in searched.out
    assert "Sizes tried" in searched.out
    assert "tried 4 (blocking):" in searched.err
    assert "left)" in searched.err


def test_report_shows_a_search_again(directory: Path, searched: Ended) -> None:
    """The same words as when it was run."""
    (name,) = files_in(directory)
    again = valkeybench(directory, "report", name)
    assert 0 == again.code, again.err
    assert searched.out == again.out


def test_quick_is_one_trial(tmp_path: Path) -> None:
    """To standard output as JSON, and no file is left."""
    ended = valkeybench(tmp_path, "size", *SOON, "--confidence", "quick", "--json", "-q")
    assert 0 == ended.code, ended.err
    run = json.loads(ended.out)
    assert [1] == [len(case["trials"]) for case in run["cases"]]
    assert "estimated" == run["recommendations"][0]["basis"]
    assert [] == files_in(tmp_path)


def test_an_interrupted_search_keeps_what_it_tried(tmp_path: Path) -> None:
    """Ctrl-C after the first trial: marked interrupted, with an estimate from that trial."""
    words = (
        "size",
        *SOON,
        "--slo",
        "response.p99 < 10s",
        "--confidence",
        "certified",
        "-o",
        "r.json",
    )
    with running(tmp_path, *words) as search:
        search.wait_for("tried 4")
        search.signal(signal.SIGINT)
        ended = search.ended()
    assert 130 == ended.code
    run = kept_run(tmp_path / "r.json")
    assert "interrupted" == run.status
    assert run.recommendations


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--slo", "respnse.p99 < 5ms"),
            "--slo: there is no phase respnse\n    respnse.p99 < 5ms\n    ^^^^^^^^^^^\n",
        ),
        (("--slo", "response.p99 < 1ms", "--rtt", "5ms"), "cannot be met: a round trip takes"),
        (("--slo", "throughput > 1M/s"), "--slo: "),
        (("--cap", "0"), "--cap: 0 is no pool size"),
        (("--headroom", "lots"), "--headroom: »lots« is no headroom"),
        (("--headroom", "-5%"), "--headroom: »-5%« is no headroom"),
        (("--growth", "0.5x"), "--growth: »0.5x« is no growth"),
        (("--growth", "1/0"), "--growth: »1/0« is no growth"),
        (("--confidence", "certain"), "--confidence: "),
        (("-m", "5"), "--max-conn: that is what size finds"),
        (("--repeats", "5"), "--repeats: size decides"),
        (("-c", "5,10"), "--concurrency: 2 values"),
        (("--pool", "none"), "--pool: without a pool there is no size"),
        (("--pool", "raising,blocking"), "--pool: one policy is sized at a time"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_with_its_place(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    """Exit code 2, one clear message, and nothing is run."""
    ended = valkeybench(tmp_path, "size", *words)
    assert 2 == ended.code
    assert said in ended.err
    assert "Traceback" not in ended.err
    assert [] == files_in(tmp_path)


def test_its_help_offers_nothing_that_it_refuses(tmp_path: Path) -> None:
    """They are known, to be refused in words that help; what it does without is said."""
    ended = valkeybench(tmp_path, "size", "--help")
    assert 0 == ended.code
    assert "--concurrency" in ended.out
    assert not re.findall(r"│ (--max-conn|--repeats|--fail-if)", ended.out)
    assert "Default: none,blocking" not in ended.out
