"""What a cluster cannot do, or redis-py cannot do with one; and what only a cluster can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.scenario.model import Client, Clients, Driver, Keys
from valkeybench.scenario.template import parse_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.scenario.model import Scenario


def unfit_for_cluster(scenario: Scenario) -> Iterator[tuple[str, str, str]]:
    """Find what does not go together with a cluster, or with none.

    Each is the target of the lever that is unfit, the reason and a remedy.
    """
    server, axes = scenario.server, scenario.axes
    if not server.cluster:
        if Keys.ONE_SLOT in axes.keys:
            yield "axes.keys", "only a cluster has slots", "add --cluster, or leave keys out"
        return
    if (server.url or "").lower().startswith("unix:"):
        yield (
            "server.url",
            "redis-py reaches no cluster over a unix socket",
            "name a host, as in valkey://host:6379",
        )
    for target, named in (("server.db", server.db), ("server.url", _names_db(server.url or ""))):
        if named:
            yield target, "a cluster has the database 0 only", "leave the database out"
    if any(parse_template(text).together for text in scenario.commands) or {*axes.pipeline} - {1}:
        yield (
            "axes.pipeline" if {*axes.pipeline} - {1} else "commands",
            "a batch over a cluster takes connections of several nodes at once, which is not timed",
            "send single commands",
        )
    if Clients.SUCCESSIVE in axes.clients:
        yield (
            "axes.clients",
            "redis-py's cluster client owns its pools, so successive clients cannot share them",
            "use shared clients, or the pool policy none",
        )
    if {*axes.driver} - {Driver.THREADS}:
        yield "axes.driver", "a cluster is driven by threads only", "use the driver threads"
    if {*axes.client} - {Client.REDIS_PY}:
        yield "axes.client", "a cluster is measured with redis-py only", "use the client redis-py"


def _names_db(url: str) -> bool:
    """Tell whether a URL names a database other than 0; one that cannot be read is not ours."""
    place, _, query = url.partition("://")[2].rpartition("@")[2].partition("?")
    named = place.partition("/")[2] or query.removeprefix("db=")
    return named.isdecimal() and any(digit != "0" for digit in named)
