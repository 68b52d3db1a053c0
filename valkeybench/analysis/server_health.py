"""Knows what can be wrong at the server's end of a measurement, as the server itself told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.finding import Finding, Look
from valkeybench.measurement.metrics import FailureKind
from valkeybench.units import format_count, format_percent, plural

if TYPE_CHECKING:
    from valkeybench.analysis.cases import SeenCase
    from valkeybench.results.runfile import Trial


def server_lost(look: Look) -> Finding | None:
    """Find a server that went away."""
    lost = sum(trial.server is not None and trial.server.lost for trial in look.case.trials)
    if not lost:
        return None
    return Finding(
        f"the server went away, or was started anew, in {lost} of"
        f" {plural(len(look.case.trials), 'trial')}: what came after is failures, or answers of an"
        " empty server, and throughput counts that time as well",
        "look in the server's log for a crash, a restart or the out-of-memory killer",
    )


def rejected_connections(look: Look) -> Finding | None:
    """Find connections the server turned away."""
    rejected = _grown(look.case, "rejected_connections")
    if not rejected:
        return None
    return Finding(
        f"the server turned {plural(rejected, 'connection')} away: it had as many clients"
        " as maxclients allows",
        "raise maxclients on the server, or ask for fewer connections"
        f" (this case may open {format_count(_most_connections(look.case))})",
    )


def server_saturated(look: Look) -> Finding | None:
    """Find a server without time to spare."""
    share = look.case.server_cpu
    if share is None or share < look.limits.server_cpu:
        return None
    return Finding(
        f"the server's main thread was busy {format_percent(share)} of the time:"
        " commands queue there, whatever the pool",
        "take load off the server (replicas, a cluster, cheaper commands);"
        " a smaller pool only moves the queue into the client",
    )


def evictions(look: Look) -> Finding | None:
    """Find keys that were pushed out of memory."""
    evicted = _grown(look.case, "evicted_keys")
    if not evicted:
        return None
    return Finding(
        f"the server evicted {plural(evicted, 'key')} to stay below maxmemory: part of its"
        " time went there, and reads of lost keys are cheaper than real ones",
        "raise maxmemory, or measure with fewer keys or smaller values (--value-size)",
    )


def connections_disagree(look: Look) -> Finding | None:
    """Find connections only one side knows of."""
    ours = counted = 0
    for trial in look.case.trials:
        if trial.server is None or trial.server.connections_counted is None or trial.server.lost:
            continue
        connections = trial.summary.connections
        known = connections.prewarmed + connections.opened
        # Those that are turned away are not among those received.
        told = trial.server.connections_counted + _grown_in(trial, "rejected_connections")
        if abs(told - known) > _uncertain(trial):
            ours, counted = ours + known, counted + told
    if ours == counted:
        return None
    numbers = f"we opened {plural(ours, 'connection')}, the server counted"
    if counted > ours:
        return Finding(
            f"{numbers} {format_count(counted)}: somebody else uses that server, and its CPU,"
            " memory and clients are theirs as well",
            "measure when nobody else does, or against a server of its own (leave --url out)",
        )
    return Finding(
        f"{numbers} only {format_count(counted)}: something between us shares connections, and"
        " what opening one costs the server is not seen",
        "connect to the server itself, not to a proxy; if there is none, report this as a bug",
    )


def _uncertain(trial: Trial) -> int:
    """Count the connections of which we cannot know whether they reached the server."""
    kinds = set(FailureKind) - {FailureKind.POOL_EXHAUSTED, FailureKind.POOL_TIMEOUT}
    failed = sum(trial.summary.failures.get(kind, 0) for kind in kinds)
    return (
        trial.client.abandoned + failed + sum(trial.summary.connections.reopening_failed.values())
    )


def _grown(case: SeenCase, counter: str) -> int:
    """Add up by how much a counter of the server grew in each trial."""
    return sum(_grown_in(trial, counter) for trial in case.trials)


def _grown_in(trial: Trial, counter: str) -> int:
    if trial.server is None or trial.server.restarted:
        return 0
    before, after = (getattr(r, counter) for r in (trial.server.before, trial.server.after))
    return max((after or 0) - before, 0) if before is not None else 0


def _most_connections(case: SeenCase) -> int:
    return case.processes * (case.max_connections or case.concurrency)
