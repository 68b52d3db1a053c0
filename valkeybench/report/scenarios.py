"""Scenarios as a reader meets them: what each shows, what it runs, how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import (
    Align,
    Cell,
    Column,
    Command,
    Document,
    Heading,
    KeyValues,
    Paragraph,
    Table,
)
from valkeybench.report.labels import axes_labels, axis_label, short_duration, varied
from valkeybench.scenario.model import Case, Scenario, plain
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.report.document import Block

_MOST_CASES = 12
"""Cases listed one by one; of more, these and how many there are."""

_ALWAYS_SAID = ("concurrency", "think")


def scenario_list(scenarios: Sequence[Scenario]) -> Document:
    """Make the list of scenarios that can be run by name."""
    rows = tuple(
        (Cell(each.name), Cell(each.title), Cell(short_duration(_takes_ns(each))))
        for each in scenarios
    )
    columns = (
        Column(title="name", align=Align.LEFT),
        Column(title="what it shows", align=Align.LEFT, wraps=True),
        Column(title="takes"),
    )
    blocks: list[Block] = [
        Heading(text="Scenarios", level=1),
        Table(columns=columns, rows=rows),
    ]
    if scenarios:
        first = scenarios[0].name
        blocks += [
            Command(
                words=("valkeybench", "scenarios", first), purpose="To read about one of them:"
            ),
            Command(words=("valkeybench", "run", first), purpose="To run it:"),
        ]
    return Document(tuple(blocks))


def scenario_document(scenario: Scenario) -> Document:
    """Make the page about one scenario."""
    cases = scenario.cases()
    names = axes_labels([plain(case) for case in cases])
    listed = " · ".join(names[:_MOST_CASES])
    if len(names) > _MOST_CASES:
        listed += f" · and {len(names) - _MOST_CASES} more"
    repeats = "1 repeat" if scenario.repeats == 1 else f"{scenario.repeats} repeats"
    each = f"{repeats} × {short_duration(scenario.duration_ns)}"
    if scenario.warmup_ns:
        each += f", {short_duration(scenario.warmup_ns)} of warm-up before each"
    pairs = [
        ("load", ", ".join(_load(cases))),
        ("commands", ", ".join(scenario.commands)),
        (f"{format_count(len(cases))} case{'s' if len(cases) > 1 else ''}", listed),
        ("each", each),
        ("takes", f"about {short_duration(_takes_ns(scenario))}"),
    ]
    if scenario.fail_if:
        pairs.append(("fails if", "; ".join(scenario.fail_if)))
    if scenario.server.url:
        pairs.insert(0, ("server", scenario.server.url))
    title = f"{scenario.title} ({scenario.name})" if scenario.title else scenario.name
    return Document(
        (
            Heading(text=title, level=1),
            *(Paragraph(text=text, parted=True) for text in _paragraphs(scenario.description)),
            KeyValues(pairs=tuple(pairs)),
            Command(words=("valkeybench", "run", scenario.name), purpose="To run it:"),
        )
    )


def _takes_ns(scenario: Scenario) -> int:
    """Add up all windows and warm-ups; starting and stopping is not in it."""
    return len(scenario.cases()) * scenario.repeats * (scenario.duration_ns + scenario.warmup_ns)


def _paragraphs(text: str) -> Iterable[str]:
    """Split a description where it has blank lines; other line ends are only spaces."""
    return (" ".join(part.split()) for part in text.split("\n\n") if part.strip())


def _load(cases: Sequence[Case]) -> Iterable[str]:
    """Say what all cases have in common and is not what every scenario has."""
    records = [plain(case) for case in cases]
    apart, usual = varied(records), plain(Case())
    for name, value in records[0].items():
        fixed = name not in apart and name not in ("pool", "max_connections")
        meant = value is not None or usual[name] is None
        if fixed and meant and (value != usual[name] or name in _ALWAYS_SAID):
            yield axis_label(name, value)
