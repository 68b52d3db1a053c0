"""Does the TLS in front of a server that cannot: one connection there for each one here.

A program of its own, started under a guardian as `python -I -S relay.py`; it uses nothing but
the standard library. It reads one line of JSON on its standard input: `host`, `port` to listen
on, `server_port`, the files `certificate`, `key` and (null unless clients must show one)
`client_ca`, `min_version` and `max_version` ("1.2", "1.3"), and `maxclients`.

The TLS is done by hand between asyncio's plain connections, for asyncio's own ends both
directions when one ends: a client that says no more would not hear the answer.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import ssl
import struct
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

_BACKLOG = 511  # as the server has it
_CHUNK = 65536
_SPARE_FILES = 64
_VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


def main() -> None:
    """Relay until somebody ends the process."""
    offer = json.loads(sys.stdin.readline())
    _raise_file_limit(2 * int(offer["maxclients"]) + _SPARE_FILES)
    asyncio.run(_relay(offer))


def make_context(offer: Mapping[str, Any]) -> ssl.SSLContext:
    """Make what all connections share; the files are looked for where we were started."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _VERSIONS[offer["min_version"]]
    context.maximum_version = _VERSIONS[offer["max_version"]]
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.load_cert_chain(offer["certificate"], offer["key"])
    if offer["client_ca"] is not None:
        context.load_verify_locations(offer["client_ca"])
        context.verify_mode = ssl.CERT_REQUIRED
    return context


async def _relay(offer: Mapping[str, Any]) -> None:
    context, address = make_context(offer), (offer["host"], offer["server_port"])
    listening = await asyncio.get_running_loop().create_server(
        lambda: _ClientSide(context, address), offer["host"], offer["port"], backlog=_BACKLOG
    )
    await listening.serve_forever()


class _Side(asyncio.Protocol):
    """One of the two connections; what is common to both.

    asyncio sends without delay (TCP_NODELAY) on every connection it makes or takes.
    """

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self.has_ended = False
        """Whether this side says no more."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection to write to."""
        self.transport = cast("asyncio.Transport", transport)

    def pause_writing(self) -> None:
        """Read no more of one side than the other takes."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on reading the other side."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def eof_received(self) -> bool:
        """Hear that this side says no more; it may still listen."""
        self._end()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the other side down, too: as abruptly as this one went."""
        self.transport = None
        if self.other is not None and not (self.has_ended and exc is None):
            self.other.reset()

    def send(self, data: bytes) -> None:
        """Pass on what the other side said."""
        raise NotImplementedError

    def finish(self) -> None:
        """Pass on that the other side says no more."""
        raise NotImplementedError

    def reset(self) -> None:
        """Break the connection, so that the peer sees a reset and no ordinary end."""
        if self.transport is not None:
            connection = self.transport.get_extra_info("socket")
            with suppress(OSError):
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()

    def _end(self) -> None:
        """Tell the other side once; when both have ended, both connections close."""
        if not self.has_ended:
            self.has_ended = True
            if self.other is not None:
                self.other.finish()
                self._close_when_done()

    def _close_when_done(self) -> None:
        if self.other is not None and self.has_ended and self.other.has_ended:
            for side in (self, self.other):
                if side.transport is not None:
                    side.transport.close()


class _ServerSide(_Side):
    """The plain connection to the server."""

    def __init__(self, client: _ClientSide) -> None:
        super().__init__()
        self._client = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the two sides, unless the client has gone in the meantime."""
        super().connection_made(transport)
        self.other, self._client.other = self._client, self
        if self._client.transport is None:
            self.reset()

    def data_received(self, data: bytes) -> None:
        """Pass the server's words on."""
        if self.other is not None:
            self.other.send(data)

    def send(self, data: bytes) -> None:
        """Say it to the server."""
        if self.transport is not None:
            self.transport.write(data)

    def finish(self) -> None:
        """Say no more to the server."""
        if self.transport is not None:
            self.transport.write_eof()


class _ClientSide(_Side):
    """The client's connection, and the TLS on it."""

    def __init__(self, context: ssl.SSLContext, address: tuple[str, int]) -> None:
        super().__init__()
        self._address = address
        self._heard, self._to_say = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._heard, self._to_say, server_side=True)
        self._is_secure = False
        self._task: asyncio.Task[None] | None = None

    def data_received(self, data: bytes) -> None:
        """Take what came off the wire, as far as it is complete."""
        self._heard.write(data)
        try:
            if not self._is_secure:
                self._tls.do_handshake()
                self._is_secure = True
                # The server hears of nobody who did not get this far.
                self._wait_for_server()
            self._read()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            # The alert that says why is among what is left to say.
            self._flush()
            self._give_up()

    def eof_received(self) -> bool:
        """Hear that the client says no more, with or without the farewell TLS asks for."""
        self._heard.write_eof()
        if not self._is_secure:
            return False
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop reaching for the server as well."""
        if self._task is not None:
            self._task.cancel()
        super().connection_lost(exc)

    def send(self, data: bytes) -> None:
        """Say it to the client."""
        self._tls.write(data)
        self._flush()

    def finish(self) -> None:
        """Say farewell as TLS asks for, and no more."""
        # It raises for want of the client's farewell; whether that ever comes does not matter.
        with suppress(ssl.SSLError):
            self._tls.unwrap()
        self._flush()
        if self.transport is not None:
            self.transport.write_eof()

    def _wait_for_server(self) -> None:
        """Hear no more from the client until there is somebody to pass it on to."""
        if self.transport is not None:
            self.transport.pause_reading()
        self._task = asyncio.ensure_future(self._reach_server())

    async def _reach_server(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: _ServerSide(self), *self._address)
        except OSError:
            self.reset()
            return
        if self.transport is not None:
            self.transport.resume_reading()
        # What came with the end of the handshake.
        self.data_received(b"")

    def _read(self) -> None:
        """Pass on all that is complete; raises SSLWantReadError when there is no more."""
        self._flush()
        while self.other is not None and not self.has_ended:
            words = self._tls.read(_CHUNK)
            if not words:
                self._end()
                return
            self.other.send(words)

    def _flush(self) -> None:
        if self.transport is not None and self._to_say.pending:
            self.transport.write(self._to_say.read())

    def _give_up(self) -> None:
        if self.other is not None:
            self.other.reset()
        if self.transport is not None:
            self.transport.close()


def _raise_file_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY:
        needed = min(needed, hard)
    if resource.RLIM_INFINITY != soft < needed:
        # Some systems have a ceiling below their hard limit.
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


if __name__ == "__main__":
    main()
