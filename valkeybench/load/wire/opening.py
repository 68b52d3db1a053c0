"""How a connection is opened: the way to the server, TLS, and the introduction, each timed."""

from __future__ import annotations

import errno
import os
import socket
import ssl
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

from valkeybench.load.wire.connections import Connection, TlsConnection
from valkeybench.load.wire.failure import ErrorReplyError, WireError
from valkeybench.load.wire.loop import READABLE, WRITABLE
from valkeybench.load.wire.requests import setup_commands
from valkeybench.measurement.metrics import FailureKind
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Generator

    from valkeybench.load.ledger import OpeningNotes, Shared
    from valkeybench.load.wire.loop import Loop, Steps, Task
    from valkeybench.load.wire.requests import SetupCommand
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

    Address = tuple[int, Any]
    Opened = Generator[None, None, Connection]
    Connected = Generator[None, None, Any]
    Reaching = Generator[None, None, int]

_STREAM = socket.SOCK_STREAM | getattr(socket, "SOCK_NONBLOCK", 0)
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EALREADY})
_DONE = frozenset({0, errno.EISCONN})
_RETRY_NS = MILLISECOND
"""How long to wait before knocking again on a unix socket whose queue is full."""


class Opener:
    """Opens connections to one server.

    The name is looked up and the TLS context built once, before any load: `connect` is the
    connect alone, and there is no `tls_context` here.
    """

    def __init__(self, case: Case, endpoint: Endpoint, loop: Loop, shared: Shared) -> None:
        self._loop = loop
        self._shared = shared
        self._addresses = _addresses(endpoint)
        self._context = _tls_context(endpoint) if endpoint.tls else None
        self._name = endpoint.host
        self._introduction = setup_commands(case, endpoint)
        self._rtt_ns = case.rtt_ns
        self._patience_ns = case.socket_timeout_ns
        self._connect_patience_ns = case.connect_timeout_ns
        self._open: set[Connection] = set()

    def close(self) -> None:
        """Close every connection that is still open."""
        for connection in tuple(self._open):
            connection.close()

    def open(self, task: Task, notes: OpeningNotes, *, begun: int) -> Opened:
        """Open a connection, and note what it took from `begun` to `task.since`.

        Raises WireError, ErrorReplyError among them, and ssl.SSLError and other OSErrors.
        """
        sock = yield from self._connect(task, begun)
        connection = self._connection(sock)
        notes.connections += 1
        try:
            connected = task.since = clock()
            notes.connect += connected - begun
            if isinstance(connection, TlsConnection):
                yield from connection.negotiate()
                notes.tls_round_trips += connection.round_trips()
                yield from self._travel(task, connection.round_trips())
                task.since = clock()
                notes.tls += task.since - connected
            if self._introduction:
                yield from self._introduce(task, connection, notes)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connect(self, task: Task, begun: int) -> Connected:
        """Try the server's addresses in turn; the one that worked is tried first next time."""
        task.since, task.patience_ns = begun, self._connect_patience_ns
        task.lateness = FailureKind.CONNECT_TIMEOUT
        try:
            for number, address in enumerate(self._addresses):
                try:
                    sock = yield from self._connect_to(task, *address)
                except ConnectionError as error:
                    refusal = error
                else:
                    self._addresses[0], self._addresses[number] = address, self._addresses[0]
                    yield from self._travel(task, 1)
                    return sock
        finally:
            task.patience_ns, task.lateness = self._patience_ns, FailureKind.TIMEOUT
        raise WireError(FailureKind.CONNECT_REFUSED, f"connecting: {refusal.strerror}")

    def _connect_to(self, task: Task, family: int, where: Any) -> Connected:
        """Give a connected socket; raises ConnectionError."""
        try:
            sock = socket.SocketType(family, _STREAM)
        except OSError as error:  # no descriptor left
            raise ConnectionError(error.errno, error.strerror) from error
        try:
            code = yield from self._reach(task, sock, where)
        except BaseException:
            sock.close()
            raise
        if code not in _DONE:
            sock.close()
            raise ConnectionError(code, os.strerror(code))
        return sock

    def _reach(self, task: Task, sock: Any, where: Any) -> Reaching:
        """Connect and watch the socket; give the error number."""
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code: int = sock.connect_ex(where)
        if code in _UNDER_WAY:
            # Over loopback it is done by now, though the kernel does not say so at once.
            code = sock.connect_ex(where)
        while code == errno.EAGAIN:  # a unix socket whose queue is full
            yield from self._loop.pause(task, clock() + _RETRY_NS)
            code = sock.connect_ex(where)
        self._loop.resumes[sock.fileno()] = task.resume
        if code not in _UNDER_WAY:
            self._loop.watch(sock.fileno(), READABLE)
            return code
        self._loop.watch(sock.fileno(), WRITABLE)
        while code in _UNDER_WAY:
            yield
            code = sock.connect_ex(where)
        self._loop.watch_for(sock.fileno(), READABLE)
        return code

    def _connection(self, sock: Any) -> Connection:
        connection = (
            Connection(sock, self._loop, self._closed)
            if self._context is None
            else TlsConnection(
                sock, self._loop, self._closed, context=self._context, name=self._name
            )
        )
        self._open.add(connection)
        self._shared.opened()
        return connection

    def _closed(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._shared.closed()

    def _introduce(self, task: Task, connection: Connection, notes: OpeningNotes) -> Steps:
        begun = task.since
        for command in self._introduction:
            yield from self._say(task, connection, command, notes)
        notes.handshake += task.since - begun

    def _say(
        self, task: Task, connection: Connection, command: SetupCommand, notes: OpeningNotes
    ) -> Steps:
        """Say one thing and hear the answer; raises ErrorReplyError if it must not be refused."""
        self._shared.asked_in_setup(command.name)
        notes.round_trips += 1
        yield from self._travel(task, 1)
        request = command.request
        if (sent := connection.send(request)) < len(request):
            yield from connection.send_rest(request, sent)
        try:
            yield from connection.read_rest(None)
        except ErrorReplyError:
            self._shared.refused_in_setup(command.name)
            notes.refused += 1
            if not command.optional:
                raise
        task.since = clock()

    def _travel(self, task: Task, round_trips: int) -> Steps:
        """Wait as long as a network further away would make us."""
        if self._rtt_ns:
            since, task.since = task.since, 0  # an emulated distance is no reason for impatience
            yield from self._loop.pause(task, clock() + round_trips * self._rtt_ns)
            task.since = since and clock()


def _addresses(endpoint: Endpoint) -> list[Address]:
    if endpoint.path is not None:
        return [(socket.AF_UNIX, endpoint.path)]
    found = socket.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    return [(family, where) for family, _, _, _, where in found]


def _tls_context(endpoint: Endpoint) -> ssl.SSLContext:
    """Build what redis-py builds for every connection."""
    trust: dict[str, Any] = endpoint.connection_kwargs()
    context = ssl.create_default_context()
    context.check_hostname = trust["ssl_check_hostname"]
    context.verify_mode = ssl.VerifyMode[f"CERT_{trust['ssl_cert_reqs'].upper()}"]
    for flag in trust["ssl_include_verify_flags"]:
        context.verify_flags |= flag
    for flag in trust["ssl_exclude_verify_flags"]:
        context.verify_flags &= ~flag
    if trust["ssl_certfile"] or trust["ssl_keyfile"]:
        context.load_cert_chain(trust["ssl_certfile"], trust["ssl_keyfile"], trust["ssl_password"])
    authorities = (trust["ssl_ca_certs"], trust["ssl_ca_path"], trust["ssl_ca_data"])
    if any(given is not None for given in authorities):
        context.load_verify_locations(*authorities)
    if trust["ssl_min_version"] is not None:
        context.minimum_version = trust["ssl_min_version"]
    if trust["ssl_ciphers"]:
        context.set_ciphers(trust["ssl_ciphers"])
    return context
