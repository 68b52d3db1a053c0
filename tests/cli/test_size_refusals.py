"""A load for which no size is an answer is refused by the real search, with the cause and a remedy.

The model in tests/analysis refuses every kind; these are loads that provoke some of them on a
real server, where the first trial tells.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.cli.commandline import external, valkeybench
from tests.faults.proxy import SILENCE, Request, proxied

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.faults.proxy import Fault
    from valkeybench.server.endpoint import Endpoint

TRIES = 8
"""A busy machine may keep client or server from what saturates them."""


STALL_MS, STALL_EVERY_SECONDS = 60, 0.2
"""A server that holds all its clients up, again and again."""

SPELL_SECONDS = 1.6
"""How long it does so before it stops for as long."""


def searched(where: Path, *words: str, **variables: str) -> dict[str, Any]:
    """Search with short trials, and give the recommendation."""
    quick = ("--warmup", "200ms", "-q", "-o", "found.json")
    ended = valkeybench(where, "size", *words, *quick, **variables)
    assert 0 == ended.code, ended.err
    found: dict[str, Any] = json.loads((where / "found.json").read_text())["recommendations"][0]
    return found


@pytest.mark.parametrize(
    ("words", "causes", "remedy"),
    [
        (
            ("-c", "24", "--think", "0", "--duration", "500ms"),
            {"client_saturated", "no_think"},
            "--think",
        ),
        (
            ("-c", "60", "--think", "2ms", "--duration", "1s", "--driver", "asyncio"),
            {"client_saturated"},
            "--processes",
        ),
        (
            (
                *("-c", "40", "--think", "1ms", "--duration", "1s", "--value-size", "8MiB"),
                *("--command", "BITCOUNT key:{0..3}"),
            ),
            {"server_saturated"},
            "load off the server",
        ),
        (
            (
                *("-c", "20", "--think", "20ms", "--duration", "2s", "--value-size", "8MiB"),
                *("--command", "GETRANGE key:{0..1} 0 9 @97"),
                *("--command", "GETRANGE key:{0..1} 0 7000000 @3"),
            ),
            {"two_kinds"},
            "a pool of their own",
        ),
        (
            ("-c", "40", "--think", "2ms", "--rtt", "2ms", "--cap", "4", "--duration", "700ms"),
            {"cap"},
            "--cap",
        ),
        (
            ("-c", "20", "--think", "5ms", "--slo", "response.p99 < 30us", "--duration", "1s"),
            {"slo"},
            "limit",
        ),
    ],
    ids=["no think time", "client", "server", "two kinds", "cap", "slo"],
)
def test_no_size_is_named_for_a_load_that_has_none(
    tmp_path: Path, words: tuple[str, ...], causes: set[str], remedy: str
) -> None:
    """Verdict `no_size`, exit code 0, the cause for scripts, the remedy for people."""
    for _ in range(TRIES):
        found = searched(tmp_path, *words)
        if causes & set(found["evidence"].get("causes", ())):
            break
    assert causes & set(found["evidence"].get("causes", ())), found["reason"]
    assert ("no_size", None) == (found["verdict"], found["max_connections"])
    assert remedy in found["evidence"]["remedy"]


@contextmanager
def stalling(endpoint: Endpoint) -> Iterator[None]:
    """Let a server hold its clients up for a spell, and not for the next."""
    stop = Event()
    assert endpoint.password is not None
    password = endpoint.password.reveal()

    def stall() -> None:
        with redis.Redis(host=endpoint.host, port=endpoint.port, password=password) as client:
            while not stop.wait(STALL_EVERY_SECONDS):
                if int(monotonic() / SPELL_SECONDS) % 2:
                    client.execute_command("CLIENT", "PAUSE", STALL_MS, "ALL")

    thread = Thread(target=stall)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_no_size_is_named_where_a_load_does_not_hold_still(
    tmp_path: Path, embedded: Endpoint
) -> None:
    """A server that stalls at times makes runs of one pool that are nothing alike."""
    causes = {"unsteady", "repeats_disagree", "bursts", "two_kinds"}
    words = ("-c", "40", "--think", "15ms", "--rtt", "5ms", "--duration", "1s")
    for _ in range(TRIES):
        with stalling(embedded):
            found = searched(tmp_path, *words, **external(embedded))
        if causes & set(found["evidence"].get("causes", ())):
            break
    assert causes & set(found["evidence"].get("causes", ())), found["reason"]
    assert ("no_size", None) == (found["verdict"], found["max_connections"])
    assert "--slo" in found["evidence"]["remedy"]


def leaves_every_other_waiting(request: Request) -> Fault | None:
    """Answer the commands of one connection in two, as a broken load balancer does."""
    return SILENCE if request.name == "GET" and request.connection % 2 else None


@pytest.mark.parametrize("driver", ["threads", "asyncio"])
def test_no_size_is_named_where_handlers_starve_beside_others(
    tmp_path: Path, embedded: Endpoint, driver: str
) -> None:
    """Whoever holds a connection that hangs records nothing; no larger pool is advised for that."""
    words = ("-c", "20", "--think", "5ms", "--duration", "1500ms", "--driver", driver)
    with proxied(embedded) as proxy:
        proxy.rule = leaves_every_other_waiting
        found = searched(tmp_path, *words, **external(proxy.endpoint))
    assert ["starved"] == found["evidence"]["causes"]
    assert ("no_size", None) == (found["verdict"], found["max_connections"])
    assert "hardly completed anything" in found["reason"]
    assert "without an answer" in found["evidence"]["remedy"]
