"""Where a handler notes its commands: rows of a fixed size, handed to the recorder in blocks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from valkeybench.load.failures import failure_kind
from valkeybench.load.reply_code import reply_code
from valkeybench.measurement.metrics import OPENING
from valkeybench.measurement.recorder import COMMAND_ROW, FAILED_ROW, KINDS, OPENED_ROW
from valkeybench.measurement.reply_codes import ReplyCodes

if TYPE_CHECKING:
    from valkeybench.load.ledger import OpeningNotes
    from valkeybench.measurement.recorder import Recorder

_ROWS_TOGETHER = 1 << 17
_FEWEST_ROWS, _MOST_ROWS = 128, 4096
"""Rows a handler keeps before it hands them over: few enough for a thousand handlers, enough
to make the vectorised part cheap."""

_KIND_NUMBER = {kind: number for number, kind in enumerate(KINDS)}

UNUSED_ROW = (0, 0, 0, 0, 0, 0)
"""Ended before any window opened, so it counts nowhere."""


class Notebook:
    """One handler's notes. It writes COMMAND_ROWs into `block` itself, that being the hot path.

    Handing over is safe from any thread; `abandon` is final.
    """

    def __init__(self, recorder: Recorder, *, handlers: int) -> None:
        rows = min(max(_ROWS_TOGETHER // handlers, _FEWEST_ROWS), _MOST_ROWS)
        self.block = bytearray(rows * COMMAND_ROW.size)
        self.completed = 0
        """Commands that completed in the window, as far as they were handed over."""
        self.batched = 0
        """Commands beyond the first in the batches that completed in the window."""
        self.due = 0
        """When the command under way was due; the window's end when there is none any more."""
        self._recorder = recorder
        self._opened = bytearray()
        self._failed = bytearray()
        self._codes = ReplyCodes()
        self._handing_over = threading.Lock()
        self._abandoned = False

    def note_opened(self, begun: int, done: int, lease: Any, notes: OpeningNotes) -> None:
        """Note a command, or a batch of them, for which something was built or opened."""
        window = self._recorder.window
        if window.opens <= done < window.closes:
            self.batched += lease.commands - 1
        row = (self.due, begun, lease.held, lease.replied, done, lease.seen, *notes.take())
        self._opened += OPENED_ROW.pack(*row)

    def note_failed(
        self, begun: int, done: int, seen: int, error: Exception, notes: OpeningNotes
    ) -> None:
        """Note a command that failed."""
        window = self._recorder.window
        if window.opens <= done < window.closes and (code := reply_code(error)):
            self._codes.count(code)
        kind = _KIND_NUMBER[failure_kind(error)]
        row = (self.due, begun, done, seen, kind, *notes.take()[len(OPENING) :])
        self._failed += FAILED_ROW.pack(*row)

    def hand_over(self, filled: int) -> None:
        """Give the recorder what was noted, `filled` bytes of the block among it."""
        with self._handing_over:
            if not self._abandoned:
                self._count(filled)

    def abandon(self) -> None:
        """Count what a stuck handler has noted so far, and nothing it may still note.

        The command it is stuck in counts as unfinished.
        """
        with self._handing_over:
            self._abandoned = True
            self._count(len(self.block))
            if self.due < self._recorder.window.closes:  # or it has just got through after all
                self._recorder.abandon(self.due)

    def _count(self, filled: int) -> None:
        with memoryview(self.block)[:filled] as rows:
            self.completed += self._recorder.record(rows)
        self.block[:filled] = bytes(filled)  # zeros are unused rows, should we be abandoned
        if self._opened:
            self.completed += self._recorder.record_opened(bytes(self._opened))
            self._opened.clear()
        if self._failed:
            self._recorder.record_failed(bytes(self._failed))
            self._failed.clear()
        if self._codes:
            self._recorder.count_codes(self._codes)
            self._codes.clear()
