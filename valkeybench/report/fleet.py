"""The report of a fleet plan: what fits, what does not, and every formula with its numbers."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from valkeybench.analysis.quantity import Fit
from valkeybench.report.document import (
    Align,
    Cell,
    Column,
    Document,
    Heading,
    Note,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.report.fleet_verdict import processes_of, verdict
from valkeybench.units import (
    format_count,
    format_duration,
    format_percent,
    plural,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.analysis.fleet import Bound, FleetPlan
    from valkeybench.analysis.fleet_inputs import Inputs
    from valkeybench.analysis.quantity import Quantity
    from valkeybench.analysis.reconnecting import StormPlan
    from valkeybench.analysis.storm import Recovery
    from valkeybench.report.document import Block

_WORDS = {
    Fit.FITS: ("fits", Tone.GOOD),
    Fit.TIGHT: ("tight", Tone.WARNING),
    Fit.EXCEEDS: ("too much", Tone.BAD),
    Fit.UNKNOWN: ("not known", Tone.QUIET),
}
_HOW = Column(title="how", align=Align.LEFT, wraps=True)


def fleet_document(plan: FleetPlan, *, sources: Sequence[str]) -> Document:
    """Make the report of a plan; `sources` are the files it rests on."""
    blocks = chain(
        _opening(plan.inputs),
        verdict(plan),
        _connections(plan),
        _memory(plan),
        _cpu(plan),
        _storms(plan),
        _churn(plan),
        _largest(plan),
        _inputs(plan.inputs),
        [Paragraph(text=f"Reckoned from {' and '.join(sources)}.", tone=Tone.QUIET, parted=True)],
    )
    return Document(tuple(blocks))


def _opening(inputs: Inputs) -> Iterable[Block]:
    total = inputs.processes * inputs.pods
    yield Heading(text=f"A fleet of {processes_of(total)}", level=1)
    said = f"{processes_of(inputs.processes)} in {'each of ' if inputs.pods > 1 else ''}"
    said += f"{plural(inputs.pods, 'pod')}, a pool of {inputs.pool.text} in each process"
    said += f" and {plural(inputs.dedicated, 'connection')} beside it" if inputs.dedicated else ""
    said += ", over TLS." if inputs.tls else ", over plain connections."
    if inputs.nodes > 1:
        said += f" Figures are for each of {inputs.nodes} nodes: a client holds a pool for each."
    yield Paragraph(text=said, tone=Tone.QUIET)


def _connections(plan: FleetPlan) -> Iterable[Block]:
    fits, most = {check.name: check.fit for check in plan.checks}, plan.checks[0].limit
    yield Heading(text="Connections")
    yield Table(
        columns=(
            Column(title="", align=Align.LEFT),
            Column(title="connections"),
            Column(title="of maxclients", align=Align.LEFT),
            _HOW,
        ),
        rows=tuple(
            (
                Cell(moment.name),
                Cell(moment.connections.text),
                _fit(
                    fits[f"connections {moment.name}"], _share(moment.connections, plan.effective)
                ),
                Cell(moment.connections.how),
            )
            for moment in plan.moments
        ),
        notes=(
            Note(f"The server takes {plan.effective.text}: {plan.effective.how}."),
            Note(
                f"The fleet may be {most.text} of them: {most.how}; safe are {plan.safe.text}:"
                f" {plan.safe.how}."
            ),
            Note(
                "Dead peers: all have come back, and the server still holds the sockets of those"
                f" that are gone, for {plan.inputs.held.text} ({plan.inputs.held.how})."
            ),
        ),
    )


def _memory(plan: FleetPlan) -> Iterable[Block]:
    way = plan.inputs.way
    yield Heading(text="Server memory of connections")
    if way.memory_fresh.value is None and way.memory_idle.value is None:
        yield Paragraph(text=f"Not known: {way.memory_fresh.how}.")
        return
    yield Table(
        columns=(
            Column(title="", align=Align.LEFT),
            Column(title="all idle"),
            Column(title="all fresh"),
            _HOW,
        ),
        rows=tuple(
            (
                Cell(moment.name),
                Cell(moment.memory_idle.text),
                Cell(moment.memory_fresh.text),
                Cell(moment.memory_fresh.how),
            )
            for moment in plan.moments
        ),
        notes=(
            Note(
                "Fresh is a connection just opened or just used; the server shrinks idle ones:"
                f" {plan.moments[0].memory_idle.how}."
            ),
            Note(f"At work as in the run: {plan.memory_now.text}: {plan.memory_now.how}."),
            Note(f"Safe are {plan.memory_room.text}: {plan.memory_room.how}."),
        ),
    )


def _cpu(plan: FleetPlan) -> Iterable[Block]:
    yield Heading(text="Server CPU")
    yield _reckoned(
        ("commands", plan.commands),
        ("main thread", plan.cpu),
        notes=(
            Note("Every process at the run's rate, and every command at the run's cost."),
            *_idle(plan),
        ),
    )


def _idle(plan: FleetPlan) -> Iterable[Note]:
    if plan.inputs.cpu_is_at_most and plan.cpu.value is not None:
        yield Note(
            "At most: the server had little else to do in the run, and spends less on a command the"
            " more of them there are."
        )


def _storms(plan: FleetPlan) -> Iterable[Block]:
    yield Heading(text="When all reconnect at once")
    known = [storm for storm in plan.storms if storm.handshakes.value is not None]
    if not known:
        yield Paragraph(text=f"Not known: {plan.storms[0].handshakes.how}.")
        return
    yield Table(
        columns=(
            Column(title="", align=Align.LEFT),
            Column(title="handshakes"),
            Column(title="ideal recovery"),
            Column(title="safe at once"),
            Column(title="spread needed"),
            Column(title="", align=Align.LEFT),
        ),
        rows=tuple(
            (
                Cell(_way(storm)),
                Cell(storm.handshakes.text),
                Cell(storm.ideal.text),
                Cell(storm.safe_clients.text),
                Cell(storm.spread_needed.text),
                _fit(storm.fit),
            )
            for storm in known
        ),
        notes=(*chain(*(_measured(plan, storm) for storm in known)), *_rules(plan, known[0])),
    )
    yield from _simulations(plan, known)


def _measured(plan: FleetPlan, storm: StormPlan) -> Iterable[Note]:
    most = (plan.inputs.secure if storm.tls else plan.inputs.plain).handshakes_by_cpu
    said = f"Handshakes {_way(storm)}: {storm.handshakes.how}."
    if most.value not in (None, storm.handshakes.value):
        said += f" All of its main thread could do {most.text}: {most.how}."
    yield Note(said)


def _rules(plan: FleetPlan, storm: StormPlan) -> Iterable[Note]:
    yield Note(f"Ideal recovery: {storm.ideal.how}.")
    yield Note(
        "Livelock: where the ideal recovery is longer than clients wait"
        f" ({plan.inputs.patience.text}), the server works for those who have given up. Safe at"
        f" once: {storm.safe_clients.how}."
    )
    yield Note(f"Spread needed: {storm.spread_needed.how}.")


def _simulations(plan: FleetPlan, storms: Sequence[StormPlan]) -> Iterable[Block]:
    simulated = [(storm, each) for storm in storms for each in storm.simulations]
    if not simulated:
        yield Paragraph(text="It is not simulated: far too many would reconnect for any to win.")
        return
    over = format_duration(plan.inputs.spread_ns)
    begun = f"first attempts spread over {over}" if plan.inputs.spread_ns else "all begin at once"
    yield Paragraph(
        text=f"Simulated, {begun}; until the last client is connected, or how many were when it"
        " was given up on:"
    )
    yield Table(
        columns=(
            Column(title="", align=Align.LEFT),
            Column(title="queue"),
            Column(title="no back-off"),
            Column(title="redis-py's back-off"),
            Column(title="spread as needed"),
        ),
        rows=tuple(
            (
                Cell(_way(storm)),
                Cell("any" if each.queue is None else format_count(each.queue)),
                _recovered(each.immediate),
                _recovered(each.backing_off),
                _recovered(each.spread),
            )
            for storm, each in simulated
        ),
        notes=tuple(_modelled(plan)),
    )


def _modelled(plan: FleetPlan) -> Iterable[Note]:
    queue = plan.inputs.accept_queue
    yield Note(
        "Queue any: the server takes everybody in, and those who gave up cost it full time; the"
        " worst case."
    )
    yield Note(
        f"Queue {queue.text}: {queue.how}. Whom the accept queue cannot hold the kernel turns away,"
        " to knock again after 1 s, 3 s, 7 s."
        if queue.value is not None
        else f"The accept queue is not in it: {queue.how}."
    )
    yield Note(
        "redis-py's back-off: 10 retries, 10 ms doubled each time with jitter, 1 s at most"
        " (Redis(host=…)); clients over a pool of your own retry nothing."
    )


def _churn(plan: FleetPlan) -> Iterable[Block]:
    churn = plan.churn
    yield Heading(text="Churn the server can afford")
    if churn.budget.value is None:
        yield Paragraph(text=f"Not known: {churn.budget.how}.")
        return
    yield _reckoned(
        ("openings", churn.budget),
        ("their CPU", churn.cpu),
        ("a connection lives ≥", churn.lifetime),
        ("a deploy takes ≥", churn.rollout),
        notes=(Note("On average, if nothing else opened connections."),),
    )


def _largest(plan: FleetPlan) -> Iterable[Block]:
    yield Heading(text="Largest safe pool, largest safe fleet")
    yield Table(
        columns=(
            Column(title="limited by", align=Align.LEFT),
            Column(title="pool"),
            Column(title="processes"),
            Column(title="pods", priority=1),
            _HOW,
        ),
        rows=(
            *(_bound(plan.inputs, bound) for bound in plan.bounds),
            (
                Cell("all that is known", Tone.STRONG),
                Cell(plan.largest_pool.text, Tone.STRONG),
                Cell(plan.largest_fleet.text, Tone.STRONG),
                Cell(_pods(plan.inputs, plan.largest_fleet), Tone.STRONG),
                Cell(f"processes: {plan.largest_fleet.how}"),
            ),
        ),
        notes=(Note("Each with the other as it is: the pool for this fleet, the fleet for it."),),
    )


def _bound(inputs: Inputs, bound: Bound) -> tuple[Cell, ...]:
    known = bound.pool if bound.pool.value is not None else bound.processes
    return (
        Cell(bound.name),
        Cell(bound.pool.text),
        Cell(bound.processes.text),
        Cell(_pods(inputs, bound.processes)),
        Cell(known.how, Tone.PLAIN if known.value is not None else Tone.QUIET),
    )


def _inputs(inputs: Inputs) -> Iterable[Block]:
    way = inputs.way
    yield Heading(text="Reckoned with")
    yield _reckoned(
        ("pool", inputs.pool),
        ("needed by one process", inputs.needed),
        ("maxclients", inputs.maxclients),
        ("reserved", inputs.reserved),
        ("server memory", inputs.server_memory),
        ("a connection, fresh", way.memory_fresh),
        ("a connection, idle", way.memory_idle),
        ("commands of a process", inputs.rate),
        ("CPU per command", inputs.cpu_per_command),
        ("CPU per opening", way.cpu_per_opening),
        ("clients wait", inputs.patience),
        notes=(
            Note(
                f"And {format_percent(inputs.safety)} safety share (--safety-share),"
                f" {format_percent(inputs.surge)} surge (--surge), {format_percent(inputs.dead)}"
                f" dead peers (--dead-share), {format_percent(inputs.cpu_limit)} CPU"
                f" (--cpu-limit), {format_percent(inputs.churn)} churn (--churn-share): judgements."
            ),
        ),
    )


def _reckoned(*rows: tuple[str, Quantity], notes: tuple[Note, ...] = ()) -> Table:
    return Table(
        columns=(Column(title="", align=Align.LEFT), Column(title=""), _HOW),
        rows=tuple((Cell(name), Cell(each.text), Cell(each.how)) for name, each in rows),
        notes=notes,
    )


def _fit(fit: Fit, share: str = "") -> Cell:
    words, tone = _WORDS[fit]
    return Cell(f"{share}, {words}" if share else words, tone)


def _recovered(recovery: Recovery) -> Cell:
    if recovery.recovered_ns is None:
        share, until_ns = format_percent(recovery.connected), recovery.curve[-1][0]
        return Cell(f"{share} in {format_duration(until_ns)}", Tone.BAD)
    return Cell(format_duration(recovery.recovered_ns))


def _share(part: Quantity, whole: Quantity) -> str:
    known = part.value is not None and whole.value
    return format_percent((part.value or 0) / (whole.value or 1)) if known else "–"


def _pods(inputs: Inputs, processes: Quantity) -> str:
    if processes.value is None:
        return "–"
    return format_count(processes.value // inputs.processes)


def _way(storm: StormPlan) -> str:
    return "over TLS" if storm.tls else "plain"
