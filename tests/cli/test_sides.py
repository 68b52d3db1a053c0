"""Two sides that take turns: what they are is read, they run, and the verdict is the exit code."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import files_in, valkeybench
from valkeybench import workflow
from valkeybench.analysis.regression import Look
from valkeybench.cli.gate import Wishes, calibrate, gate_sides
from valkeybench.cli.sides import read_side
from valkeybench.cli.thresholds import regression_rules
from valkeybench.cli.verdicts import Outlets
from valkeybench.errors import ExitCode, ScenarioError
from valkeybench.results.noisefile import read_noise
from valkeybench.results.store import read_run
from valkeybench.scenario.model import Pool

if TYPE_CHECKING:
    from pathlib import Path

SHORT = {
    "concurrency": "4",
    "max_conn": "4",
    "think": "1ms",
    "duration": "150ms",
    "warmup": "20ms",
    "driver": "asyncio",
}


def test_a_side_is_the_scenario_but_for_its_own_words() -> None:
    """By the words of flags and scenario files; without more being said, the pooled case."""
    flags = {"concurrency": "7"}
    side = read_side(
        "new",
        None,
        flags,
        ["max-conn=3", "rtt_ns=2ms", "python=/some/python", "server=/some/server"],
        output=None,
    )
    (case,) = side.scenario.cases()
    assert (7, 3, 2_000_000, Pool.BLOCKING) == (
        case.concurrency,
        case.max_connections,
        case.rtt_ns,
        case.pool,
    )
    assert ("/some/python", "/some/server") == (side.python, side.scenario.server.binary)
    (unpooled,) = read_side("base", None, {}, ["pool=none"], output=None).scenario.cases()
    assert Pool.NONE is unpooled.pool


@pytest.mark.parametrize(
    ("words", "said", "remedy"),
    [
        (["max_conn"], "no KEY=VALUE", "max_conn=20"),
        (["max_con=3"], "no key max_con", "did you mean max_conn?"),
        (["duration=1s"], "the same for both", "--duration 1s"),
        (["fail_if=x"], "the same for both", "--fail-if x"),
        (["pool=none,blocking"], "2 cases", "--new KEY=VALUE"),
        (["max_conn=zero"], "zero", ""),
        (["server=/x", "url=valkey://somewhere"], "a URL names another", "drop one"),
        (["python=/x", "place=tcp://there:8786"], "processes of this machine", "drop one"),
    ],
)
def test_what_is_no_side_is_refused(words: list[str], said: str, remedy: str) -> None:
    """Before anything is started."""
    with pytest.raises(ScenarioError) as caught:
        read_side("new", None, {}, words, output=None)
    problem = caught.value.problems[0]
    assert said in problem.reason
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("metrics", "thresholds", "expected"),
    [
        ([], [], {"throughput": 0.05, "response.p50": 0.05, "response.p99": 0.1}),
        (["connect.p50"], [], {"connect.p50": 0.05}),
        (["throughput"], ["throughput=2%"], {"throughput": 0.02}),
        (["pool_wait.p99"], ["pool_wait.p99=250us"], {"pool_wait.p99": 250_000.0}),
    ],
)
def test_metrics_have_thresholds(
    metrics: list[str], thresholds: list[str], expected: dict[str, float]
) -> None:
    """Three metrics unless others are named; a named threshold is fixed."""
    asked = regression_rules(metrics, thresholds)
    assert expected == {str(rule.metric): rule.threshold for rule in asked.rules}
    assert len(thresholds) == len(asked.fixed)


def test_a_threshold_of_a_count_is_one_of_its_share() -> None:
    """One per cent of failures is of the commands attempted, and replaces the bare count."""
    (rule,) = regression_rules(["failed"], ["failed=1%"]).rules
    assert (True, 0.01) == (rule.metric.is_share, rule.threshold)


def test_a_threshold_of_starved_handlers_is_their_number() -> None:
    """They are no commands, of which there would be a share."""
    (rule,) = regression_rules(["starved"], ["starved=2"]).rules
    assert (False, 2.0) == (rule.metric.is_share, rule.threshold)


@pytest.mark.parametrize(
    "word", ["p99=5%", "response.p99=5", "response.p99=-5%", "response.p99", "pool_wait.p99=5%"]
)
def test_a_threshold_that_is_none_is_refused(word: str) -> None:
    """A metric there is not, a missing unit, nothing at all."""
    with pytest.raises(ScenarioError) as caught:
        regression_rules([], [word])
    assert "--threshold" == caught.value.problems[0].place


def test_a_side_that_is_worse_fails(tmp_path: Path) -> None:
    """Both sides are kept with what they ran in; another interpreter runs its load."""
    words = [word for name, value in SHORT.items() for word in (f"--{name}", value)]
    words = [word.replace("max_conn", "max-conn") for word in words]
    ended = valkeybench(
        tmp_path,
        *("gate", *words, "--metric", "response.p50", "-o", "out.json", "--json"),
        *("--new", "rtt=3ms", "--new", f"python={sys.executable}"),
    )

    assert ExitCode.GATE_FAIL == ended.code, ended.err
    told = json.loads(ended.out)
    p50 = told["findings"][0]
    assert ("fail", "response.p50 worse by 5.0 %", 8) == (
        p50["ruling"],
        p50["limit"],
        p50["pairs"],
    )
    assert p50["low"] > 1
    assert "rtt_ns 0 and 3000000" in told["notes"][0]
    assert "pair 8 of 24 at most" in ended.err
    assert ["out-base.json", "out-new.json"] == files_in(tmp_path)
    base, new = (read_run(tmp_path / name) for name in files_in(tmp_path))
    assert [8, 8] == [len(run.cases[0].trials) for run in (base, new)]
    assert [8, 8] == [run.scenario["repeats"] for run in (base, new)]
    assert "complete" == base.status == new.status
    assert base.environment["packages"] == new.environment["packages"]
    shared = [run.model_dump()["environment"]["server"]["address"] for run in (base, new)]
    assert shared[0] == shared[1]


def test_a_machine_learns_what_it_can_tell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is kept, and the next gate of the same load heeds it."""
    monkeypatch.setattr(workflow, "CALIBRATION_PAIRS", 2)
    wishes = Wishes(noise=tmp_path / "noise.json", metrics=["throughput"], quiet=True)
    assert ExitCode.DONE == calibrate(None, SHORT, wishes)
    assert "throughput" in capsys.readouterr().out
    (floor,) = read_noise(wishes.noise).floors
    assert (2, ["throughput"]) == (floor.pairs, list(floor.scatter))

    written = wishes.noise.read_text(encoding="utf-8")
    loud = written.replace(str(floor.scatter["throughput"]), "9.0")
    wishes.noise.write_text(loud, encoding="utf-8")
    monkeypatch.setattr(Look, "is_over", property(lambda look: look.pairs == 1))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    code = gate_sides(None, SHORT, wishes, Outlets(as_json=True))
    assert ExitCode.GATE_INCONCLUSIVE == code
    assert "which is what this machine can tell" in capsys.readouterr().out
