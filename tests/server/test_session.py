"""A run gets a server of its own unless it names another."""

from __future__ import annotations

from contextlib import closing

import pytest

from tests.server.processes import client, traces_of
from valkeybench.errors import ScenarioError
from valkeybench.scenario.model import Secret, ServerSettings
from valkeybench.server.endpoint import Provider
from valkeybench.server.session import open_server


def test_without_a_url_a_private_server_runs_as_long_as_needed() -> None:
    """It listens to the settings that make sense for it, and to none of the credentials."""
    settings = ServerSettings(db=3, client_name="me", username="joe", password=Secret("theirs"))
    with open_server(settings, maxclients_needed=50) as endpoint:
        traces = traces_of(endpoint)
        assert (Provider.EMBEDDED, 3, "me") == (
            endpoint.provider,
            endpoint.db,
            endpoint.client_name,
        )
        with closing(client(endpoint)) as asking:
            assert ("me", 3) == (asking.client_getname(), int(asking.client_info()["db"]))
            assert 10_000 == asking.info("clients")["maxclients"]
    assert [] == traces.left


def test_a_private_server_takes_all_we_need_and_some_more() -> None:
    """The load's connections are not all: we look on, too."""
    with (
        open_server(ServerSettings(), maxclients_needed=10_500) as endpoint,
        closing(client(endpoint)) as asking,
    ):
        assert 10_500 < int(str(asking.config_get("maxclients")["maxclients"]))


def test_with_a_url_nothing_is_started_and_nobody_is_asked() -> None:
    """The endpoint is the URL's, reachable or not."""
    settings = ServerSettings(url="valkey://no.such.invalid:1/2")
    with open_server(settings, maxclients_needed=1) as endpoint:
        assert "valkey://no.such.invalid:1/2" == endpoint.address
        assert (Provider.EXTERNAL, None) == (endpoint.provider, endpoint.pid)


def test_a_bad_url_is_refused_on_entering() -> None:
    """The scenario is wrong before anything begins."""
    with (
        pytest.raises(ScenarioError),
        open_server(ServerSettings(url="nonsense"), maxclients_needed=1),
    ):
        pytest.fail("it was opened")
