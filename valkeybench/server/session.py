"""Which server a run gets: one of our own unless it named another."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.server.embedded import embedded_server
from valkeybench.server.endpoint import endpoint_from_url

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.scenario.model import ServerSettings
    from valkeybench.server.endpoint import Endpoint

_USUAL_MAXCLIENTS = 10_000
_SPARE_CLIENTS = 16
"""Room for those who watch."""


@contextmanager
def open_server(settings: ServerSettings, *, maxclients_needed: int) -> Iterator[Endpoint]:
    """Give the server to measure: the one the URL names, else a private one while this lasts.

    `maxclients_needed` counts the connections the load will hold; only a server of our own is
    made to take that many. Raises ScenarioError for a URL that cannot be, ServerError when our
    own server does not start. The other one is not contacted here.
    """
    if settings.url is not None:
        yield endpoint_from_url(settings)
        return
    maxclients = max(_USUAL_MAXCLIENTS, maxclients_needed + _SPARE_CLIENTS)
    with embedded_server(maxclients=maxclients) as endpoint:
        yield replace(endpoint, db=settings.db, client_name=settings.client_name)
