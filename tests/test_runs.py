"""The made-up runs other tests rest on add up as real ones do."""

from __future__ import annotations

import pytest

from tests.runs import case_record, run_file
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.results.runfile import CaseRecord, RunFile

CASES = {
    "healthy": case_record(),
    "unpooled": case_record("none", unfinished=3),
    "troubled": case_record(
        "raising", 2, starved=3, failures={"pool_exhausted": 40}, unfinished=9, dropped=2
    ),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> CaseRecord:
    """Give each case in turn."""
    return CASES[request.param]


def test_counts_add_up(case: CaseRecord) -> None:
    """Attempted is completed, failed, unfinished and dropped; handlers sum to completed."""
    for trial in case.trials:
        seen = trial.summary
        assert seen.attempted == seen.completed + seen.failed + seen.unfinished + seen.dropped
        assert seen.failed == sum(seen.failures.values())
        assert seen.completed == sum(trial.handlers)
    assert case.summary is not None
    assert case.summary.attempted == sum(trial.summary.attempted for trial in case.trials)


def test_acquires_are_the_commands_that_asked_the_pool(case: CaseRecord) -> None:
    """What a pool was asked for is what completed or failed; without a pool nobody asks."""
    for trial in case.trials:
        asked = trial.summary.completed + trial.summary.failed
        assert (asked if case.axes["max_connections"] else 0) == sum(trial.in_use_counts)


def test_phases_add_up(case: CaseRecord) -> None:
    """The parts' means sum to the service's, and unfinished commands are in response alone."""
    assert case.summary is not None
    phases = case.summary.phases
    parts = sum(phases[part].mean_ns for part in PARTS if part in phases)

    assert pytest.approx(parts) == phases[Phase.SERVICE].mean_ns
    assert phases[Phase.RESPONSE].count == phases[Phase.SERVICE].count + case.summary.unfinished


def test_histograms_hold_what_the_summaries_say(case: CaseRecord) -> None:
    """Each phase's histogram decodes to its summary."""
    for trial in case.trials:
        for phase, summary in trial.summary.phases.items():
            histogram = Histogram.decode(trial.histograms[phase])
            assert summary.count == histogram.count
            assert pytest.approx(summary.p99_ns, rel=1e-3) == histogram.quantile(0.99)


def test_a_wished_p99_is_what_each_repeat_gets() -> None:
    """One p99 for each repeat, to the resolution of a histogram."""
    case = case_record(p99_ms=[1, 2, 3])

    assert pytest.approx([10**6, 2 * 10**6, 3 * 10**6], rel=2e-3) == [
        trial.summary.phases[Phase.RESPONSE].p99_ns for trial in case.trials
    ]


def test_a_run_of_them_is_a_run_file() -> None:
    """It survives being written and read, under the names the file uses."""
    run = run_file(*CASES.values())

    assert run == RunFile.model_validate_json(run.model_dump_json(by_alias=True))
    assert [2, 10] == sorted(run.scenario["axes"]["max_connections"])  # type: ignore[index,call-overload,arg-type]


def test_an_unknown_wish_is_refused() -> None:
    """A typing error in a wish does not go unnoticed."""
    with pytest.raises(TypeError, match="starving"):
        case_record(starving=3)
