"""How a pool keeps itself full: it opens lost connections again without being asked for one."""

from __future__ import annotations

from collections import Counter
from random import Random
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING

import numpy as np

from valkeybench.load.ledger import OpeningNotes
from valkeybench.load.wire.failure import WireError, failure_kind
from valkeybench.load.wire.loop import Task
from valkeybench.measurement.metrics import OPENING
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Generator

    from valkeybench.load.wire.loop import Loop, Steps
    from valkeybench.load.wire.opening import Opener
    from valkeybench.load.wire.pool import FifoPool
    from valkeybench.measurement.histogram import Integers
    from valkeybench.measurement.recorder import Window

    Filling = Generator[None, None, bool]

_AGAIN_NS = 10 * MILLISECOND
"""How long it waits at least after an attempt that failed: nobody knocks without pause."""


class Refill:
    """Fills a pool's empty places until the window closes, each after a random part of a time.

    The parts are drawn evenly and from a seed. What it opens is in no phase, for no command waits
    for it: it is counted, as what handlers open is, whether it came to a connection of the pool
    or not; and when each of the pool was open is noted.
    """

    def __init__(  # noqa: PLR0913 - a pool that opens connections needs all it takes to do so
        self,
        pool: FifoPool,
        opener: Opener,
        loop: Loop,
        window: Window,
        *,
        within_ns: int,
        seed: str,
    ) -> None:
        self.pool, self.opener, self.loop, self.window = pool, opener, loop, window
        self.failed: Counter[str] = Counter()
        """Attempts that came to nothing, by kind."""
        self.opened: list[tuple[int, ...]] = []
        """When each attempt was over, and what it opened, as the recorder counts it."""
        self.opening_now = 0
        """Places it has taken to open a connection for."""
        self._within_ns = within_ns
        self._draw = Random(seed)  # noqa: S311 - an instant, not cryptography
        self._opened_at: list[int] = []
        self._under_way = 0
        pool.lost, pool.filled = self.begin, self._opened_at.append

    @property
    def instants(self) -> Integers:
        """Give when connections of the pool were opened in the window, by it or by handlers."""
        opens, closes = self.window.opens, self.window.closes
        inside = [at - opens for at in self._opened_at if opens <= at < closes]
        return np.array(sorted(inside), np.int64)

    def begin(self) -> None:
        """Fill one more place; who then finds none that is empty has nothing to do."""
        if self._under_way < self.pool.size:
            self._under_way += 1
            self.loop.spawn(_Reopening(self))

    def pause_ns(self) -> int:
        """Draw how long to wait."""
        return round(self._draw.random() * self._within_ns)

    def pause_again_ns(self) -> int:
        """Draw how long to wait after an attempt that failed."""
        return _AGAIN_NS + self.pause_ns()

    def note(self, notes: OpeningNotes) -> None:
        """Note what an attempt that is over has opened."""
        self.opened.append((clock(), *notes.take()[len(OPENING) :]))

    def done(self) -> None:
        """Hear that a place is filled, or that there is none to fill."""
        self._under_way -= 1


class _Reopening(Task):
    """Fills one place."""

    __slots__ = ("_refill",)

    def __init__(self, refill: Refill) -> None:
        super().__init__()
        self._refill = refill
        self.patience_ns = refill.opener.patience_ns
        self.begins(self._run())

    def _run(self) -> Steps:
        refill = self._refill
        pool, closes = refill.pool, refill.window.closes
        pause = refill.pause_ns()
        while True:
            yield from refill.loop.pause(self, min(clock() + pause, closes))
            if clock() >= closes or None not in pool.free:
                break
            pool.free.remove(None)
            if (yield from self._open()):
                break
            pause = refill.pause_again_ns()
        refill.done()
        yield from refill.loop.end(self)

    def _open(self) -> Filling:
        """Open a connection for the place in hand; say whether that went well."""
        refill, notes, pool = self._refill, OpeningNotes(), self._refill.pool
        refill.opening_now += 1
        try:
            connection = yield from refill.opener.open(self, notes, begun=clock())
        except (WireError, OSError) as error:
            refill.failed[failure_kind(error).value] += 1
            pool.give_up()
            return False
        else:
            pool.admit(connection)
            pool.give(connection)
            return True
        finally:
            self.since = 0
            refill.opening_now -= 1
            refill.note(notes)
