"""Where a reply ends: at a glance for nearly all of them, by hiredis for the rest.

One command is under way on a connection at a time, so what comes is one reply, mostly in one
piece. Whether it is complete then follows from its length and its first line; nothing of it
is searched, copied or decoded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import hiredis

from valkeybench.load.wire.failure import ErrorReplyError, WireError
from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    Reply = bytes | int | float | bool | str | list[object] | dict[object, object] | None

_BULK: Final = re.compile(rb"\$(0|[1-9][0-9]{0,8})\r\n")
_ONE_LINE: Final = re.compile(
    rb"(?:\+[^\r\n]*|:(?:0|-?[1-9][0-9]{0,17})|,-?[0-9]{1,15}(?:\.[0-9]{1,15})?|#[tf]|_|\$-1)\r\n"
)
"""Replies of one line as servers write them. What looks like one and is not (`:1x`, `$+3`) is for
hiredis to refuse, and nothing it refuses may pass here."""

FEW: Final = 479
"""Bytes of a reply that Python has room for at once, and that most replies are less than: an
object of up to 512 bytes, 33 of which are its own."""

MANY: Final = 1 << 14


class Glance:
    """Tells at a glance whether what came is one complete reply.

    Replies to the same commands look alike: one as long as the last that was inspected, and
    with the same first line, is as whole as that one was. `room` is how much to ask for.
    """

    __slots__ = ("first_line", "head", "length", "room")

    def __init__(self) -> None:
        self.first_line = b""
        self.head = slice(0)
        self.length = 0
        self.room = FEW

    def is_whole(self, data: bytes | None) -> bool:
        """Tell whether this is one complete reply, neither an error nor made of others.

        False says nothing but that a `ReplyReader` must look: too little, too much, an error,
        an array, a message nobody asked for, the end (no bytes), or nothing yet (None).
        """
        if not data:
            return False
        if len(data) == self.length and data[self.head] == self.first_line:
            return True
        if len(data) >= self.room:
            self.room = MANY
        return self._inspect(data)

    def _inspect(self, data: bytes) -> bool:
        bulk = _BULK.match(data)
        if bulk is not None:
            # $<length>\r\n<that many bytes>\r\n
            line = bulk.end()
            whole = len(data) - line - 2 == int(bulk[1])
        else:
            line = len(data)
            whole = _ONE_LINE.fullmatch(data) is not None
        if whole:
            self.head = slice(line)
            self.length, self.first_line = len(data), data[self.head]
        return whole


class ReplyReader:
    """Takes the pieces of replies as they come."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = hiredis.Reader(replyError=_error_reply, notEnoughData=NOT_YET)

    def feed(self, data: bytes) -> None:
        """Hear a piece."""
        self._reader.feed(data)

    def take(self) -> Reply | NotYet:
        """Give the next reply that was heard to its end; NOT_YET when there is none.

        Raises ErrorReplyError when the server answered with an error, and WireError when what
        came is no RESP. Messages nobody asked for are dropped.
        """
        try:
            reply = self._reader.gets()
            while isinstance(reply, hiredis.PushNotification):
                reply = self._reader.gets()
        # The second is what a map within a map's key comes to: Python has no such dictionary.
        except (hiredis.ProtocolError, TypeError) as error:
            raise WireError(FailureKind.RESET, f"not RESP: {error}") from None
        if isinstance(reply, ErrorReplyError):
            raise reply
        return reply  # type: ignore[no-any-return]  # hiredis says Any

    def expect_no_more(self) -> None:
        """See that nothing has come beyond the replies that were asked for; raises WireError.

        The next command would take it for its own. Messages nobody asked for may come.
        """
        try:
            surplus = self.take()
        except ErrorReplyError as error:
            surplus = str(error)
        if surplus is not NOT_YET:
            raise WireError(FailureKind.RESET, "more replies than commands")


class NotYet:
    """Says that a reply is not complete yet."""


NOT_YET: Final = NotYet()


def _error_reply(words: str) -> ErrorReplyError:
    return ErrorReplyError(words)
