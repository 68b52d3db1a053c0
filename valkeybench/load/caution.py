"""What speaks against loading a server that may be in use, so that somebody is asked first.

A server of ours, or one on this machine, is there to be loaded. Of any other we look at what
only a server in use has: replicas, clients besides us, connections it cannot spare.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeAlias

from valkeybench.errors import Problem, ScenarioError
from valkeybench.load.preflight import WATCHERS
from valkeybench.measurement.client_list import ClientEntry, Role
from valkeybench.scenario.wording import legible
from valkeybench.units import are, format_count, plural

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.plan.trial import Plan
    from valkeybench.server.endpoint import Endpoint

    Consent: TypeAlias = Callable[[Sequence[Problem]], bool]
    """Whether somebody wants the load all the same, knowing what speaks against it."""

MOST_OF_FREE = 0.5
"""What share of the connections a server has left is taken without asking."""

_MOST_SHOWN = 5
_REMEDY = "if it may be loaded all the same, add --yes"
_REPLICATED = (Role.REPLICA, Role.PRIMARY)


def nobody(_: Sequence[Problem]) -> bool:
    """Consent to nothing: what is asked where nobody can answer."""
    return False


def check_consent(found: Sequence[Problem], consent: Consent) -> None:
    """Go on when nothing speaks against it, or somebody says yes; else raise ScenarioError."""
    if found and not consent(found):
        raise ScenarioError(found)


def cautions(
    endpoint: Endpoint,
    facts: ServerFacts,
    others: Sequence[Sequence[ClientEntry] | None],
    plan: Plan,
) -> list[Problem]:
    """Say what speaks against running a plan there; nothing when that is on this machine.

    `others` are the clients besides us: of the server, or of each node of a cluster.
    """
    if endpoint.is_local:
        return []
    each = facts.nodes or (facts,)
    said = [
        (server.address or endpoint.address, reason)
        for server, clients in zip(each, others, strict=True)
        for reason in _reasons(server, clients, needed=plan.most_connections + WATCHERS)
    ]
    last = len(said) - 1
    return [
        Problem(place, reason, _REMEDY if number == last else "")
        for number, (place, reason) in enumerate(said)
    ]


def _reasons(facts: ServerFacts, others: Sequence[ClientEntry] | None, *, needed: int) -> list[str]:
    found = (_replication(facts), _company(facts, others), _appetite(facts, needed))
    return [reason for reason in found if reason]


def _replication(facts: ServerFacts) -> str:
    if facts.role == "slave":
        return "it is a replica of another server"
    replicas = facts.connected_slaves
    if replicas:
        return f"{plural(replicas, 'replica')} of it {are(replicas)} connected"
    return ""


def _company(facts: ServerFacts, others: Sequence[ClientEntry] | None) -> str:
    """Say who else is connected, or that this cannot be known."""
    if others is None:
        if facts.connected_clients is None:
            return "whether anybody uses it is not known: we may use neither INFO nor CLIENT LIST"
        count, names = max(facts.connected_clients - 1, 0), ""
    else:
        clients = [entry for entry in others if entry.role not in _REPLICATED]
        count, names = len(clients), _names(clients)
    return f"{plural(count, 'other client')} {are(count)} connected{names}" if count else ""


def _names(clients: Sequence[ClientEntry]) -> str:
    groups = Counter((each.name or each.library, each.address) for each in clients)
    shown = [
        f"{count} × {legible(name) or 'no name'} from {legible(address) or 'somewhere'}"
        for (name, address), count in groups.most_common(_MOST_SHOWN)
    ]
    if len(groups) > _MOST_SHOWN:
        shown.append(f"and {len(groups) - _MOST_SHOWN} more kinds")
    return f": {', '.join(shown)}" if shown else ""


def _appetite(facts: ServerFacts, needed: int) -> str:
    """Say that it is asked for more connections than it can easily spare."""
    if facts.maxclients is None:
        return (
            f"how many connections it has left is not known (maxclients); {needed} would be opened"
        )
    free = max(facts.maxclients - max((facts.connected_clients or 1) - 1, 0), 0)
    cap = int(free * MOST_OF_FREE)
    if needed <= cap:
        return ""
    return (
        f"{format_count(needed)} connections would be opened of the {format_count(free)} it has "
        f"left; without being told to, no more than half are taken: {format_count(cap)}"
    )
