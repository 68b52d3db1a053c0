"""A pool of the bare wire that keeps itself full opens lost connections without being asked."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import redis

from tests.load.fakes import HANG_UP, NOTHING, fake_server, usual
from tests.load.loads import drive_here, make_trial
from tests.server.processes import wait_until
from valkeybench.measurement.measurement import Measurement
from valkeybench.measurement.metrics import Phase
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.model import Case, Distribution, Driver, Pool, ServerSettings, Think
from valkeybench.server.session import open_servers
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.load.fakes import Answer, Words
    from tests.load.loads import AnyClient
    from valkeybench.server.serving import Serving

SIZE = 30
SPREAD = 300 * MILLISECOND


@pytest.fixture(scope="module")
def both_ways() -> Iterator[Serving]:
    """Give a server with and without TLS."""
    with open_servers(ServerSettings(), maxclients_needed=200, tls=(False, True)) as serving:
        yield serving


def keeps_full(within_ns: int | None, **changes: Any) -> Case:  # noqa: ANN401 - any attribute of a case
    """Make a case whose one handler hardly asks: what is opened, nobody asked for."""
    usual: dict[str, Any] = {
        "driver": Driver.WIRE,
        "pool": Pool.FAIR,
        "max_connections": SIZE,
        "concurrency": 1,
        "think": Think(100 * MILLISECOND, Distribution.CONSTANT),
        "disturb": Disturbance(Deed.KILL_CLIENTS),
        "reconnect_within_ns": within_ns,
    }
    return Case(**usual | changes).meaningful()


def gets(client: AnyClient) -> int:
    """Count the GETs the server has heard."""
    return int(client.info("commandstats").get("cmdstat_get", {}).get("calls", 0))


def killed_in_the_middle(serving: Serving, case: Case) -> tuple[Measurement, int]:
    """Drive a case and close all its connections after a while; give how many they were."""
    trial = make_trial(case, lasts_ns=SECOND)
    counts: list[int] = []

    def kill() -> None:
        settings: dict[str, Any] = serving.endpoint().connection_kwargs()
        with redis.Redis(**settings) as client:
            before = gets(client)
            # The first command says that all connections are open, and the window, too.
            wait_until(lambda: before < gets(client))
            counts.append(client.execute_command("CLIENT", "KILL", "TYPE", "normal"))

    killer = threading.Thread(target=kill)
    killer.start()
    seen = drive_here(trial, serving.endpoint(tls=case.tls))
    killer.join()
    return seen, counts[0]


@pytest.mark.tls
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("within_ns", [0, SPREAD])
def test_all_that_was_lost_is_open_again(both_ways: Serving, within_ns: int, *, tls: bool) -> None:
    """As many as the server closed, each once; spread, some wait for most of the spread."""
    seen, killed = killed_in_the_middle(both_ways, keeps_full(within_ns, tls=tls))
    assert SIZE == killed == seen.reopened.size == seen.opened.connections
    assert SIZE == seen.open_max == seen.prewarmed.connections
    assert {} == dict(seen.reopening_failed)
    instants = seen.reopened.tolist()
    assert instants == sorted(instants)
    assert all(0 <= instant < SECOND for instant in instants)
    if within_ns:
        assert SPREAD / 2 < instants[-1] - instants[0]


def test_without_it_they_are_opened_when_they_are_wanted(both_ways: Serving) -> None:
    """The one handler wants one; the others stay away."""
    seen, killed = killed_in_the_middle(both_ways, keeps_full(None))
    assert SIZE == killed
    assert 1 == seen.opened.connections
    assert 0 == seen.reopened.size


def test_attempts_in_vain_are_counted_and_made_again() -> None:
    """A server that hangs up on three newcomers gets the fourth, before a handler wants it.

    All of them were connections, to the server as well.
    """

    def script(words: Words, number: int) -> Answer:
        if (number == 0 and words[0] == "GET") or (number in (1, 2, 3) and words[0] == "HELLO"):
            return HANG_UP
        return usual(words, number)

    case = keeps_full(0, max_connections=1)
    with fake_server(script) as server:
        seen = drive_here(make_trial(case, lasts_ns=SECOND), server.endpoint)
    assert ({"reset": 1}, {"reset": 3}) == (dict(seen.failures), dict(seen.reopening_failed))
    assert (1, 4) == (seen.reopened.size, seen.opened.connections)
    assert 4 == seen.series.opened.sum()
    said = seen.prewarmed.round_trips + seen.opened.round_trips
    assert sum(seen.setup.values()) == said
    assert 0 < seen.completed


def answers_only_the_first(words: Words, number: int) -> Answer:
    """Hang up on the first connection, and say nothing to the others."""
    if number == 0:
        return HANG_UP if words[0] == "GET" else usual(words, number)
    return NOTHING


def test_who_is_not_answered_waits_no_longer_than_a_handler_would() -> None:
    """However quickly the server let it in."""
    case = keeps_full(0, max_connections=1, socket_timeout_ns=100 * MILLISECOND)
    with fake_server(answers_only_the_first) as server:
        seen = drive_here(make_trial(case, lasts_ns=SECOND), server.endpoint)
    assert 1 < seen.reopening_failed["timeout"]
    assert 0 == seen.in_use_left


def test_one_that_is_still_being_opened_at_the_end_is_not_lost() -> None:
    """No handler has it, and none could have given it back."""
    case = keeps_full(0, max_connections=2, socket_timeout_ns=None)
    with fake_server(answers_only_the_first) as server:
        trial = make_trial(case, lasts_ns=SECOND, prewarm=False)
        seen = drive_here(trial, server.endpoint, grace_ns=50 * MILLISECOND)
    assert (1, 1) == (seen.in_use_left, seen.abandoned)


def test_what_is_lost_while_another_is_being_opened_is_opened_as_well() -> None:
    """No command has to wait for it: it is there when the handler wants the next one."""

    def script(words: Words, number: int) -> Answer:
        if number in (0, 1) and words[0] == "GET":
            return HANG_UP
        answer = usual(words, number)
        slow = number == 2 and words[0] == "HELLO"
        return replace(answer, after_ns=300 * MILLISECOND) if slow else answer

    with fake_server(script) as server:
        case = keeps_full(0, max_connections=2)
        seen = drive_here(make_trial(case, lasts_ns=SECOND), server.endpoint)
    assert {"reset": 2} == dict(seen.failures)
    assert 2 == seen.reopened.size == seen.opened.connections
    assert Phase.CONNECT not in seen.histograms


def test_what_is_open_again_adds_up_over_processes() -> None:
    """Instants in order, attempts in vain together."""
    one = Measurement(reopened=np.array([3, 9]), reopening_failed={"reset": 1})
    other = Measurement(reopened=np.array([5]), reopening_failed={"reset": 2, "tls": 1})
    assert [3, 5, 9] == (one + other).reopened.tolist()
    assert {"reset": 3, "tls": 1} == (one + other).reopening_failed
