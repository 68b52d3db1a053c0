"""A limit is read as it is written, marks what is wrong, and is held against a summary."""

from __future__ import annotations

import re

import pytest

from tests.runs import case_record
from tests.server.processes import ROOT
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.metric import MetricError, parse_metric
from valkeybench.analysis.reach import out_of_reach
from valkeybench.errors import ExitCode, ScenarioError
from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Axes, Think
from valkeybench.units import MILLISECOND


@pytest.mark.parametrize(
    ("written", "shown", "value"),
    [
        ("response.p99 < 5ms", "response.p99 < 5.00 ms", 5 * MILLISECOND),
        ("response.p99.9<=250us", "response.p999 <= 250 µs", 250_000),
        (" pool_wait.mean  <  1ms ", "pool_wait.mean < 1.00 ms", MILLISECOND),
        ("throughput > 2k/s", "throughput > 2\N{NARROW NO-BREAK SPACE}000 /s", 2000),
        ("failed > 0", "failed > 0", 0),
        ("pool_exhausted <= 0.1%", "pool_exhausted <= 0.1 %", 0.001),
        ("fairness >= 0.9", "fairness >= 0.90", 0.9),
    ],
)
def test_a_limit_is_read_as_it_is_written(written: str, shown: str, value: float) -> None:
    """Phases take durations, throughput a rate, counts a number or a share."""
    (limit,) = parse_limits([written], place="--slo")
    assert shown == str(limit)
    assert value == pytest.approx(limit.value)


@pytest.mark.parametrize(
    ("written", "marked", "remedy"),
    [
        ("respnse.p99 < 5ms", "respnse.p99", "did you mean response?"),
        ("response.p98 < 5ms", "response.p98", "p99"),
        ("response < 5ms", "response", "write response.p99"),
        ("speed > 5", "speed", "throughput"),
        ("response.p99 == 5ms", "==", "use one of"),
        ("response.p99 < 5", "5", "write it like"),
        ("throughput > often", "often", "write it like"),
        ("failed < -1", "-1", "write it like"),
        ("fairness > 10%", "10%", "write it like"),
        ("starved > 1%", "1%", "write it like"),
        ("failed > 200%", "200%", "write it like"),
        ("failed < nan", "nan", "write it like"),
        ("quick please", "quick please", "write it like"),
    ],
)
def test_what_is_wrong_with_a_limit_is_marked(written: str, marked: str, remedy: str) -> None:
    """A caret stands below each sign that is wrong; what would do stands beside it."""
    with pytest.raises(ScenarioError) as caught:
        parse_limits([written], place="--slo")
    (problem,) = caught.value.problems
    assert ("--slo", ExitCode.USAGE) == (problem.place, caught.value.exit_code)
    assert marked == _marked(problem.reason)
    assert remedy in problem.remedy


def _marked(reason: str) -> str:
    """Give what the carets stand below."""
    _, text, carets = reason.splitlines()
    return "".join(sign for sign, mark in zip(text, carets, strict=False) if mark == "^")


@pytest.mark.parametrize("written", ["", "quick\x1bplease", "x" * 999])
def test_what_cannot_be_shown_as_it_is_has_no_caret(written: str) -> None:
    """Nothing, what steers a terminal, and what nobody would read."""
    with pytest.raises(ScenarioError) as caught:
        parse_limits([written], place="--slo")
    (problem,) = caught.value.problems
    assert "\x1b" not in problem.reason
    assert len(problem.reason) < 100
    assert "write it like" in problem.remedy


@pytest.mark.parametrize(
    ("written", "shown", "value"),
    [
        ("response.p99[pool=none] > 5ms", "response.p99[pool=none] > 5.00 ms", 5 * MILLISECOND),
        (
            "command.p50[tls=on]/command.p50[ tls=off ] > 150%",
            "command.p50[tls=on] / command.p50[tls=off] > 1.5x",
            1.5,
        ),
        ("pool_wait.p99 / response.p99 < 0.2", "pool_wait.p99 / response.p99 < 0.2x", 0.2),
        ("failed[rate=1000/s,m=5] > 0", "failed[rate=1000/s,m=5] > 0", 0),
    ],
)
def test_cases_are_picked_and_divided(written: str, shown: str, value: float) -> None:
    """By the words of flags and scenario files; a quotient is so many times."""
    (limit,) = parse_limits([written], place="--fail-if", across_cases=True)
    assert (shown, value) == (str(limit), limit.value)


def test_a_pick_holds_what_run_files_hold() -> None:
    """Names and values as they stand in the axes of a case."""
    (limit,) = parse_limits(
        ["failed[max-conn=5,tls=on,rtt=2ms,think=0] > 0"], place="--fail-if", across_cases=True
    )
    assert {"max_connections": 5, "tls": True, "rtt_ns": 2 * MILLISECOND, "think": "0"} == {
        pick.axis: pick.value for pick in limit.term.picks
    }


@pytest.mark.parametrize(
    ("written", "marked", "remedy"),
    [
        ("failed[poool=none] > 0", "poool=none", "did you mean pool?"),
        ("failed[pool=nine] > 0", "pool=nine", "did you mean none?"),
        ("failed[tls=on,pool] > 0", "pool", "write it like"),
        ("failed[pool=none > 0", "[pool=none > 0", "write it like"),
        ("failed / throughput > 1", "throughput", "write it like"),
        ("failed / dropped > 1ms", "1ms", "how many times"),
    ],
)
def test_what_is_wrong_with_a_pick_is_marked(written: str, marked: str, remedy: str) -> None:
    """The axis or value that is not, a bracket left open, units that do not fit."""
    with pytest.raises(ScenarioError) as caught:
        parse_limits([written], place="--fail-if", across_cases=True)
    (problem,) = caught.value.problems
    assert marked == _marked(problem.reason)
    assert remedy in problem.remedy


@pytest.mark.parametrize("written", ["failed[tls=on] > 0", "failed / dropped > 1"])
def test_where_there_is_one_case_none_is_picked(written: str) -> None:
    """A size is sought for one load: the limit says nothing of cases."""
    with pytest.raises(ScenarioError, match="only one case"):
        parse_limits([written], place="--slo")


def test_every_wrong_limit_is_named() -> None:
    """All problems at once, and none of the good ones."""
    with pytest.raises(ScenarioError) as caught:
        parse_limits(["a > 1", "failed > 0", "b > 1"], place="--fail-if")
    assert ["--fail-if", "--fail-if"] == [problem.place for problem in caught.value.problems]


def test_a_limit_is_held_against_what_was_measured() -> None:
    """Phases by their statistic, counts as such or as a share of what was attempted."""
    summary = case_record(p99_ms=4.0, failures={"pool_timeout": 30}).summary
    assert summary is not None

    def holds(written: str) -> bool | None:
        (limit,) = parse_limits([written], place="--slo")
        return limit.is_true(summary)

    p99_ns = summary.phases[Phase.RESPONSE].p99_ns
    assert holds(f"response.p99 <= {p99_ns}ns")
    assert not holds(f"response.p99 < {p99_ns}ns")
    assert holds("pool_timeout >= 90")
    assert not holds("failed > 50%")
    assert holds("pool_exhausted <= 0")
    assert holds(f"throughput > {summary.throughput - 1}")


def test_what_was_not_seen_is_neither_kept_nor_broken() -> None:
    """A phase that never happened has no percentile."""
    (limit,) = parse_limits(["tls.p99 < 1ms"], place="--slo")
    summary = case_record().summary
    assert summary is not None
    assert limit.is_true(summary) is None
    assert "nothing" == limit.written(limit.measured(summary))


@pytest.mark.parametrize(
    ("written", "why"),
    [
        (["response.p99 < 0s"], "nothing is less than 0"),
        (["response.p50 < 4ms"], "a round trip takes 5.00 ms"),
        (["throughput > 4k/s"], "no more than"),
        (["pool_wait.p99 < 1ms", "pool_wait.p99 > 2ms"], "cannot both be met"),
        (["response.p99 > 5ms"], "asks for more of what should be little"),
        (["failed >= 1%"], "asks for more of what should be little"),
    ],
)
def test_a_limit_the_load_itself_breaks_is_refused(written: list[str], why: str) -> None:
    """Before anything is run: fifty handlers every 15 ms at most, five of them a round trip."""
    load = Axes(rtt_ns=(5 * MILLISECOND,), think=(Think(10 * MILLISECOND),))
    with pytest.raises(ScenarioError, match=why):
        out_of_reach(parse_limits(written, place="--slo"), load)


def test_a_limit_within_reach_is_no_problem() -> None:
    """A rate offered can be asked for; without think time there is no most."""
    limits = parse_limits(["throughput >= 900/s", "response.p99 < 9ms"], place="--slo")
    out_of_reach(limits, Axes(rate=(900.0,)))
    out_of_reach(limits, Axes(think=(Think(0),)))


def test_the_published_grammar_is_the_one_that_is_read() -> None:
    """Every name the docs list can be read, and every name there is is listed."""
    page = (ROOT / "docs" / "gate.md").read_text(encoding="utf-8")
    grammar = page.partition("```bnf\n")[2].partition("```")[0]
    rules = {
        rule.partition("::=")[0].strip(): re.findall(r'"([a-z_0-9]+)"', rule.partition("::=")[2])
        for rule in re.split(r"\n(?=\S)", grammar)
    }
    phases = [phase for phase in Phase if phase is not Phase.FAILED]
    assert phases == rules["phase"]
    assert list(FailureKind) == rules["failure"]
    for name in (*rules["total"], *rules["failure"]):
        assert name == str(parse_metric(name))
    for stat in rules["stat"]:
        assert f"response.{stat}" == str(parse_metric(f"response.{stat}"))
    listed = {*rules["phase"], *rules["total"], *rules["failure"]}
    with pytest.raises(MetricError) as caught:
        parse_metric("zzz")
    assert listed == set(caught.value.remedy.removeprefix("there are ").split(", "))
