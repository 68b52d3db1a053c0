"""A connection that breaks at any point of its life costs the command that needed it, no more."""

from __future__ import annotations

import socket
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.faults.aftermath import nothing_left_here
from tests.faults.driving import drive_until, enough, every_driver
from tests.faults.proxy import (
    CUT,
    HALF_A_REPLY,
    HALF_A_REPLY_THEN_SILENCE,
    HALF_A_REQUEST,
    SILENCE,
    EveryNth,
    proxied,
)
from tests.load.loads import few_handlers
from tests.server.processes import on_linux
from tests.server.started import make_papers, started
from valkeybench.measurement.metrics import FailureKind
from valkeybench.scenario.model import Pool
from valkeybench.server.embedded import embedded_server
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.proxy import Fault, Proxy
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.scenario.model import Driver

pytestmark = on_linux

SHORT_NS = 50 * MILLISECOND


@pytest.fixture(scope="module")
def plain() -> Iterator[Endpoint]:
    """Give a server that nobody harms."""
    with embedded_server() as endpoint:
        yield endpoint


def assert_each_cost_one(proxy: Proxy, seen: Measurement, kind: FailureKind) -> None:
    """See that every fault made one command fail, that kind and no other, and others went on."""
    assert {kind} == set(seen.failures)
    # What a fault befell as the window closed is unfinished.
    assert proxy.struck <= seen.failed + seen.unfinished
    if kind is not FailureKind.TIMEOUT:  # which a slow machine causes, too
        assert seen.failed <= proxy.struck


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Where in the life of a connection it is cut, and how that is to be counted."""

    name: str
    """The command it befalls."""
    fault: Fault
    kind: FailureKind = FailureKind.RESET
    protocol: int = 3


CUTS = {
    "before HELLO": Cut(name="HELLO", fault=CUT),
    "amid HELLO": Cut(name="HELLO", fault=HALF_A_REQUEST),
    "amid the reply to HELLO": Cut(name="HELLO", fault=HALF_A_REPLY),
    "before AUTH": Cut(name="AUTH", fault=CUT, protocol=2),
    "amid the reply to AUTH": Cut(name="AUTH", fault=HALF_A_REPLY, protocol=2),
    "amid a request": Cut(name="GET", fault=HALF_A_REQUEST),
    "amid a reply": Cut(name="GET", fault=HALF_A_REPLY),
    "silence after HELLO": Cut(name="HELLO", fault=SILENCE, kind=FailureKind.TIMEOUT),
    "silence after a request": Cut(name="GET", fault=SILENCE, kind=FailureKind.TIMEOUT),
    "silence amid a reply": Cut(
        name="GET", fault=HALF_A_REPLY_THEN_SILENCE, kind=FailureKind.TIMEOUT
    ),
}


@pytest.mark.parametrize("where", CUTS)
@every_driver
def test_a_connection_that_is_cut_costs_one_command(
    plain: Endpoint, driver: Driver, where: str
) -> None:
    """Each is one failure by its kind; the others, before and after, are not touched by it."""
    cut = CUTS[where]
    timeout: dict[str, Any] = (
        {"socket_timeout_ns": SHORT_NS} if cut.kind is FailureKind.TIMEOUT else {}
    )
    # What comes of a connection's introduction shows where every command needs one.
    pool = Pool.BLOCKING if cut.name == "GET" else Pool.NONE
    case = few_handlers(driver=driver, pool=pool, protocol=cut.protocol, **timeout)
    with nothing_left_here(), proxied(plain) as proxy:
        proxy.rule = EveryNth(cut.name, cut.fault)
        seen = drive_until(enough, case, proxy.endpoint)
        assert_each_cost_one(proxy, seen, cut.kind)
        assert proxy.connections == seen.opened.connections


@every_driver
def test_a_connection_that_is_reset_as_soon_as_it_is_there(plain: Endpoint, driver: Driver) -> None:
    """As a port behind a dead balancer does: TCP is there, and gone at the first word."""
    with nothing_left_here(), proxied(plain) as proxy:
        proxy.refuses = lambda number: number % 3 == 2
        seen = drive_until(enough, few_handlers(driver=driver, pool=Pool.NONE), proxy.endpoint)
        assert_each_cost_one(proxy, seen, FailureKind.RESET)


@every_driver
def test_a_connection_that_nobody_takes(driver: Driver) -> None:
    """While TCP is still knocking: it ends at the connect timeout, and is counted as that."""
    with nothing_left_here(), ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        where = listener.getsockname()
        for _ in range(2):  # those who have a place in the queue, which is then full
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(where)
        nobody = Endpoint(host=where[0], port=where[1])
        case = few_handlers(driver=driver, connect_timeout_ns=SHORT_NS)
        seen = drive_until(lambda seen: seen.failed > 0, case, nobody)
    assert {FailureKind.CONNECT_TIMEOUT} == set(seen.failures)
    assert (0, 0) == (seen.completed, seen.opened.connections)


@pytest.mark.tls
@every_driver
def test_a_connection_that_is_cut_while_negotiating(
    tmp_path_factory: pytest.TempPathFactory, driver: Driver
) -> None:
    """After the client's first words of TLS: the connection broke, whatever was said over it."""
    papers = make_papers(tmp_path_factory.mktemp("papers"))
    with started(papers=papers) as endpoint, nothing_left_here(), proxied(endpoint) as proxy:
        proxy.cuts_tls = lambda number: number % 3 == 2
        case = few_handlers(driver=driver, pool=Pool.NONE, tls=True)
        seen = drive_until(enough, case, proxy.endpoint)
        assert_each_cost_one(proxy, seen, FailureKind.RESET)
