"""HdrHistogram files read in another implementation as they do here."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest

from tests.house.rules import ROOT
from tests.runs import case_record, run_file
from valkeybench.analysis.samples import merged
from valkeybench.errors import ResultError
from valkeybench.measurement.histogram import Histogram
from valkeybench.measurement.metrics import Phase
from valkeybench.report.hdr import hgrm_text, hlog_text
from valkeybench.report.overlay import NamedRun, name_runs
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord

SHARES = (0.0, 0.5, 0.9, 0.99, 0.999, 1.0)
SCRIPT = ROOT / "tests" / "node" / "hdr.cjs"


@lru_cache(maxsize=1)
def runs() -> list[NamedRun]:
    """Two runs, with and without a pool, at loads that fill counters of very different sizes."""
    first = run_file(case_record("none", p99_ms=40.0), case_record("blocking", 4, repeats=2))
    second = run_file(case_record("blocking", 4, failures={"timeout": 3}))
    return name_runs(["a.json", "b.json"], [first, second])


def every_case() -> list[CaseRecord]:
    """Give the cases of all runs."""
    return [case for each in runs() for case in each.run.cases]


@dataclass(frozen=True, slots=True)
class Told:
    """What the other implementation says of single histograms, and of a log's lines."""

    decoded: list[dict[str, Any]]
    intervals: list[dict[str, Any]]


@pytest.fixture(scope="module")
def javascript() -> Told:
    """Ask hdr-histogram-js about every case's response times, and about the log of both runs.

    It is found as Node finds packages: CONTRIBUTING.md says how to install it.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("hdr-histogram-js: there is no node on PATH")
    asked = [node, "-e", "require.resolve('hdr-histogram-js')"]
    if subprocess.run(asked, check=False, capture_output=True, timeout=60).returncode:
        pytest.skip("hdr-histogram-js: node does not find it; is NODE_PATH set?")
    texts = [merged(case, Phase.RESPONSE).encode() for case in every_case()]
    done = subprocess.run(
        [node, SCRIPT],
        input=json.dumps({"texts": texts, "log": hlog_text(runs())}),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Told(**json.loads(done.stdout))


def test_base64_decodes_to_the_same_counts(javascript: Told) -> None:
    """Count and every percentile agree to the nanosecond."""
    ours = [merged(case, Phase.RESPONSE) for case in every_case()]

    assert [each.count for each in ours] == [told["count"] for told in javascript.decoded]
    for mine, told in zip(ours, javascript.decoded, strict=True):
        # The other reports a counter's largest value even where no sample was as large.
        counted = Histogram.decode(mine.encode())
        assert list(counted.quantiles(SHARES[1:])) == told["values"][1:]


def test_percentile_tables_are_the_same_letter_for_letter(javascript: Told) -> None:
    """Our .hgrm is what the other implementation writes of the same histogram."""
    written = [hgrm_text(case, Phase.RESPONSE) for case in every_case()]

    assert [told["table"] for told in javascript.decoded] == written


def test_a_log_is_read_line_by_line(javascript: Told) -> None:
    """Tags, times, lengths and counts of every phase of every trial come back."""
    expected = []
    for each in runs():
        for case in each.run.cases:
            for trial in case.trials:
                for phase, text in trial.histograms.items():
                    tag = f"{each.name}/{case.id}/{phase}"
                    expected.append((tag, trial.duration_ns, Histogram.decode(text).count))
    told = [
        (line["tag"], round((line["to_ms"] - line["from_ms"]) * MILLISECOND), line["count"])
        for line in javascript.intervals
    ]

    assert sorted(expected) == sorted(told)
    assert 20 < len(told)


def test_a_log_begins_when_the_first_trial_did() -> None:
    """Times are from there, and its instant is in the head."""
    lines = hlog_text(runs()).splitlines()

    assert "#[Histogram log format version 1.2]" == lines[1]
    assert lines[2].startswith("#[BaseTime: ")
    assert lines[5].startswith("Tag=a/")
    assert "0.000" == lines[5].split(",")[1]
    assert f"{3 * SECOND / SECOND:.3f}" == lines[5].split(",")[2]


def test_a_tag_cannot_break_out_of_its_field() -> None:
    """A comma, a space or a line's end in a case's name is replaced."""
    case = case_record(repeats=1).model_copy(update={"id": "a,0,0\nTag=b c"})
    text = hlog_text(name_runs(["x.json"], [run_file(case)]))

    assert {"Tag=a;0;0;Tag=b;c/response"} == {
        line.split(",")[0] for line in text.splitlines() if "/response" in line
    }


def test_a_phase_without_samples_has_an_empty_table() -> None:
    """No line, and a total of nothing."""
    text = hgrm_text(case_record("blocking", 4), Phase.TLS)

    assert "Total count    =            0]" in text
    assert 5 == len(text.splitlines())


def test_a_trial_that_began_at_no_time_is_a_broken_file() -> None:
    """It says so, instead of inventing an instant."""
    case = case_record(repeats=1)
    broken = case.trials[0].model_copy(update={"started": "soon"})
    run = run_file(case.model_copy(update={"trials": [broken]}))

    with pytest.raises(ResultError, match="soon"):
        hlog_text(name_runs(["x.json"], [run]))
