"""What the server's own counters say about failures the client cannot tell apart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.measurement.watch import ServerWatch

_CUT = (FailureKind.TLS, FailureKind.RESET)
"""What it looks like to a client that the server hung up on it before a word was said."""


def corroborated(seen: Measurement, watch: ServerWatch) -> Measurement:
    """Count as `max_clients` what the server says it turned away for being full.

    A full server says so over a plain connection, unless it hangs up first; over TLS it hangs
    up in the middle of negotiating, which the client takes for a failure of TLS. So many of
    those as the server's `rejected_connections` grew by, less what was counted already, were
    rejections. Where the server tells nothing, nothing is changed.
    """
    before, after = watch.before.rejected_connections, watch.after.rejected_connections
    if before is None or after is None:
        return seen
    failures = dict(seen.failures)
    unexplained = after - before - failures.get(FailureKind.MAX_CLIENTS, 0)
    for kind in _CUT:
        moved = min(failures.get(kind, 0), max(unexplained, 0))
        if moved:
            failures[kind] -= moved
            failures[FailureKind.MAX_CLIENTS] = failures.get(FailureKind.MAX_CLIENTS, 0) + moved
            unexplained -= moved
    return replace(seen, failures={kind: count for kind, count in failures.items() if count})
