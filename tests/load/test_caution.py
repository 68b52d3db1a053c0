"""Somebody is asked before a server that may be in use is loaded, and told what speaks against."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from valkeybench.errors import Problem, ScenarioError
from valkeybench.load.caution import cautions, check_consent, nobody
from valkeybench.measurement.client_list import ClientEntry, Role
from valkeybench.measurement.reading import ServerFacts
from valkeybench.plan.trial import make_plan
from valkeybench.scenario.model import Axes, Scenario
from valkeybench.server.endpoint import Endpoint, Node, is_loopback

if TYPE_CHECKING:
    from collections.abc import Sequence

ELSEWHERE = Endpoint(host="cache.example", port=6379)
HERE = Endpoint(host="127.0.0.1", port=6379)
QUIET = ServerFacts(role="master", maxclients=10_000, connected_clients=1, connected_slaves=0)
BUSY = replace(QUIET, connected_slaves=2, connected_clients=9_990)
CONNECTIONS = 50
PLAN = make_plan(Scenario(axes=Axes(concurrency=(CONNECTIONS,))), key_prefix="")


def said(
    facts: ServerFacts = QUIET,
    others: Sequence[ClientEntry] | None = (),
    endpoint: Endpoint = ELSEWHERE,
) -> list[str]:
    """Give what speaks against fifty connections to a server."""
    return [problem.reason for problem in cautions(endpoint, facts, [others], PLAN)]


def other(number: int, **fields: Any) -> ClientEntry:  # noqa: ANN401 - every field of a record
    """Make somebody else's connection."""
    return ClientEntry(id=number, **fields)


def test_a_server_nobody_uses_may_be_loaded() -> None:
    """A primary without replicas, nobody else connected, and room for twice what is needed."""
    assert [] == said()


@pytest.mark.parametrize(
    "endpoint",
    [
        HERE,
        Endpoint(host="127.8.9.10", port=1),
        Endpoint(host="::1", port=1),
        Endpoint(host="::ffff:127.0.0.1", port=1),
        Endpoint(host="localhost", port=1),
        Endpoint(path="/run/valkey.sock"),
    ],
)
def test_a_server_on_this_machine_may_be_loaded_whatever_it_does(endpoint: Endpoint) -> None:
    """By any address of loopback, or a unix socket."""
    assert endpoint.is_local
    assert [] == said(BUSY, None, endpoint)
    assert 3 == len(said(BUSY, None))


@pytest.mark.parametrize(
    "host",
    ["10.0.0.1", "localhost.example", "", "0.0.0.0", "::", "::ffff:10.0.0.1", "127.1"],  # noqa: S104 - nobody binds it
)
def test_what_is_not_surely_this_machine_is_another(host: str) -> None:
    """A name that only begins like it, the address of everywhere, and short spellings."""
    assert not is_loopback(host)
    assert not Endpoint(host=host, port=1).is_local


def test_a_cluster_is_here_when_every_node_is() -> None:
    """One that was asked on loopback may announce nodes of other machines."""
    nodes = (Node(endpoint=HERE, slots=1), Node(endpoint=ELSEWHERE, slots=1))
    assert replace(HERE, nodes=nodes[:1]).is_local
    assert not replace(HERE, nodes=nodes).is_local


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (replace(QUIET, connected_slaves=1), "1 replica of it is connected"),
        (replace(QUIET, connected_slaves=2), "2 replicas of it are connected"),
        (replace(QUIET, role="slave"), "it is a replica of another server"),
    ],
)
def test_a_replicated_server_is_in_use(facts: ServerFacts, reason: str) -> None:
    """Nobody has replicas for nothing."""
    assert [reason] == said(facts)


def test_other_clients_are_shown_by_name_and_address() -> None:
    """The most numerous first, five kinds at most; replication's own connections are no clients."""
    web = [other(n, name="web", address="10.0.0.7") for n in range(3)]
    jobs = [other(10, library="redis-py", address="10.0.0.8"), other(11)]
    links = [other(20, role=Role.REPLICA), other(21, role=Role.PRIMARY)]
    (reason,) = said(others=[*jobs, *links, *web])
    assert reason == (
        "5 other clients are connected: 3 × web from 10.0.0.7, 1 × redis-py from 10.0.0.8, "
        "1 × no name from somewhere"
    )
    many = [other(n, name=f"n{n}", address="h") for n in range(8)]
    (reason,) = said(others=many)
    assert reason.endswith("1 × n4 from h, and 3 more kinds")


def test_what_clients_call_themselves_cannot_touch_the_terminal() -> None:
    """A name is whatever somebody sent."""
    (reason,) = said(others=[other(1, name="\x1b[2J", address="h\n")])
    assert reason.isprintable()


def test_who_may_not_be_listed_is_counted() -> None:
    """By INFO, ourselves left out; where nothing is told, that is a reason to ask."""
    assert ["6 other clients are connected"] == said(replace(QUIET, connected_clients=7), None)
    assert [] == said(QUIET, None)
    (reason,) = said(replace(QUIET, connected_clients=None), None)
    assert "is not known" in reason


@pytest.mark.parametrize(
    ("maxclients", "connected", "asks"),
    [(104, 1, False), (103, 1, True), (105, 2, False), (200, 97, False), (200, 98, True)],
)
def test_no_more_than_half_of_what_is_left_is_taken_unasked(
    maxclients: int, connected: int, *, asks: bool
) -> None:
    """Fifty connections and our two: 104 must be free. What others hold is not."""
    facts = replace(QUIET, maxclients=maxclients, connected_clients=connected)
    reasons = said(facts)
    assert asks == bool(reasons)
    if asks:
        assert "52 connections would be opened of the 103 it has left" in reasons[0]
        assert reasons[0].endswith(": 51")


def test_what_cannot_be_held_against_a_limit_is_asked() -> None:
    """Managed services need not tell maxclients."""
    (reason,) = said(replace(QUIET, maxclients=None))
    assert "not known (maxclients); 52 would be opened" in reason


def test_each_node_of_a_cluster_is_looked_at() -> None:
    """What speaks against it is said with the node it is about; the remedy once, at the end."""
    nodes = (replace(QUIET, address="a"), replace(BUSY, address="b", connected_slaves=0))
    found = cautions(ELSEWHERE, replace(QUIET, nodes=nodes), [(), [other(1, name="x")]], PLAN)
    assert ["b", "b"] == [problem.place for problem in found]
    assert [False, True] == ["--yes" in problem.remedy for problem in found]


def test_without_a_yes_nothing_is_loaded() -> None:
    """Nobody is asked when nothing speaks against it; nobody's yes is a no."""
    found = [Problem("h", "it is in use", "add --yes")]
    check_consent([], nobody)
    check_consent(found, lambda problems: problems == found)
    with pytest.raises(ScenarioError, match="it is in use; add --yes"):
        check_consent(found, nobody)
