"""Several runs side by side: their names, and one list of cases named by run.

What a section works out between cases (what a pool saves, what distance costs) holds within one
run: cases of different runs stand beside each other and are not set off against one another.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import PurePath
from typing import TYPE_CHECKING

from valkeybench.report.advice import recommendation_callouts, warning_callouts
from valkeybench.report.document import (
    Align,
    Cell,
    Column,
    Document,
    Heading,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.report.in_use import in_use_block
from valkeybench.report.labels import axes_labels
from valkeybench.report.outcome import outcome_blocks
from valkeybench.report.phases import phase_block
from valkeybench.report.run import Part, run_document, who
from valkeybench.report.size import is_search, size_document
from valkeybench.units import plural

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord, RunFile

_TIME = re.compile(r"^\d{8}T\d{6}Z-(?=.)")
"""How names begin that nobody chose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedRun:
    """A run with the name it goes by beside others, and where its file is."""

    name: str
    path: str
    run: RunFile

    def only(self, ids: Collection[str]) -> NamedRun:
        """Leave out the cases that are not named, and what is said of them."""
        run = self.run.model_copy(
            update={
                "cases": [case for case in self.run.cases if case.id in ids],
                "warnings": [w for w in self.run.warnings if w.case is None or w.case in ids],
            }
        )
        return replace(self, run=run)


def name_runs(paths: Sequence[str], runs: Sequence[RunFile]) -> list[NamedRun]:
    """Name each run by its file, without the time in front where the rest tells runs apart.

    Files of the same name are numbered.
    """
    stems = [PurePath(path).stem for path in paths]
    untimed = [_TIME.sub("", stem) for stem in stems]
    if len(set(untimed)) == len(untimed):
        stems = untimed
    alike, met = Counter(stems), Counter[str]()
    names = []
    for stem in stems:
        met[stem] += 1
        names.append(f"{stem} ({met[stem]})" if alike[stem] > 1 else stem)
    return [
        NamedRun(name=name, path=path, run=run)
        for name, path, run in zip(names, paths, runs, strict=True)
    ]


def overlaid(runs: Sequence[NamedRun]) -> tuple[list[CaseRecord], dict[str, str]]:
    """Put the cases of all runs into one list, with a label for each by its new id.

    A label names what sets a case apart from the others of all runs; and its run, where there
    are several.
    """
    records = [(each.name, case) for each in runs for case in each.run.cases]
    labels = axes_labels([case.axes for _, case in records])
    cases, names = [], {}
    said = Counter(zip((name for name, _ in records), labels, strict=True))
    for (name, case), label in zip(records, labels, strict=True):
        full_id = f"{name}: {case.id}" if len(runs) > 1 else case.id
        cases.append(case.model_copy(update={"id": full_id}))
        own = case.id if said[name, label] > 1 else label
        names[full_id] = f"{name}: {own}" if len(runs) > 1 else own
    return cases, names


def run_of_case(runs: Sequence[NamedRun]) -> dict[str, str]:
    """Tell the run of each case by the id it has among `overlaid`; empty for a single run."""
    if len(runs) == 1:
        return {}
    return {f"{each.name}: {case.id}": each.name for each in runs for case in each.run.cases}


def document_of(runs: Sequence[NamedRun]) -> Document:
    """Make the report of one run, or of several beside each other.

    Raises ResultError when a histogram in a file cannot be read.
    """
    if len(runs) > 1:
        return _overlay_document(runs)
    (only,) = runs
    make = size_document if is_search(only.run) else run_document
    return make(only.run, path=only.path)


def _overlay_document(runs: Sequence[NamedRun]) -> Document:
    _, names = overlaid(runs)
    blocks = chain(
        [overlay_title(runs)],
        *overlay_evidence(runs).values(),
        chain.from_iterable(_verdict(each, names) for each in runs),
    )
    return Document(tuple(blocks))


def overlay_title(runs: Sequence[NamedRun]) -> Heading:
    """Name the report of several runs."""
    return Heading(text=f"{plural(len(runs), 'run')} beside each other", level=1)


def overlay_evidence(runs: Sequence[NamedRun]) -> dict[Part, tuple[Block, ...]]:
    """Show what the cases of all runs came to, part by part."""
    cases, names = overlaid(runs)
    in_use = in_use_block(cases, names)
    return {
        Part.RESULTS: (
            _runs_table(runs),
            Heading(text="Results"),
            *outcome_blocks(cases, names),
        ),
        Part.TIME: _titled("Where the time went", phase_block(cases, names)),
        Part.IN_USE: _titled("Connections in use when a handler asked for one", in_use),
    }


def _runs_table(runs: Sequence[NamedRun]) -> Table:
    return Table(
        columns=(
            Column(title="run", align=Align.LEFT),
            Column(title="begun", align=Align.LEFT),
            Column(title="status", align=Align.LEFT),
            Column(title="what with", align=Align.LEFT, wraps=True),
        ),
        rows=tuple(
            (
                Cell(each.name),
                Cell(each.run.created),
                Cell(
                    each.run.status,
                    Tone.PLAIN if each.run.status == "complete" else Tone.WARNING,
                ),
                Cell(who(each.run)),
            )
            for each in runs
        ),
    )


def _titled(title: str, block: Block | None) -> tuple[Block, ...]:
    return () if block is None else (Heading(text=title), block)


def _verdict(each: NamedRun, names: Mapping[str, str]) -> Iterable[Block]:
    """Say what to make of each run by itself."""
    own = {case.id: names[f"{each.name}: {case.id}"] for case in each.run.cases}
    callouts: list[Block] = [
        *warning_callouts(each.run, own),
        *recommendation_callouts(each.run.recommendations),
    ]
    yield Heading(text=f"What to make of {each.name}")
    yield from callouts or [Paragraph(text="No warning, and no recommendation.", tone=Tone.QUIET)]
