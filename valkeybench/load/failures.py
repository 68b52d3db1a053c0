"""The one place that knows what exceptions mean: redis-py's here, ours in `wire.failure`."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import redis
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    MaxConnectionsError,
    ResponseError,
)

from valkeybench.load.wire.failure import failure_kind as wire_failure_kind
from valkeybench.measurement.metrics import FailureKind

if TYPE_CHECKING:
    from collections.abc import Iterator

REPLY_ERRORS = (ResponseError, AuthenticationError, AuthorizationError, BusyLoadingError)
"""What redis-py raises for an error reply; it takes some of them for connection errors."""


def failure_kind(error: BaseException) -> FailureKind:
    """Say why a command failed.

    By type where redis-py has one, by its wording where it has not: a blocking pool's
    timeout is a bare ConnectionError, and so is a server that is full.
    """
    text = str(error)
    if isinstance(error, MaxConnectionsError):
        return FailureKind.POOL_EXHAUSTED
    if isinstance(error, (AuthenticationError, AuthorizationError)):
        return FailureKind.AUTH
    if isinstance(error, REPLY_ERRORS):
        return FailureKind.REPLY_ERROR
    if isinstance(error, redis.TimeoutError):
        connecting = "connecting" in text
        return FailureKind.CONNECT_TIMEOUT if connecting else FailureKind.TIMEOUT
    if isinstance(error, redis.ConnectionError):
        return _connection_failure(error, text)
    return wire_failure_kind(error)


def _connection_failure(error: redis.ConnectionError, text: str) -> FailureKind:
    if text == "No connection available.":
        return FailureKind.POOL_TIMEOUT
    if "max number of clients" in text:
        return FailureKind.MAX_CLIENTS
    if any(isinstance(cause, ssl.SSLError) for cause in _causes(error)):
        return FailureKind.TLS
    if any(isinstance(cause, (ConnectionResetError, BrokenPipeError)) for cause in _causes(error)):
        return FailureKind.RESET
    # redis-py words a failed connect "Error 111 connecting to host:port. …".
    return FailureKind.CONNECT_REFUSED if "connecting to" in text else FailureKind.RESET


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
