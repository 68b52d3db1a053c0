"""The one place that knows what exceptions mean: client libraries' here, ours in `wire.failure`.

valkey-py has redis-py's exceptions under the same names, so they are known by name. So are
valkey-glide's, which says the rest in words.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from valkeybench.load.wire.failure import failure_kind as wire_failure_kind
from valkeybench.load.wire.failure import is_limit_of_ours
from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

_LIBRARIES = frozenset({"redis", "valkey", "glide_shared"})

_REFUSALS = frozenset({"AuthenticationError", "AuthorizationError"})
_REPLY_ERRORS = _REFUSALS | {"ResponseError", "BusyLoadingError"}
"""What is raised for an error reply; some of them are taken for connection errors there."""


def is_reply_error(error: BaseException) -> bool:
    """Tell whether a client library raised this for an error reply."""
    return not _REPLY_ERRORS.isdisjoint(_names(error))


def is_glide_error(error: BaseException) -> bool:
    """Tell whether valkey-glide raised this for what became of a request."""
    return "RequestError" in _names(error)


def beneath(error: BaseException) -> BaseException:
    """Give why no node of a cluster could be asked for the others, if that is what it is about."""
    if "RedisClusterException" in _names(error) and error.__cause__ is not None:
        return error.__cause__
    return error


def failure_kind(error: BaseException) -> FailureKind:
    """Say why a command failed.

    By type where there is one, by its wording where it has not: a blocking pool's
    timeout is a bare ConnectionError, and so is a server that is full.
    """
    error = beneath(error)
    text, names = str(error), _names(error)
    if "GlideError" in names:
        return _glide_failure(names, text)
    if "MaxConnectionsError" in names:
        return FailureKind.POOL_EXHAUSTED
    if names & _REPLY_ERRORS:
        return FailureKind.AUTH if names & _REFUSALS else FailureKind.REPLY_ERROR
    if "TimeoutError" in names:
        connecting = "connecting" in text
        return FailureKind.CONNECT_TIMEOUT if connecting else FailureKind.TIMEOUT
    if "ConnectionError" in names:
        return _connection_failure(error, text)
    # Who hears nonsense hangs up.
    return FailureKind.RESET if "InvalidResponse" in names else wire_failure_kind(error)


def _names(error: BaseException) -> set[str]:
    """Name what an exception is, as far as a client library defines it."""
    kinds = type(error).__mro__
    return {kind.__name__ for kind in kinds if kind.__module__.split(".")[0] in _LIBRARIES}


def _glide_failure(names: set[str], text: str) -> FailureKind:
    """Say why valkey-glide failed.

    It tries to connect until its time is up and says just that, unless it was a password.
    """
    if any(code in text for code in ("NOAUTH", "WRONGPASS")):
        return FailureKind.AUTH
    if "ClosingError" in names:
        late = "timed out" in text
        return FailureKind.CONNECT_TIMEOUT if late else FailureKind.CONNECT_REFUSED
    named = {"TimeoutError": FailureKind.TIMEOUT, "ConnectionError": FailureKind.RESET}
    return next((named[name] for name in named if name in names), FailureKind.REPLY_ERROR)


def _connection_failure(error: BaseException, text: str) -> FailureKind:
    if text == "Too many connections":  # valkey-py has no MaxConnectionsError
        return FailureKind.POOL_EXHAUSTED
    if text == "No connection available.":
        return FailureKind.POOL_TIMEOUT
    if "max number of clients" in text:
        return FailureKind.MAX_CLIENTS
    if (kind := _kind_by_cause(error)) is not None:
        return kind
    # redis-py words a failed connect "Error 111 connecting to host:port. …".
    return FailureKind.CONNECT_REFUSED if "connecting to" in text else FailureKind.RESET


def _kind_by_cause(error: BaseException) -> FailureKind | None:
    """Say what the system's own errors beneath a library's mean, if there are any."""
    beneath_it = list(causes(error))
    if any(isinstance(cause, ssl.SSLError) for cause in beneath_it):
        return FailureKind.TLS
    if any(map(is_limit_of_ours, beneath_it)):
        return FailureKind.CLIENT_LIMIT
    broken = any(isinstance(cause, ConnectionResetError | BrokenPipeError) for cause in beneath_it)
    return FailureKind.RESET if broken else None


def causes(error: BaseException) -> Iterator[BaseException]:
    """Give an error and what it came of, one after the other."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
