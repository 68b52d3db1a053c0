"""What goes wrong on a connection of our own, by kind."""

from __future__ import annotations

import errno
import os
import ssl

from valkeybench.measurement.metrics import FailureKind

_KINDS_BY_FIRST_WORD = {
    "NOAUTH": FailureKind.AUTH,
    "WRONGPASS": FailureKind.AUTH,
}


_LIMITS_OF_OURS = frozenset({errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL, errno.ENOBUFS})
"""What the system says when it has no file or port left for another connection."""


class WireError(Exception):
    """A command or the opening of a connection failed."""

    def __init__(self, kind: FailureKind, words: str) -> None:
        super().__init__(words)
        self.kind = kind


class ErrorReplyError(WireError):
    """The server answered with an error; the connection is as good as before, mostly."""

    def __init__(self, words: str) -> None:
        super().__init__(_kind_of_reply(words), words)

    @property
    def is_farewell(self) -> bool:
        """Whether the server hangs up after it."""
        return self.kind is FailureKind.MAX_CLIENTS


class ConnectError(WireError):
    """A connection could not be opened, for the reason of a number."""

    def __init__(self, code: int) -> None:
        kind = FailureKind.CONNECT_REFUSED
        if code in _LIMITS_OF_OURS:
            kind = FailureKind.CLIENT_LIMIT
        elif code == errno.ECONNRESET:  # who is let in and thrown out at once was not refused
            kind = FailureKind.RESET
        super().__init__(kind, f"connecting: {os.strerror(code)}")


class TooLateError(WireError):
    """What a task waited for did not come in time."""


def _kind_of_reply(words: str) -> FailureKind:
    if "max number of clients" in words:
        return FailureKind.MAX_CLIENTS
    return _KINDS_BY_FIRST_WORD.get(words.partition(" ")[0], FailureKind.REPLY_ERROR)


def is_limit_of_ours(error: BaseException) -> bool:
    """Tell whether the system had no file or port left for what was asked of it."""
    return isinstance(error, OSError) and error.errno in _LIMITS_OF_OURS


def failure_kind(error: BaseException) -> FailureKind:
    """Say why a command failed, of what sockets and this driver raise."""
    if isinstance(error, WireError):
        return error.kind
    if isinstance(error, ssl.SSLError):
        return FailureKind.TLS
    if is_limit_of_ours(error):
        return FailureKind.CLIENT_LIMIT
    return FailureKind.RESET if isinstance(error, OSError) else FailureKind.REPLY_ERROR
