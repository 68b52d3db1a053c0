"""What goes wrong on a connection of our own, by kind."""

from __future__ import annotations

import ssl

from valkeybench.measurement.metrics import FailureKind

_KINDS_BY_FIRST_WORD = {
    "NOAUTH": FailureKind.AUTH,
    "WRONGPASS": FailureKind.AUTH,
}


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


class TooLateError(WireError):
    """What a task waited for did not come in time."""


def _kind_of_reply(words: str) -> FailureKind:
    if "max number of clients" in words:
        return FailureKind.MAX_CLIENTS
    return _KINDS_BY_FIRST_WORD.get(words.partition(" ")[0], FailureKind.REPLY_ERROR)


def failure_kind(error: BaseException) -> FailureKind:
    """Say why a command failed, of what sockets and this driver raise."""
    if isinstance(error, WireError):
        return error.kind
    if isinstance(error, ssl.SSLError):
        return FailureKind.TLS
    return FailureKind.RESET if isinstance(error, OSError) else FailureKind.REPLY_ERROR
