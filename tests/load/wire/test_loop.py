"""The event loop and the connections on it: everybody is resumed, in time, and nothing is lost."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager, suppress
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

import pytest

from tests.load.authorities import make_authority
from valkeybench.load.wire.connections import Connection, TlsConnection
from valkeybench.load.wire.failure import TooLateError, WireError
from valkeybench.load.wire.loop import READABLE, Loop, Task
from valkeybench.load.wire.pool import FifoPool, Taker
from valkeybench.load.wire.replies import FEW, MANY
from valkeybench.load.wire.requests import SetupCommand, encode
from valkeybench.measurement.metrics import FailureKind
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from valkeybench.load.wire.loop import Steps


@contextmanager
def loop_running(least_patience_ns: int | None = None) -> Iterator[Loop]:
    """Give a loop, closed afterwards."""
    loop = Loop(least_patience_ns=least_patience_ns)
    try:
        yield loop
    finally:
        loop.close()


def spawn(loop: Loop, steps: Callable[[Taker], Steps]) -> Taker:
    """Begin a task that ends when these steps do."""
    task = Taker()

    def run() -> Steps:
        yield from steps(task)
        yield from loop.end(task)

    task.begins(run())
    loop.spawn(task)
    return task


def take(pool: FifoPool, taker: Taker) -> Steps:
    """Take a place of a pool, or wait for one."""
    if pool.free:
        pool.free.pop()
    else:
        yield from pool.wait(taker)


def test_pauses_end_in_order_and_never_early() -> None:
    """Whoever paused less goes on first, whatever the order they began in."""
    ended: list[tuple[int, bool]] = []

    def pausing(lasts: int) -> Callable[[Task], Steps]:
        def steps(task: Task) -> Steps:
            until = clock() + lasts
            yield from loop.pause(task, until)
            ended.append((lasts, clock() >= until))

        return steps

    lengths = [12 * MILLISECOND, 300_000, 4 * MILLISECOND, 0]
    with loop_running() as loop:
        for lasts in lengths:
            spawn(loop, pausing(lasts))
        assert () == loop.run()
    assert [(lasts, True) for lasts in sorted(lengths)] == ended


def test_who_is_always_ready_keeps_nobody_from_their_turn() -> None:
    """A task that asks to go on at once goes on once in each turn."""
    order = []

    def eager(task: Task) -> Steps:
        for _ in range(3):
            order.append("eager")
            loop.soon(task.resume)
            yield

    def patient(task: Task) -> Steps:
        yield from loop.pause(task, clock())
        order.append("patient")

    with loop_running() as loop:
        spawn(loop, eager)
        spawn(loop, patient)
        loop.run()
    assert ["eager", "patient"] == order[:2]


def test_a_pool_serves_in_the_order_of_asking() -> None:
    """However often they come back, takers get their place by turns."""
    served: list[int] = []

    def taker(number: int) -> Callable[[Taker], Steps]:
        def steps(task: Taker) -> Steps:
            for _ in range(3):
                yield from take(pool, task)
                served.append(number)
                yield from loop.pause(task, clock() + MILLISECOND // 2)
                pool.give_up()

        return steps

    with loop_running() as loop:
        pool = FifoPool(1, loop, waits=True, timeout_ns=None)
        for number in range(4):
            spawn(loop, taker(number))
        loop.run()
    assert [0, 1, 2, 3] * 3 == served


@pytest.mark.parametrize(
    ("waits", "kind"), [(True, FailureKind.POOL_TIMEOUT), (False, FailureKind.POOL_EXHAUSTED)]
)
def test_who_gets_no_place_is_told(*, waits: bool, kind: FailureKind) -> None:
    """At once, or when the time is over; and leaves the queue, so that no place is lost on it."""
    told: list[FailureKind] = []

    def holder(task: Taker) -> Steps:
        yield from take(pool, task)
        yield from loop.pause(task, clock() + 20 * MILLISECOND)
        pool.give_up()

    def late(task: Taker) -> Steps:
        try:
            yield from take(pool, task)
        except WireError as error:
            told.append(error.kind)

    with loop_running() as loop:
        pool = FifoPool(1, loop, waits=waits, timeout_ns=5 * MILLISECOND)
        for steps in (holder, late, late):
            spawn(loop, steps)
        loop.run()
    assert [kind, kind] == told
    assert [None] == pool.free


def test_patience_ends_when_it_ends() -> None:
    """Each task is told by its own patience; who waits for nothing never is."""
    told = []

    def waiting(patience: int) -> Callable[[Task], Steps]:
        def steps(task: Task) -> Steps:
            task.since, task.patience_ns = clock(), patience
            begun = task.since
            with pytest.raises(TooLateError):
                yield
            told.append((patience, begun + patience <= clock()))

        return steps

    def at_ease(task: Task) -> Steps:
        task.patience_ns = MILLISECOND
        yield from loop.pause(task, clock() + 30 * MILLISECOND)

    with loop_running(least_patience_ns=3 * MILLISECOND) as loop:
        for patience in (12 * MILLISECOND, 3 * MILLISECOND):
            spawn(loop, waiting(patience))
        spawn(loop, at_ease)
        loop.run()
    assert [(3 * MILLISECOND, True), (12 * MILLISECOND, True)] == told


def test_what_a_socket_has_no_room_for_is_sent_when_it_has() -> None:
    """A request larger than every buffer arrives whole."""
    request = encode(("SET", "key", "x" * 3_000_000))
    arrived = bytearray()
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(0)

    def sending(task: Task) -> Steps:
        loop.resumes[connection.descriptor] = task.resume
        sent = connection.send(request)
        assert sent < len(request)
        yield from connection.send_rest(request, sent)

    def reading(task: Task) -> Steps:
        loop.resumes[theirs.fileno()] = task.resume
        while len(arrived) < len(request):
            yield
            try:
                arrived.extend(theirs.recv(MANY))
            except BlockingIOError:
                continue

    with loop_running() as loop, ours, theirs:
        connection = Connection(ours, loop, set())
        loop.watch(theirs.fileno(), READABLE)
        spawn(loop, sending)
        spawn(loop, reading)
        assert () == loop.run(until=clock() + 20_000 * MILLISECOND)
    assert request == arrived


@pytest.mark.parametrize("value", [10, 100_000])
def test_a_goodbye_in_good_manners_ends_what_came_before_it(tmp_path: Path, value: int) -> None:
    """What was sealed before it is heard whole, and then the end, as often as one listens."""
    authority = make_authority(tmp_path)
    trusting = ssl.create_default_context(cafile=authority.trust.ca_certs)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = authority.context.wrap_bio(incoming, outgoing, server_side=True)
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.settimeout(0)

    with loop_running() as loop, ours, theirs:
        tls = TlsConnection(ours, loop, set(), context=trusting, name="127.0.0.1")
        for _ in tls.negotiate():
            with suppress(BlockingIOError):
                incoming.write(theirs.recv(MANY))
            with suppress(ssl.SSLWantReadError):
                server.do_handshake()
            theirs.send(outgoing.read())
        incoming.write(theirs.recv(MANY))
        server.do_handshake()
        server.write(b"x" * value)
        with pytest.raises(ssl.SSLWantReadError):
            server.unwrap()
        theirs.send(outgoing.read())
        theirs.close()
        heard = [b"nothing yet"]
        while heard[-1]:
            with suppress(BlockingIOError):
                heard.append(tls.receive(FEW))
    assert b"x" * value == b"".join(heard[1:])


def test_set_up_commands_do_not_show_what_they_say() -> None:
    """One of them holds a password."""
    shown = repr(SetupCommand("AUTH", encode(("AUTH", "word"))))
    assert "word" not in shown
