"""Connections as both ends saw them: the client's count, the server's, and what they cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import SeenCase
from valkeybench.report.document import (
    Align,
    Cell,
    Column,
    KeyValues,
    Note,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.scenario.model import Clients
from valkeybench.units import format_bytes, format_count, format_duration, format_percent, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord, Server, Trial

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Connections opened in all trials of a case, as either end counted them.

    `by_server` counts only in trials whose server told; `by_client` in the same ones.
    """

    by_client: int
    by_server: int | None
    rejected: int

    @property
    def agree(self) -> bool:
        """Whether both ends say the same; true as well when the server said nothing."""
        return self.by_server is None or self.by_server + self.rejected == self.by_client


def opened(case: CaseRecord) -> Opened:
    """Count a case's connections at both ends."""
    told = [
        trial
        for trial in case.trials
        if trial.server is not None and trial.server.connections_counted is not None
    ]
    counted = [trial.server.connections_counted or 0 for trial in told if trial.server]
    connections = [trial.summary.connections for trial in told or case.trials]
    return Opened(
        by_client=sum(each.prewarmed + each.opened for each in connections),
        by_server=sum(counted) if told else None,
        rejected=sum(_rejected(trial.server) for trial in case.trials if trial.server),
    )


def memory_per_connection(case: CaseRecord) -> float | None:
    """Give the bytes of server memory one pooled connection took; None when it cannot be told.

    It is what `used_memory` grew by while the pool was opened, over the connections opened
    then: a connection fresh from its handshake.
    """
    grown, connections = 0, 0
    for trial in case.trials:
        prewarm, server = trial.client.prewarm, trial.server
        if prewarm is None or server is None:
            continue
        before, ready = server.before.used_memory, server.ready.used_memory
        if before is not None and ready is not None:
            grown += ready - before
            connections += prewarm.connections
    return grown / connections if connections and grown > 0 else None


def client_cpu(case: CaseRecord) -> float | None:
    """Give the CPU share of the average client process in the median trial: 1.0 is one core."""
    return None if case.summary is None else SeenCase(case, case.summary).client_cpu


def server_cpu(case: CaseRecord) -> float | None:
    """Give the CPU share of the server's main thread in the median trial that knows it."""
    return None if case.summary is None else SeenCase(case, case.summary).server_cpu


def connection_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Block]:
    """Show every case's connections and CPU, and whether the two ends agree."""
    finished = [case for case in cases if case.summary is not None]
    if not finished:
        return
    yield _table(finished, names)
    counts = {names[case.id]: opened(case) for case in finished}
    yield from _confirmation(
        {name: count for name, count in counts.items() if count.by_server is not None}
    )


def _confirmation(counts: Mapping[str, Opened]) -> Iterable[Paragraph]:
    """Say whether the server counted what the client opened; nothing if it did not count."""
    wrong = {name: count for name, count in counts.items() if not count.agree}
    if wrong:
        listed = "; ".join(
            f"{name}, {_by_server(count.by_server or 0, count.rejected)} instead of "
            f"{format_count(count.by_client)}"
            for name, count in wrong.items()
        )
        which = (
            "counters say" if any(count.rejected for count in wrong.values()) else "counter says"
        )
        yield Paragraph(text=f"The server's own {which} otherwise: {listed}.", tone=Tone.WARNING)
    elif counts:
        client = plural(sum(count.by_client for count in counts.values()), "connection")
        received = sum(count.by_server or 0 for count in counts.values())
        rejected = sum(count.rejected for count in counts.values())
        which = "counters" if rejected else "counter"
        yield Paragraph(
            text=f"Confirmed by the server's own {which}: "
            f"{_by_server(received, rejected)} of {client}."
        )


def _by_server(received: int, rejected: int) -> str:
    """Say how many a server counted, and by which of its counters where there are two."""
    if not rejected:
        return format_count(received)
    return (
        f"{format_count(received)} received (total_connections_received) and "
        f"{format_count(rejected)} turned away (rejected_connections)"
    )


def replies_block(
    cases: Sequence[CaseRecord], names: Mapping[str, str], *, are_connection_ids: bool
) -> KeyValues | None:
    """Say what was answered, where the scenario asked; ids tell which connections served."""
    line = _served_line if are_connection_ids else _replies_line
    pairs = [
        (names[case.id], line(case, tallied))
        for case in cases
        if (tallied := [trial for trial in case.trials if trial.replies])
    ]
    return KeyValues(pairs=tuple(pairs)) if pairs else None


def _table(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Table:
    """Make a row for each case; columns in which no case has anything are left out."""
    counts = [opened(case) for case in cases]
    columns = (
        (Column(title="case", align=Align.LEFT), [Cell(names[case.id]) for case in cases]),
        (
            Column(title="client", group="opened"),
            [Cell(format_count(count.by_client)) for count in counts],
        ),
        (Column(title="server", group="opened"), [_counted_cell(count) for count in counts]),
        (Column(title="rejected"), [_rejected_cell(count) for count in counts]),
        (Column(title="filling", priority=2), [_duration_cell(_filling(case)) for case in cases]),
        (
            Column(title="memory each", priority=1),
            [_cell(memory_per_connection(case), format_bytes) for case in cases],
        ),
        (
            Column(title="server", group="CPU", priority=4),
            [_cell(server_cpu(case), format_percent) for case in cases],
        ),
        (
            Column(title="client", group="CPU"),
            [_cell(client_cpu(case), format_percent) for case in cases],
        ),
        (
            Column(title="per command", group="CPU", priority=3),
            [_duration_cell(_cpu_per_command(case)) for case in cases],
        ),
    )
    shown = [
        (column, cells)
        for column, cells in columns
        if column.title not in _OPTIONAL or any(cell.text not in ("–", "0") for cell in cells)
    ]
    return Table(
        columns=tuple(column for column, _ in shown),
        rows=tuple(zip(*(cells for _, cells in shown), strict=True)),
        notes=tuple(Note(text) for title, text in _NOTES if title in {c.title for c, _ in shown}),
    )


_OPTIONAL = ("rejected", "filling", "memory each")
"""Columns that are left out when there is nothing in them."""

_NOTES = (
    (
        "filling",
        "filling: opening the whole pool, one connection after the other, before the load.",
    ),
    ("memory each", "memory each: what the server's memory grew by for each connection of a pool."),
    (
        "per command",
        "CPU, in the median trial: 100 % is one core, of the server or of a client process.",
    ),
)


def _cell(value: float | None, write: Callable[[float | None], str]) -> Cell:
    return Cell(write(value), Tone.QUIET if value is None else Tone.PLAIN)


def _duration_cell(value: float | None) -> Cell:
    return _cell(value, format_duration)


def _counted_cell(count: Opened) -> Cell:
    return Cell(format_count(count.by_server), Tone.PLAIN if count.agree else Tone.WARNING)


def _filling(case: CaseRecord) -> float | None:
    """Give the mean time one process took to open its pool before the load."""
    found = [trial.client.prewarm for trial in case.trials if trial.client.prewarm is not None]
    processes = max(_number(case, "processes"), 1)
    return sum(each.duration_ns for each in found) / len(found) / processes if found else None


def _rejected_cell(count: Opened) -> Cell:
    return Cell(format_count(count.rejected), Tone.BAD if count.rejected else Tone.PLAIN)


def _rejected(server: Server) -> int:
    before, after = server.before.rejected_connections, server.after.rejected_connections
    return max(after - before, 0) if before is not None and after is not None else 0


def _cpu_per_command(case: CaseRecord) -> float | None:
    """Give the client CPU time for each command that ended; a failed batch counts as one."""
    ended = sum(
        (trial.summary.commands or trial.summary.completed) + trial.summary.failed
        for trial in case.trials
    )
    return sum(trial.client.cpu_ns for trial in case.trials) / ended if ended else None


def _served_line(case: CaseRecord, trials: Sequence[Trial]) -> str:
    total = sum(sum((trial.replies or {}).values()) for trial in trials)
    who = plural(total, "command")
    if case.axes.get("clients") == Clients.SUCCESSIVE:
        who += f" by {plural(total, 'successive client')}"
    distinct = sorted({len(trial.replies or {}) for trial in trials})
    served = format_count(distinct[0])
    if len(distinct) > 1:
        served += f" to {format_count(distinct[-1])}"
    served += " connection" if distinct == [1] else " connections"
    if len(trials) > 1:
        served += f" in each of {len(trials)} trials"
    ids = sorted({reply for trial in trials for reply in trial.replies or {}}, key=_as_number)
    shown = ", ".join(ids[:_SHOWN]) + (", …" if len(ids) > _SHOWN else "")
    return (
        f"{who} {'was' if total == 1 else 'were'} served by {served} (server's client ids {shown})"
    )


def _as_number(reply: str) -> tuple[int, str]:
    """Order ids by value; what is no number comes first."""
    return (int(reply) if reply.isascii() and reply.isdigit() else -1, reply)


def _replies_line(_case: CaseRecord, trials: Sequence[Trial]) -> str:
    tally = sum((Counter(trial.replies or {}) for trial in trials), Counter[str]())
    shown = [f"{reply} {plural(count, 'time')}" for reply, count in tally.most_common(_SHOWN)]
    more = [f"{format_count(len(tally) - _SHOWN)} more"] if len(tally) > _SHOWN else []
    replies = "1 reply" if tally.total() == 1 else f"{format_count(tally.total())} replies"
    return f"{replies}: {', '.join(shown + more)}"


def _number(case: CaseRecord, axis: str) -> int:
    value = case.axes.get(axis)
    return value if isinstance(value, int) else 1
