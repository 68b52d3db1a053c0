"""What a cluster cannot do is refused before anything starts, with its place and a remedy."""

from __future__ import annotations

import pytest

from tests.scenario.reading import problems, read
from valkeybench.scenario.model import Keys


def test_a_cluster_is_a_flag_or_a_key() -> None:
    """Both mean the same; keys may be varied."""
    by_flag = read(flags={"cluster": "true", "keys": "spread,one_slot"})
    by_key = read('[server]\ncluster = true\n[load]\nkeys = ["spread", "one_slot"]')

    assert by_flag == by_key
    assert by_flag.server.cluster
    assert (Keys.SPREAD, Keys.ONE_SLOT) == by_flag.axes.keys
    assert not read().server.cluster


@pytest.mark.parametrize(
    ("toml", "place", "reason"),
    [
        ("[server]\ncluster=true\ndb=3", "server.db", "the database 0 only"),
        ("[server]\ncluster=true\nurl='valkey://h/4'", "server.url", "the database 0 only"),
        ("[server]\ncluster=true\nurl='valkey://h?db=4'", "server.url", "the database 0 only"),
        ("[server]\ncluster=true\nurl='unix:///s'", "server.url", "no cluster over a unix socket"),
        (
            "[server]\ncluster=true\n[client]\nclients='successive'",
            "client.clients",
            "owns its pools",
        ),
        (
            "[server]\ncluster=true\n[load]\ncommands=['PIPELINE 2 GET a']",
            "load.commands",
            "takes connections of several nodes",
        ),
        ("[server]\ncluster=true\n[load]\npipeline=10", "load.pipeline", "of several nodes"),
        ("[server]\ncluster=true\n[client]\ndriver='asyncio'", "client.driver", "by threads only"),
        ("[server]\ncluster=true\n[client]\nclient='valkey-py'", "client.client", "redis-py only"),
        ("[load]\nkeys='one_slot'", "load.keys", "only a cluster has slots"),
    ],
)
def test_what_does_not_go_with_it_is_said(toml: str, place: str, reason: str) -> None:
    """Where it stands, and why."""
    [problem] = problems(toml)

    assert problem.startswith(f"s.toml: {place}: ")
    assert reason in problem


@pytest.mark.parametrize(
    "toml",
    [
        "[server]\ncluster=true\nurl='valkey://u:p@h:7000/0'",
        "[server]\ncluster=true\nurl='valkeys://h'",
        "[server]\ncluster=true\n[load]\nkeys='one_slot'\nrtt='1ms'\n[client]\nhandshake='minimal'",
        "[load]\nkeys='spread'",
    ],
)
def test_what_goes_with_it_is_taken(toml: str) -> None:
    """Database 0 by name, TLS, distance and the minimal handshake; spread keys anywhere."""
    assert len(read(toml).cases()) > 0
