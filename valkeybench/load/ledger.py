"""Counts what opening connections took: the slow path's notebook, one for each process.

Opening happens inside redis-py, deep below the handler that caused it; the notes it makes
on its way wait here, per handler, until the handler collects them.
"""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass
from time import sleep
from typing import TYPE_CHECKING, Any

from valkeybench.load.punctual import lateness_of_pauses_ns
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(slots=True)
class OpeningNotes:
    """What one handler's command had to open: nanoseconds by phase, and counts.

    Zero means that it did not happen. Field order is the order of an OPENED_ROW's tail.
    """

    construct: int = 0
    connect: int = 0
    tls_context: int = 0
    tls: int = 0
    handshake: int = 0
    connections: int = 0
    round_trips: int = 0
    tls_round_trips: int = 0
    refused: int = 0

    def take(self) -> tuple[int, ...]:
        """Give the notes in field order, and start afresh.

        Spelt out, because where every command opens a connection every command takes them.
        """
        taken = (
            self.construct, self.connect, self.tls_context, self.tls, self.handshake,
            self.connections, self.round_trips, self.tls_round_trips, self.refused,
        )  # fmt: skip
        self.construct = self.connect = self.tls_context = self.tls = self.handshake = 0
        self.connections = self.round_trips = self.tls_round_trips = self.refused = 0
        return taken


class Ledger(threading.local):
    """One process's notes on connections; each thread sees its own `notes`."""

    def __init__(self, shared: Shared, *, rtt_ns: int = 0) -> None:
        self.notes = OpeningNotes()
        self.shared = shared
        self._rtt_seconds = rtt_ns / SECOND
        """The emulated round trip of the network; 0 is none."""
        self._late_seconds = shared.pauses_end_late_seconds() if rtt_ns else 0.0

    def travel(self, round_trips: int = 1) -> None:
        """Wait as long as so many round trips take, no longer by what the system adds to pauses."""
        sleep(max(self._rtt_seconds * round_trips - self._late_seconds, 0.0))


class NodeLedger:
    """One node's share of a process's notes; what it counts is counted for the process as well."""

    def __init__(self, whole: Ledger) -> None:
        self._whole = whole
        self.shared = NodeShared(whole.shared)
        self.travel = whole.travel

    @property
    def notes(self) -> OpeningNotes:
        """Give the notes of the thread that asks."""
        return self._whole.notes


class TaskLedger:
    """The same for tasks: each sees its own `notes`."""

    def __init__(self, shared: Shared, *, rtt_ns: int = 0) -> None:
        self._notes: ContextVar[OpeningNotes] = ContextVar("notes")
        self.shared = shared
        self._rtt_seconds = rtt_ns / SECOND
        self.late_seconds = 0.0
        """By how much a pause ends late on the event loop, as far as somebody has looked."""

    async def travel(self, round_trips: int = 1) -> None:
        """Wait as long as so many round trips take, no longer by what the loop adds to pauses."""
        await asyncio.sleep(max(self._rtt_seconds * round_trips - self.late_seconds, 0.0))

    def turn_page(self) -> OpeningNotes:
        """Give the calling task notes of its own from now on, whatever it inherited.

        A task begins with its parent's context, and so with its parent's notes.
        """
        notes = OpeningNotes()
        self._notes.set(notes)
        return notes

    @property
    def notes(self) -> OpeningNotes:
        """Give the notes of the task that asks, which are its parent's until it turns the page."""
        notes = self._notes.get(None)
        if notes is None:
            notes = OpeningNotes()
            self._notes.set(notes)
        return notes


class Shared:
    """Connections open now and at most, what they said, and retries: over all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.open = 0
        self.open_max = 0
        self.retries = 0
        self.got_through = 0
        """Connections that were ready for their first command."""
        self.setup: Counter[str] = Counter()
        self.setup_refused: Counter[str] = Counter()
        self._late_seconds: float | None = None

    def pauses_end_late_seconds(self) -> float:
        """Give by how much a pause is late here when nothing else goes on; looked at once."""
        with self._lock:
            if self._late_seconds is None:
                self._late_seconds = lateness_of_pauses_ns() / SECOND
            return self._late_seconds

    def opened(self) -> None:
        """Note that a socket was opened."""
        with self._lock:
            self.open += 1
            self.open_max = max(self.open_max, self.open)

    def closed(self) -> None:
        """Note that a socket was closed."""
        with self._lock:
            self.open -= 1

    def asked_in_setup(self, command: str) -> None:
        """Note that a new connection sent a set-up command."""
        with self._lock:
            self.setup[command] += 1

    def refused_in_setup(self, command: str) -> None:
        """Note that the server answered a set-up command with an error."""
        with self._lock:
            self.setup_refused[command] += 1

    def introduced(self) -> None:
        """Note that a new connection got through all it has to before its first command."""
        with self._lock:
            self.got_through += 1

    def retried(self) -> None:
        """Note that redis-py tried a command again."""
        with self._lock:
            self.retries += 1

    def counting(self, fail: Callable[..., Any], retries: int) -> Callable[..., Any]:
        """Give what notes each failure of one command that is tried again, and then does `fail`."""
        failures = 0

        def counted(*details: Any) -> Any:
            nonlocal failures
            failures += 1
            if failures <= retries:
                self.retried()
            return fail(*details)

        return counted


class NodeShared(Shared):
    """The same of one node; passes everything on to the whole process's."""

    def __init__(self, whole: Shared) -> None:
        super().__init__()
        self._whole = whole
        self.connections = 0
        """How many were opened in all."""
        self.moved = 0
        self.asked = 0

    def opened(self) -> None:
        """Note that a socket was opened."""
        super().opened()
        with self._lock:
            self.connections += 1
        self._whole.opened()

    def closed(self) -> None:
        """Note that a socket was closed."""
        super().closed()
        self._whole.closed()

    def asked_in_setup(self, command: str) -> None:
        """Note that a new connection sent a set-up command."""
        self._whole.asked_in_setup(command)

    def refused_in_setup(self, command: str) -> None:
        """Note that the server answered a set-up command with an error."""
        self._whole.refused_in_setup(command)

    def introduced(self) -> None:
        """Note that a new connection got through all it has to before its first command."""
        self._whole.introduced()

    def redirected(self, *, for_good: bool) -> None:
        """Note that the node sent a command to another one: with MOVED for good, with ASK once."""
        with self._lock:
            self.moved += for_good
            self.asked += not for_good
