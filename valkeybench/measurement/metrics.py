"""The vocabulary of what is measured: each phase and failure kind, in one sentence each.

Code, result files, reports and docs take their words from here.
"""

from __future__ import annotations

from enum import StrEnum


class Phase(StrEnum):
    """A stretch of a command's life, in order, and the three wholes they add up to."""

    LATENESS = "lateness"
    POOL_WAIT = "pool_wait"
    CONSTRUCT = "construct"
    CONNECT = "connect"
    TLS_CONTEXT = "tls_context"
    TLS = "tls"
    HANDSHAKE = "handshake"
    COMMAND = "command"
    RELEASE = "release"
    SERVICE = "service"
    RESPONSE = "response"
    FAILED = "failed"

    @property
    def meaning(self) -> str:
        """Say from when to when it lasts."""
        return _MEANINGS[self]


_MEANINGS = {
    Phase.LATENESS: "due until a handler began on it (open arrivals)",
    Phase.POOL_WAIT: "asked the pool until holding a connection, less creating one",
    Phase.CONSTRUCT: "building client and connection objects in Python",
    Phase.CONNECT: "name look-up and TCP or unix connect",
    Phase.TLS_CONTEXT: "building the SSL context, which redis-py does for each connection",
    Phase.TLS: "TLS negotiation",
    Phase.HANDSHAKE: "HELLO, AUTH, CLIENT SETINFO, SELECT: every set-up command",
    Phase.COMMAND: "connection in hand until the reply is parsed",
    Phase.RELEASE: "giving the connection back, or closing it",
    Phase.SERVICE: "a handler began until its caller has the reply: the sum of the phases",
    Phase.RESPONSE: "due until the caller has the reply; what gates and sizing use",
    Phase.FAILED: "a handler began until its caller has the error",
}

PARTS = (
    Phase.POOL_WAIT,
    Phase.CONSTRUCT,
    Phase.CONNECT,
    Phase.TLS_CONTEXT,
    Phase.TLS,
    Phase.HANDSHAKE,
    Phase.COMMAND,
    Phase.RELEASE,
)
"""The phases whose sum is `service`, command by command."""

OPENING = (Phase.CONSTRUCT, Phase.CONNECT, Phase.TLS_CONTEXT, Phase.TLS, Phase.HANDSHAKE)
"""The phases of getting a connection that was not there: what a pool amortises."""


class FailureKind(StrEnum):
    """Why a command failed."""

    POOL_EXHAUSTED = "pool_exhausted"
    POOL_TIMEOUT = "pool_timeout"
    CONNECT_TIMEOUT = "connect_timeout"
    CONNECT_REFUSED = "connect_refused"
    CLIENT_LIMIT = "client_limit"
    MAX_CLIENTS = "max_clients"
    AUTH = "auth"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    REPLY_ERROR = "reply_error"

    @property
    def meaning(self) -> str:
        """Say what happened."""
        return _FAILURES[self]


_FAILURES = {
    FailureKind.POOL_EXHAUSTED: "every connection was taken and the pool raises",
    FailureKind.POOL_TIMEOUT: "no connection came free within the pool's timeout",
    FailureKind.CONNECT_TIMEOUT: "connecting took longer than the connect timeout",
    FailureKind.CONNECT_REFUSED: "nobody listens there, or no way to get there",
    FailureKind.CLIENT_LIMIT: "the client's machine had no file or port for one more connection",
    FailureKind.MAX_CLIENTS: "the server has as many clients as it allows",
    FailureKind.AUTH: "the server did not accept user name or password",
    FailureKind.TLS: "TLS negotiation failed",
    FailureKind.TIMEOUT: "the reply took longer than the socket timeout",
    FailureKind.RESET: "the connection broke, or what came over it was no reply",
    FailureKind.REPLY_ERROR: "the server answered with an error",
}
