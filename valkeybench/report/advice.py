"""What to make of a run and what to do next: warnings, recommended sizes, the next command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Callout, Command, Kind
from valkeybench.report.labels import POOL_AXES, axis_label, pool_of, varied
from valkeybench.scenario.fields import FLAGGED
from valkeybench.scenario.model import Axes, Pool, Scenario, plain
from valkeybench.units import compact_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.results.runfile import Recommendation, RunFile, RunWarning

_BASES = {
    "estimated": "Estimated, not verified: it follows from how many connections were in use, "
    "and this size itself was not tried.",
    "measured": "Measured: this size was run, and was enough.",
    "certified": "Certified: fresh runs in pairs bound how much worse this size can be.",
}

_MOST_ALIKE = 2
"""Remedies for the same trouble that are shown apart; of more, the first one stands for all."""

_MOST_PLACES = 4
"""Cases named in a warning that is about many."""


def warning_callouts(run: RunFile, names: Mapping[str, str]) -> Iterable[Callout]:
    """Show each warning, in the run's order; cases with the same trouble share one."""
    by_code: dict[str, dict[str, list[RunWarning]]] = {}
    for warning in run.warnings:
        by_code.setdefault(warning.code, {}).setdefault(warning.remedy, []).append(warning)
    for by_remedy in by_code.values():
        if len(by_remedy) <= _MOST_ALIKE:
            yield from (_warning(alike, names) for alike in by_remedy.values())
        else:
            yield _warning([w for alike in by_remedy.values() for w in alike], names)


def _warning(alike: Sequence[RunWarning], names: Mapping[str, str]) -> Callout:
    """Show warnings of one code: where, the first one's words, and that the others are alike."""
    first = alike[0]
    places = list(dict.fromkeys(names.get(w.case, w.case) for w in alike if w.case is not None))
    title = f"Warning: {first.code.replace('_', ' ').replace('-', ' ')}"
    if places:
        title += f" ({', '.join(places[:_MOST_PLACES])}"
        title += f" and {len(places) - _MOST_PLACES} more)" if len(places) > _MOST_PLACES else ")"
    text = sentence(first.message)
    if places and len({warning.message for warning in alike}) > 1:
        text = f"{places[0]}: {first.message}. The others are like it."
    return Callout(kind=Kind.WARNING, title=title, text=text, remedy=sentence(first.remedy))


def recommendation_callouts(recommendations: Sequence[Recommendation]) -> Iterable[Callout]:
    """Show each recommended size, or why there is none."""
    names = varied([each.applies_to for each in recommendations])
    for each in recommendations:
        words = [axis_label(name, each.applies_to.get(name)) for name in names]
        yield _recommendation(each, f" ({', '.join(words)})" if words else "")


def _recommendation(each: Recommendation, where: str) -> Callout:
    if each.verdict == "no_size" or each.max_connections is None:
        remedy = each.evidence.get("remedy")
        return Callout(
            kind=Kind.BAD,
            title=f"No pool size can be recommended{where}",
            text=sentence(each.reason.removeprefix("No size: ")),
            remedy=sentence(remedy) if isinstance(remedy, str) else "",
        )
    title = f"Recommended, {each.basis}: max_connections = {each.max_connections}"
    if each.minimum is not None and each.minimum != each.max_connections:
        title += f", at least {each.minimum}"
    text = sentence(each.reason)
    if each.basis not in text.lower():
        text += f" {_BASES[each.basis]}"
    return Callout(kind=Kind.GOOD, title=f"{title}{where}", text=text)


def next_command(run: RunFile) -> Command:
    """Choose what to try after this run, with the load kept as it was."""
    pools = {pool_of(case.axes) for case in run.cases}
    sizes = {size for case in run.cases if (size := _whole(case.axes, "max_connections"))}
    recommended = {each.max_connections for each in run.recommendations if each.max_connections}
    if len(recommended) == 1 and not recommended <= sizes:
        smallest = {each.minimum for each in run.recommendations if each.minimum}
        measured = sizes if len(sizes) == 1 else set()
        purpose = "To try the recommended size itself, on the same load:"
        return _sweep(run, recommended | smallest | measured, purpose)
    if Pool.NONE not in pools:
        return Command(
            words=("valkeybench", "run", "pooled-vs-unpooled", *_server(run)),
            purpose="To see what a pool saves over opening a connection for each command:",
        )
    if run.warnings:
        return Command(
            words=("valkeybench", "doctor", *_server(run)),
            purpose="To see whether machine, client and server are fit to measure:",
        )
    if len(sizes) <= 1:
        most = max((_whole(case.axes, "concurrency") for case in run.cases), default=0) or 1
        around = {most // part for part in (16, 8, 4, 2, 1)} - {0}
        return _sweep(run, around, "To see what other pool sizes do to the same load:")
    return Command(words=("valkeybench", "scenarios"), purpose="To see what else there is to try:")


def _sweep(run: RunFile, sizes: Iterable[int], purpose: str) -> Command:
    listed = ",".join(str(size) for size in sorted(sizes))
    flags = ("--pool", Pool.BLOCKING.value, "--max-conn", listed)
    return Command(
        words=("valkeybench", "run", *_server(run), *_load(run), *flags), purpose=purpose
    )


def _server(run: RunFile) -> list[str]:
    """Write the flag that finds the same server, unless it was one of our own."""
    settings = run.scenario.get("server")
    url = settings.get("url") if isinstance(settings, dict) else None
    return ["--url", url] if isinstance(url, str) else []


def _load(run: RunFile) -> list[str]:
    """Write the flags that make the same load again, those that are not the default."""
    axes = run.scenario.get("axes")
    usual = plain(Axes())
    words: list[str] = []
    for field in FLAGGED:
        name = field.target.removeprefix("axes.")
        values = axes.get(name) if isinstance(axes, dict) and name not in POOL_AXES else None
        if field.axis and isinstance(values, list) and values and values != usual.get(name):
            words += [field.flags[0], ",".join(_written(name, value) for value in values)]
    commands = run.scenario.get("commands")
    if isinstance(commands, list) and commands != list(Scenario().commands):
        for command in commands:
            words += ["--command", str(command)]
    return words


def _written(axis: str, value: object) -> str:
    """Write an axis's value as its flag reads it."""
    if value is None:
        return "none"
    if isinstance(value, int) and axis.endswith("_ns"):
        return compact_duration(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole(axes: Mapping[str, object], name: str) -> int:
    value = axes.get(name)
    return value if isinstance(value, int) else 0


def sentence(words: str) -> str:
    """Begin words with a capital, unless they begin with a name, and end them with a full stop."""
    begin = words.partition(" ")[0]
    if begin.isalpha():
        words = words[:1].upper() + words[1:]
    return words if not words or words.endswith((".", "!", "?")) else f"{words}."
