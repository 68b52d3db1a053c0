"""What programs read: CSV, JSON and metrics hold the numbers of the run, and say which they are."""

from __future__ import annotations

import csv
import io
import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.report.examples import recommendation, troubled
from tests.runs import case_record, run_file
from valkeybench.analysis.samples import merged
from valkeybench.measurement.metrics import Phase
from valkeybench.report.formats import Format, format_of, sheets
from valkeybench.report.overlay import NamedRun, name_runs
from valkeybench.report.rows import csv_text
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from prometheus_client import Metric

EVIL = '=HYPERLINK("x")'


@lru_cache(maxsize=1)
def runs() -> list[NamedRun]:
    """Give two runs: one with much that went wrong, and one with other axes."""
    other = run_file(
        case_record("blocking", 10, repeats=2, processes=2, throughput=1000),
        recommendations=[recommendation()],
    )
    return name_runs(["first.json", "second.json"], [troubled(), other])


def text(chosen: Format) -> str:
    """Write the runs in a format of one file."""
    (sheet,) = sheets(runs(), chosen)
    return sheet.text


def rows() -> list[dict[str, str]]:
    """Read the CSV back."""
    return list(csv.DictReader(io.StringIO(text(Format.CSV), newline="")))


def test_the_end_of_a_name_tells_the_format() -> None:
    """Every format has one of its own, whatever the case of its letters; others say nothing."""
    for each in Format:
        assert [each] * len(each.suffixes) == [format_of(f"x{end}") for end in each.suffixes]
        assert each.meaning
    assert Format.CSV is format_of("REPORT.CSV")
    assert format_of("report.txt") is None
    assert format_of("csv") is None


def test_csv_has_a_row_for_each_case_and_each_trial() -> None:
    """All trials of a case together come first; a case without trials has none."""
    found = [(row["run"], row["case"], row["trial"]) for row in rows()]
    first, second = (each.run for each in runs())

    assert [
        (name, case.id, trial)
        for name, run in (("first", first), ("second", second))
        for case in run.cases
        if case.trials
        for trial in ("all", *(str(each.repeat) for each in case.trials))
    ] == found


def test_csv_repeats_the_summaries() -> None:
    """Axes are parameters, durations whole nanoseconds; what is unknown is empty."""
    row = next(r for r in rows() if r["run"] == "second" and r["trial"] == "1")
    case = runs()[1].run.cases[0]
    trial = case.trials[1]

    assert ("blocking", "10", "2", "false") == tuple(
        row[f"parameter_{name}"] for name in ("pool", "max_connections", "processes", "tls")
    )
    assert str(trial.summary.throughput) == row["throughput_per_second"]
    assert str(trial.summary.phases["response"].p99_ns) == row["response_p99_ns"]
    assert "" == row["tls_p99_ns"]
    assert "" == row["parameter_rate"]
    assert str(trial.client.cpu_share) == row["client_cpu_share"]


def test_csv_says_which_distances_are_emulated() -> None:
    """Of each case: a file may hold both."""
    near, far = case_record("none"), case_record("blocking", 10, rtt_ns=2_000_000)
    far = far.model_copy(update={"rtt_emulated": True})
    written = csv_text([NamedRun(name="run", path="run.json", run=run_file(near, far))])

    assert {("0", "false"), ("2000000", "true")} == {
        (row["parameter_rtt_ns"], row["rtt_emulated"])
        for row in csv.DictReader(io.StringIO(written, newline=""))
    }


def test_csv_counts_failures_by_kind() -> None:
    """As the run file does."""
    row = next(r for r in rows() if r["parameter_pool"] == "raising" and r["trial"] == "all")

    assert ("36000", "36000", "0") == (
        row["failed"],
        row["failed_pool_exhausted"],
        row["failed_timeout"],
    )


def test_csv_holds_no_formula() -> None:
    """A name that a spreadsheet would compute is a text there."""
    case = case_record(repeats=1).model_copy(update={"id": EVIL})
    (sheet,) = sheets(name_runs(["@x.json"], [run_file(case)]), Format.CSV)
    row = next(csv.DictReader(io.StringIO(sheet.text, newline="")))

    assert ("'@x", f"'{EVIL}") == (row["run"], row["case"])


def test_json_holds_the_run_files_records_without_samples() -> None:
    """Each run under its name; the numbers are the run file's own."""
    read = json.loads(text(Format.JSON))
    kept: dict[str, Any] = runs()[1].run.model_dump(mode="json", by_alias=True)
    for case in kept["cases"]:
        del case["trials"]

    assert ["first", "second"] == [run["name"] for run in read["runs"]]
    assert {"name": "second", **kept} == read["runs"][1]


def families(chosen: Format) -> dict[str, Metric]:
    """Read metrics as Prometheus's own library does, which refuses what is not well-formed."""
    read = openmetrics if chosen is Format.OPENMETRICS else prometheus
    return {family.name: family for family in read(text(chosen))}


@pytest.mark.parametrize("chosen", [Format.OPENMETRICS, Format.PROMETHEUS])
def test_metrics_are_read_by_prometheus(chosen: Format) -> None:
    """Both texts hold the same families, under OpenTelemetry's names and ours."""
    assert {
        "db_client_operation_duration_seconds": "histogram",
        "db_client_connection_wait_time_seconds": "histogram",
        "db_client_connection_create_time_seconds": "summary",
        "db_client_connection_use_time_seconds": "summary",
        "db_client_connection_max": "gauge",
        "db_client_connection_count": "gauge",
        "db_client_connection_pending_requests": "gauge",
        "db_client_connection_timeouts": "counter",
        "valkeybench_response_seconds": "summary",
        "valkeybench_throughput": "gauge",
        "valkeybench_requests": "counter",
        "valkeybench_failures": "counter",
        "valkeybench_recommended_max_connections": "gauge",
        "valkeybench_case_info": "gauge",
    } == {name: family.type for name, family in families(chosen).items()}


def value(name: str, sample: str, **labels: str) -> float:
    """Give the one sample of that name with these labels."""
    (found,) = (
        each.value
        for each in families(Format.OPENMETRICS)[name].samples
        if each.name == name + sample and labels.items() <= each.labels.items()
    )
    return float(found)


def test_metrics_are_the_runs_numbers() -> None:
    """Counts, sums and levels against the run file; levels are for one process."""
    case = runs()[1].run.cases[0]
    summary = case.summary
    assert summary is not None
    pool = {"run": "second", "db_client_connection_pool_name": case.id}
    service, wait = summary.phases["service"], summary.phases["pool_wait"]
    duration = "db_client_operation_duration_seconds"
    held = merged(case, Phase.SERVICE)

    assert summary.completed == value(duration, "_count", **pool)
    assert pytest.approx(service.mean_ns * service.count / SECOND) == (
        value(duration, "_sum", **pool)
    )
    assert held.count == value(duration, "_bucket", le="+Inf", **pool)
    assert sum(held.bins([0, SECOND // 4000 + 1])) == value(
        duration, "_bucket", le="0.00025", **pool
    )
    assert 10 == value("db_client_connection_max", "", **pool)
    seconds = 2 * 3.0
    assert pytest.approx(wait.mean_ns * wait.count / SECOND / seconds / 2) == (
        value("db_client_connection_pending_requests", "", **pool)
    )
    assert summary.throughput == value("valkeybench_throughput", "", **pool)
    assert summary.phases["response"].p99_ns / SECOND == (
        value("valkeybench_response_seconds", "", quantile="0.99", **pool)
    )
    assert 8 == value("valkeybench_recommended_max_connections", "", run="second")


def test_metrics_count_what_failed() -> None:
    """Timeouts of the pool under OpenTelemetry's name, every kind under ours."""
    (case,) = (c for c in runs()[0].run.cases if c.axes["pool"] == "blocking")
    pool = {"run": "first", "db_client_connection_pool_name": case.id}

    assert 36 == value("db_client_connection_timeouts", "_total", **pool)
    assert 36 == value("valkeybench_failures", "_total", error_type="pool_timeout", **pool)
    assert 600 == value("valkeybench_requests", "_total", outcome="unfinished", **pool)
    duration = "db_client_operation_duration_seconds"
    assert 36 == value(duration, "_count", error_type="_OTHER", **pool)


def test_a_label_cannot_break_out_of_its_quotes() -> None:
    """Quotation marks, backslashes and line ends come back as they were."""
    name = 'a"} 1\nb\\'
    case = case_record(repeats=1).model_copy(update={"id": name})
    for chosen, read in ((Format.OPENMETRICS, openmetrics), (Format.PROMETHEUS, prometheus)):
        (sheet,) = sheets(name_runs(["x.json"], [run_file(case)]), chosen)
        found = {
            sample.labels["db_client_connection_pool_name"]
            for family in read(sheet.text)
            for sample in family.samples
            if "db_client_connection_pool_name" in sample.labels
        }
        assert {name} == found


def test_percentile_tables_are_a_file_for_each_case() -> None:
    """Named by case, as a file can be; never twice the same."""
    alike = [case_record(repeats=1).model_copy(update={"id": each}) for each in ("a/b", "a:b")]
    found = sheets(name_runs(["x.json"], [run_file(*alike)]), Format.HGRM)

    assert ["a-b", "a-b-2"] == [sheet.of for sheet in found]
    assert [""] == [
        sheet.of for sheet in sheets(name_runs(["x.json"], [run_file(alike[0])]), Format.HGRM)
    ]
