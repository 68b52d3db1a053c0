"""Limits held against a run: what must not be so is, is not, or can't be told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, run_file
from valkeybench.analysis.agreement import differences
from valkeybench.analysis.baseline import judge_against, refuse_any_difference
from valkeybench.analysis.comparison import USUAL, RunComparison, compare_cases, rule_for
from valkeybench.analysis.gate import check_reach, judge_limits
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.matching import match_runs
from valkeybench.analysis.metric import parse_metric
from valkeybench.analysis.verdict import Finding, Ruling, Verdict, joined
from valkeybench.errors import ExitCode, ResultError, ScenarioError
from valkeybench.scenario.model import Axes, Pool, plain

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.metric import Metric
    from valkeybench.results.runfile import CaseRecord, RunFile


def judged(run: RunFile, *limits: str) -> Verdict:
    """Hold limits against a run."""
    return judge_limits(run, parse_limits(limits, place="--fail-if", across_cases=True))


def ruled(limit: str, *cases: CaseRecord, **changes: Any) -> Finding:  # noqa: ANN401 - run fields
    """Hold one limit against one case, or two that are divided."""
    (finding,) = judged(run_file(*cases, **changes), limit).findings
    return finding


@pytest.mark.parametrize(
    ("limit", "ruling"),
    [
        ("response.p99 > 5ms", Ruling.PASS),
        ("response.p99 > 1ms", Ruling.FAIL),
        ("response.p99 >= 4ms", Ruling.CANNOT_SAY),
        ("response.p99 < 1ms", Ruling.PASS),
        ("throughput < 4000/s", Ruling.PASS),
        ("throughput < 6000/s", Ruling.FAIL),
        ("failed > 0", Ruling.PASS),
        ("failed >= 0", Ruling.FAIL),
        ("fairness < 0.5", Ruling.PASS),
    ],
)
def test_a_limit_fails_where_it_is_so_at_both_bounds(limit: str, ruling: Ruling) -> None:
    """It passes where it is so at neither; between them, nothing can be said."""
    assert ruling is ruled(limit, case_record(p99_ms=4.0)).ruling


def test_the_bounds_are_those_of_trials() -> None:
    """Trials that disagree leave open what their percentiles together would have passed."""
    agreeing, scattered = (1.0, 1.01, 0.99), (0.5, 1.0, 2.0)
    limit = "response.p99 > 1.5ms"
    assert Ruling.PASS is ruled(limit, case_record(p99_ms=agreeing)).ruling
    found = ruled(limit, case_record(p99_ms=scattered))
    assert (Ruling.CANNOT_SAY, "…") == (found.ruling, found.between.split()[2])
    assert "--repeats" in found.remedy


@pytest.mark.parametrize(
    ("limit", "wish"),
    [
        ("tls.p99 > 1ms", {}),
        ("response.p99 > 1ms", {"repeats": 0}),
        ("failed > 0", {"repeats": 0}),
        ("response.p99 > 1ms", {"throughput": 0, "in_use": [1.0]}),
        ("throughput < 1/s", {"repeats": 0}),
        ("failed > 0", {"throughput": 0, "in_use": [1.0]}),
    ],
)
def test_no_samples_is_never_a_pass(limit: str, wish: dict[str, Any]) -> None:
    """A phase that never happened, no trial at all, a load that did nothing: all of them fail."""
    found = ruled(limit, case_record(**wish))
    assert Ruling.FAIL is found.ruling
    assert found.numbers["measured"] is None
    assert "never a pass" in found.reason


def test_a_failure_rate_is_counted() -> None:
    """One failed command is one too many, however few trials there were."""
    one = case_record(repeats=1, failures={"pool_timeout": 1})
    assert Ruling.FAIL is ruled("failed > 0", one).ruling
    assert Ruling.PASS is ruled("failed > 1%", one).ruling


def test_one_trial_does_not_tell() -> None:
    """How much it would scatter nobody knows."""
    found = ruled("response.p99 > 5ms", case_record(repeats=1))
    assert (Ruling.CANNOT_SAY, "use --repeats 3 or more") == (found.ruling, found.remedy)


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        ({"starved": 40}, "starved"),
        ({"unfinished": 900}, "unfinished"),
        ({"rate": 5000.0, "dropped": 900}, "due and never sent"),
        ({"duration_ms": 100}, "samples lie beyond"),
        ({"lost": True}, "went away"),
    ],
)
def test_a_percentile_that_means_nothing_passes_nothing(wish: dict[str, Any], why: str) -> None:
    """The starved have no response times, and would pass any limit; a failure stays one."""
    found = ruled("response.p99 > 10s", case_record(**wish))
    assert Ruling.CANNOT_SAY is found.ruling
    assert why in found.reason
    assert Ruling.FAIL is ruled("response.p99 > 1us", case_record(**wish)).ruling


@pytest.mark.parametrize(
    ("stat", "unfinished", "ruling"),
    [
        ("max", 100, Ruling.CANNOT_SAY),
        ("max", 10, Ruling.PASS),
        ("mean", 900, Ruling.CANNOT_SAY),
        ("mean", 100, Ruling.PASS),
        ("min", 900, Ruling.PASS),
    ],
)
def test_what_was_not_seen_to_its_end_has_no_mean_and_no_maximum(
    stat: str, unfinished: int, ruling: Ruling
) -> None:
    """Of 14 000 commands a trial, a hundred are more than lie beyond p99.9, and 900 than p99."""
    found = ruled(f"response.{stat} > 10s", case_record(unfinished=unfinished))
    assert ruling is found.ruling
    assert (ruling is Ruling.PASS) is ("unfinished" not in found.reason)


@pytest.mark.parametrize(
    ("limit", "failures", "ruling", "measured"),
    [
        ("failed[pool=none] / failed[pool=blocking] > 2", (0, 0), Ruling.CANNOT_SAY, "0 / 0"),
        ("failed[pool=none] / failed[pool=blocking] < 2", (0, 0), Ruling.CANNOT_SAY, "0 / 0"),
        ("failed[pool=none] / failed[pool=blocking] > 2", (5, 0), Ruling.FAIL, "15 / 0"),
        ("failed[pool=none] / failed[pool=blocking] < 2", (5, 0), Ruling.CANNOT_SAY, "15 / 0"),
        ("failed[pool=none] / failed[pool=blocking] > 2", (0, 5), Ruling.PASS, "0x"),
    ],
)
def test_nothing_is_a_multiple_of_nothing(
    limit: str, failures: tuple[int, int], ruling: Ruling, measured: str
) -> None:
    """A quotient by 0 can't be told, unless what was limited is that it is no more."""
    cases = [
        case_record(pool, size, failures={"reset": count} if count else {})
        for (pool, size), count in zip([("none", None), ("blocking", 10)], failures, strict=True)
    ]
    found = ruled(limit, *cases)
    assert (ruling, measured) == (found.ruling, found.measured)


def test_a_trial_with_nothing_to_divide_by_tells_nothing() -> None:
    """The trials together have a quotient, and how much it scatters is not known."""
    none, pooled = case_record("none", failures={"reset": 3}), case_record(failures={"reset": 1})
    calm = pooled.trials[0].summary.model_copy(update={"failed": 0, "failures": {}})
    trials = [pooled.trials[0].model_copy(update={"summary": calm}), *pooled.trials[1:]]
    uneven = pooled.model_copy(update={"trials": trials})
    found = ruled("failed[pool=none] / failed[pool=blocking] > 2", none, uneven)
    assert Ruling.CANNOT_SAY is found.ruling
    assert "0 in a trial" in found.reason


@pytest.mark.parametrize("status", ["interrupted", "failed"])
def test_a_run_that_was_not_finished_passes_nothing(status: str) -> None:
    """What is missing could be what fails; what fails already, fails."""
    passes = ruled("response.p99 > 10s", case_record(), status=status)
    assert Ruling.CANNOT_SAY is passes.ruling
    assert status in passes.reason
    assert Ruling.FAIL is ruled("response.p99 > 1us", case_record(), status=status).ruling


def test_a_quotient_cancels_what_both_suffer() -> None:
    """Turn by turn: a machine that gets slower for both changes nothing."""
    slowing = (1.0, 2.0, 4.0)
    none = case_record("none", p99_ms=[10 * each for each in slowing])
    pool = case_record("blocking", p99_ms=slowing)
    limit = "response.p99[pool=none] / response.p99[pool=blocking] < {}"

    found = ruled(limit.format(5), none, pool)
    assert (Ruling.PASS, (none.id, pool.id)) == (found.ruling, found.cases)
    assert 10 == pytest.approx(found.numbers["measured"] or 0, rel=0.05)
    assert Ruling.FAIL is ruled(limit.format(20), none, pool).ruling


def test_a_quotient_is_made_of_cases_that_differ_in_what_was_picked() -> None:
    """Handlers agree; a pool's size means nothing without one, and so each size is held."""
    run = run_file(
        *(case_record("none", concurrency=handlers) for handlers in (5, 50)),
        *(case_record("blocking", m, concurrency=h) for m in (10, 20) for h in (5, 50)),
    )
    found = judged(run, "response.p50[pool=none] / response.p50[pool=blocking] < 1").findings
    assert {
        ("none-c5", "blocking-m10-c5"),
        ("none-c5", "blocking-m20-c5"),
        ("none-c50", "blocking-m10-c50"),
        ("none-c50", "blocking-m20-c50"),
    } == {finding.cases for finding in found}


def test_without_picks_a_quotient_is_within_each_case() -> None:
    """How much of the response is waiting."""
    found = judged(
        run_file(case_record("blocking", 10), case_record("blocking", 20)),
        "pool_wait.mean / response.mean > 90%",
    ).findings
    assert [1, 1] == [len(set(finding.cases)) for finding in found]
    assert {Ruling.PASS} == {finding.ruling for finding in found}


def test_a_limit_on_cases_there_are_not_is_refused_before_the_load() -> None:
    """Every such limit, with the way out; what is there is not named."""
    limits = parse_limits(
        ["failed[m=7] > 0", "failed[pool=none] > 0", "failed[tls=on] / failed[tls=off] > 1"],
        place="--fail-if",
        across_cases=True,
    )
    axes = Axes(pool=(Pool.NONE, Pool.BLOCKING), max_connections=(5, 10))
    with pytest.raises(ScenarioError) as caught:
        check_reach(limits, [plain(case) for case in axes.cases()], place="--fail-if")
    assert ExitCode.USAGE == caught.value.exit_code
    assert ["m=7", "tls=on"] == [
        problem.reason.partition("[")[2].partition("]")[0] for problem in caught.value.problems
    ]


def test_the_verdict_is_the_worst_finding() -> None:
    """A failure outweighs what can't be told, which outweighs a pass; nothing says nothing."""
    run = run_file(case_record(p99_ms=4.0))
    failing, open_, passing = "response.p99 > 1ms", "response.p99 >= 4ms", "failed > 0"
    assert Ruling.FAIL is judged(run, failing, open_, passing).ruling
    assert Ruling.CANNOT_SAY is judged(run, open_, passing).ruling
    assert Ruling.PASS is judged(run, passing).ruling
    assert Ruling.CANNOT_SAY is Verdict(()).ruling
    assert Ruling.FAIL is joined([judged(run, passing), judged(run, failing)]).ruling


def against(
    base: RunFile, new: RunFile, *, fails: bool, metrics: Sequence[Metric] = USUAL
) -> Verdict:
    """Hold a run against a baseline."""
    matching = match_runs(base.cases, new.cases)
    rules = [rule_for(metric) for metric in metrics]
    return judge_against(
        RunComparison(
            base=base,
            new=new,
            differences=differences(base, new),
            matching=matching,
            comparisons=[compare_cases(pair, rules=rules) for pair in matching.pairs],
        ),
        fails=fails,
        named=rules if metrics is not USUAL else (),
    )


def test_a_metric_that_was_named_and_never_measured_is_no_pass() -> None:
    """Not for one of several, and not beside a limit that passes."""
    same = run_file(case_record())
    seen, unseen = parse_metric("response.p50"), parse_metric("tls.p50")
    assert Ruling.PASS is against(same, same, fails=True, metrics=[seen]).ruling
    for metrics in ([unseen], [seen, unseen]):
        verdict = against(same, same, fails=True, metrics=metrics)
        assert Ruling.CANNOT_SAY is joined([against(same, same, fails=False), verdict]).ruling


def test_a_baseline_warns_and_says_why_it_does_no_more() -> None:
    """Unless it is asked to fail."""
    base, slower = run_file(case_record(p99_ms=2.0)), run_file(case_record(p99_ms=4.0))
    warned = against(base, slower, fails=False)
    assert Ruling.PASS is warned.ruling
    worse = [each.limit for each in warned.findings if each.ruling is Ruling.FAIL]
    assert "response.p99 as the baseline" in worse
    assert all(each.is_warning for each in warned.findings if each.ruling is Ruling.FAIL)
    assert "only warns" in warned.notes[-1]
    assert Ruling.FAIL is against(base, slower, fails=True).ruling


@pytest.mark.parametrize("gone", [{"repeats": 0}, {"throughput": 0, "in_use": [1.0]}])
def test_nothing_measured_is_no_pass_against_a_baseline_either(gone: dict[str, Any]) -> None:
    """It is not even advice: whether it is worse can't be told."""
    assert (
        Ruling.CANNOT_SAY
        is against(run_file(case_record()), run_file(case_record(**gone)), fails=False).ruling
    )


def test_nothing_beside_nothing_is_no_pass() -> None:
    """Two runs in which nothing completed are not alike: neither measured anything."""
    nothing = run_file(case_record(throughput=0, in_use=[1.0]))
    assert Ruling.CANNOT_SAY is against(nothing, nothing, fails=False).ruling


def test_a_case_that_is_gone_is_no_pass() -> None:
    """Leaving out the case that got worse would be too easy."""
    base = run_file(case_record(), case_record("none"))
    verdict = against(base, run_file(case_record()), fails=False)
    assert Ruling.CANNOT_SAY is verdict.ruling
    assert ("none-c50",) == verdict.findings[-1].cases


def test_a_baseline_must_agree_in_everything() -> None:
    """Also in what a comparison would only say: another client, Python or kernel."""
    run = run_file(case_record())
    other = run.model_copy(update={"environment": run.environment | {"kernel": "9.9"}})
    later = run.model_copy(update={"created": "2026-01-03T03:04:05Z"})
    refuse_any_difference(differences(run, later))
    with pytest.raises(ResultError, match=r"kernel: 6\.1 and 9\.9"):
        refuse_any_difference(differences(run, other))


def test_a_run_is_no_baseline_of_itself() -> None:
    """It would pass, whatever it says."""
    run = run_file(case_record())
    with pytest.raises(ResultError, match=r"run: that of 2026.* and the same once more"):
        refuse_any_difference(differences(run, run.model_copy()))
