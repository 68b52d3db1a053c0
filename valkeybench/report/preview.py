"""What a dry run shows: everything a run would do to a server, before anybody lets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Callout, Document, Heading, KeyValues, Kind, Paragraph
from valkeybench.report.labels import axes_labels, short_duration
from valkeybench.scenario.model import plain
from valkeybench.units import format_bytes, format_count, plural

if TYPE_CHECKING:
    from collections.abc import Iterable

    from valkeybench.errors import Problem
    from valkeybench.plan.footprint import Footprint
    from valkeybench.plan.preview import Preview

_MOST_CASES = 12


def preview_document(found: Preview) -> Document:
    """Make the page about what would be done."""
    commands = dict.fromkeys(text for trial in found.plan.trials for text in trial.commands)
    at_once = f"{format_count(found.connections)} at once at most, with those that watch"
    pairs = [
        ("server", found.address or "a private one, started for the run"),
        *_work(found),
        ("commands", ", ".join(commands)),
        ("connections", at_once),
        *_written(found.keys, found.plan.trials[0].key_prefix),
    ]
    asked = "asked, and nothing else" if found.address else "not started"
    return Document(
        (
            Heading(text="Dry run", level=1),
            KeyValues(pairs=tuple(pairs)),
            *map(_caution, found.cautions),
            Paragraph(text=f"No load was sent, no key written: the server was {asked}."),
        )
    )


def _work(found: Preview) -> Iterable[tuple[str, str]]:
    """Say which trials there are, and how long their load lasts."""
    plan, trials, roughly = found.plan, len(found.plan.trials), ""
    each_ns = plan.duration_ns // trials
    if found.likely_trials is None:
        names = axes_labels([plain(case) for case in plan.cases])
        listed = " · ".join(names[:_MOST_CASES])
        if len(names) > _MOST_CASES:
            listed += f" · and {len(names) - _MOST_CASES} more"
        yield plural(len(names), "case"), listed
    else:
        trials, roughly = found.likely_trials, "about "
        yield "sizes", f"some of {', '.join(map(format_count, found.sizes))}"
    each = f"{short_duration(each_ns)}, warm-up included"
    yield "trials", f"{roughly}{format_count(trials)} of {each}"
    start_up = "starting processes and writing keys come on top"
    yield "takes", f"{roughly}{short_duration(trials * each_ns)} of load; {start_up}"


def _written(keys: Footprint, prefix: str) -> Iterable[tuple[str, str]]:
    """Say what is put there, and that nothing stays."""
    if not keys.most:
        yield "keys", "none"
        return
    yield "keys", f"under {prefix} only, removed at the end"
    if keys.loaded:
        yield "before the load", f"{plural(keys.loaded, 'key')}, {format_bytes(keys.loaded_bytes)}"
    yield "at most", plural(keys.most, "key")


def _caution(problem: Problem) -> Callout:
    return Callout(
        kind=Kind.WARNING,
        title="Would ask first",
        text=f"{problem.place}: {problem.reason}",
        remedy=problem.remedy,
    )
