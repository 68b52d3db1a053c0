"""Who else is connected to a server, at one look and without holding it up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.measurement.client_list import read_client_list
from valkeybench.server.watching import SAMPLER_NAME

if TYPE_CHECKING:
    from valkeybench.measurement.client_list import ClientEntry
    from valkeybench.server.sampler import ServerSampler
    from valkeybench.server.watching import Watching

_MOST_LISTED = 10_000
"""Clients that are asked for by name; listing more would hold the server up for too long."""


def neighbours(watching: Watching) -> list[list[ClientEntry] | None]:
    """List the clients besides us, of each server; None where we may not, or there are too many.

    Raises ServerError when a server is gone.
    """
    return [_of_one(sampler) for sampler in watching.samplers]


def _of_one(sampler: ServerSampler) -> list[ClientEntry] | None:
    connected = sampler.read().connected_clients
    if connected is not None and connected > _MOST_LISTED:
        return None
    text, own_id = sampler.client_list(), sampler.own_id()
    if text is None:
        return None
    entries = list(read_client_list(text, most=_MOST_LISTED))
    # A connection of ours just closed may still be listed: it comes from where this one does.
    own = {entry.address for entry in entries if entry.id == own_id}

    def is_ours(entry: ClientEntry) -> bool:
        named = entry.name == SAMPLER_NAME and (own_id is None or entry.address in own)
        return entry.id == own_id or named

    return [entry for entry in entries if not is_ours(entry)]
