"""What the network has to do with it: round trips of a new connection, TLS, and distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.latency import latency_lines
from valkeybench.analysis.setup import setups
from valkeybench.measurement.metrics import OPENING, Phase
from valkeybench.report.document import (
    Align,
    Cell,
    Column,
    Command,
    Note,
    Paragraph,
    Table,
    Tone,
)
from valkeybench.report.labels import axes_labels
from valkeybench.report.opening import trips_taken
from valkeybench.units import format_count, format_duration, format_percent, plural

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from valkeybench.analysis.latency import LatencyLine
    from valkeybench.analysis.setup import Setup, Step
    from valkeybench.report.document import Block
    from valkeybench.results.runfile import CaseRecord, RunFile

_LARGER_PART = 0.5
"""Share of opening a connection from which one phase is the larger part of it."""

_AVOIDABLE = frozenset({"CLIENT MAINT_NOTIFICATIONS", "CLIENT SETINFO"})

_MINIMAL_HANDSHAKE = (
    "driver_info=None, maint_notifications_config=MaintNotificationsConfig(enabled=False)"
)


_APART = 0.1
"""By which share a fitted number of round trips may be off without a word about it."""
_MISFIT = (
    "Where k is not what was counted, something else changed with the distance: a client",
    "that has more time between commands is less busy. Fewer handlers or more think time tell.",
)


def setup_blocks(run: RunFile) -> Iterable[Block]:
    """Count the round trips of a new connection, and say which can be spared."""
    found = setups(run.cases)
    for label, setup in zip(axes_labels([s.axes for s in found]), found, strict=True):
        where = f" ({label})" if len(found) > 1 else ""
        yield Paragraph(text=_cost(setup, where))
    with_redis_py = [setup for setup in found if setup.axes.get("client") in (None, "redis-py")]
    spared = max(map(_avoidable, with_redis_py), default=0.0)
    if spared:
        yield Paragraph(
            text=f"{_number(spared)} of them can be spared (--handshake minimal): give redis-py "
            f"{_MINIMAL_HANDSHAKE}."
        )
    yield from _tls_context(run)


def distance_blocks(cases: Sequence[CaseRecord]) -> Iterable[Block]:
    """Show how response time grows with the emulated round trip, a line for each policy."""
    lines = latency_lines(cases)
    if not lines:
        return
    rows = tuple(
        (
            Cell(label),
            Cell(format_duration(max(line.base_ns, 0.0))),
            Cell(f"{line.round_trips:.2f}", Tone.PLAIN if _fits(line) else Tone.WARNING),
            Cell("–" if line.counted is None else _number(line.counted)),
        )
        for label, line in zip(axes_labels([line.axes for line in lines]), lines, strict=True)
    )
    yield Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="a: without distance"),
            Column(title="k: round trips, fitted"),
            Column(title="counted"),
        ),
        rows=rows,
        notes=(
            Note("response p50 = a + k × rtt, fitted by least squares. The distance is emulated:"),
            Note("added in the client wherever a real network would be waited for."),
            *(() if all(map(_fits, lines)) else map(Note, _MISFIT)),
        ),
    )


def _cost(setup: Setup, where: str) -> str:
    """Say what a new connection costs, or that it could not be counted."""
    if setup.steps:
        steps = ", ".join(map(_step, setup.steps))
        return f"A new connection{where} costs {trips_taken(setup.round_trips)}: {steps}."
    opened = plural(setup.connections, "connection")
    through = "not all" if setup.got_through is None else format_count(setup.got_through)
    if setup.got_through == setup.connections:
        through = "all"
    return f"Of {opened}{where} {through} got through; what a new one costs could not be counted."


def _fits(line: LatencyLine) -> bool:
    """Whether distance cost what was counted, as far as anybody counted."""
    return line.counted is None or abs(line.round_trips - line.counted) <= _APART * line.counted


def _step(step: Step) -> str:
    if not step.round_trips:
        return f"{step.name} (sent along)"
    times = "" if abs(step.round_trips - 1) < 0.05 else f" × {_number(step.round_trips)}"  # noqa: PLR2004 - once
    refused = " (refused)" if step.refused >= step.round_trips > 0 else ""
    return f"{step.name}{times}{refused}"


def _avoidable(setup: Setup) -> float:
    return sum(step.round_trips for step in setup.steps if step.name in _AVOIDABLE)


def _tls_context(run: RunFile) -> Iterable[Block]:
    """Say so when building the TLS context is the larger part of opening a connection."""
    for case in run.cases:
        share, context = _context_share(case)
        if share < _LARGER_PART:
            continue
        yield Paragraph(
            text=f"Building the TLS context took {format_duration(context)}, "
            f"{format_percent(share)} of opening a connection: redis-py builds one for every "
            f"connection, and reads the system's CA certificates for it.{_measured_remedy(run)}"
        )
        yield Command(
            words=("export", "SSL_CERT_FILE=/path/to/your-ca.pem"),
            purpose="Keep connections, or let OpenSSL read only the CA that you need:",
        )
        return


def _context_share(case: CaseRecord) -> tuple[float, float]:
    phases: Mapping[str, float] = {
        name: phase.mean_ns * phase.count
        for name, phase in (case.summary.phases if case.summary else {}).items()
    }
    total = sum(phases.get(phase, 0.0) for phase in OPENING)
    context = phases.get(Phase.TLS_CONTEXT, 0.0)
    if not total or case.summary is None or not context:
        return 0.0, 0.0
    return context / total, case.summary.phases[Phase.TLS_CONTEXT].mean_ns


def _measured_remedy(run: RunFile) -> str:
    """Say what building a context costs here with nothing else going on, both ways."""
    cost = run.environment.get("tls_context")
    if not isinstance(cost, dict):
        return ""
    shipped, lean = cost.get("system_ns"), cost.get("own_ca_ns")
    if not isinstance(shipped, int) or not isinstance(lean, int):
        return ""
    return (
        f" Alone on this machine one takes {format_duration(shipped)}, and "
        f"{format_duration(lean)} when SSL_CERT_FILE names a single CA."
    )


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value - round(value)) < 0.05 else f"{value:.1f}"  # noqa: PLR2004 - one decimal
