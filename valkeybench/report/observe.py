"""What is said of a server that was watched: who holds connections, and who uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.observing import Sureness, Verdict, doubts, round_span
from valkeybench.measurement.client_list import Role
from valkeybench.report.document import (
    Align,
    Callout,
    Cell,
    Column,
    Document,
    Heading,
    KeyValues,
    Kind,
    Note,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.units import (
    SECOND,
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    plural,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.analysis.observing import Findings, Need, Usage
    from valkeybench.measurement.client_ledger import Application
    from valkeybench.report.document import Block

_MOST_ROWS = 30
_MOST_CALLOUTS = 5
_WORTH_SAYING = 5
"""Connections to free below which a row of the table is enough."""

_TONES = {
    Verdict.SHRINK: Tone.GOOD,
    Verdict.FITS: Tone.PLAIN,
    Verdict.IDLE: Tone.WARNING,
    Verdict.UNKNOWN: Tone.QUIET,
}
_PLURALS = {Role.REPLICA: "replica", Role.MONITOR: "monitor", Role.PRIMARY: "primary"}
_TLS_MEMORY = (
    "The memory is what the server counts. What OpenSSL holds for each connection, some 55 KB, "
    "comes on top."
)


def observe_document(findings: Findings) -> Document:
    """Make the report: the server, who uses what, what to change, what is not certain."""
    return Document(
        (
            Heading(text="Who uses which connections", level=1),
            KeyValues(pairs=tuple(_opening(findings))),
            *_tables(findings),
            *(observe_summary(findings).blocks if findings.usages else ()),
            *_closing(findings),
        )
    )


def observe_summary(findings: Findings) -> Document:
    """Make the short report: who could do with fewer connections."""
    found = [u for u in findings.usages if u.need.frees >= _WORTH_SAYING]
    worth = sorted(found, key=lambda usage: -usage.need.frees)
    if not worth:
        text = "Nobody was seen to hold many more connections than they use."
        return Document((Paragraph(text=text, tone=Tone.GOOD, parted=True),))
    blocks: list[Block] = [_callout(usage, findings) for usage in worth[:_MOST_CALLOUTS]]
    total, size = sum(u.need.frees for u in found), [u.need.frees_bytes for u in found]
    if len(found) > 1:
        memory = "" if None in size else f" and {format_bytes(sum(s or 0 for s in size))}"
        text = f"Together that frees {plural(total, 'connection')}{memory} of the server's memory."
        blocks.append(Paragraph(text=text, parted=True))
    return Document(tuple(blocks))


def application_label(application: Application) -> str:
    """Name an application by what it says of itself; a nameless one by where it is."""
    library = f"{application.library} {application.version}".strip()
    user = f"user {application.user}" if application.user else ""
    words = [application.name or application.address or "nameless", library, user]
    return " · ".join(word for word in words if word)


def _opening(findings: Findings) -> Iterator[tuple[str, str]]:
    watched, clients = findings.watched, findings.watched.clients
    facts = watched.facts
    server = f"{facts.flavour or 'server'} {facts.version or 'of unknown version'}"
    if facts.role == "slave":
        server += ", a replica"
    yield "server", f"{server} at {watched.address}"
    if facts.mode == "cluster":
        yield "cluster", "this node only; observe the others one by one"
    held = sum(usage.held for usage in findings.usages)
    others = [plural(n, _PLURALS[role]) for role, n in clients.others.items() if n]
    limit = "" if facts.maxclients is None else f" of {format_count(facts.maxclients)} it takes"
    beside = f", beside {', '.join(others)}" if others else ""
    yield "clients", f"{plural(held, 'connection')}{limit}{beside}"
    ended = " (interrupted)" if watched.was_interrupted else ""
    ended = " (the server went away)" if watched.lost else ended
    yield "watched", f"{_span(clients.lasted_ns)}, {plural(clients.looks, 'look')}{ended}"
    yield "it took", _cost(findings)


def _cost(findings: Findings) -> str:
    watched = findings.watched
    share = watched.core_share
    if share is None:
        said = f"{format_duration(watched.cost_ns)} of a server core"
    else:
        percent = "under 0.1 %" if share < _TENTH else format_percent(share)
        said = f"{percent} of a server core"
    if not watched.cost_is_told:
        return f"at most {said}, by our clock: the server does not tell"
    return f"{said}; the longest listing {format_duration(watched.longest_listing_ns)}"


_TENTH = 0.001


def _span(duration_ns: int) -> str:
    return "an instant" if not duration_ns else format_duration(duration_ns)


def _tables(findings: Findings) -> Iterator[Block]:
    usages = findings.usages
    if not usages:
        yield Paragraph(text="Nobody but us holds a connection.", parted=True)
        return
    shown = usages[:_MOST_ROWS]
    yield Table(columns=_USE, rows=tuple(_use_row(usage) for usage in shown), notes=_NOTES)
    yield Table(columns=_NEED, rows=tuple(_need_row(usage) for usage in shown))
    if len(usages) > len(shown):
        rest = usages[len(shown) :]
        held = plural(sum(usage.held for usage in rest), "connection")
        yield Paragraph(
            text=f"{plural(len(rest), 'application')} more hold {held}; --json has them all.",
            tone=Tone.QUIET,
            parted=True,
        )


_USE = (
    Column(title="application", align=Align.LEFT),
    Column(title="held"),
    Column(title="waiting", priority=3),
    Column(title="used"),
    Column(title="mean", group="at once", priority=1),
    Column(title="most", group="at once"),
    Column(title="commands", priority=2),
    Column(title="unused for", priority=4),
    Column(title="memory", priority=5),
)
_NOTES = (
    Note(
        "used: sent any command while watched; waiting: subscribed or blocked, and no idle pool. "
        "At once: in use at one instant, each pool's own most added up."
    ),
)
_NEED = (
    Column(title="application", align=Align.LEFT),
    Column(title="pool for each address", align=Align.LEFT),
    Column(title="frees"),
    Column(title="sureness", align=Align.LEFT),
    Column(title="because", align=Align.LEFT, wraps=True),
)


def _use_row(usage: Usage) -> tuple[Cell, ...]:
    return (
        Cell(application_label(usage.application)),
        Cell(format_count(usage.held)),
        Cell(format_count(usage.waiting) if usage.waiting else "–"),
        Cell(format_count(usage.used), Tone.STRONG),
        Cell(_mean(usage)),
        Cell(_between(usage.at_once_least, usage.at_once_most)),
        Cell(_rate(usage.rate)),
        Cell(_idle(usage)),
        Cell(format_bytes(usage.memory)),
    )


def _mean(usage: Usage) -> str:
    """Write the estimate and its bounds: `0.31 (0.02–2.4)`."""
    found = usage.in_use
    if found.most is None:
        return "–"
    bounds = f"{_small(found.least or 0.0)}–{_small(found.most)}"
    return bounds if found.estimate is None else f"{_small(found.estimate)} ({bounds})"


def _small(number: float) -> str:
    if 0 < number < _LITTLE:
        return f"<{_LITTLE}"
    return f"{number:.2g}" if number < _ROUND else format_count(number)


_LITTLE, _ROUND = 0.01, 100


def _between(least: int, most: int) -> str:
    return format_count(most) if least == most else f"{format_count(least)}–{format_count(most)}"


def _rate(rate: float | None) -> str:
    return "–" if rate is None else f"{_small(rate)} /s"


def _idle(usage: Usage) -> str:
    if usage.idle_median_s is None:
        return "–"
    return round_span(usage.idle_median_s * SECOND)


def _need_row(usage: Usage) -> tuple[Cell, ...]:
    need = usage.need
    words = {Verdict.FITS: "as it is", Verdict.IDLE: "idle", Verdict.UNKNOWN: "not known"}
    size = words.get(need.verdict, "")
    if need.pool is not None:
        size = format_count(need.pool)
        if usage.addresses > 1:
            size += f" × {format_count(usage.addresses)}"
        if need.waiting:
            size += f", and {format_count(need.waiting)} waiting"
    return (
        Cell(application_label(usage.application)),
        Cell(size, _TONES[need.verdict]),
        Cell(format_count(need.frees) if need.frees else "–"),
        Cell(_sure(need)),
        Cell(need.reason),
    )


def _sure(need: Need) -> str:
    if need.sureness is None:
        return "–"
    return f"{need.sureness}: {_back(need)}"


def _back(need: Need) -> str:
    return round_span(need.remembers_ns)


def _callout(usage: Usage, findings: Findings) -> Callout:
    need, name = usage.need, application_label(usage.application)
    held = plural(usage.held - usage.waiting, "connection")
    memory = "" if not need.frees_bytes else f" and {format_bytes(need.frees_bytes)}"
    if need.verdict is Verdict.IDLE:
        return Callout(
            kind=Kind.WARNING,
            title=f"{name} holds {held} and uses none",
            text=f"Nothing {_since(usage)}. Closed, they free "
            f"{plural(need.frees, 'connection')}{memory}.",
            remedy="find out whether it is still needed; what it needs when it works was not seen",
        )
    place = "" if usage.addresses == 1 else " at each address"
    room = format_percent(findings.wish.headroom)
    found = f"A pool of {need.pool}{place} leaves at least {room} of room"
    weak = " Watch it over its busiest hours before you change it." if _is_weak(need) else ""
    waiting = f" and {need.waiting} for those that wait" if need.waiting else ""
    return Callout(
        kind=Kind.GOOD,
        title=f"{name} holds {held} and used {format_count(usage.used)}",
        text=f"Within the last {_back(need)} {need.reason}{_hindsight(usage)}. {found}, and frees "
        f"{plural(need.frees, 'connection')}{memory}.{weak}",
        remedy=f"set max_connections to {need.pool}{waiting}{place}, divided among the processes "
        "there (more to those that do more); check it with valkeybench size",
    )


def _since(usage: Usage) -> str:
    if usage.idle_median_s is None:
        return "but PING came over them while they were watched"
    return f"came over them for {_idle(usage)}"


def _hindsight(usage: Usage) -> str:
    """Say how many were used of late, where that is fewer than were needed further back."""
    counts = [
        f"{count} within {round_span(back)}"
        for back, count in usage.used_within
        if back < usage.need.remembers_ns
    ]
    return f" (in all {', '.join(counts)})" if counts else ""


def _is_weak(need: Need) -> bool:
    return need.sureness is Sureness.LOW


def _closing(findings: Findings) -> Iterator[Block]:
    watched = findings.watched
    if findings.unseen_connections:
        seconds = watched.clients.lasted_ns / SECOND
        yield Callout(
            kind=Kind.WARNING,
            title=f"{plural(findings.unseen_connections, 'connection')} came and went unseen",
            text=f"{_rate(findings.unseen_connections / seconds)} are opened and closed again "
            "between two looks: somebody works without a pool, or checks the server's health.",
        )
    for doubt in doubts(findings):
        yield Paragraph(text=doubt, tone=Tone.QUIET, parted=True)
    if watched.facts.tls:
        yield Paragraph(text=_TLS_MEMORY, tone=Tone.QUIET, parted=True)
