"""The verdict on a fleet plan: what does not fit, what would help, and what is not known."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from valkeybench.analysis.quantity import Fit
from valkeybench.report.document import Callout, Document, Kind
from valkeybench.units import format_count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.analysis.fleet import Check, FleetPlan
    from valkeybench.report.document import Block

_STORM = "reconnecting"
"""What the names of checks about storms hold."""


def fleet_summary(plan: FleetPlan) -> Document:
    """Say only whether it fits."""
    return Document(tuple(verdict(plan)))


def verdict(plan: FleetPlan) -> Iterable[Block]:
    """Say whether the fleet fits, what does not and what would help, and what is not known."""
    known = ", as far as is known" if plan.unknown or plan.inputs.is_private else ""
    bad = [check for check in plan.checks if check.fit in (Fit.TIGHT, Fit.EXCEEDS)]
    if plan.checks[0].fit is Fit.EXCEEDS:
        kind, title = Kind.BAD, "This fleet does not fit: it is more than the server takes at once"
    elif plan.fit is Fit.EXCEEDS:
        kind, title = Kind.BAD, "This fleet does not fit"
    elif plan.fit is Fit.TIGHT:
        kind, title = Kind.WARNING, f"This fleet fits{known}, and leaves less room than it should"
    elif plan.fit is Fit.UNKNOWN:
        kind, title = Kind.WARNING, "Whether this fleet fits is not known"
    else:
        # What is not known may still be more than the server has.
        kind = Kind.INFO if known else Kind.GOOD
        title = f"This fleet fits{known}"
    yield Callout(
        kind=kind,
        title=title,
        text=" ".join(chain((_too_much(check) for check in bad), _at_most(plan))),
        remedy=" ".join(_remedies(plan, bad)),
    )
    unknown = [f"{_capital(check.name)}: {_reason(check)}." for check in plan.unknown]
    if plan.inputs.is_private:
        taken = f"Your server's maxclients: {plan.inputs.maxclients.text} is taken, which is"
        unknown.insert(0, f"{taken} {plan.inputs.maxclients.how}.")
    if unknown:
        yield Callout(kind=Kind.INFO, title="Not known", text=" ".join(unknown))


def _too_much(check: Check) -> str:
    over = "is over" if check.fit is Fit.EXCEEDS else "is within"
    said = f"{_capital(check.name)}: {check.seen.text} {over} the limit of {check.limit.text}"
    if check.fit is Fit.TIGHT:
        said += f", and over the safe {check.safe.text}"
    return f"{said}."


def _at_most(plan: FleetPlan) -> Iterable[str]:
    if plan.largest_pool.value is not None and plan.largest_fleet.value is not None:
        known = ", by what is known" if plan.unknown else ""
        yield (
            f"Largest safe pool{known}: {plan.largest_pool.text} for each process of this fleet;"
            f" largest safe fleet: {processes_of(int(plan.largest_fleet.value))} with a pool of"
            f" {plan.inputs.pool.text} each."
        )
    needed, most = plan.inputs.needed.value, plan.largest_pool.value
    pool = plan.inputs.pool.value
    if needed is not None and pool is not None and pool < needed:
        yield (
            f"By the run a process needs {needed:.0f} connections: a pool of {pool:.0f} makes"
            " handlers wait."
        )
    if needed is not None and most is not None and needed > most:
        yield (
            f"By the run a process needs {needed:.0f} connections, and no more than {most:.0f} are"
            " safe: a pool that small would make handlers wait."
        )


def _remedies(plan: FleetPlan, bad: Sequence[Check]) -> Iterable[str]:
    """Say what would help; a pool smaller than needed is never among it."""
    others = [check for check in bad if _STORM not in check.name]
    if any("connections" in check.name for check in others):
        yield (
            "Run fewer and larger processes, raise maxclients and the file limit, put a proxy in"
            " front, or shard."
        )
    if any("memory" in check.name for check in others):
        yield "Give the server more memory, or limit clients' with maxmemory-clients."
    if any("CPU" in check.name for check in others):
        yield "Shard, or read from replicas: more connections would not help."
    if len(others) < len(bad):
        yield (
            f"Spread reconnects over {plan.storms[0].spread_needed.text} or more (--spread): a"
            " random pause before the first attempt, not only after a failure."
        )


def _reason(check: Check) -> str:
    missing = next((q for q in (check.seen, check.safe, check.limit) if q.value is None), None)
    if missing is not None:
        return missing.how
    over = f"{check.seen.text} is over the safe {check.safe.text}, but"
    if "CPU" in check.name:
        return (
            f"{over} the server was nearly idle in the run, where a command costs several times"
            " what it costs a busy one; say it with --cpu-per-command, or give a run with a case"
            " that keeps it busy (--driver wire --think 0)"
        )
    return (
        f"{over} the client was the limit when handshakes were measured, and the server may be"
        " faster"
    )


def processes_of(count: int) -> str:
    """Write how many processes there are."""
    return f"{format_count(count)} {'process' if count == 1 else 'processes'}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]
