"""A server that is watched is asked little, and what is said of its clients is true."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

import pytest
import redis

from tests.server.processes import client, wait_until
from valkeybench.analysis.observing import Findings, Usage, Verdict, Wish, judge
from valkeybench.errors import ScenarioError, ServerError
from valkeybench.measurement.client_list import Role
from valkeybench.measurement.looking import MOST_SHARE, Pace, Watched
from valkeybench.scenario.secret import Secret
from valkeybench.server.client_watch import watch_clients
from valkeybench.server.embedded import embedded_server
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.server.endpoint import Endpoint

READ_ONLY = {"client|list", "client|id", "client|setname", "info", "ping", "auth"}
"""All we ever say; the name is our own connection's."""
HANDLERS, POOL = 3, 20


class Told:
    """Keeps what a watcher is told, and may do something at each look."""

    def __init__(self, then: Callable[[int], object] = lambda _: None) -> None:
        self.looks: list[tuple[int, int]] = []
        self.connected: int | None = None
        self._then = then

    def watching(self, endpoint: Endpoint, facts: ServerFacts, pace: Pace) -> None:
        """Keep how many clients there were."""
        del endpoint, pace
        self.connected = facts.connected_clients

    def looked(self, *, clients: int, looks: int, lasted_ns: int, cost_ns: int) -> None:
        """Keep it."""
        assert 0 < cost_ns
        assert (looks == 1) == (lasted_ns == 0)
        self.looks.append((looks, clients))
        self._then(looks)


def pace(
    lasts_ns: int = SECOND, interval_ns: int = 200 * MILLISECOND, most_clients: int = 1000
) -> Pace:
    """Look five times in a second."""
    return Pace(lasts_ns=lasts_ns, interval_ns=interval_ns, most_clients=most_clients)


class Busy:
    """Handlers that share a redis-py pool, all of them always holding a connection at once.

    It counts what it holds itself: at most at once, and on average.
    """

    def __init__(self, pool: redis.ConnectionPool, handlers: int) -> None:
        # Whether a round is the last is settled once for all, while everybody waits.
        self._pool, self._meet = pool, threading.Barrier(handlers, action=self._settle)
        self._is_last = False
        self._over, self._lock = threading.Event(), threading.Lock()
        self._held = self.most = 0
        self._since, self._begun, self._area = (time.perf_counter(),) * 2 + (0.0,)
        self._threads = [threading.Thread(target=self._handle) for _ in range(handlers)]

    def __enter__(self) -> Self:
        """Begin."""
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End, all handlers at the same round."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def mean(self) -> float:
        """Give the mean number of connections held."""
        return self._area / (self._since - self._begun)

    def _handle(self) -> None:
        while True:
            connection = self._pool.get_connection()
            self._change(1)
            self._meet.wait()
            is_last = self._is_last
            connection.send_command("GET", "key")  # type: ignore[no-untyped-call]
            connection.read_response()
            self._change(-1)
            self._pool.release(connection)
            if is_last:
                return
            time.sleep(0.001)

    def _settle(self) -> None:
        self._is_last = self._over.is_set()

    def _change(self, by: int) -> None:
        with self._lock:
            now = time.perf_counter()
            self._area += self._held * (now - self._since)
            self._held, self._since = self._held + by, now
            self.most = max(self.most, self._held)


@pytest.fixture(scope="module")
def observed() -> Iterator[tuple[Findings, Busy, dict[str, Any], Told]]:
    """Watch a server with a busy pool, an idle one, a subscriber, a waiter and a monitor."""
    with embedded_server() as endpoint, ExitStack() as stack:
        busy = stack.enter_context(opened_pool(endpoint, "web", POOL))
        stack.enter_context(opened_pool(endpoint, "reports", 7))
        subscriber = stack.enter_context(closing(named(endpoint, "news").pubsub()))  # type: ignore[no-untyped-call]
        subscriber.subscribe("channel")
        monitor = stack.enter_context(closing(named(endpoint, "ops")))
        stack.enter_context(monitor.monitor())  # type: ignore[no-untyped-call]
        stack.enter_context(waiting(named(endpoint, "jobs"), endpoint))
        with closing(client(endpoint)) as admin:
            admin.config_resetstat()
        with Busy(busy, HANDLERS) as handlers:
            told = Told()
            seen = watch_clients(endpoint, pace(interval_ns=500 * MILLISECOND), told)
        with closing(client(endpoint)) as admin:
            stats = admin.info("commandstats")
        yield judge(seen, Wish()), handlers, stats, told


@contextmanager
def opened_pool(endpoint: Endpoint, name: str, size: int) -> Iterator[redis.ConnectionPool]:
    """Open a whole pool, as one does that is filled in advance; close it in the end."""
    kwargs: dict[str, Any] = endpoint.connection_kwargs() | {"client_name": name}
    pool = redis.ConnectionPool(max_connections=size, **kwargs)
    for connection in [pool.get_connection() for _ in range(size)]:
        pool.release(connection)
    yield pool
    pool.disconnect()


def named(endpoint: Endpoint, name: str) -> redis.Redis:
    """Make a client of a name."""
    kwargs: dict[str, Any] = endpoint.connection_kwargs() | {"client_name": name}
    return redis.Redis(**kwargs)


@contextmanager
def waiting(worker: redis.Redis, endpoint: Endpoint) -> Iterator[None]:
    """Let a client wait in BLPOP, and in the end give it what it waits for."""
    thread = threading.Thread(target=worker.blpop, args=("queue", 0))
    thread.start()
    with closing(client(endpoint)) as admin:
        wait_until(lambda: admin.info("clients")["blocked_clients"] == 1)
    with closing(worker):
        yield
        with closing(client(endpoint)) as admin:
            admin.rpush("queue", "1")
        thread.join()


def by_name(findings: Findings) -> dict[str, Usage]:
    """Give what was found by the application's name."""
    return {each.application.name: each for each in findings.usages}


Observed = tuple[Findings, Busy, dict[str, Any], Told]


def test_who_holds_and_who_uses_is_exact(observed: Observed) -> None:
    """Three of twenty in the busy pool, none of seven in the idle one."""
    found = by_name(observed[0])
    web, reports = found["web"], found["reports"]
    assert ("redis-py", redis.__version__) == (web.application.library, web.application.version)
    assert (POOL, HANDLERS, 1, 0) == (web.held, web.used, web.addresses, web.waiting)
    assert (7, 0, 0.0) == (reports.held, reports.used, reports.rate)
    assert (Verdict.SHRINK, 4, POOL - 4) == (web.need.verdict, web.need.pool, web.need.frees)
    assert (Verdict.IDLE, 7) == (reports.need.verdict, reports.need.frees)


def test_what_is_in_use_is_within_what_the_client_counted_itself(observed: Observed) -> None:
    """The mean between its bounds, the most at once between its own."""
    web, handlers = by_name(observed[0])["web"], observed[1]
    least, most = web.in_use.least, web.in_use.most
    assert least is not None
    assert most is not None
    assert least <= handlers.mean <= most
    assert web.in_use.estimate is not None
    assert least <= web.in_use.estimate <= most
    assert web.at_once_least <= handlers.most <= web.at_once_most
    assert (HANDLERS, HANDLERS) == (web.at_once_least, web.at_once_most)


def test_the_command_rate_is_the_server_s_own_count(observed: Observed) -> None:
    """Within what the handlers sent before the first look and after the last."""
    findings, _, stats, _ = observed
    web = by_name(findings)["web"]
    assert web.rate is not None
    sent = web.rate * findings.watched.clients.lasted_ns / SECOND
    assert 0 < sent <= stats["cmdstat_get"]["calls"]


def test_those_that_wait_or_belong_to_nobody_are_told_apart(observed: Observed) -> None:
    """A subscriber and a worker in BLPOP are no idle pools; a monitor is no application."""
    found = by_name(observed[0])
    assert {"web", "reports", "news", "jobs"} == found.keys()
    assert [(1, 1), (1, 1)] == [(found[n].held, found[n].waiting) for n in ("news", "jobs")]
    assert {Role.MONITOR: 1} == observed[0].watched.clients.others


def test_we_are_not_among_them(observed: Observed) -> None:
    """What was listed is what the server counts, less our own connection."""
    findings, _, _, told = observed
    assert told.connected is not None
    assert told.connected - 1 == told.looks[-1][1]
    assert 1 == findings.watched.own_connections


def test_nothing_but_looking_is_said(observed: Observed) -> None:
    """By the server's own statistics: what was not the handlers' or the tests' is read-only."""
    _, _, stats, told = observed
    theirs = {"get", "hello", "client|setinfo", "client|maint_notifications", "config|resetstat"}
    said = {name.removeprefix("cmdstat_") for name in stats}
    assert set() == said - theirs - READ_ONLY
    assert len(told.looks) == stats["cmdstat_client|list"]["calls"]


def test_looking_takes_less_than_the_share_it_may(observed: Observed) -> None:
    """And it is charged at least what the server says of it."""
    findings, _, stats, _ = observed
    watched = findings.watched
    ours = ("client|list", "client|id", "client|setname", "ping")
    told_us = sum(stats[f"cmdstat_{name}"]["usec"] for name in ours if f"cmdstat_{name}" in stats)
    assert watched.core_share is not None
    assert told_us * 1000 / watched.clients.lasted_ns <= watched.core_share <= MOST_SHARE
    assert watched.cost_is_told
    assert watched.longest_listing_ns


# --- when it cannot be, or ends early ---


@pytest.fixture
def guest(embedded: Endpoint) -> Iterator[Endpoint]:
    """Make a user who may use INFO and nothing else, and remove it."""
    with closing(client(embedded)) as admin:
        admin.acl_setuser("guest", enabled=True, reset=True, nopass=True, commands=["+info"])
        yield replace(embedded, username="guest", password=Secret("any"))
        admin.acl_deluser("guest")


def test_a_user_who_may_not_look_is_told_what_would_allow_it(
    guest: Endpoint, embedded: Endpoint
) -> None:
    """The remedy is an ACL line that works as it stands."""
    with pytest.raises(ServerError, match="may not use CLIENT LIST") as refused:
        watch_clients(guest, pace(), Told())
    line = refused.value.remedy.partition("ACL SETUSER ")[2].partition(" (")[0]
    assert line.startswith("guest +client|list ")
    with closing(client(embedded)) as admin:
        admin.execute_command("ACL", "SETUSER", *line.split())  # type: ignore[no-untyped-call]
    seen = watch_clients(guest, pace(), Told())
    assert 2 <= seen.clients.looks
    assert seen.cost_is_told
    assert seen.round_trip_ns is not None


def test_a_user_who_may_only_list_is_charged_by_our_clock(
    guest: Endpoint, embedded: Endpoint
) -> None:
    """Without INFO and PING much is unknown; without CLIENT ID we know ourselves by our name."""
    with closing(client(embedded)) as admin, closing(named(embedded, "web")) as web:
        web.get("key")
        admin.acl_setuser(
            "guest",
            enabled=True,
            reset=True,
            nopass=True,
            commands=["+client|list", "+client|setname"],
        )
        seen = watch_clients(guest, pace(), Told())
    assert not seen.cost_is_told
    assert (None, None, None) == (seen.round_trip_ns, seen.mean_command_ns, seen.longest_listing_ns)
    assert seen.core_share is not None
    assert MOST_SHARE >= seen.core_share
    assert "valkeybench-sampler" not in by_name(judge(seen, Wish()))
    assert 1 == by_name(judge(seen, Wish()))["web"].held


def test_too_many_clients_are_not_listed(embedded: Endpoint) -> None:
    """Before the first listing, with the flag that allows it."""
    with closing(named(embedded, "web")) as web:
        web.get("key")
        with pytest.raises(ScenarioError, match="--max-clients: the server has"):
            watch_clients(embedded, pace(most_clients=1), Told())


def test_ctrl_c_ends_it_with_what_was_seen(embedded: Endpoint) -> None:
    """After the third look of many."""

    def interrupt(looks: int) -> None:
        if looks == 3:
            raise KeyboardInterrupt

    seen = watch_clients(embedded, pace(600 * SECOND), Told(interrupt))
    assert (3, True) == (seen.clients.looks, seen.was_interrupted)


def test_a_server_that_goes_away_leaves_what_was_seen() -> None:
    """And the reason why there is no more."""
    with ExitStack() as stack:
        endpoint = stack.enter_context(embedded_server())

        def kill(looks: int) -> None:
            assert endpoint.pid is not None
            if looks == 2:
                os.kill(endpoint.pid, signal.SIGKILL)

        seen: Watched = watch_clients(endpoint, pace(600 * SECOND), Told(kill))
        with pytest.raises(ServerError, match="died"):
            stack.close()
    assert 2 == seen.clients.looks
    assert "nobody listens there" in seen.lost
