"""`valkeybench report`: what stored runs say, in the terminal or in files of many formats."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.cli.consoles import show as show_document
from valkeybench.errors import ScenarioError
from valkeybench.measurement.metrics import Phase
from valkeybench.report.formats import Format, format_of, sheets
from valkeybench.report.overlay import document_of, name_runs
from valkeybench.results.runfile import json_schema
from valkeybench.results.store import check_replaceable, read_run, write_text
from valkeybench.scenario.wording import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from valkeybench.report.overlay import NamedRun

STANDARD_OUTPUT = "-"
_PRINT = f"use {STANDARD_OUTPUT} to print it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the flags of `report` say, as words."""

    output: Path | None
    format: str | None
    case: Sequence[str]
    phase: str | None


def report(paths: Sequence[Path], wishes: Wishes) -> None:
    """Read run files and show what they say together, or write it."""
    if not paths:
        raise ScenarioError.one("RUN", "no run file was named", "name one, as in results/….json")
    chosen = _format(wishes)
    phase = _phase(wishes.phase, chosen)
    if wishes.output is not None and str(wishes.output) != STANDARD_OUTPUT:
        check_replaceable(wishes.output, remedy=_PRINT)
    found = name_runs([str(path) for path in paths], [read_run(path) for path in paths])
    runs = _chosen_cases(found, wishes.case)
    if chosen is None:
        show_document(document_of(runs))
    else:
        _write(runs, chosen, phase, wishes.output)


def show_schema() -> None:
    """Print the JSON Schema of a run file."""
    sys.stdout.write(json.dumps(json_schema(), indent=1) + "\n")


def _format(wishes: Wishes) -> Format | None:
    """Find out which format is meant; None is the terminal's own."""
    known = [each.value for each in Format]
    if wishes.format is not None:
        if wishes.format not in known:
            said = f"there is no format {wishes.format!r}"
            raise ScenarioError.one("--format", said, did_you_mean(wishes.format, known))
        return Format(wishes.format)
    if wishes.output is None:
        return None
    if str(wishes.output) == STANDARD_OUTPUT:
        said = "standard output has no name to tell the format"
        raise ScenarioError.one("--output", said, f"say which: --format {'|'.join(known)}")
    found = format_of(wishes.output.name)
    if found is None:
        endings = ", ".join(ending for each in Format for ending in each.suffixes)
        raise ScenarioError.one(
            "--output",
            f"the end of {wishes.output.name!r} says nothing of the format",
            f"end it in one of {endings}; or add --format",
        )
    return found


def _phase(word: str | None, chosen: Format | None) -> Phase:
    if word is None:
        return Phase.RESPONSE
    if chosen is not Format.HGRM:
        said = "only percentile tables are of one phase"
        raise ScenarioError.one("--phase", said, "write one: -o FILE.hgrm; or leave it out")
    known = [phase.value for phase in Phase]
    if word not in known:
        said = f"there is no phase {word!r}"
        raise ScenarioError.one("--phase", said, did_you_mean(word, known))
    return Phase(word)


def _chosen_cases(runs: Sequence[NamedRun], ids: Sequence[str]) -> Sequence[NamedRun]:
    """Keep the cases that were named; all of them when none was."""
    if not ids:
        return runs
    known = [case.id for each in runs for case in each.run.cases]
    for word in ids:
        if word not in known:
            said = f"there is no case {word!r}"
            raise ScenarioError.one("--case", said, did_you_mean(word, known))
    return [each.only(ids) for each in runs if any(case.id in ids for case in each.run.cases)]


def _write(runs: Sequence[NamedRun], chosen: Format, phase: Phase, output: Path | None) -> None:
    written = sheets(runs, chosen, phase=phase)
    if output is None or str(output) == STANDARD_OUTPUT:
        if len(written) != 1:
            said = f"{len(written)} cases do not fit one table of percentiles"
            raise ScenarioError.one("--output", said, "name a file, or one case with --case ID")
        # As it was made: CSV ends its lines in its own way.
        sys.stdout.buffer.write(written[0].text.encode())
        return
    paths = [output.with_stem(f"{output.stem}-{s.of}") if s.of else output for s in written]
    for path in paths:
        check_replaceable(path, remedy=_PRINT)
    for path, sheet in zip(paths, written, strict=True):
        write_text(sheet.text, path)
        sys.stderr.write(f"written: {path}\n")
