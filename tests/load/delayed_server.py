"""A server whose every reply comes after an exact delay, and none during its stalls.

It runs in a process of its own, so that neither the clock nor the interpreter lock of who is
tested has a part in what it does. Run as a program it listens on a free port, prints it, and
serves until its standard input ends:

    python tests/load/delayed_server.py DELAY_NS STALL_NS PERIOD_NS

A command heard at t is answered at t + DELAY_NS; when that falls into a stall, at its end.
Stalls begin at whole multiples of PERIOD_NS of the perf_counter clock, which all processes of
a machine share.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter_ns as clock
from time import sleep
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator

_OK, _VALUE, _HELLO = b"+OK\r\n", b"$1\r\nx\r\n", b"%1\r\n$5\r\nproto\r\n:3\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delays:
    """How long a reply takes, and when there is none at all: a pure function of time."""

    delay_ns: int = 0
    stall_ns: int = 0
    period_ns: int = 1_000_000_000

    def answer_at(self, heard: int) -> int:
        """Give the instant a command heard at this one is answered."""
        at = heard + self.delay_ns
        within = at % self.period_ns
        return at + (self.stall_ns - within if within < self.stall_ns else 0)


@contextmanager
def delayed_server(delays: Delays) -> Iterator[int]:
    """Run the server while the context lasts; give its port."""
    words = [str(ns) for ns in (delays.delay_ns, delays.stall_ns, delays.period_ns)]
    with subprocess.Popen(
        [sys.executable, str(Path(__file__)), *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.kill()


def _serve(caller: socket.socket, delays: Delays) -> None:
    caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with suppress(OSError), caller, caller.makefile("rb") as stream:
        while name := _read_command(stream):
            if name in (b"HELLO", b"CLIENT"):  # set-up is not what is delayed
                caller.sendall(_HELLO if name == b"HELLO" else _OK)
                continue
            at = delays.answer_at(clock())
            while (left := at - clock()) > 0:
                sleep(left / 1e9)
            caller.sendall(_VALUE)


def _read_command(stream: BinaryIO) -> bytes:
    """Read one command; give its name, or nothing at the end."""
    header = stream.readline()
    words = [stream.read(int(stream.readline()[1:]) + 2)[:-2] for _ in range(int(header[1:] or 0))]
    return words[0] if words else b""


def _main() -> None:
    delay_ns, stall_ns, period_ns = map(int, sys.argv[1:])
    delays = Delays(delay_ns=delay_ns, stall_ns=stall_ns, period_ns=period_ns)
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)

    def accept() -> None:
        while True:
            caller, _ = listener.accept()
            threading.Thread(target=_serve, args=(caller, delays), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    sys.stdin.read()


if __name__ == "__main__":
    _main()
