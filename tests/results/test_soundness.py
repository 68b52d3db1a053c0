"""A run whose parts tell different things tells nothing, and is not read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, run_file
from tests.server.processes import ROOT
from valkeybench.results.runfile import RunFile
from valkeybench.results.soundness import contradictions
from valkeybench.results.store import read_run

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", ["pool", "size"])
def test_what_a_run_wrote_agrees_with_itself(name: str) -> None:
    """Runs that were really made: without that, the rest of this proves nothing."""
    run = read_run(ROOT / "results" / "reference" / f"{name}.json")
    assert run.cases
    assert [] == list(contradictions(run))


def spoilt(spoil: Callable[[dict[str, Any]], object]) -> RunFile:
    """Give a run with two trials of one case that somebody has had in hand."""
    run = run_file(case_record(repeats=2))
    document = run.model_dump(by_alias=True)
    spoil(document)
    return type(run).model_validate(document)


def test_a_clock_that_jumped_spoils_a_trial_and_not_its_file() -> None:
    """Commands whose every duration was out of range completed, and have no response times."""

    def out_of_range(document: dict[str, Any]) -> None:
        case = document["cases"][0]
        for trial in case["trials"]:
            trial["summary"].update(phases={}, out_of_range=9)
            trial["histograms"].clear()
        case["summary"].update(phases={}, out_of_range=18)

    assert [] == list(contradictions(spoilt(out_of_range)))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda e: e.update(case=[e["case"]]), "case: Input should be"),
        (lambda e: e.pop("base"), "base: Field required"),
        (lambda e: e["base"].update(throughput=[[1.0]]), "base.throughput.0: Input should be"),
        (lambda e: e["walk"][0].update(failed={}), "walk.0.failed.said"),
        (lambda e: e.update(bounds=[{"rate": "fast"}]), "bounds.0"),
        (lambda e: e.update(with_headroom=-3), "with_headroom"),
        (lambda e: e.pop("hold_ns"), "hold_ns: Field required"),
    ],
)
def test_what_a_search_rests_on_is_what_it_says(
    spoil: Callable[[dict[str, Any]], object], said: str
) -> None:
    """Else the report would speak of what is not there."""
    document = read_run(ROOT / "results" / "reference" / "size.json").model_dump(by_alias=True)
    spoil(document["recommendations"][0]["evidence"])
    found = list(contradictions(RunFile.model_validate(document)))
    assert found
    assert any(f"evidence of the search, {said}" in each for each in found)


def trial_of(document: dict[str, Any]) -> dict[str, Any]:
    """Give the first trial."""
    found: dict[str, Any] = document["cases"][0]["trials"][0]
    return found


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda d: d["cases"].append(d["cases"][0]), "2 cases are called"),
        (lambda d: d["cases"][0]["trials"].clear(), "a summary without trials"),
        (lambda d: d["cases"][0].update(summary=None), "trials without a summary"),
        (lambda d: d["cases"][0]["trials"].pop(), "and their summary"),
        (lambda d: trial_of(d)["summary"].update(failed=7), "that ended in any way"),
        (lambda d: trial_of(d)["summary"].update(failures={"timeout": 5}), "0 failed, and 5"),
        (
            lambda d: d["cases"][0]["summary"]["phases"]["service"].update(count=9),
            "samples of service, and their summary 9",
        ),
        (lambda d: trial_of(d)["histograms"].pop("command"), "histogram of command is missing"),
        (lambda d: trial_of(d)["summary"].update(phases={}), "without any response time"),
        (lambda d: trial_of(d)["histograms"].update(response="AAAA"), "cannot be read"),
        (
            lambda d: trial_of(d)["histograms"].update(
                response=trial_of(d)["histograms"]["release"]
            ),
            "not the one that is summed",
        ),
        (
            lambda d: trial_of(d)["summary"]["phases"]["response"].update(p99_ns=5),
            "not the one that is summed",
        ),
    ],
)
def test_what_does_not_agree_is_named(spoil: Callable[[dict[str, Any]], object], said: str) -> None:
    """Counts, samples, summaries: with the case, so that somebody can look."""
    assert any(said in each for each in contradictions(spoilt(spoil)))
