"""What to try after a run: the same words again, but for the pool.

It is the one place of a report that names pool sizes to try, so that no two contradict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Command
from valkeybench.report.labels import POOL_AXES, pool_of
from valkeybench.scenario.field import Panel
from valkeybench.scenario.fields import FLAGGED
from valkeybench.scenario.model import Client, Pool, Scenario, plain
from valkeybench.units import compact_duration

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.results.runfile import RunFile
    from valkeybench.scenario.field import Field

_SWEEP = (16, 8, 4, 2, 1)
"""What the number of handlers is divided by for sizes worth trying."""


def next_command(run: RunFile, login: Sequence[str] = ()) -> Command:
    """Choose what to try after this run, everything but the pool kept as it was.

    `login` are the flags that say who we are to somebody else's server; a run file knows
    the server, but not that.
    """
    pools = {pool_of(case.axes) for case in run.cases}
    sizes = {size for case in run.cases if (size := _whole(case.axes, "max_connections"))}
    if pools == {Pool.MULTIPLEXED}:
        purpose = "To see what pools do beside one connection for all, on the same load:"
        return _again(_with_redis_py(run), login, {_most_handlers(run)}, purpose)
    recommended = {each.max_connections for each in run.recommendations if each.max_connections}
    if len(recommended) == 1 and not recommended <= sizes:
        tried = recommended | {each.minimum for each in run.recommendations if each.minimum}
        tried |= sizes if len(sizes) == 1 else set()
        if any(each.evidence.get("pool_bound") for each in run.recommendations):
            # What a model says is held against a pool that cannot be the limit.
            tried.add(_most_handlers(run))
        return _again(run, login, tried, "To try the recommended size itself, on the same load:")
    if Pool.NONE not in pools and run.cases:
        purpose = "To see what a pool saves over opening a connection for each command:"
        return _again(run, login, sizes, purpose, beside=(Pool.NONE,))
    if run.warnings:
        return Command(
            words=("valkeybench", "doctor", *_kept(run, login, "server")),
            purpose="To see whether machine, client and server are fit to measure:",
        )
    if run.cases and len(sizes) <= 1:
        around = {_most_handlers(run) // part for part in _SWEEP} - {0}
        return _again(run, login, around, "To see what other pool sizes do to the same load:")
    return Command(words=("valkeybench", "scenarios"), purpose="To see what else there is to try:")


def _again(
    run: RunFile,
    login: Sequence[str],
    sizes: Iterable[int],
    purpose: str,
    *,
    beside: Sequence[Pool] = (),
) -> Command:
    """Write the run's own words with other pools: those it had, of these sizes."""
    found = dict.fromkeys(pool for case in run.cases if (pool := pool_of(case.axes)))
    pooled = [pool for pool in found if pool.is_pooled] or [Pool.BLOCKING]
    pools = ",".join(pool.value for pool in (*beside, *pooled))
    listed = ",".join(str(size) for size in sorted(sizes))
    if "--url" in (kept := _kept(run, login)) and not login:
        purpose = f"{purpose.removesuffix(':')} (with user and password as before):"
    words = ("valkeybench", "run", *kept, "--pool", pools, "--max-conn", listed)
    return Command(words=words, purpose=purpose)


def _with_redis_py(run: RunFile) -> RunFile:
    """Give the run as if redis-py had been asked for as well."""
    axes = run.scenario.get("axes")
    clients = {"client": [Client.REDIS_PY.value, Client.VALKEY_GLIDE.value]}
    asked = {**run.scenario, "axes": (axes if isinstance(axes, dict) else {}) | clients}
    return run.model_copy(update={"scenario": asked})


def _kept(run: RunFile, login: Sequence[str], section: str = "") -> list[str]:
    """Write the flags for everything that was asked for and is not the default, pools left out.

    All that a scenario can hold has a flag, but for its title, its description and whether
    replies are tallied: none of which is part of the load, as limits are not.
    """
    usual = plain(Scenario())
    words: list[str] = []
    said: set[str] = set()
    for field in FLAGGED:
        name = field.target.removeprefix("axes.")
        if name in POOL_AXES or field.target in said or (section and field.section != section):
            continue
        if field.panel is Panel.LIMITS:
            continue
        value = _at(run.scenario, field.target)
        if value not in (None, [], _at(usual, field.target)):
            words += _flag(field, value)
            said.add(field.target)
    if "--url" not in words:
        return words
    # First: whoever reads the command sees at once where it goes, and as whom.
    at = words.index("--url")
    return [*words[at : at + 2], *login, *words[:at], *words[at + 2 :]]


def _flag(field: Field, value: object) -> list[str]:
    """Write one flag as it was, or would have been, typed."""
    flag = field.flags[0]
    values = value if isinstance(value, list) else [value]
    if field.kind.metavar == "BOOL":
        return [
            flag
            if values[0] == field.kind.convert(field.kind.literal("on"))
            else f"--no-{flag[2:]}"
        ]
    texts = [_written(field, each) for each in values]
    if field.many:
        return [word for text in texts for word in (flag, text)]
    return [flag, ",".join(texts)]


def _written(field: Field, value: object) -> str:
    """Write a value as its flag reads it."""
    if value is None:
        return "none"
    if isinstance(value, str) and "\n" in value:
        # Certificates do not fit on a line; the word shows where they belong.
        return field.kind.metavar
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and field.target.endswith("_ns"):
        return compact_duration(value)
    return str(value).removesuffix(".0") if isinstance(value, float) else str(value)


def _at(record: object, target: str) -> object:
    """Find what a dotted path names in records turned into JSON; None where nothing is."""
    for name in target.split("."):
        record = record.get(name) if isinstance(record, dict) else None
    return record


def _most_handlers(run: RunFile) -> int:
    return max((_whole(case.axes, "concurrency") for case in run.cases), default=0) or 1


def _whole(axes: Mapping[str, object], name: str) -> int:
    value = axes.get(name)
    return value if isinstance(value, int) else 0
