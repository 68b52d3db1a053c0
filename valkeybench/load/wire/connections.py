"""Connections on sockets of our own: how one is written to, read from and closed."""

from __future__ import annotations

import errno
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from valkeybench.load.wire.failure import ErrorReplyError
from valkeybench.load.wire.loop import READABLE, WRITABLE
from valkeybench.load.wire.replies import MANY, NotYet, ReplyReader

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from valkeybench.load.wire.loop import Loop, Resume, Steps
    from valkeybench.load.wire.replies import Reply

    Reading = Generator[None, None, Reply]
    ReadingAll = Generator[None, None, list[Reply]]


_SEALING = 512
"""Bytes to read beyond those asked for: more than TLS adds to a record."""


class Connection:
    """A connection without TLS, `among` others while it is open.

    `send` and `receive` are the socket's own.
    """

    __slots__ = (
        "_among", "_loop", "_reader", "descriptor", "idle", "lost", "receive", "send", "sock",
        "watched",
    )  # fmt: skip

    def __init__(self, sock: Any, loop: Loop, among: set[Connection]) -> None:
        self.sock = sock
        self.descriptor: int = sock.fileno()
        self.send: Callable[[bytes], int] = sock.send
        self.receive: Callable[[int], bytes] = sock.recv
        self.idle: Resume = _nothing
        """What is done when something happens on it while nobody uses it."""
        self.lost: Callable[[Connection], None] | None = None
        """Who is told when it breaks, or hears something unasked, while nobody uses it."""
        self._loop = loop
        self._among = among
        self._reader: ReplyReader | None = None
        self.watched = False
        """Whether whoever waits for it is resumed when something happens on it."""
        among.add(self)

    def watch(self) -> None:
        """Have whoever waits for it resumed when something happens on it, from now on.

        Not from the beginning: one that is closed after a single command may never have to.
        """
        if not self.watched:
            self.watched = True
            self._loop.watch(self.descriptor, READABLE)

    def close(self) -> None:
        """Close it; nobody is resumed for it any more."""
        self._loop.resumes[self.descriptor] = self.idle = _nothing
        self.sock.close()
        self._among.discard(self)

    def send_rest(self, request: bytes, sent: int) -> Steps:
        """Send what the socket had no room for."""
        self.watch()
        self._loop.watch_for(self.descriptor, READABLE | WRITABLE)
        while sent < len(request):
            yield
            sent += _as_much_as_goes(self.send, request[sent:])
        self._loop.watch_for(self.descriptor, READABLE)

    def read_rest(self, data: bytes | None) -> Reading:
        """Give the reply that begins with these bytes (None: nothing more has come).

        Raises ErrorReplyError when it is an error, ConnectionResetError when it ends too
        early, WireError when more follows, and what the socket raises.
        """
        reader = self._its_reader()
        try:
            reply = yield from self._read(reader, data)
        except ErrorReplyError:
            reader.expect_no_more()
            raise
        reader.expect_no_more()
        return reply

    def _its_reader(self) -> ReplyReader:
        if self._reader is None:
            self._reader = ReplyReader()
        return self._reader

    def _read(self, reader: ReplyReader, data: bytes | None) -> Reading:
        """Give one reply, whatever follows it."""
        self.watch()
        while True:
            if data:
                reader.feed(data)
            elif data is not None:
                raise ConnectionResetError(errno.ECONNRESET, "the server closed the connection")
            reply = reader.take()
            if not isinstance(reply, NotYet):
                return reply
            yield
            try:
                data = self.receive(MANY)
            except BlockingIOError:
                data = None

    def read_all(self, count: int) -> ReadingAll:
        """Give as many replies as there will be.

        Reads them all before it raises the first ErrorReplyError among them or in them;
        raises what `read_rest` does besides.
        """
        replies: list[Reply] = []
        errors: list[ErrorReplyError] = []
        reader = self._its_reader()
        while len(replies) + len(errors) < count:
            try:
                replies.append((yield from self._read(reader, None)))
            except ErrorReplyError as error:
                errors.append(error)
        reader.expect_no_more()
        last = replies[-1] if replies else None
        if isinstance(last, list):  # what a transaction gives holds the errors in it
            errors += (one for one in last if isinstance(one, ErrorReplyError))
        if errors:
            raise errors[0]
        return replies

    def look_up(self) -> None:
        """See what happened while nobody uses it: anything but TLS's own messages breaks it."""
        try:
            self.receive(MANY)
        except BlockingIOError:
            return
        except OSError:
            pass  # which is the end of it, too
        self.close()
        if self.lost is not None:
            self.lost(self)


class TlsConnection(Connection):
    """A connection over TLS, which is done in memory; the socket carries what comes out."""

    __slots__ = ("_incoming", "_outgoing", "_tls", "_unsent")

    def __init__(
        self,
        sock: Any,
        loop: Loop,
        among: set[Connection],
        *,
        context: ssl.SSLContext,
        name: str,
    ) -> None:
        super().__init__(sock, loop, among)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self._unsent = b""
        self.send, self.receive = self._sealing(), self._unsealing()

    def close(self) -> None:
        """Close it; nobody is resumed for it any more."""
        super().close()
        # They hold the connection: without them it goes at once, with no collector's help.
        del self.send, self.receive

    def negotiate(self) -> Steps:
        """Agree on keys with the server; raises ssl.SSLError."""
        self.watch()
        while True:
            try:
                self._tls.do_handshake()
            except ssl.SSLWantReadError:
                yield from self._flush()
                yield
                self._hear()
            else:
                yield from self._flush()
                return

    def round_trips(self) -> int:
        """Count those negotiating took: one in TLS 1.3, two before (RFC 8446, section 2)."""
        return 1 if self._tls.version() == "TLSv1.3" else 2

    def send_rest(self, request: bytes, sent: int) -> Steps:  # noqa: ARG002 - sealed already
        """Send what the socket had no room for."""
        yield from self._flush()

    def _sealing(self) -> Callable[[bytes], int]:
        """Make `send`, with what it needs looked up once and not for every command."""
        seal, sealed_so_far, send_raw = self._tls.write, self._outgoing.read, self.sock.send

        def send(data: bytes) -> int:
            """Send; give its length when all of it went, less when `send_rest` has to follow."""
            seal(data)
            sealed = sealed_so_far()
            try:
                sent = send_raw(sealed)
            except BlockingIOError:
                sent = 0
            if sent == len(sealed):
                return len(data)
            self._unsent = sealed[sent:]
            return 0

        return send

    def _unsealing(self) -> Callable[[int], bytes]:
        """Make `receive` in the same way."""
        unseal, receive_raw, incoming = self._tls.read, self.sock.recv, self._incoming
        hear = incoming.write

        def receive(room: int) -> bytes:
            """Give all that has come; raises BlockingIOError when that is nothing yet."""
            sealed = receive_raw(room + _SEALING)
            if not sealed:
                incoming.write_eof()
                return b""
            hear(sealed)
            try:
                data = unseal(room)
            except ssl.SSLWantReadError:
                raise BlockingIOError(errno.EAGAIN, "less than a TLS record") from None
            if len(data) == room or incoming.pending:
                data += self._unseal_rest()
            return data

        return receive

    def _unseal_rest(self) -> bytes:
        pieces = []
        with suppress(ssl.SSLWantReadError):
            while piece := self._tls.read(MANY):  # nothing, once the server has said goodbye
                pieces.append(piece)
        return b"".join(pieces)

    def _hear(self) -> None:
        """Take what the socket has, if anything."""
        try:
            sealed = self.sock.recv(MANY)
        except BlockingIOError:
            return
        if sealed:
            self._incoming.write(sealed)
        else:
            self._incoming.write_eof()

    def _flush(self) -> Steps:
        sealed = self._unsent + self._outgoing.read()
        self._unsent = b""
        if sealed and (sent := _as_much_as_goes(self.sock.send, sealed)) < len(sealed):
            self.watch()
            self._loop.watch_for(self.descriptor, READABLE | WRITABLE)
            while sent < len(sealed):
                yield
                sent += _as_much_as_goes(self.sock.send, sealed[sent:])
            self._loop.watch_for(self.descriptor, READABLE)


def _as_much_as_goes(send: Callable[[bytes], int], data: bytes) -> int:
    try:
        return send(data)
    except BlockingIOError:
        return 0


def _nothing() -> None:
    """Resume nobody."""
