"""Servers that speak just enough RESP to answer redis-py as a script tells them to."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from tests.listener import Listener
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import SECOND

Words = tuple[str, ...]

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    Script = Callable[[Words, int], "Answer"]
    """What to answer to a command on the connection with that number, counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a fake server does with one command: reply after a while, and perhaps hang up."""

    reply: bytes = b"+OK\r\n"
    after_ns: int = 0
    hang_up: bool = False


NOTHING = Answer(reply=b"")
HANG_UP = Answer(reply=b"", hang_up=True)
OK = Answer()
HELLO = Answer(reply=b"%1\r\n$5\r\nproto\r\n:3\r\n")
VALUE = Answer(reply=b"$1\r\nx\r\n")
UNKNOWN = Answer(reply=b"-ERR unknown subcommand\r\n")


def is_setup(words: Words) -> bool:
    """Tell what a client says to set a connection up from what a handler sends."""
    return words[0] in {"HELLO", "AUTH", "CLIENT", "SELECT"}


def usual(words: Words, _: int) -> Answer:
    """Answer as Valkey would: it knows everything but notifications of maintenance."""
    if words[0] == "HELLO":
        return HELLO
    if words[:2] == ("CLIENT", "MAINT_NOTIFICATIONS"):
        return UNKNOWN
    return OK if is_setup(words) else VALUE


def to_commands(answer: Answer) -> Script:
    """Set connections up as usual, and give every command the same answer."""
    return lambda words, number: usual(words, number) if is_setup(words) else answer


@dataclass(frozen=True, slots=True)
class Heard:
    """A command and the number of the connection it came over."""

    words: Words
    connection: int


class FakeServer:
    """A listener on a free port that treats every caller to a script, each in a thread."""

    def __init__(
        self, script: Script, *, tls: ssl.SSLContext | None = None, path: str | None = None
    ) -> None:
        self.heard: list[Heard] = []
        self._script = script
        self._tls = tls
        if path is None:
            listening = socket.create_server(("127.0.0.1", 0), backlog=128)
            host, port = listening.getsockname()
            self.endpoint = Endpoint(host=host, port=port, tls=tls is not None)
        else:
            listening = socket.create_server(path, family=socket.AF_UNIX)
            self.endpoint = Endpoint(path=path)
        self._callers: list[socket.socket] = []
        self._serving: list[threading.Thread] = []
        self._listener = Listener(listening, self._greet)

    @property
    def connections(self) -> int:
        """Count the callers so far."""
        return len(self._callers)

    @property
    def connected(self) -> int:
        """Count the callers that are still there."""
        return sum(thread.is_alive() for thread in self._serving)

    def count(self, is_so: Callable[[Words], bool]) -> int:
        """Count the commands heard that are so."""
        return sum(is_so(heard.words) for heard in self.heard)

    def hang_up(self) -> None:
        """Cut every connection."""
        for caller in self._callers:
            with suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut every connection, and take no more."""
        self._listener.close()
        self.hang_up()
        for thread in self._serving:
            thread.join()

    def _greet(self, caller: socket.socket) -> None:
        if caller.family == socket.AF_INET:
            caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        number = len(self._callers)
        self._callers.append(caller)
        self._serving.append(threading.Thread(target=self._serve, args=(caller, number)))
        self._serving[-1].start()

    def _serve(self, caller: socket.socket, number: int) -> None:
        with suppress(OSError), caller:
            if self._tls is not None:
                # It takes the descriptor over; the one it wraps cannot be hung up any more.
                caller = self._callers[number] = self._tls.wrap_socket(caller, server_side=True)
            with caller, caller.makefile("rb") as stream:
                while words := _read_command(stream):
                    self.heard.append(Heard(words, number))
                    answer = self._script(words, number)
                    time.sleep(answer.after_ns / SECOND)
                    caller.sendall(answer.reply)
                    if answer.hang_up:
                        return


@contextmanager
def fake_server(
    script: Script = usual, *, tls: ssl.SSLContext | None = None, path: str | None = None
) -> Iterator[FakeServer]:
    """Run a fake server while the context lasts: on a free port, or on a unix socket."""
    server = FakeServer(script, tls=tls, path=path)
    try:
        yield server
    finally:
        server.close()


def _read_command(stream: BinaryIO) -> Words:
    """Read one command as redis-py packs it, an array of bulk strings; nothing at the end."""
    header = stream.readline()
    if not header.startswith(b"*"):
        return ()
    return tuple(_read_word(stream) for _ in range(int(header[1:])))


def _read_word(stream: BinaryIO) -> str:
    length = int(stream.readline()[1:])
    return stream.read(length + 2)[:-2].decode()
