"""A task cancelled anywhere on its way leaves no connection taken and none half open."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import pytest

from tests.load.fakes import NOTHING, VALUE, fake_server, is_setup, to_commands, usual
from tests.load.loads import few_handlers
from tests.server.processes import wait_until
from valkeybench.load.async_asking import make_asker, make_pool
from valkeybench.load.ledger import Shared, TaskLedger
from valkeybench.scenario.model import Driver, Pool
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.load.authorities import Authority
    from tests.load.fakes import Answer, Words
    from valkeybench.load.async_pools import AnyPool
    from valkeybench.scenario.model import Case

pools = pytest.mark.parametrize("pool", [Pool.RAISING, Pool.BLOCKING, Pool.FAIR])


def one_connection(pool: Pool, **changes: object) -> Case:
    """Make a case of one connection without timeouts."""
    timeless = {"socket_timeout_ns": None, "connect_timeout_ns": None, "pool_timeout_ns": None}
    return few_handlers(driver=Driver.ASYNCIO, pool=pool, max_connections=1, **timeless | changes)


class Stage:
    """A pool and those who ask over it, within one event loop."""

    def __init__(self, case: Case, endpoint: Endpoint) -> None:
        self.ledger = TaskLedger(Shared(), rtt_ns=case.rtt_ns)
        self.pool: AnyPool = make_pool(case, endpoint, self.ledger)
        self._case, self._endpoint = case, endpoint

    def ask(self) -> asyncio.Task[Any]:
        """Have a task ask for something."""
        asker = make_asker(self._case, self._endpoint, self.pool, self.ledger)
        return asyncio.create_task(asker.ask("GET", "key"))

    def assert_free(self, *, still_open: int) -> None:
        """Check that nobody has a connection, and how many there are."""
        assert 0 == len(self.pool.watched)
        assert still_open == self.ledger.shared.open


async def until(is_so: Callable[[], bool]) -> None:
    """Wait for something to be so, without holding the loop up."""
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - servers in threads set no event
            await asyncio.sleep(0.001)


async def cancel(task: asyncio.Task[Any]) -> None:
    """Cancel a task and see it end."""
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def play(case: Case, endpoint: Endpoint, scene: Callable[[Stage], Awaitable[None]]) -> None:
    """Play a scene, and close the pool after it."""

    async def whole() -> None:
        stage = Stage(case, endpoint)
        await scene(stage)
        await stage.pool.disconnect()
        stage.assert_free(still_open=0)

    asyncio.run(whole())


@pytest.mark.parametrize("pool", [Pool.BLOCKING, Pool.FAIR])
def test_while_waiting_for_the_pool(pool: Pool) -> None:
    """Who gives up waiting takes nothing along; the next gets the connection."""
    answers: list[Answer] = [NOTHING]
    with fake_server(lambda words, n: usual(words, n) if is_setup(words) else answers[0]) as server:

        async def scene(stage: Stage) -> None:
            holder = stage.ask()
            await until(lambda: 1 == server.count(lambda words: not is_setup(words)))
            waiters = [stage.ask() for _ in range(3)]
            await asyncio.sleep(0.01)
            await cancel(waiters[1])
            await cancel(waiters[0])
            await cancel(holder)
            # It was in the middle of a reply, so its connection is gone; the last one opens it.
            await until(lambda: 2 == server.count(lambda words: not is_setup(words)))
            await cancel(waiters[2])
            stage.assert_free(still_open=0)
            answers[0] = VALUE
            assert b"x" == await stage.ask()
            stage.assert_free(still_open=1)

        play(one_connection(pool), server.endpoint, scene)


@pools
def test_while_waiting_for_a_reply(pool: Pool) -> None:
    """A connection with a reply still to come is closed, not handed to somebody else."""
    with fake_server(to_commands(NOTHING)) as server:

        async def scene(stage: Stage) -> None:
            for turn in range(1, 4):
                task = stage.ask()
                await until(lambda n=turn: n == server.count(lambda w: not is_setup(w)))  # type: ignore[misc]  # a lambda's default
                await cancel(task)
                stage.assert_free(still_open=0)

        play(one_connection(pool), server.endpoint, scene)
        wait_until(lambda: 0 == server.connected)


@pools
def test_while_shaking_hands(pool: Pool) -> None:
    """A connection that was not introduced is closed."""

    def silent(_words: Words, _number: int) -> Answer:
        return NOTHING

    with fake_server(silent) as server:

        async def scene(stage: Stage) -> None:
            task = stage.ask()
            await until(lambda: 1 == len(server.heard))
            await cancel(task)
            await until(lambda: 0 == server.connected)
            stage.assert_free(still_open=0)

        play(one_connection(pool), server.endpoint, scene)


@pools
def test_while_connecting_over_a_distance(pool: Pool) -> None:
    """A connection that is there but not introduced must not pass for one that is."""
    with fake_server() as server:

        async def scene(stage: Stage) -> None:
            task = stage.ask()
            await until(lambda: 1 == server.connections)
            await asyncio.sleep(0.01)
            await cancel(task)
            await until(lambda: 0 == server.connected)
            stage.assert_free(still_open=0)
            assert 0 == len(server.heard)

        play(one_connection(pool, rtt_ns=60 * SECOND), server.endpoint, scene)


@pools
def test_while_negotiating(pool: Pool, authority: Authority) -> None:
    """A connection that got no further than TCP is closed and counted so."""
    with socket.create_server(("127.0.0.1", 0)) as listener:  # it never says a word of TLS
        plain = Endpoint(host="127.0.0.1", port=listener.getsockname()[1], tls=True)

        async def scene(stage: Stage) -> None:
            task = stage.ask()
            await until(lambda: 1 == stage.ledger.shared.open)
            await cancel(task)
            stage.assert_free(still_open=0)

        play(one_connection(pool), authority.trusted(plain), scene)
        caller, _ = listener.accept()
        with caller:
            caller.settimeout(10)
            while caller.recv(1 << 16):  # until it hangs up
                pass
