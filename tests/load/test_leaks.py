"""Every socket that is opened is closed, and counted so; no stuck handler holds a load up."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

import pytest
import redis

from tests.load.fakes import (
    HANG_UP,
    NOTHING,
    VALUE,
    Answer,
    FakeServer,
    Words,
    fake_server,
    is_setup,
    to_commands,
    usual,
)
from tests.load.loads import POLICIES, assert_adds_up, few_handlers, make_trial
from tests.server.processes import wait_until
from valkeybench.load import threads
from valkeybench.load.asking import connection_class, make_asker, make_pool
from valkeybench.load.connections import TimedConnection, TimedTlsConnection, TimedUnixConnection
from valkeybench.load.ledger import Ledger, Shared
from valkeybench.load.threads import ThreadsDriver
from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import Clients, Pool
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from tests.load.authorities import Authority
    from valkeybench.measurement.measurement import Measurement
    from valkeybench.server.endpoint import Endpoint

    Serve = Callable[[], AbstractContextManager[tuple[FakeServer, Endpoint]]]

PATIENCE_NS = 50 * MILLISECOND


@pytest.fixture(params=[TimedConnection, TimedUnixConnection, TimedTlsConnection])
def serve(request: pytest.FixtureRequest, tmp_path: Path, authority: Authority) -> Serve:
    """Give servers that each class of connection is the one to reach."""

    @contextmanager
    def start() -> Iterator[tuple[FakeServer, Endpoint]]:
        tls = authority.context if request.param is TimedTlsConnection else None
        path = str(tmp_path / "s") if request.param is TimedUnixConnection else None
        with fake_server(tls=tls, path=path) as server:
            endpoint = authority.trusted(server.endpoint)
            assert connection_class(endpoint) is request.param
            yield server, endpoint

    return start


@pytest.mark.parametrize("pool", [Pool.RAISING, Pool.BLOCKING, Pool.FAIR])
def test_closing_a_pool_closes_every_connection(serve: Serve, pool: Pool) -> None:
    """The ledger counts up as they are opened, and back to nothing; the server sees the same."""
    ledger = Ledger(Shared())
    with serve() as (server, endpoint):
        made = make_pool(few_handlers(pool=pool, max_connections=3), endpoint, ledger)
        taken = [made.get_connection() for _ in range(3)]
        assert 3 == ledger.shared.open == ledger.shared.open_max
        wait_until(lambda: 3 == server.connected)
        for connection in taken:
            made.release(connection)
        assert 3 == ledger.shared.open

        made.disconnect()
        assert 0 == ledger.shared.open
        wait_until(lambda: 0 == server.connected)
        made.disconnect()
        assert (0, 3) == (ledger.shared.open, ledger.shared.open_max)


@pytest.mark.parametrize("clients", [None, *Clients])
def test_asking_leaves_open_what_the_pool_holds_and_nothing_else(
    serve: Serve, clients: Clients | None
) -> None:
    """A client that goes away takes its own connection with it, and none of the pool's."""
    case = few_handlers(pool=Pool.NONE if clients is None else Pool.BLOCKING, clients=clients)
    ledger = Ledger(Shared())
    with serve() as (server, endpoint):
        pool = make_pool(case, endpoint, ledger) if case.pool.is_pooled else None
        asker = make_asker(case.meaningful(), endpoint, pool, ledger)
        for _ in range(3):
            assert b"x" == asker.ask("GET", "key")
            assert (0 if pool is None else 1) == ledger.shared.open
        assert (3 if pool is None else 1) == server.connections
        if pool is not None:
            pool.disconnect()
        assert 0 == ledger.shared.open
        wait_until(lambda: 0 == server.connected)


@pytest.mark.parametrize("pool", POLICIES)
def test_after_a_load_nothing_is_open_but_its_pool(embedded: Endpoint, pool: Pool) -> None:
    """However many connections handlers opened and closed, the count is right in the end."""
    driver = ThreadsDriver(make_trial(few_handlers(pool=pool)), embedded, process=0)
    seen = drive(driver)
    shared, made = driver._ledger.shared, driver._common  # noqa: SLF001 - its process ends with it
    assert (2 if pool.is_pooled else 0) == shared.open
    assert seen.open_max == shared.open_max
    if made is not None:
        made.disconnect()
    assert 0 == shared.open


@pytest.mark.parametrize(
    "answer", [HANG_UP, NOTHING, Answer(reply=b"-WRONGPASS no\r\n"), Answer(reply=b"?\r\n")]
)
def test_a_connection_that_cannot_be_set_up_is_closed(answer: Answer) -> None:
    """Whatever the server does to the first set-up command, no socket stays behind."""
    case = few_handlers(pool=Pool.BLOCKING, socket_timeout_ns=PATIENCE_NS)
    ledger = Ledger(Shared())
    with fake_server(lambda _words, _number: answer) as server:
        pool = make_pool(case, server.endpoint, ledger)
        for _ in range(3):
            with pytest.raises(redis.RedisError):
                pool.get_connection()
            assert 0 == ledger.shared.open
        assert 3 == ledger.notes.connections
        wait_until(lambda: 0 == server.connected)


def test_a_connection_found_cut_is_counted_as_closed() -> None:
    """The pool notices and opens another in its place: one open, two opened."""
    ledger = Ledger(Shared())
    with fake_server() as server:
        pool = make_pool(few_handlers(pool=Pool.RAISING), server.endpoint, ledger)
        connection = pool.get_connection()
        pool.release(connection)
        server.hang_up()
        wait_until(lambda: 0 == server.connected)
        assert pool.get_connection() is connection
        assert (1, 1, 2) == (
            ledger.shared.open,
            ledger.shared.open_max,
            ledger.notes.connections,
        )
        pool.disconnect()
    assert 0 == ledger.shared.open


# --- handlers that are stuck ---


class FallsSilent:
    """Answers a number of commands on each connection, and then never again."""

    def __init__(self, *, after: int) -> None:
        self._after = after
        self._asked: Counter[int] = Counter()

    def __call__(self, words: Words, number: int) -> Answer:
        """Answer as usual, or not at all."""
        if is_setup(words):
            return usual(words, number)
        self._asked[number] += 1
        return VALUE if self._asked[number] <= self._after else NOTHING


def drive(driver: ThreadsDriver) -> Measurement:
    """Have a driver drive a window that begins now."""
    driver.prewarm()
    opens = clock()
    return driver.drive(Window(opens, opens + 400 * MILLISECOND))


@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.RAISING])
def test_stuck_handlers_are_abandoned_and_what_they_did_before_counts(pool: Pool) -> None:
    """Each is one unfinished command of the age it has; the commands before it are not lost."""
    case = few_handlers(pool=pool, max_connections=3, socket_timeout_ns=None)
    with fake_server(FallsSilent(after=5)) as server:
        trial = make_trial(case)
        seen = drive(ThreadsDriver(trial, server.endpoint, process=0, grace_ns=PATIENCE_NS))
        asked = server.count(lambda words: not is_setup(words))

    assert (3, 3) == (seen.abandoned, seen.unfinished)
    assert 3 * 5 == seen.completed == seen.histograms[Phase.COMMAND].count
    assert 3 * 5 + 3 == asked == seen.attempted
    assert {} == seen.failures
    response = seen.histograms[Phase.RESPONSE]
    assert response.maximum is not None
    assert seen.window_ns // 4 < response.maximum <= seen.window_ns
    assert_adds_up(seen)


def test_who_gets_through_while_others_are_abandoned_is_counted_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Abandoned or through after all, each of three handlers is stuck in one command."""
    case = few_handlers(max_connections=3, socket_timeout_ns=None)
    abandon = threads._Handler.abandon  # noqa: SLF001 - what comes in between shows nowhere else

    others = set(threading.enumerate())
    with fake_server(to_commands(NOTHING)) as server:

        def abandon_and_let_go(handler: threads._Handler) -> None:
            abandon(handler)
            server.hang_up()
            for thread in set(threading.enumerate()) - others:
                if thread.daemon:  # as handlers are, and nobody else begun here
                    thread.join()

        trial = make_trial(case)
        driver = ThreadsDriver(trial, server.endpoint, process=0, grace_ns=PATIENCE_NS)
        monkeypatch.setattr(threads._Handler, "abandon", abandon_and_let_go)  # noqa: SLF001 - as above
        seen = drive(driver)
    assert (3, 3) == (seen.abandoned, seen.unfinished)
    assert (3, {}, 0) == (seen.attempted, seen.failures, seen.completed)
    assert_adds_up(seen)


def test_what_an_abandoned_handler_does_later_counts_no_more() -> None:
    """A measurement stays as it was given, whatever its handlers get through to afterwards."""
    case = few_handlers(max_connections=3, socket_timeout_ns=None)
    threads_before = threading.active_count()
    with fake_server(FallsSilent(after=1)) as server:
        trial = make_trial(case)
        driver = ThreadsDriver(trial, server.endpoint, process=0, grace_ns=PATIENCE_NS)
        seen = drive(driver)
        in_use, failed = seen.in_use.tolist(), seen.series.failed.tolist()
        assert threads_before < threading.active_count()
    # The server has hung up, which the handlers take for a failure each.
    wait_until(lambda: threading.active_count() <= threads_before)
    assert in_use == seen.in_use.tolist()
    assert failed == seen.series.failed.tolist()
