"""How to say a few words to a server of our own, before any client library is needed."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from io import BufferedReader

    from valkeybench.server.endpoint import Endpoint


class RefusedError(Exception):
    """The server answered with an error; its words."""


def ask(endpoint: Endpoint, *commands: Sequence[str], timeout_ns: int) -> list[str]:
    """Log in, say the commands, and give the reply to each: status, number or text.

    Raises RefusedError for a reply that is an error, to the login as well; OSError when there
    is no connection, no TLS, no trust, or no answer in time.
    """
    login = _login(endpoint)
    said = [*login, *commands]
    with _connection(endpoint, timeout_ns) as connection, connection.makefile("rb") as replies:
        connection.sendall(b"".join(map(_written, said)))
        return [_read(replies) for _ in said][len(login) :]


def is_up(endpoint: Endpoint, *, timeout_ns: int) -> bool:
    """Tell whether the server answers there, to our password; anybody else's does not."""
    try:
        return ask(endpoint, ("PING",), timeout_ns=timeout_ns) == ["PONG"]
    except (OSError, RefusedError):
        return False


@contextmanager
def _connection(endpoint: Endpoint, timeout_ns: int) -> Iterator[socket.socket]:
    address = endpoint.host, endpoint.port
    with socket.create_connection(address, timeout_ns / SECOND) as plain:
        if not endpoint.tls:
            yield plain
            return
        # Not the default context, which would read everybody else's certificates, too.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(endpoint.trust.ca_certs)
        if endpoint.trust.certfile is not None:
            context.load_cert_chain(endpoint.trust.certfile, endpoint.trust.keyfile)
        with context.wrap_socket(plain, server_hostname=endpoint.host) as secured:
            yield secured


def _login(endpoint: Endpoint) -> list[list[str]]:
    if endpoint.password is None:
        return []
    name = [endpoint.username] if endpoint.username else []
    return [["AUTH", *name, endpoint.password.reveal()]]


def _written(words: Sequence[str]) -> bytes:
    """Write a command as the protocol has it."""
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%b\r\n" % (len(w), w) for w in encoded)


def _read(replies: BufferedReader) -> str:
    """Read one reply that is no list."""
    line = replies.readline()
    if not line.endswith(b"\r\n"):
        raise ConnectionResetError("the server hung up")
    kind, rest = line[:1], line[1:-2].decode(errors="replace")
    match kind:
        case b"-":
            raise RefusedError(rest)
        case b"+" | b":":
            return rest
        case b"$" if rest.isdecimal():
            return replies.read(int(rest) + 2)[:-2].decode(errors="replace")
    raise RefusedError("a reply of another kind")
