"""What to make of a run and what to do next: warnings, recommended sizes, the next command."""

from __future__ import annotations

from itertools import groupby
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

_MOST_PLACES = 4
"""Cases named in a warning that is about many."""


def warning_callouts(run: RunFile, names: Mapping[str, str]) -> Iterable[Callout]:
    """Show each warning, in the run's order; cases with the same trouble share one."""
    order = {code: i for i, code in reversed(list(enumerate(w.code for w in run.warnings)))}
    ranked = sorted(run.warnings, key=lambda warning: order[warning.code])
    for _, group in groupby(ranked, key=lambda warning: warning.code):
        yield _warning(list(group), names)


def _warning(alike: Sequence[RunWarning], names: Mapping[str, str]) -> Callout:
    first = alike[0]
    texts = list(dict.fromkeys(warning.message for warning in alike))
    places = list(dict.fromkeys(names.get(w.case, w.case) for w in alike if w.case is not None))
    title = f"Warning: {first.code.replace('_', ' ').replace('-', ' ')}"
    if places:
        title += f" ({', '.join(places[:_MOST_PLACES])}"
        title += f" and {len(places) - _MOST_PLACES} more)" if len(places) > _MOST_PLACES else ")"
    text = texts[0]
    if len(texts) > 1:
        where = names.get(first.case or "", "")
        text = f"{where}: {text}" if where else text
        text = f"{_full_stop(text)} The others are like it."
    return Callout(kind=Kind.WARNING, title=title, text=text, remedy=first.remedy)


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
            title=f"No pool size recommended{where}",
            text=each.reason,
            remedy=remedy if isinstance(remedy, str) else "",
        )
    title = f"Recommended: max_connections = {each.max_connections}"
    if each.minimum is not None and each.minimum != each.max_connections:
        title += f", at least {each.minimum}"
    return Callout(
        kind=Kind.GOOD,
        title=f"{title}{where}",
        text=f"{_full_stop(each.reason)} {_BASES[each.basis]}",
    )


def next_command(run: RunFile) -> Command:
    """Choose what to try after this run, with the load kept as it was."""
    pools = {pool_of(case.axes) for case in run.cases}
    sizes = {case.axes.get("max_connections") for case in run.cases} - {None}
    recommended = {r.max_connections for r in run.recommendations} - {None}
    if len(recommended) == 1 and not recommended <= sizes:
        size = recommended.pop() or 1
        return _sweep(
            run,
            [max(size // 2, 1), size, size * 2],
            "To try the recommended size itself, and half and twice of it:",
        )
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
        most = max((_handlers(case.axes) for case in run.cases), default=1)
        around = [most // part for part in (16, 8, 4, 2, 1)]
        return _sweep(run, around, "To see what other pool sizes do to the same load:")
    return Command(words=("valkeybench", "scenarios"), purpose="To see what else there is to try:")


def _sweep(run: RunFile, sizes: Iterable[int], purpose: str) -> Command:
    listed = ",".join(str(size) for size in sorted(set(sizes)) if size)
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


def _handlers(axes: Mapping[str, object]) -> int:
    value = axes.get("concurrency")
    return value if isinstance(value, int) else 1


def _full_stop(sentence: str) -> str:
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."
