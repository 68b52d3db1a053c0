"""What a connection costs the server is measured, and agrees with what the server says."""

from __future__ import annotations

from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.server.processes import client, wait_until
from valkeybench.errors import ServerError
from valkeybench.scenario.model import Secret
from valkeybench.server.binary import find_tls_binary
from valkeybench.server.embedded import embedded_server, embedded_serving
from valkeybench.server.probe import ConnectionCost, connection_cost
from valkeybench.server.serving import TlsOffer

if TYPE_CHECKING:
    import redis

    from valkeybench.server.endpoint import Endpoint


def check(cost: ConnectionCost) -> None:
    """See that the figures can be those of a connection."""
    assert 1_000 < cost.idle <= cost.fresh < 100_000
    # The reply buffer of 16 KB is there in the beginning, and not for long.
    assert cost.fresh - cost.idle > 10_000


def test_a_connection_costs_less_when_idle() -> None:
    """By the server's own figure for its clients, the idle cost is right."""
    with embedded_server() as endpoint, closing(client(endpoint)) as asking:
        cost = connection_cost(endpoint, connections=100)
        check(cost)
        assert (100, False) == (cost.connections, cost.tls)

        with ExitStack() as stack:
            for _ in range(100):
                stack.enter_context(closing(client(endpoint))).ping()
            said = 101 * cost.idle
            wait_until(lambda: 0.5 * said < clients_bytes(asking) < 1.5 * said)


def clients_bytes(asking: redis.Redis) -> int:
    """Ask for the memory of all ordinary clients."""
    return int(asking.info("memory")["mem_clients_normal"])


def test_a_server_that_has_shrunk_nothing_yet_is_waited_for(
    embedded: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short a time counts as steady: the buffers are not given back at once."""
    monkeypatch.setattr("valkeybench.server.probe._STEADY_NS", 0)
    cost = connection_cost(embedded)
    assert cost.idle < 0.99 * cost.fresh


@pytest.mark.tls
def test_over_tls_the_library_takes_its_share() -> None:
    """It is beside what the server counts itself, and stays when the connection is idle."""
    if find_tls_binary() is None:
        pytest.skip("no server with TLS: set VALKEYBENCH_SERVER or install valkey-server")
    with embedded_serving(tls=TlsOffer()) as serving:
        cost = connection_cost(serving.endpoint(tls=True), connections=100)
    check(cost)
    assert cost.tls
    assert cost.allocated_fresh is not None
    assert cost.allocated_idle is not None
    assert cost.fresh < cost.allocated_fresh
    assert cost.idle < cost.allocated_idle


def test_all_connections_are_closed_again(embedded: Endpoint) -> None:
    """The server is as it was."""
    with closing(client(embedded)) as asking:
        before = asking.info("clients")["connected_clients"]
        connection_cost(embedded, connections=2)
        wait_until(lambda: asking.info("clients")["connected_clients"] == before)


def test_who_may_not_ask_is_told(embedded: Endpoint) -> None:
    """A user without INFO gets an error with a remedy."""
    with closing(client(embedded)) as asking:
        asking.acl_setuser("blind", enabled=True, passwords=["+pw"], categories=["-@all"])
        with pytest.raises(ServerError, match=r"could not be found out.*info") as refused:
            connection_cost(replace(embedded, username="blind", password=Secret("pw")))
        asking.acl_deluser("blind")
    assert "INFO" in refused.value.remedy


def test_a_full_server_is_told() -> None:
    """More connections than it takes."""
    with (
        embedded_server(maxclients=10) as endpoint,
        pytest.raises(ServerError, match="max number of clients"),
    ):
        connection_cost(endpoint, connections=20)
