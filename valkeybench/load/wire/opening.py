"""How a connection is opened: the way to the server, TLS, and the introduction, each timed."""

from __future__ import annotations

import errno
import socket
import ssl
from collections import Counter
from time import perf_counter_ns as clock
from typing import TYPE_CHECKING, Any

from valkeybench.load.wire.connections import Connection, TlsConnection
from valkeybench.load.wire.failure import ConnectError, ErrorReplyError
from valkeybench.load.wire.loop import WRITABLE
from valkeybench.load.wire.requests import setup_commands
from valkeybench.measurement.metrics import FailureKind
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Generator

    from valkeybench.load.ledger import OpeningNotes
    from valkeybench.load.wire.loop import Loop, Steps, Task
    from valkeybench.load.wire.requests import SetupCommand
    from valkeybench.scenario.model import Case
    from valkeybench.server.endpoint import Endpoint

    Address = tuple[int, Any]
    Opened = Generator[None, None, Connection]
    Connected = Generator[None, None, Any]
    Answering = Generator[None, None, int]

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

    def __init__(self, case: Case, endpoint: Endpoint, loop: Loop) -> None:
        self.open_now: set[Connection] = set()
        self.open_max = 0
        self.got_through = 0
        self.setup: Counter[str] = Counter()
        """How often each set-up command was said, and in `refused` how often in vain."""
        self.refused: Counter[str] = Counter()
        self._loop = loop
        self._addresses = _addresses(endpoint)
        self._context = _tls_context(endpoint) if endpoint.tls else None
        self._name = endpoint.host
        self._introduction = setup_commands(case, endpoint)
        self._rtt_ns = case.rtt_ns
        self.patience_ns = case.socket_timeout_ns
        """How long whoever opens one shall wait for each answer; None is for ever."""
        self._connect_patience_ns = case.connect_timeout_ns

    def close(self) -> None:
        """Close every connection that is still open."""
        for connection in tuple(self.open_now):
            connection.close()

    def open(self, task: Task, notes: OpeningNotes, *, begun: int) -> Opened:
        """Open a connection, and note what it took from `begun` to `task.since`.

        Raises WireError, ErrorReplyError among them, and ssl.SSLError and other OSErrors.
        """
        sock, code = _dial(*self._addresses[0])
        if code or self._rtt_ns:
            sock = yield from self._connect(task, begun, sock, code)
        connection = self._connection(sock)
        self._loop.resumes[connection.descriptor] = task.resume
        connected = task.since = clock()
        notes.connections += 1
        notes.connect += connected - begun
        if self._context is not None or self._introduction:
            yield from self._prepare(task, connection, notes)
        if not connection.watched:
            self._loop.look_soon(task.resume)
        self.got_through += 1
        return connection

    def _connect(self, task: Task, begun: int, sock: Any, code: int) -> Connected:
        """Wait for the server to answer; if it refuses, try its other addresses in turn.

        The one that worked is tried first next time, and what it says is what is wrong then: the
        others may be of a kind this machine has no way for.
        """
        task.since, task.patience_ns = begun, self._connect_patience_ns
        task.lateness = FailureKind.CONNECT_TIMEOUT
        reason = 0
        try:
            for number, address in enumerate(self._addresses):
                if number:
                    sock, code = _dial(*address)
                code = yield from self._answer(task, sock, code, address)
                if code in _DONE:
                    self._addresses[0], self._addresses[number] = address, self._addresses[0]
                    yield from self._travel(task, 1)
                    return sock
                reason = reason or code
        finally:
            task.patience_ns, task.lateness = self.patience_ns, FailureKind.TIMEOUT
        raise ConnectError(reason)

    def _answer(self, task: Task, sock: Any, code: int, address: Address) -> Answering:
        """Wait until connecting has come to an end; give the error number it ended with."""
        where = address[1]
        try:
            while code == errno.EAGAIN:  # a unix socket whose queue is full
                yield from self._loop.pause(task, clock() + _RETRY_NS)
                code = sock.connect_ex(where)
            if code in _UNDER_WAY:
                self._loop.resumes[sock.fileno()] = task.resume
                self._loop.watch(sock.fileno(), WRITABLE)
                while code in _UNDER_WAY:
                    yield
                    code = sock.connect_ex(where)
                self._loop.unwatch(sock.fileno())
        except BaseException:
            sock.close()
            raise
        if code not in _DONE:
            sock.close()
        return code

    def _connection(self, sock: Any) -> Connection:
        among = self.open_now
        connection = (
            Connection(sock, self._loop, among)
            if self._context is None
            else TlsConnection(sock, self._loop, among, context=self._context, name=self._name)
        )
        self.open_max = max(self.open_max, len(among))
        return connection

    def _prepare(self, task: Task, connection: Connection, notes: OpeningNotes) -> Steps:
        """Negotiate TLS and introduce ourselves."""
        try:
            connected = task.since
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

    def _introduce(self, task: Task, connection: Connection, notes: OpeningNotes) -> Steps:
        begun = task.since
        for command in self._introduction:
            yield from self._say(task, connection, command, notes)
        notes.handshake += task.since - begun

    def _say(
        self, task: Task, connection: Connection, command: SetupCommand, notes: OpeningNotes
    ) -> Steps:
        """Say one thing and hear the answer; raises ErrorReplyError if it must not be refused."""
        self.setup[command.name] += 1
        notes.round_trips += 1
        yield from self._travel(task, 1)
        request = command.request
        if (sent := connection.send(request)) < len(request):
            yield from connection.send_rest(request, sent)
        try:
            yield from connection.read_rest(None)
        except ErrorReplyError:
            self.refused[command.name] += 1
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


def _dial(family: int, where: Any) -> tuple[Any, int]:
    """Begin to connect; give the socket, and 0 if it is connected or else an error number."""
    try:
        sock = socket.SocketType(family, _STREAM)
    except OSError as error:  # no descriptor left
        raise ConnectError(error.errno or 0) from error
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = sock.connect_ex(where)
    if code == errno.EINPROGRESS:
        # Over loopback it is done by now, though the kernel does not say so at once.
        code = sock.connect_ex(where)
    return sock, code


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
