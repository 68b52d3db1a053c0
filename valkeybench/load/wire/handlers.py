"""A handler of the `wire` driver: what it does for a command, and the instants it notes.

Each instant is read from the clock when it happens, for every command: `begun` when it is due
and the handler is free, `held` when a connection is in hand, right before the request is
written, `replied` when the reply has been read and found whole and the connection is about to
be given back, `done` when it has been. Taking a free connection of the pool, and putting one
back that nobody waits for, is quicker than a look at the clock, which would measure itself:
then `held` is `begun`, and `done` is `replied`. Time that a reply waited in the kernel because
the loop was busy with others is part of `command`, as it is in any client.

A handler that is done begins on its next command in the next turn of the loop. So the loop hears
all replies that have come before it asks again: none of them waits for requests of others to be
written, and the server is given its work in one go, and woken for it once. A connection that
is for one command has one reply to give, which is there when all others have had their turn, if
they are many: it is looked for then, and only if it is not there the connection is watched.
"""

from __future__ import annotations

from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, cast

from valkeybench.load.ledger import OpeningNotes
from valkeybench.load.reply_code import reply_code
from valkeybench.load.wire.connections import Connection
from valkeybench.load.wire.failure import ErrorReplyError, WireError, failure_kind
from valkeybench.load.wire.pool import Taker
from valkeybench.load.wire.replies import Glance
from valkeybench.load.wire.requests import Together
from valkeybench.measurement.metrics import OPENING
from valkeybench.measurement.recorder import COMMAND_ROW, FAILED_ROW, KINDS, OPENED_ROW
from valkeybench.measurement.reply_codes import ReplyCodes
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from valkeybench.load.pace import Schedule
    from valkeybench.load.tally import Replies
    from valkeybench.load.wire.loop import Loop, Steps
    from valkeybench.load.wire.opening import Opened, Opener
    from valkeybench.load.wire.pool import FifoPool, Place
    from valkeybench.load.wire.replies import Reply
    from valkeybench.measurement.recorder import Recorder, Window
    from valkeybench.scenario.model import Case

    Beginning = Generator[None, None, int]

_KIND_NUMBER = {kind: number for number, kind in enumerate(KINDS)}


class Notebook:
    """A handler's rows, as the recorder wants them, kept until there is time to count them.

    Counting is put off because it would keep the loop from its sockets, and every command
    under way would seem slower than it was.
    """

    __slots__ = ("codes", "commands", "completed", "failed", "opened")

    def __init__(self) -> None:
        self.commands = bytearray()
        self.opened = bytearray()
        self.failed = bytearray()
        self.codes = ReplyCodes()
        self.completed = 0
        """How many commands were handed over that completed in the window."""

    @property
    def noted(self) -> int:
        """Give how many bytes of rows there are to be counted."""
        return len(self.commands) + len(self.opened) + len(self.failed)

    def hand_over(self, recorder: Recorder) -> None:
        """Let everything noted so far be counted, and begin afresh."""
        if self.commands:
            self.completed += recorder.record(bytes(self.commands))
        if self.opened:
            self.completed += recorder.record_opened(bytes(self.opened))
        if self.failed:
            recorder.record_failed(bytes(self.failed))
        recorder.count_codes(self.codes)
        for rows in (self.commands, self.opened, self.failed, self.codes):
            rows.clear()


class Thinking:
    """A closed load: a handler's next command is due when it has thought since the last."""

    is_open = False

    def __init__(self, pauses: Iterator[float]) -> None:
        self._pauses = pauses

    def due(self, done: int) -> int:
        """Give the instant it will have thought long enough."""
        return done + round(next(self._pauses) * SECOND)

    def give_up(self, due: int) -> None:
        """Let it be: what was not begun was not due."""


class OnSchedule:
    """An open load: a handler takes what is due next, whoever took the one before."""

    is_open = True

    def __init__(self, schedule: Schedule) -> None:
        self._take = schedule.take
        self.give_up = schedule.give_up

    def due(self, _: int) -> int:
        """Give the instant it is due."""
        return self._take()


class Handler(Taker):
    """One handler: waits until a command is due, sends it, notes what became of it.

    `pace` is None for a closed load without think time. Without a pool each command opens
    a connection and closes it.
    """

    __slots__ = (
        "_is_special", "_loop", "_notes", "_opener", "_pace", "_pool", "_replies", "_requests",
        "_rtt_ns", "_window", "batched", "due", "notebook", "reply",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913 - a handler brings all its parts together
        self,
        requests: Iterator[bytes],
        *,
        pace: Thinking | OnSchedule | None,
        pool: FifoPool | None,
        opener: Opener,
        loop: Loop,
        window: Window,
        replies: Replies | None,
        case: Case,
        batches: bool,
    ) -> None:
        super().__init__()
        self._is_special = batches or replies is not None or bool(case.rtt_ns)
        self.notebook = Notebook()
        self.reply: Reply = None
        self.batched = 0
        self.due = 0
        self.patience_ns = case.socket_timeout_ns
        self._requests = requests
        self._pace = pace
        self._pool = pool
        self._opener = opener
        self._loop = loop
        self._window = window
        self._replies = replies
        self._rtt_ns = case.rtt_ns
        self._notes = OpeningNotes()
        self.begins(self._run())

    def _run(self) -> Steps:  # noqa: C901, PLR0912, PLR0915 - the hot path
        """Send commands until the window closes; spelt out, as calls cost as much as the rest."""
        special, paced, closes = self._is_special, self._pace is not None, self._window.closes
        pool, resumes, resume, notes = self._pool, self._loop.resumes, self.resume, self._notes
        free, give = ([], Connection.close) if pool is None else (pool.free, pool.give)
        rows, pack, next_turn = self.notebook.commands, COMMAND_ROW.pack, self._loop.soon
        last, done = Glance(), clock()
        for request in self._requests:
            self.due = begun = clock()
            if paced:
                begun = yield from self._wait_until_due(done)
            if begun >= closes:
                break
            seen, held = len(free), begun
            connection: Place = None
            try:
                if free:
                    connection = free.pop()
                elif pool is not None:
                    connection = yield from pool.wait(self)
                    held = clock()
                if connection is not None:
                    resumes[connection.descriptor] = resume
                    self.since = held
                else:
                    connection = yield from self._open(held)
                    held = self.since
                if special:
                    yield from self._exchange(connection, request)
                else:
                    if (sent := connection.send(request)) < len(request):
                        yield from connection.send_rest(request, sent)
                    yield
                    try:
                        data = connection.receive(last.room)
                    except BlockingIOError:  # resumed without cause
                        data = None
                    alike = data and len(data) == last.length and data[last.head] == last.first_line
                    if not (alike or last.is_whole(data)):
                        yield from connection.read_rest(data)
                done = replied = clock()
                self.since = 0
                if pool is not None and not pool.waiters:
                    resumes[connection.descriptor] = connection.idle
                    free.append(connection)
                else:
                    give(connection)
                    done = clock()
            except (WireError, OSError) as error:
                done = self._fail(begun, seen, connection, error)
            else:
                if notes.connections:
                    self._note_opened(begun, held, replied, done, seen)
                else:
                    rows += pack(self.due, begun, held, replied, done, seen)
                if special:
                    self._look_into(request, done)
            next_turn(resume)
            yield
        yield from self._loop.end(self)

    def _exchange(self, connection: Connection, request: bytes) -> Steps:
        """Send a request and keep its reply: over an emulated distance, or of a batch, too."""
        if self._rtt_ns:
            yield from self._travel()
        if (sent := connection.send(request)) < len(request):
            yield from connection.send_rest(request, sent)
        if isinstance(request, Together):
            replies = yield from connection.read_all(request.replies)
            # What a transaction gives is what its last command gives.
            self.reply = replies[-1] if request.transaction else cast("list[object]", replies)
        else:
            self.reply = yield from connection.read_rest(None)

    def _look_into(self, request: bytes, done: int) -> None:
        """Count the reply, and the commands of a batch beyond the first."""
        if self._replies is not None:
            self._replies.count(self.reply)
        if isinstance(request, Together) and self._window.opens <= done < self._window.closes:
            self.batched += request.commands - 1

    def _wait_until_due(self, done: int) -> Beginning:
        """Wait until the next command is due or the window closes; give the instant it is."""
        pace, closes = cast("Thinking | OnSchedule", self._pace), self._window.closes
        due = pace.due(done)
        if due > done:
            yield from self._loop.pause(self, min(due, closes))
        begun = clock()
        if begun >= closes:
            pace.give_up(due)
        self.due = due if pace.is_open else begun
        return begun

    def _open(self, begun: int) -> Opened:
        """Open a connection, for the place in hand if there is a pool; `since` is when it was."""
        opening = self._opener.open(self, self._notes, begun=begun)
        return opening if self._pool is None else self._admit(opening, self._pool)

    def _admit(self, opening: Opened, pool: FifoPool) -> Opened:
        try:
            connection = yield from opening
        except BaseException:
            pool.lose()
            raise
        pool.admit(connection)
        return connection

    def _travel(self) -> Steps:
        """Wait as long as a network further away would make us."""
        self.since = 0  # which is no reason for impatience with the server
        yield from self._loop.pause(self, clock() + self._rtt_ns)
        self.since = clock()

    def _fail(
        self, begun: int, seen: int, connection: Connection | None, error: WireError | OSError
    ) -> int:
        """Note a failure; a connection is as good as before only if the server said what is wrong.

        Gives the instant the handler was done with it.
        """
        self.since = 0
        pool = self._pool
        if connection is not None:
            if pool is not None and isinstance(error, ErrorReplyError) and not error.is_farewell:
                pool.give(connection)
            else:
                connection.close()
                if pool is not None:
                    pool.lose()
        done = clock()
        if self._window.opens <= done < self._window.closes and (code := reply_code(error)):
            self.notebook.codes.count(code)
        what = self._notes.take()[len(OPENING) :]
        row = (self.due, begun, done, seen, _KIND_NUMBER[failure_kind(error)], *what)
        self.notebook.failed += FAILED_ROW.pack(*row)
        return done

    def _note_opened(self, begun: int, held: int, replied: int, done: int, seen: int) -> None:
        row = (self.due, begun, held, replied, done, seen, *self._notes.take())
        self.notebook.opened += OPENED_ROW.pack(*row)
