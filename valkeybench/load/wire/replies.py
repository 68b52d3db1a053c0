"""Where a reply ends: at a glance for nearly all of them, by hiredis for the rest.

One command is under way on a connection at a time, so what comes is one reply, mostly in one
piece. Whether it is complete then follows from its length and its first line; nothing of it
is copied or decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import hiredis

from valkeybench.load.wire.failure import ErrorReplyError, WireError
from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    Reply = bytes | int | float | bool | str | list[object] | dict[object, object] | None

_END = b"\r\n"
_BULK: Final = ord("$")
_ONE_LINE: Final = frozenset(b"+:_#,(")
_NULL_BULK: Final = b"$-1\r\n"


def is_whole(data: bytes | None) -> bool:
    """Tell whether this is one complete reply, neither an error nor made of others.

    False says nothing but that a `ReplyReader` must look: too little, too much, an error, an
    array, a message nobody asked for, the end (no bytes at all), or nothing yet (None).
    """
    if not data:
        return False
    line = data.find(_END)
    if data[0] == _BULK:
        # $<length>\r\n<that many bytes>\r\n
        rest = len(data) - line - 4
        return line > 0 and (rest == int(data[1:line]) >= 0 or data == _NULL_BULK)
    return 0 < line == len(data) - 2 and data[0] in _ONE_LINE


class ReplyReader:
    """Takes the pieces of replies as they come."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = hiredis.Reader(replyError=_error_reply, notEnoughData=NOT_YET)

    def feed(self, data: bytes) -> Reply | NotYet:
        """Take a piece; give the reply when it is complete, NOT_YET before.

        Raises ErrorReplyError when the server answered with an error, and WireError when what
        came is no RESP. Messages nobody asked for are dropped.
        """
        try:
            self._reader.feed(data)
            reply = self._reader.gets()
            while isinstance(reply, hiredis.PushNotification):
                reply = self._reader.gets()
        except hiredis.ProtocolError as error:
            raise WireError(FailureKind.RESET, f"not RESP: {error}") from None
        if isinstance(reply, ErrorReplyError):
            raise reply
        return reply  # type: ignore[no-any-return]  # hiredis says Any


class NotYet:
    """Says that a reply is not complete yet."""


NOT_YET: Final = NotYet()


def read_reply(data: bytes) -> Reply | NotYet:
    """Read a reply that `is_whole`."""
    return ReplyReader().feed(data)


def _error_reply(words: str) -> ErrorReplyError:
    return ErrorReplyError(words)
