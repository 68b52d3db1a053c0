"""A proxy of the tests' own: all that can go wrong between a client and a real server.

It takes whole requests off each client, asks the server and passes whole replies on, so that
a fault can be put exactly where it shall be: before a request, in the midst of it, instead of
its reply, or in the midst of that. What it cannot read, TLS, it passes on as it comes.
"""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import cycle
from select import select
from typing import TYPE_CHECKING

from tests.listener import Listener
from valkeybench.server.endpoint import Provider

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from valkeybench.server.endpoint import Endpoint

    Rule = Callable[["Request"], "Fault | None"]
    """Says what befalls a request; None is nothing."""

_PIECE = 1 << 16
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing says RST, as a crash or a firewall does, and not goodbye."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client says: over which connection, counted from 0, and in which words."""

    connection: int
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """Give the command's name."""
        return self.words[0].upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What befalls one request: how much of it arrives, what comes back, what happens then."""

    request: float = 1.0
    """The share of its bytes that reaches the server; less than all is never answered."""
    reply: float = 1.0
    """The share of the reply's bytes that reaches the client."""
    change: Callable[[bytes], bytes] | None = None
    """What is done to the reply on its way."""
    instead: bytes | None = None
    """What the client is told; the server is not asked at all."""
    cut: bool = False
    """Whether the connection is reset then."""
    silent: bool = False
    """Whether nothing comes any more then, and nobody hangs up."""


CUT = Fault(request=0.0, reply=0.0, cut=True)
HALF_A_REQUEST = Fault(request=0.5, cut=True)
HALF_A_REPLY = Fault(reply=0.5, cut=True)
SILENCE = Fault(request=0.0, silent=True)
HALF_A_REPLY_THEN_SILENCE = Fault(reply=0.5, silent=True)


def says(reply: bytes) -> Fault:
    """Answer in the server's place."""
    return Fault(instead=reply)


class EveryNth:
    """A rule that strikes one in so many requests of a name, of all connections together.

    Several faults take turns.
    """

    def __init__(self, name: str, *faults: Fault, nth: int = 3) -> None:
        self._name, self._faults, self._nth = name, cycle(faults), nth
        self._heard = 0

    def __call__(self, request: Request) -> Fault | None:
        """Count, and strike."""
        if request.name != self._name:
            return None
        self._heard += 1
        return None if self._heard % self._nth else next(self._faults)


def _nothing(_: Request) -> Fault | None:
    return None


class Proxy:
    """A listener on a free port of loopback, and everybody who is on the way through it."""

    def __init__(self, target: Endpoint) -> None:
        self.rule: Rule = _nothing
        self.struck = 0
        """How many requests and connections a fault has befallen."""
        self.refuses: Callable[[int], bool] = lambda _: False
        """Whether a new connection, by its number, is reset as soon as it is there."""
        self.cuts_tls: Callable[[int], bool] = lambda _: False
        """Whether one over TLS is reset once the client has said its first words."""
        self.connections = 0
        self._target = target
        self._going = threading.Event()
        self._going.set()
        self._lock = threading.Lock()
        self._ways: list[_Way] = []
        self._threads: list[threading.Thread] = []
        listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.endpoint = replace(
            target,
            host="127.0.0.1",
            port=listening.getsockname()[1],
            path=None,
            provider=Provider.EXTERNAL,
            pid=None,
        )
        self._listener = Listener(listening, self._greet)

    def judge(self, request: Request) -> Fault | None:
        """Say what befalls a request, one at a time."""
        with self._lock:
            fault = self.rule(request)
            self.struck += fault is not None
            return fault

    def stall(self) -> None:
        """Let nothing through any more, either way; connections stay."""
        self._going.clear()

    def resume(self) -> None:
        """Let everything through that has come meanwhile."""
        self._going.set()

    def wait_until_going(self) -> None:
        """Wait while there is a stall."""
        self._going.wait()

    def cut(self) -> int:
        """Reset every connection there is; give how many."""
        ways = [way for way in self._ways if way.is_open]
        for way in ways:
            way.reset()
        return len(ways)

    def close(self) -> None:
        """Reset every connection and take no more."""
        self._listener.close()
        self.resume()
        self.cut()
        for thread in self._threads:
            thread.join()

    def _greet(self, caller: socket.socket) -> None:
        number, self.connections = self.connections, self.connections + 1
        if self.refuses(number):
            self.struck += 1
            _reset(caller)
            caller.close()
            return
        self._start(self._carry, caller, number)

    def _carry(self, caller: socket.socket, number: int) -> None:
        with suppress(OSError), caller, _connected(self._target) as server:
            way = _Way(self, number, caller, server)
            self._ways.append(way)
            if self._target.tls:
                way.pass_on()
            else:
                way.relay()

    def tears_tls(self, number: int) -> bool:
        """Say whether a connection is cut in the midst of negotiating, and count it."""
        torn = self.cuts_tls(number)
        self.struck += torn
        return torn

    def _start(self, what: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=what, args=arguments)
        self._threads.append(thread)
        thread.start()


@contextmanager
def proxied(target: Endpoint) -> Iterator[Proxy]:
    """Run a proxy in front of a server while the context lasts."""
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()


class _Way:
    """One client's way through the proxy."""

    def __init__(
        self, proxy: Proxy, number: int, client: socket.socket, server: socket.socket
    ) -> None:
        self._proxy, self._number = proxy, number
        self._client, self._server = _Messages(client), _Messages(server)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    @property
    def is_open(self) -> bool:
        """Whether anybody can still come through."""
        return -1 not in (self._client.sock.fileno(), self._server.sock.fileno())

    def reset(self) -> None:
        """Cut it; whoever waits on it is woken."""
        for sock in (self._client.sock, self._server.sock):
            with suppress(OSError):
                _reset(sock)
                sock.shutdown(socket.SHUT_RDWR)

    def relay(self) -> None:
        """Carry requests and replies until one side hangs up or a fault ends it."""
        while (request := self._next_request()) and self._answer(request):
            pass

    def pass_on(self) -> None:
        """Carry bytes that only the two of them understand."""
        client, server = self._client.sock, self._server.sock
        tears = self._proxy.tears_tls(self._number)
        while True:
            for sock in select([client, server], [], [])[0]:
                other = server if sock is client else client
                data = sock.recv(_PIECE)
                self._proxy.wait_until_going()
                if tears:
                    _reset(client)
                if tears or not data:
                    return
                other.sendall(data)

    def _next_request(self) -> bytes:
        """Give what the client says next; nothing when either side has hung up."""
        client, server = self._client.sock, self._server.sock
        while not self._client.has_more:
            for sock in select([client, server], [], [])[0]:
                if sock is client:
                    return self._client.take()
                unasked = server.recv(_PIECE)
                self._proxy.wait_until_going()
                if not unasked:
                    return b""
                client.sendall(unasked)
        return self._client.take()

    def _answer(self, request: bytes) -> bool:
        """Get a request its reply, or its fault; say whether the connection goes on."""
        self._proxy.wait_until_going()
        fault = self._proxy.judge(Request(self._number, _words(request))) or Fault()
        if fault.instead is not None:
            self._client.sock.sendall(fault.instead)
        elif fault.request < 1:
            self._server.sock.sendall(request[: int(len(request) * fault.request)])
        else:
            self._server.sock.sendall(request)
            reply = self._server.take()
            self._proxy.wait_until_going()
            told = reply if fault.change is None else fault.change(reply)
            self._client.sock.sendall(told[: int(len(told) * fault.reply)])
            if not reply:
                return False
        if fault.silent:
            while self._client.sock.recv(_PIECE):
                pass
        if fault.cut:
            # Only the client's side: what the server has heard in part it shall see end.
            _reset(self._client.sock)
        return not (fault.cut or fault.silent)


class _Messages:
    """Takes whole RESP messages off a socket, as the bytes they came in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._heard = b""

    @property
    def has_more(self) -> bool:
        """Whether something has come that was not taken."""
        return bool(self._heard)

    def take(self) -> bytes:
        """Give the next message; nothing when the other side has hung up."""
        while (end := _end(self._heard, 0)) is None:
            piece = self.sock.recv(_PIECE)
            if not piece:
                return b""
            self._heard += piece
        message, self._heard = self._heard[:end], self._heard[end:]
        return message


def _end(data: bytes, at: int) -> int | None:
    """Find where the message that begins here ends; None when not all of it is there."""
    line = data.find(b"\r\n", at)
    if line < 0:
        return None
    kind, rest = data[at : at + 1], line + 2
    if kind in b"$=!":
        length = int(data[at + 1 : line])
        rest += length + 2 if length >= 0 else 0
        return rest if rest <= len(data) else None
    if kind in b"*~>%|":
        parts = int(data[at + 1 : line]) * (2 if kind in b"%|" else 1)
        for _ in range(parts):
            found = _end(data, rest)
            if found is None:
                return None
            rest = found
    return rest


def _words(request: bytes) -> tuple[str, ...]:
    """Read the words of a request, an array of strings without line ends in them."""
    return tuple(word.decode(errors="replace") for word in request.split(b"\r\n")[2::2])


def _connected(target: Endpoint) -> socket.socket:
    if target.path is None:
        return socket.create_connection((target.host, target.port))
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(target.path)
    return sock


def _reset(sock: socket.socket) -> None:
    """Have a socket say RST when it is closed."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
