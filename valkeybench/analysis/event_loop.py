"""Whether a client's event loop was late for its replies."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from valkeybench.analysis.finding import Finding
from valkeybench.analysis.remedies import less_loop_work
from valkeybench.units import format_duration, format_percent

if TYPE_CHECKING:
    from valkeybench.analysis.finding import Look


def loop_late(look: Look) -> Finding | None:
    """Find an event loop whose own lateness is a noticeable part of the response times."""
    case, limits = look.case, look.limits
    lags = [trial.client.loop_lag for trial in case.trials if trial.client.loop_lag is not None]
    if not lags or case.response is None or not case.response.p99_ns:
        return None
    late = median(lag.p99_ns for lag in lags)
    share = late / case.response.p99_ns
    if late < limits.loop_lag_ns or share < limits.loop_lag:
        return None
    return Finding(
        f"the event loop got round to what was due up to {format_duration(late)} late (p99),"
        f" against a response p99 of {format_duration(case.response.p99_ns)}"
        f" ({format_percent(share)}): replies that had come waited for it",
        less_loop_work(case),
    )
