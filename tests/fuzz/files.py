"""What must hold of every file that is given to us as a run, a baseline or a noise file.

A file is shown, compared and judged, or refused with one of our errors. What is accepted obeys
the published schema and reads back as it was written; what is written of it is well formed.
"""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import jsonschema
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from tests.report.examples import shown
from tests.server.processes import ROOT
from valkeybench import workflow
from valkeybench.analysis.enough import Sight
from valkeybench.analysis.fleet import plan_fleet
from valkeybench.analysis.fleet_inputs import read_inputs
from valkeybench.analysis.limits import parse_limits
from valkeybench.analysis.noise import fingerprint
from valkeybench.analysis.sizing import recommend
from valkeybench.cli.compare import rules_of
from valkeybench.cli.fleet import plan_json
from valkeybench.cli.gate import _own_limits
from valkeybench.errors import ResultError, ScenarioError
from valkeybench.measurement.histogram import Histogram
from valkeybench.report.compare import compare_document, comparison_record
from valkeybench.report.fleet import fleet_document
from valkeybench.report.fleet_dossier import fleet_dossier
from valkeybench.report.formats import Format, sheets
from valkeybench.report.gate import gate_document, verdict_record
from valkeybench.report.github import workflow_commands
from valkeybench.report.html.page import page_text
from valkeybench.report.junit import junit
from valkeybench.report.labels import labels
from valkeybench.report.markdown import markdown
from valkeybench.report.overlay import document_of, name_runs
from valkeybench.results.noisefile import read_noise
from valkeybench.results.runfile import RunFile, json_schema
from valkeybench.results.store import read_run
from valkeybench.scenario.fleet import Fleet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from valkeybench.analysis.verdict import Verdict

REFERENCES = tuple(sorted((ROOT / "results/reference").glob("*.json")))
LIMITS = (
    "response.p99 > 5ms",
    "failed > 0.1%",
    "throughput < 10/s",
    "response.p50[pool=blocking] / response.p50[pool=none] > 1.5",
)
_CONTROL = "\x1b\x07\x9b\u202e"
"""Signs that would steer a terminal, or turn a line of text about."""


def run_file(path: Path) -> bool:
    """Hold a file to all that is promised of a run: each command reads it or refuses it."""
    try:
        run = read_run(path)
    except ResultError as error:
        message(error)
        return False
    text = run.model_dump_json(by_alias=True)
    document = json.loads(text, parse_constant=_no_number)
    _validator().validate(document)
    _validator().validate(json.loads(path.read_bytes()))
    assert run == RunFile.model_validate_json(text)
    for use in (_report, _compare, _gate, _size, _fleet):
        with suppress(ResultError, ScenarioError):
            use(run, path)
    return True


def _report(run: RunFile, path: Path) -> None:
    for runs in (name_runs([str(path)], [run]), name_runs(["a", "b"], [run, reference()])):
        with suppress(ResultError):
            harmless(shown(document_of(runs)), is_page=False)
        for form in Format:
            try:
                pages = sheets(runs, form)
            except ResultError as error:
                message(error)
                continue
            for page in pages:
                harmless(
                    unfenced(page.text) if form is Format.MARKDOWN else page.text,
                    is_page=form in (Format.HTML, Format.MARKDOWN),
                )
                _WELL_FORMED.get(form, str)(page.text)


def _compare(run: RunFile, path: Path) -> None:
    rules = rules_of([])
    for paths, by in (([path, path], []), ([REFERENCES[0], path], []), ([path], ["pool"])):
        try:
            compared = workflow.compare(paths, rules=rules, by=by, even_if_different=True)
        except ResultError as error:
            message(error)
            continue
        _json(comparison_record(compared))
        document = compare_document(compared, paths=["a", "b"][: len(paths)])
        harmless(shown(document), is_page=False)
    fingerprint(run)


def _gate(run: RunFile, path: Path) -> None:
    verdicts: list[Callable[[], Verdict]] = [
        lambda: workflow.gate(run, parse_limits(LIMITS[:3], place="x", across_cases=True)),
        lambda: workflow.gate(run, parse_limits(LIMITS[3:], place="x", across_cases=True)),
        lambda: workflow.gate(run, _own_limits(run, path)),
        lambda: against(run, reference()),
        lambda: against(reference(), run),
    ]
    for judged in verdicts:
        try:
            verdict = judged()
        except (ResultError, ScenarioError) as error:
            message(error)
            continue
        names = labels(run.cases)
        _json(verdict_record(verdict, names))
        ET.fromstring(junit(verdict, names))  # noqa: S314 - written by us a moment ago
        harmless(unfenced(markdown(gate_document(verdict, names))))
        harmless("".join(workflow_commands(verdict, names)))


def against(run: RunFile, baseline: RunFile) -> Verdict:
    """Hold a run against a baseline, whatever differs."""
    return workflow.gate_against(
        run, baseline, rules=rules_of([]), named=False, fails=True, even_if_different=True
    )


def _size(run: RunFile, path: Path) -> None:
    del path
    for case in run.cases:
        Sight.of(case)
    for each in recommend(run.cases):
        _json(each.model_dump(mode="json", by_alias=True))


def _fleet(run: RunFile, path: Path) -> None:
    del path
    plan = plan_fleet(read_inputs(Fleet(processes=3, pods=2), run, None))
    _json(plan_json(plan, ["run.json"]))
    harmless(shown(fleet_document(plan, sources=["run.json"])), is_page=False)
    harmless(page_text(fleet_dossier(plan, sources=["run.json"])))


def noise_file(path: Path) -> bool:
    """A noise file is read or refused; what is read is written as it was."""
    try:
        noise = read_noise(path)
    except ResultError as error:
        message(error)
        return False
    noise.find({})
    assert noise == type(noise).model_validate_json(noise.model_dump_json())
    _json(noise.model_dump(mode="json"))
    return True


def histogram(text: str) -> bool:
    """A histogram is read or refused; what is read is written as it was."""
    try:
        found = Histogram.decode(text)
    except ResultError as error:
        message(error)
        return False
    assert found == Histogram.decode(found.encode())
    found.quantiles([0.5, 0.999])
    return True


def message(error: ResultError | ScenarioError) -> None:
    """Hold a refusal to being one message of some length."""
    assert 0 < len(str(error)) < 20_000


def unfenced(text: str) -> str:
    """Leave out the blocks of code of a Markdown text, in which nothing is a tag."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def harmless(text: str, *, is_page: bool = True) -> None:
    """See that a text steers no terminal; and runs no script, where a browser reads it."""
    assert not set(_CONTROL) & set(text)
    assert not is_page or "<script>alert" not in text


@cache
def reference(number: int = 0) -> RunFile:
    """Give a run that was kept."""
    return read_run(REFERENCES[number])


@cache
def documents() -> tuple[str, ...]:
    """Give the runs that are kept, as they are written, with fewer cases and samples."""
    return tuple(json.dumps(_shortened(json.loads(p.read_text("utf-8")))) for p in REFERENCES)


def _shortened(document: Any) -> Any:  # noqa: ANN401 - any JSON
    document["cases"] = document["cases"][:3]
    for case in document["cases"]:
        case["trials"] = case["trials"][:1]
        case["summary"] = case["trials"][0]["summary"]
        for trial in case["trials"]:
            trial["series"] = trial["series"][:3]
            if trial["server"]:
                trial["server"]["samples"] = trial["server"]["samples"][:2]
    return document


def places(part: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 - any JSON
    """Name every place in a document; of a long list the first items stand for all."""
    parts = part.items() if isinstance(part, dict) else enumerate(part[:3])
    for name, inner in parts:
        yield (*at, name)
        if isinstance(inner, dict | list):
            yield from places(inner, (*at, name))


@cache
def all_places(number: int) -> tuple[tuple[Any, ...], ...]:
    """Name every place in a run that is kept."""
    return tuple(places(json.loads(documents()[number])))


@cache
def _validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json_schema())


def _json(document: object) -> None:
    json.dumps(document, allow_nan=False)


def _no_number(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def _rows(text: str) -> None:
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(rows[0])} == {len(row) for row in rows}
    assert not any(cell.startswith(("=", "@", "+")) for row in rows for cell in row)


_WELL_FORMED: dict[Format, Callable[[str], object]] = {
    Format.JSON: lambda text: json.loads(text, parse_constant=_no_number),
    Format.CSV: _rows,
    Format.OPENMETRICS: lambda text: [*openmetrics(text)],
    Format.PROMETHEUS: lambda text: [*prometheus(text)],
}
