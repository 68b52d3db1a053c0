"""How it was measured and what that leaves open, in words for somebody who was not there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import PARTS, Phase
from valkeybench.report.document import Align, Cell, Column, Paragraph, Snippet, Table
from valkeybench.report.labels import short_duration
from valkeybench.report.phases import phase_name
from valkeybench.scenario.model import Driver
from valkeybench.units import plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import RunFile

_BASES = {
    "estimated": "An estimated size follows from how many connections handlers found in use when "
    "they asked for one, in a run whose pool was no limit: what 99.9 % of them found, and one "
    "more. That size itself was not tried.",
    "measured": "A measured size was run beside a pool that is no limit and was as good, or kept "
    "the limits that were asked for; the next smaller one was not.",
    "certified": "A certified size was measured, and then tested again in fresh pairs of runs "
    "whose outcome bounds how much worse it can be.",
}
_WORDS = (
    ("handler", "one unit of the application that sends commands and waits: a thread or a task"),
    ("process", "one application process with a pool of its own, as under gunicorn"),
    ("pool", "the connections a process keeps; without one a command opens and closes its own"),
    ("case", "one combination of everything that was varied"),
    ("trial", "one timed run of a case, in fresh processes with fresh pools"),
    ("response", "from when a command was due until its caller had the reply, waiting included"),
    ("p99", "99 % of the commands took no longer"),
)


def method_blocks(runs: Sequence[RunFile]) -> Iterable[Block]:
    """Say how the runs were made, and what their numbers do not tell."""
    yield from (Paragraph(text=text) for text in dict.fromkeys(map(_how, runs)))
    yield Paragraph(text=_load(runs))
    yield Paragraph(
        text="Every percentile comes from a histogram of all commands of all trials, to three "
        "significant digits; percentiles were never averaged. A command still under way when a "
        "trial ended counts with the age it had then; failed commands are counted apart and are "
        "in no latency."
    )
    bases = {one.basis for run in runs for one in run.recommendations if one.max_connections}
    yield from (Paragraph(text=words) for basis, words in _BASES.items() if basis in bases)


def limit_blocks(runs: Sequence[RunFile]) -> Iterable[Block]:
    """Say what no number here tells, whatever the warnings are."""
    if any(_has(run.scenario, "server", "url") is None for run in runs):
        yield Paragraph(
            text="The server was a private one on the same machine as the load, reached over "
            "loopback. A real network adds at least its round trip to every command, and every "
            "connection opened waits for several; client and server shared this machine's CPUs."
        )
    if any(case.axes.get("rtt_ns") for run in runs for case in run.cases):
        yield Paragraph(
            text="Distance was emulated: added in the client wherever a real network would be "
            "waited for. Loss, jitter and bandwidth were not."
        )
    yield Paragraph(
        text="A size holds for this load: these commands, handlers, think times and versions. "
        "Traffic that comes in bursts, slower commands or a busier server need more connections "
        "for the same load. Measure again when any of them changes."
    )


def glossary(runs: Sequence[RunFile]) -> Table:
    """Explain the words, and the phases that occur."""
    seen = {
        phase
        for run in runs
        for case in run.cases
        if case.summary is not None
        for phase in case.summary.phases
    }
    phases = (Phase.LATENESS, *PARTS, Phase.SERVICE)
    rows = [*_WORDS, *((phase_name(p), p.meaning) for p in phases if p in seen)]
    return Table(
        columns=(
            Column(title="word", align=Align.LEFT),
            Column(title="means", align=Align.LEFT, wraps=True),
        ),
        rows=tuple((Cell(word), Cell(meaning)) for word, meaning in rows),
    )


def environment_table(run: RunFile) -> Table:
    """List everything that is known of the machine, the client and the server."""
    rows = [("valkeybench", run.tool.version), ("begun", run.created)]
    rows += list(_flat(run.environment))
    return Table(
        columns=(
            Column(title="what", align=Align.LEFT),
            Column(title="value", align=Align.LEFT, wraps=True),
        ),
        rows=tuple((Cell(name), Cell(value)) for name, value in rows),
    )


def scenario_snippet(run: RunFile) -> Snippet:
    """Show the scenario as it was resolved, defaults and all."""
    text = json.dumps(run.scenario, indent=2, ensure_ascii=False, allow_nan=False)
    return Snippet(purpose="As it was resolved, defaults included:", lines=tuple(text.split("\n")))


def _how(run: RunFile) -> str:
    scenario = run.scenario
    repeats, window = _number(scenario, "repeats"), _number(scenario, "duration_ns")
    warmup = _number(scenario, "warmup_ns")
    said = f"Each case was run in {plural(round(repeats), 'trial')}" if repeats else "Each case ran"
    said += f" of {short_duration(window)}" if window else ""
    said += f", after a warm-up of {short_duration(warmup)} that is not counted" if warmup else ""
    opened = "" if scenario.get("prewarm") is False else ", opened before the clock started"
    return (
        f"{said}. Every trial began in fresh processes with fresh pools{opened}. Trials of "
        "different cases took turns, so that a slow minute of the machine falls on all of them. "
        f"{_driven(run)}"
    )


def _driven(run: RunFile) -> str:
    """Say through what commands were sent: a client library, or none."""
    bare = {case.axes.get("driver") == Driver.WIRE for case in run.cases}
    if bare == {True}:
        return "The load was sent without a client library: it tells what the server can do."
    rest = ", but for the cases of the bare wire, which use none" if True in bare else ""
    return (
        f"The load was driven through the real client library, each step of a command timed{rest}."
    )


def _load(runs: Sequence[RunFile]) -> str:
    rates = {case.axes.get("rate") is not None for run in runs for case in run.cases}
    open_load = (
        "Commands were due by a schedule that does not wait for replies, and response times run "
        "from when a command was due: a late command counts as late."
    )
    closed = (
        "Each handler sent a command, waited for its reply, paused for its think time and began "
        "again, as requests of an application do."
    )
    return " ".join(
        [*([closed] if False in rates else []), *([open_load] if True in rates else [])]
    )


def _flat(record: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in record.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name} ")
        else:
            yield f"{prefix}{name}".replace("_", " "), _shown(value)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _has(record: Mapping[str, object], *keys: str) -> object:
    value: object = record
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def _number(record: Mapping[str, object], key: str) -> float:
    value = record.get(key)
    return value if isinstance(value, int | float) else 0
