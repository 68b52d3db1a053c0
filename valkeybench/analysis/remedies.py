"""Knows what somebody can do about a case, given what they already do."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import FailureKind, Phase
from valkeybench.scenario.model import Pool
from valkeybench.units import SECOND, format_percent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.cases import SeenCase

_ENOUGH_REPEATS = 7
"""From here on, more of the same noise will not help."""

_MOSTLY_IDLE = 0.5
"""Share of handlers busy (throughput × mean service, by Little's law) below which there were
enough of them on average. A judgement: at half, a queue of a handful hardly ever waits."""


def less_client_cpu(case: SeenCase) -> str:
    """Say how to give the client time to spare."""
    if case.pool is Pool.NONE:
        return (
            "this is what opening a connection for each command costs; use a pool, or compare at a"
            " load both can carry (a longer --think)"
        )
    if case.think_ns == 0:
        return "give handlers think time (--think 10ms): without, they take all there is"
    each = ceil(case.concurrency / 2)
    return (
        f"spread the handlers over more processes (--processes {2 * case.processes}"
        f" --concurrency {each}); more connections cannot help"
    )


def less_loop_work(case: SeenCase) -> str:
    """Say how to keep an event loop free."""
    processes = f"spread the tasks over more processes (--processes {2 * case.processes})"
    if case.pool is Pool.NONE:
        return f"opening connections holds it up: use a pool, or {processes}"
    return f"{processes}, and keep whatever computes off the loop; more connections cannot help"


def keep_up(case: SeenCase) -> str:
    """Say how to bring an open load back onto its schedule."""
    more = f"more handlers (--concurrency {2 * case.concurrency})"
    processes = f"more processes (--processes {2 * case.processes})"
    # Whoever is still at it when the window closes was busy, too: with a command, or waiting.
    hanging = case.summary.unfinished / len(case.trials)
    served = case.summary.throughput * case.mean_ns(Phase.SERVICE) / SECOND
    busy = (served + hanging) / case.handlers
    if busy >= _MOSTLY_IDLE:
        return (
            f"offer less (--rate), or give it {more}, or {processes} where the client is saturated"
        )
    return (
        f"handlers were busy {format_percent(busy)} of the time only, so it was the machine that"
        " began late, or something that held up all of them at times: use a quieter machine, keep"
        " client and server on CPUs of their own (--pin auto), look for what stalls; or offer less"
        f" (--rate), give it {processes} where the client is saturated, and against stalls {more}"
    )


def serve_all(case: SeenCase) -> str:
    """Say how to keep handlers from starving.

    It names no size: which one to try is said once, with what the run knows of the need.
    """
    thinks = case.think_ns != 0
    if thinks and case.max_connections is not None and case.max_connections >= case.concurrency:
        return (
            "a connection for each handler keeps nobody waiting for one: find what leaves some of"
            " them without an answer (a proxy, a load balancer, the server); --socket-timeout 500ms"
            " makes such commands fail and be counted"
        )
    if not case.pool.waits:
        return "use fewer handlers (--concurrency), until client and server keep up with all"
    larger = "a larger pool (--max-conn)"
    if case.pool is Pool.FAIR:
        return f"this pool already serves in order; use {larger}, or longer think time (--think)"
    fair = "a pool that serves in order (--pool fair)"
    if not thinks:
        return f"give handlers think time (--think 10ms), or use {fair}"
    return f"use {larger}, or {fair}"


def more_repeats(case: SeenCase) -> str:
    """Say how to get repeats that agree."""
    todo = []
    if len(case.trials) < _ENOUGH_REPEATS:
        todo.append(f"repeat more (--repeats {_ENOUGH_REPEATS})")
    if any(trial.client.pinned_to is None for trial in case.trials):
        todo.append("keep client and server on CPUs of their own (--pin auto)")
    todo.append("measure on a quieter machine")
    return ", or ".join(todo)


def more_patience(case: SeenCase) -> str:
    """Say what to do about commands that do not come back."""
    if case.record.axes.get("socket_timeout_ns") is None:
        return "set a socket timeout (--socket-timeout 5s), so that handlers come back"
    return "see what the server is busy with, or set a shorter --socket-timeout"


def mend_failures(kinds: Sequence[str]) -> str:
    """Say what to do about each kind of failure, in the order given."""
    known = [FailureKind(kind) for kind in kinds if kind in set(FailureKind)]
    advice = [f"{kind}: {_mend(kind)}" for kind in known]
    return "; ".join(advice) or "see what the server answered"


def _mend(kind: FailureKind) -> str:
    """Say what to do about one kind of failure."""
    larger = "a larger pool (--max-conn)"
    return {
        FailureKind.POOL_EXHAUSTED: f"use {larger} or one that waits (--pool blocking)",
        FailureKind.POOL_TIMEOUT: f"use {larger} or wait longer (--pool-timeout)",
        FailureKind.CONNECT_TIMEOUT: (
            "open fewer connections at once, or allow more time (--connect-timeout)"
        ),
        FailureKind.CONNECT_REFUSED: "see that the server listens there",
        FailureKind.CLIENT_LIMIT: (
            "raise the limit of open files (ulimit -n) or widen the range of ports"
            " (net.ipv4.ip_local_port_range) on this machine, or open fewer connections"
        ),
        FailureKind.MAX_CLIENTS: (
            "raise maxclients on the server, or use a smaller pool or fewer processes"
        ),
        FailureKind.AUTH: "check user name and password",
        FailureKind.TLS: "check certificates and the server's TLS settings",
        FailureKind.TIMEOUT: (
            "see what keeps the server busy, or allow more time (--socket-timeout)"
        ),
        FailureKind.RESET: "see why the server or something on the way closes connections",
        FailureKind.REPLY_ERROR: "check command, type of its keys and what the user may do",
    }[kind]
