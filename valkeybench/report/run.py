"""The report of a run: what it says, and in which order."""

from __future__ import annotations

from enum import StrEnum
from itertools import chain
from typing import TYPE_CHECKING

from valkeybench.report.advice import recommendation_callouts, warning_callouts
from valkeybench.report.ceiling import ceiling_blocks
from valkeybench.report.cluster import cluster_blocks
from valkeybench.report.connections import connection_blocks, replies_block
from valkeybench.report.document import Callout, Document, Heading, KeyValues, Kind, Paragraph, Tone
from valkeybench.report.following import next_command
from valkeybench.report.in_use import in_use_block
from valkeybench.report.labels import axis_label, labels, short_duration, varied
from valkeybench.report.loopback import loopback_blocks, loopback_title
from valkeybench.report.memory import memory_block
from valkeybench.report.network import distance_blocks, setup_blocks
from valkeybench.report.opening import opening_blocks
from valkeybench.report.outcome import outcome_blocks
from valkeybench.report.phases import phase_block
from valkeybench.report.processes import processes_block
from valkeybench.report.recovery import recovery_blocks
from valkeybench.report.schedule import schedule_table
from valkeybench.report.spread import spread_blocks
from valkeybench.scenario.model import Scenario
from valkeybench.units import format_bytes, format_count, format_duration, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord, DataSet, RunFile

_CONNECTION_IDS = ["CLIENT ID"]
"""The commands of a scenario whose replies are the ids of connections."""

_LOAD_AXES = ("concurrency", "processes", "think", "rate", "arrivals", "rtt_ns")


def run_document(run: RunFile, *, path: str | None, login: Sequence[str] = ()) -> Document:
    """Make the report that ends a run; `path` is where the run file is, if it was kept.

    `login` are the flags that say who we were to somebody else's server, where that is known:
    a run file does not tell.

    Raises ResultError when a histogram in the file cannot be read.
    """
    return Document(tuple(chain.from_iterable(run_parts(run, path=path, login=login).values())))


class Part(StrEnum):
    """What a report is about, subject by subject, in the order the terminal has them."""

    OPENING = "opening"
    RESULTS = "results"
    RECOVERY = "recovery"
    TIME = "time"
    BARE = "bare"
    OPENING_COST = "opening-cost"
    DISTANCE = "distance"
    LOOPBACK = "loopback"
    CONNECTIONS = "connections"
    PROCESSES = "processes"
    CLUSTER = "cluster"
    SPREAD = "spread"
    IN_USE = "in-use"
    VERDICT = "verdict"
    REPLIES = "replies"
    CLOSING = "closing"


def run_parts(
    run: RunFile, *, path: str | None, login: Sequence[str] = ()
) -> dict[Part, tuple[Block, ...]]:
    """Make the report part by part; a part there is nothing to say about is empty.

    Raises ResultError when a histogram in the file cannot be read.
    """
    names = labels(run.cases)
    parts: dict[Part, Iterable[Block]] = {
        Part.OPENING: _opening(run),
        Part.RESULTS: _results(run, names),
        Part.RECOVERY: _recovery(run, names),
        Part.TIME: _time(run, names),
        Part.BARE: _bare(run, names),
        Part.OPENING_COST: _opening_cost(run, names),
        Part.DISTANCE: _distance(run),
        Part.LOOPBACK: _loopback(run),
        Part.CONNECTIONS: _connections(run, names),
        Part.PROCESSES: _processes(run, names),
        Part.CLUSTER: _cluster(run, names),
        Part.SPREAD: _spread(run, names),
        Part.IN_USE: _in_use(run, names),
        Part.VERDICT: _verdict(run, names),
        Part.REPLIES: _replies(run, names),
        Part.CLOSING: _closing(run, path, login),
    }
    return {part: tuple(blocks) for part, blocks in parts.items()}


def _opening(run: RunFile) -> Iterable[Block]:
    name, title = _text(run.scenario, "name"), _text(run.scenario, "title")
    if name == Scenario().name:
        name = ""
    heading = f"{title} ({name})" if title and name else title or name or "An ad-hoc run"
    yield Heading(text=heading, level=1)
    yield Paragraph(text=who(run), tone=Tone.QUIET)
    yield Paragraph(text=_what(run), tone=Tone.QUIET)
    if run.data_set is not None:
        yield Paragraph(text=_data_set(run.data_set), tone=Tone.QUIET)
    if run.status != "complete":
        yield _incomplete(run)


def _incomplete(run: RunFile) -> Callout:
    finished = sum(len(case.trials) for case in run.cases)
    wanted = len(run.cases) * _whole(run.scenario, "repeats")
    what = f"It finished {format_count(finished)} of {plural(wanted, 'trial')}"
    if run.status == "interrupted":
        kind, title = Kind.WARNING, "This run was interrupted"
    else:
        kind, title = Kind.BAD, "This run failed before its end"
    return Callout(kind=kind, title=title, text=f"{what}; the numbers are theirs.")


def who(run: RunFile) -> str:
    """Say what was measured with what: server, place, transport, client."""
    parts = (_server(run.environment), _place(run), _transport(run), _client(run))
    return " · ".join(filter(None, parts))


def _client(run: RunFile) -> str:
    """Name the libraries that asked, their parsers and loops, and the Python they ran on."""
    environment = run.environment
    versions = _record(environment, "packages")
    clients = {case.axes.get("client") for case in run.cases}
    python = _text(environment, "implementation") or "Python"
    named: dict[str, str] = {}
    if clients - {"valkey-py", "valkey-glide"}:
        named |= {"redis-py": _text(versions, "redis"), "hiredis": _text(versions, "hiredis")}
    if "valkey-py" in clients:
        named |= {"valkey-py": _text(versions, "valkey"), "libvalkey": _text(versions, "libvalkey")}
    for driver in {case.axes.get("driver") for case in run.cases if _is_glide(case)}:
        package = "valkey-glide-sync" if driver == "threads" else "valkey-glide"
        named[package] = _text(versions, package)
    if "uvloop" in {case.axes.get("event_loop") for case in run.cases}:
        named["uvloop"] = _text(versions, "uvloop")
    named[python] = _text(environment, "python")
    return ", ".join(f"{n}\N{NO-BREAK SPACE}{version}" for n, version in named.items() if version)


def _is_glide(case: CaseRecord) -> bool:
    return case.axes.get("client") == "valkey-glide"


def _transport(run: RunFile) -> str:
    """Say whether connections went over TLS, and who did it where that was a relay of ours."""
    ways = {case.axes.get("tls") for case in run.cases}
    if ways in (set(), {None}):
        return ""
    said = "with and without TLS" if len(ways) > 1 else "TLS" if True in ways else "no TLS"
    relayed = _record(run.environment, "server").get("tls_provider") == "relay"
    return f"{said} (by a relay)" if relayed else said


def _server(environment: Mapping[str, object]) -> str:
    """Name the server, its version and its mode, as far as they were found out."""
    server = _record(environment, "server")
    names = (_text(server, "flavour").capitalize() or "server", _text(server, "version"))
    name = (
        "\N{NO-BREAK SPACE}".join(filter(None, names)) if server else _text(environment, "server")
    )
    return f"{name} cluster" if server.get("mode") == "cluster" else name


def _place(run: RunFile) -> str:
    """Say where the server is: started for the run, or at an address."""
    server, asked = _record(run.environment, "server"), _record(run.scenario, "server")
    address = _text(asked, "url") and (_text(server, "address") or _text(asked, "url"))
    return f"at {address}" if address else "our own on loopback"


def _what(run: RunFile) -> str:
    """Say how much was measured, and the load that all cases have in common."""
    cases, repeats = len(run.cases), _whole(run.scenario, "repeats")
    each = short_duration(_whole(run.scenario, "duration_ns"))
    how_much = plural(cases, "case")
    how_much += f" · {repeats} repeats × {each}" if repeats != 1 else f" · {each}"
    axes = run.cases[0].axes if run.cases else {}
    apart = varied([case.axes for case in run.cases])
    common = [
        axis_label(name, axes[name])
        for name in _LOAD_AXES
        if axes.get(name) is not None
        and name not in apart
        and (name, axes[name]) not in (("processes", 1), ("rtt_ns", 0))
    ]
    commands = run.scenario.get("commands")
    if isinstance(commands, list):
        common += [str(command) for command in commands]
    return " · ".join([how_much, ", ".join(common)]) if common else how_much


def _data_set(data_set: DataSet) -> str:
    """Say what was there before the load, and what writing it took."""
    keys = plural(data_set.keys, "key")
    took = format_duration(data_set.duration_ns)
    return f"data set: {keys}, {format_bytes(data_set.bytes)} written before the load in {took}"


def _results(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    yield Heading(text="Results")
    yield from outcome_blocks(run.cases, names)
    schedule = schedule_table(run.cases, names)
    if schedule is not None:
        yield Heading(text="On schedule?")
        yield schedule


def _recovery(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    blocks = list(recovery_blocks(run.cases, names))
    if blocks:
        yield Heading(text="Recovery")
        yield from blocks


def _time(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    block = phase_block(run.cases, names)
    if block is None:
        return
    yield Heading(text="Where the time went")
    yield block


def _bare(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    blocks = list(ceiling_blocks(run.cases, names))
    if blocks:
        yield Heading(text="Without a client library")
        yield from blocks


def _opening_cost(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    blocks = [*opening_blocks(run.cases, names), *setup_blocks(run)]
    if blocks:
        yield Heading(text="What opening a connection costs")
        yield from blocks


def _distance(run: RunFile) -> Iterable[Block]:
    blocks = list(distance_blocks(run.cases))
    if blocks:
        yield Heading(text="What distance costs (emulated)")
        yield from blocks


def _loopback(run: RunFile) -> Iterable[Block]:
    blocks = list(loopback_blocks(run))
    if blocks:
        yield Heading(text=loopback_title(run))
        yield from blocks


def _connections(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    blocks = [*connection_blocks(run.cases, names), *memory_block(run.connection_costs)]
    if blocks:
        yield Heading(text="Connections")
        yield from blocks


def _processes(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    block = processes_block(run.cases, names)
    if block is not None:
        yield Heading(text="Processes")
        yield block


def _cluster(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    blocks = list(cluster_blocks(run.cases, names))
    if blocks:
        yield Heading(text="Cluster")
        yield from blocks


def _in_use(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    block = in_use_block(run.cases, names)
    if block is not None:
        yield Heading(text="Connections in use when a handler asked for one")
        yield block


def _replies(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    are_ids = run.scenario.get("commands") == _CONNECTION_IDS
    block = replies_block(run.cases, names, are_connection_ids=are_ids)
    if block is not None:
        yield Heading(text="Who served the commands" if are_ids else "Replies")
        yield block


def _spread(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    blocks = list(spread_blocks(run.cases, names))
    if blocks:
        yield Heading(text="Response times")
        yield from blocks


def _verdict(run: RunFile, names: Mapping[str, str]) -> Iterable[Block]:
    callouts = [
        *_nothing(run),
        *warning_callouts(run, names),
        *recommendation_callouts(run.recommendations),
    ]
    if callouts:
        yield Heading(text="What to make of it")
        yield from callouts


def _nothing(run: RunFile) -> Iterable[Callout]:
    """Say so when no command of any case was answered as it should be."""
    summaries = [case.summary for case in run.cases if case.summary is not None]
    attempted = sum(summary.attempted for summary in summaries)
    if attempted and not any(summary.completed for summary in summaries):
        failed = sum(summary.failed for summary in summaries)
        yield Callout(
            kind=Kind.BAD,
            title="Nothing was measured",
            text=f"Of {plural(attempted, 'command')} not one completed, and {format_count(failed)} "
            "failed: this run says nothing of throughput, latency or pool sizes.",
        )


def _closing(run: RunFile, path: str | None, login: Sequence[str]) -> Iterable[Block]:
    yield Heading(text="Next")
    if path is not None:
        yield KeyValues(pairs=(("result", path),))
    yield next_command(run, login)


def _record(record: Mapping[str, object], key: str) -> Mapping[str, object]:
    value = record.get(key)
    return value if isinstance(value, dict) else {}


def _text(record: Mapping[str, object], key: str) -> str:
    value = record.get(key)
    return value if isinstance(value, str) else ""


def _whole(record: Mapping[str, object], key: str) -> int:
    value = record.get(key)
    return value if isinstance(value, int) else 0
