"""What it is to a server when a whole fleet reconnects: all at once, and day by day."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valkeybench.analysis.quantity import Fit, Quantity, Unit, reckon
from valkeybench.analysis.storm import (
    SAFE_SHARE,
    SPREAD,
    Backoff,
    Recovery,
    Storm,
    ideal_ns,
    safe_clients,
    spread_needed_ns,
    weather,
)
from valkeybench.units import SECOND, format_percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.analysis.fleet_inputs import Inputs
    from valkeybench.analysis.ways import Way

_MOST_SIMULATED_LOAD = 40
"""Clients ÷ rate over patience beyond which nobody needs a simulation to see it fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The same storm with clients of three kinds."""

    queue: int | None
    """How many may wait for the server; None is everybody, which is the worst case."""
    immediate: Recovery
    """They try again at once."""
    backing_off: Recovery
    """They back off as redis-py's `Redis(host=…)` does."""
    spread: Recovery
    """They try again at once, and their first attempts are spread as long as needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StormPlan:
    """What happens when the whole fleet reconnects at once, one way."""

    tls: bool
    handshakes: Quantity
    ideal: Quantity
    """Shortest recovery there can be."""
    safe_clients: Quantity
    spread_needed: Quantity
    fit: Fit
    simulations: tuple[Simulation, ...]
    """With a queue that takes everybody, and with the server's; none where they cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Connections that may be opened and closed day by day."""

    budget: Quantity
    """Openings per second."""
    cpu: Quantity
    """Share of the server's main thread they take."""
    lifetime: Quantity
    """How long a connection must live on average."""
    rollout: Quantity
    """How long a deploy of the whole fleet must take."""


def storm_plan(inputs: Inputs, way: Way, clients: Quantity) -> StormPlan:
    """Reckon what so many connections wanted at once are, and simulate it."""
    safe = _safe_clients(inputs, way.handshakes)
    ideal = reckon(
        Unit.NANOSECONDS, "connections ÷ handshakes per second", "{0} ÷ {1}", ideal_ns,
        clients, way.handshakes,
    )  # fmt: skip
    spread = reckon(
        Unit.NANOSECONDS, f"{SPREAD} × connections ÷ handshakes per second",
        f"{SPREAD} × {{0}} ÷ {{1}}",
        spread_needed_ns, clients, way.handshakes,
    )  # fmt: skip
    fit = Fit.UNKNOWN
    if way.handshakes.value is not None and clients.value is not None:
        fit = _storm_fit(inputs, way, clients.value)
    return StormPlan(
        tls=way.tls,
        handshakes=way.handshakes,
        ideal=ideal,
        safe_clients=safe,
        spread_needed=spread,
        fit=fit,
        simulations=tuple(_simulated(inputs, way.handshakes, clients, spread)),
    )


def _safe_clients(inputs: Inputs, rate: Quantity) -> Quantity:
    """Give how many clients may reconnect at once; without a timeout nobody ever gives up."""
    if inputs.patience.value is None:
        return Quantity(None, Unit.COUNT, inputs.patience.how)
    formula = f"{SAFE_SHARE} × handshakes per second × timeout"
    worked = f"{SAFE_SHARE} × {{0}} × {{1}}"
    if inputs.spread_ns:
        spread = Quantity(inputs.spread_ns, Unit.NANOSECONDS, "--spread")
        formula = f"max({formula}, handshakes per second × spread ÷ {SPREAD})"
        worked = f"max({worked}, {{0}} × {spread.text} ÷ {SPREAD})"
    return reckon(
        Unit.COUNT, formula, worked,
        lambda rate, patience: safe_clients(rate, patience, inputs.spread_ns),
        rate, inputs.patience,
    )  # fmt: skip


def _storm_fit(inputs: Inputs, way: Way, clients: float) -> Fit:
    """Judge by what was measured; where the client was the limit, by what the server could do."""
    if inputs.patience.value is None:
        return Fit.FITS
    rates = [q.value for q in (way.handshakes, way.handshakes_by_cpu) if q.value is not None]
    at_least, at_most = (
        safe_clients(rate, inputs.patience.value, inputs.spread_ns)
        for rate in (min(rates), max(rates))
    )
    if clients <= at_least:
        return Fit.FITS
    if clients <= at_least / SAFE_SHARE:
        return Fit.TIGHT
    return Fit.EXCEEDS if clients > at_most else Fit.UNKNOWN


def _simulated(
    inputs: Inputs, rate: Quantity, clients: Quantity, spread: Quantity
) -> Iterator[Simulation]:
    """Simulate it with no back-off, with redis-py's, and spread as long as needed."""
    patience = inputs.patience.value
    if rate.value is None or not clients.value or spread.value is None:
        return
    if patience and ideal_ns(clients.value, rate.value) > _MOST_SIMULATED_LOAD * patience:
        return
    queues = [None, inputs.accept_queue.value]
    for queue in queues if queues[1] is not None else queues[:1]:
        storm = Storm(
            clients=int(clients.value),
            per_second=rate.value,
            patience_ns=None if patience is None else int(patience),
            queue=None if queue is None else int(queue),
            spread_ns=inputs.spread_ns,
        )
        yield Simulation(
            queue=storm.queue,
            immediate=weather(storm, seed=inputs.seed),
            backing_off=weather(replace(storm, backoff=Backoff()), seed=inputs.seed),
            spread=weather(replace(storm, spread_ns=round(spread.value)), seed=inputs.seed),
        )


def churn_plan(inputs: Inputs, now: Quantity, deploy: Quantity) -> Churn:
    """Reckon the openings that take no more than their share of what the server can open."""
    share = format_percent(inputs.churn)
    budget = reckon(
        Unit.PER_SECOND, "churn share × handshakes per second", f"{share} × {{0}}",
        lambda rate: inputs.churn * rate, inputs.way.handshakes,
    )  # fmt: skip
    return Churn(
        budget=budget,
        cpu=reckon(
            Unit.SHARE, "budget × CPU per opening", "{0} × {1}",
            lambda rate, ns: rate * ns / SECOND, budget, inputs.way.cpu_per_opening,
        ),
        lifetime=reckon(
            Unit.NANOSECONDS, "connections ÷ budget", "{0} ÷ {1}", ideal_ns, now, budget
        ),
        rollout=reckon(
            Unit.NANOSECONDS, "connections at a deploy ÷ budget", "{0} ÷ {1}",
            ideal_ns, deploy, budget,
        ),
    )  # fmt: skip
