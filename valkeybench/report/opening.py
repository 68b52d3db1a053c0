"""Pooled against unpooled, in sentences: what opening a connection costs and who paid it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.cost import opening_cost
from valkeybench.measurement.metrics import Phase
from valkeybench.report.connections import client_cpu
from valkeybench.report.document import Align, Cell, Column, Note, Paragraph, Table, Tone
from valkeybench.report.labels import axes_labels
from valkeybench.report.outcome import is_lower_bound
from valkeybench.report.spread import best_pooled
from valkeybench.units import format_count, format_duration, format_percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.analysis.cost import OpeningCost, Payer, Ratio
    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord

_WORDS = {
    Phase.CONSTRUCT: "building objects",
    Phase.CONNECT: "connecting",
    Phase.TLS_CONTEXT: "TLS context",
    Phase.TLS: "TLS",
    Phase.HANDSHAKE: "handshake",
}

_ALIKE = 1.5
"""Factor within which two commands took about the same: less than CPU placement makes."""

_FAILING = 0.01
"""Share of failed commands from which two cases are not compared."""

_BUSY = 0.9
"""CPU share of a client process from which commands queue for its core."""


def opening_blocks(cases: Sequence[CaseRecord], names: Mapping[str, str]) -> Iterable[Block]:
    """Explain what pools save: in sentences for one load, in a row each for several."""
    by_id = {case.id: case for case in cases}
    costs = [cost for cost in opening_cost(cases) if cost.total_ns is not None]
    if len(costs) > 1:
        yield _table(costs, by_id)
    elif costs:
        yield from (Paragraph(text=text) for text in _sentences(costs[0], by_id, names))


def _sentences(
    cost: OpeningCost, by_id: Mapping[str, CaseRecord], names: Mapping[str, str]
) -> Iterable[str]:
    pooled = _pooled(cost, by_id)
    yield _price(cost, by_id)
    yield _payers(cost.unpooled, pooled, by_id, names)
    if cost.unpooled is None or pooled is None:
        return
    with_pool, without = by_id[pooled.case], by_id[cost.unpooled.case]
    command = _command(with_pool, without)
    if command:
        yield command
    for ratio in cost.ratios:
        if ratio.case == pooled.case and not _failing(with_pool) and not _failing(without):
            yield _times(ratio, with_pool, without, names[pooled.case])


def _pooled(cost: OpeningCost, by_id: Mapping[str, CaseRecord]) -> Payer | None:
    """Choose the pool to compare with: the one that served best."""
    best = best_pooled([by_id[payer.case] for payer in cost.pooled])
    return next((payer for payer in cost.pooled if best and payer.case == best.id), None)


def _price(cost: OpeningCost, by_id: Mapping[str, CaseRecord]) -> str:
    """Say what opening takes, and what it takes when nothing else goes on."""
    parts = ", ".join(f"{_WORDS[phase]} {format_duration(ns)}" for phase, ns in cost.phases.items())
    trips = "" if cost.round_trips is None else f" and {trips_taken(cost.round_trips)}"
    took = f"opening a connection took {format_duration(cost.total_ns)}{trips} ({parts})"
    if not cost.under_load:
        return f"While the pool was filled, before the load, {took}.{_refused(cost, by_id)}"
    idle = next(iter(opening_cost([by_id[payer.case] for payer in cost.pooled])), None)
    against = ""
    if idle is not None and idle.total_ns is not None:
        against = f"; while the pool was filled, before the load, {format_duration(idle.total_ns)}"
    return f"Under this load {took}{against}.{_refused(cost, by_id)}"


def _refused(cost: OpeningCost, by_id: Mapping[str, CaseRecord]) -> str:
    summary = by_id[cost.source].summary if cost.source else None
    trips = summary.connections.setup_round_trips if summary else None
    refused = summary.connections.setup_refused if summary else None
    if not trips or not refused or cost.round_trips is None:
        return ""
    return f" The server refused {_number(refused)} of its {_number(trips)} set-up commands."


def _payers(
    unpooled: Payer | None,
    pooled: Payer | None,
    by_id: Mapping[str, CaseRecord],
    names: Mapping[str, str],
) -> str:
    """Say who opened connections how often, and what part of their time it was."""
    said = []
    if pooled is not None:
        said.append(f"The pool ({names[pooled.case]}) paid it {_when(by_id[pooled.case])}")
    if unpooled is not None:
        who = "without a pool" if said else "Without a pool"
        commands = plural(unpooled.commands, "command")
        opened = plural(_late(unpooled, by_id), "time")
        share = unpooled.opening_share
        part = "" if share is None else f": {format_percent(share)} of their time"
        said.append(f"{who} {commands} paid it {opened}{part}")
    return "; ".join(said) + "."


def _late(payer: Payer, by_id: Mapping[str, CaseRecord]) -> int:
    """Count what was opened while commands were counted, warm-up left out."""
    summary = by_id[payer.case].summary
    return summary.connections.opened if summary else 0


def _when(case: CaseRecord) -> str:
    """Say how often a pool opened a connection, before the load and during it."""
    connections = case.summary.connections if case.summary else None
    early, late = (connections.prewarmed, connections.opened) if connections else (0, 0)
    each = {trial.summary.connections.prewarmed for trial in case.trials}
    times = plural(early, "time")
    if len(case.trials) > 1 and len(each) == 1:
        times += f", {format_count(each.pop())} in each of {len(case.trials)} trials"
    if not late:
        return f"{times}, before the load"
    if not early:
        return f"{plural(late, 'time')}, during the load"
    return f"{times}, before the load and {plural(late, 'time')} during it"


def _command(pooled: CaseRecord, unpooled: CaseRecord) -> str:
    """Compare the command itself: what no pool can make shorter."""
    short, long = (_mean(case, Phase.COMMAND) for case in (pooled, unpooled))
    if short is None or long is None:
        return ""
    took = (
        f"the command itself took {format_duration(short)} with it and "
        f"{format_duration(long)} without"
    )
    if max(short, long) <= _ALIKE * min(short, long):
        return f"A pool does not remove network latency: {took}."
    busy = client_cpu(unpooled) or 0.0
    if busy >= _BUSY and long > short:
        return (
            f"A pool does not remove network latency, but {took}, where the client used "
            f"{format_percent(busy)} of a core and commands had to wait for it."
        )
    return f"A pool does not remove network latency; {took}."


def _times(ratio: Ratio, pooled: CaseRecord, unpooled: CaseRecord, name: str) -> str:
    """Say how many times as much the unpooled case took."""
    said = []
    for what, times, share in (
        ("median response", ratio.response_p50, 0.5),
        ("p99", ratio.response_p99, 0.99),
        ("client CPU for each command", ratio.cpu_per_command, None),
    ):
        if times is not None and not _is_open(pooled, share):
            at_least = "at least " if _is_open(unpooled, share) else ""
            said.append(f"{what} {at_least}{_factor(times)}")
    return f"No pool over {name}: {', '.join(said)}." if said else ""


def _failing(case: CaseRecord) -> bool:
    """Tell whether so many commands failed that their latency and CPU are another thing's."""
    summary = case.summary
    return summary is not None and summary.failed > _FAILING * summary.attempted


def _is_open(case: CaseRecord, share: float | None) -> bool:
    return share is not None and case.summary is not None and is_lower_bound(case.summary, share)


def _table(costs: Sequence[OpeningCost], by_id: Mapping[str, CaseRecord]) -> Table:
    """Make a row for each load; what only an unpooled case can tell is left out without one."""
    any_unpooled = any(cost.unpooled for cost in costs)
    rows = []
    for label, cost in zip(axes_labels([c.applies_to for c in costs]), costs, strict=True):
        pooled, unpooled = _pooled(cost, by_id), cost.unpooled
        contrast = (
            Cell(format_count(_late(unpooled, by_id) if unpooled else None)),
            Cell(format_percent(unpooled.opening_share if unpooled else None)),
            _ratio_cell(pooled, cost, by_id),
        )
        rows.append(
            (
                Cell(label),
                Cell(format_duration(cost.total_ns)),
                Cell(format_count(pooled.openings if pooled else None)),
                *(contrast if any_unpooled else ()),
            )
        )
    contrast_columns = (
        Column(title="unpooled", group="opened"),
        Column(title="of its time", priority=1),
        Column(title="p99 ratio", priority=2),
    )
    return Table(
        columns=(
            Column(title="load", align=Align.LEFT),
            Column(title="opening takes"),
            Column(title="pooled", group="opened"),
            *(contrast_columns if any_unpooled else ()),
        ),
        rows=tuple(rows),
        notes=(Note("p99 ratio: no pool over the best pool.", sign="×"),),
    )


def _ratio_cell(pooled: Payer | None, cost: OpeningCost, by_id: Mapping[str, CaseRecord]) -> Cell:
    ratio = next((r for r in cost.ratios if pooled and r.case == pooled.case), None)
    if ratio is None or ratio.response_p99 is None or cost.unpooled is None:
        return Cell("–", Tone.QUIET)
    cases = by_id[ratio.case], by_id[cost.unpooled.case]
    if _is_open(cases[0], 0.99) or any(map(_failing, cases)):
        return Cell("–", Tone.QUIET)
    sign = "≥" if _is_open(cases[1], 0.99) else ""
    return Cell(f"{sign}{_factor(ratio.response_p99)}")


def _mean(case: CaseRecord, phase: Phase) -> float | None:
    found = case.summary.phases.get(phase) if case.summary else None
    return found.mean_ns if found else None


def _factor(times: float) -> str:
    """Write a ratio with the figures that mean something."""
    decimals = 2 if times < 1 else 1 if times < 100 else 0  # noqa: PLR2004 - three figures at most
    return f"{times:.{decimals}f}×"


def trips_taken(mean: float) -> str:
    """Write a mean number of round trips: `1 round trip`, `5 round trips`."""
    return f"{_number(mean)} round {'trip' if _number(mean) == '1' else 'trips'}"


def _number(mean: float) -> str:
    """Write a mean count: whole if it is."""
    return f"{mean:.0f}" if abs(mean - round(mean)) < 0.05 else f"{mean:.1f}"  # noqa: PLR2004 - what one decimal shows
