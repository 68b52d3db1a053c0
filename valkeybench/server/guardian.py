"""Keeps a server alive exactly as long as the process that asked for it, and clears up after both.

A program of its own, started by `guarded` as `python -I -S guardian.py PARENT PLACE COMMAND…`;
it uses nothing but the standard library, and little of that, to be ready within milliseconds.

Heard on standard input: for each file `file SIZE NAME` and so many bytes; then configuration
lines, an empty line; later `kill`, `start`, `pause` and `resume`, each on a line of its own, or
anything else, or the end: stop. The command is started in a private directory with those files in
it, and reads the configuration on its standard input.
Said on standard output: `started PID DIRECTORY`, at first and after each `start`; `killed`,
`paused` and `resumed`; when all is gone `stopped` (we were told to) or `died`, followed by what the
server logged last; or else `failed REASON`.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

_STDIN = 0
_WATCH_PARENT_S = 1.0
"""How often we look whether our parent is still there, should someone else hold our input open."""
_PATIENCE_S = 1.0
"""How long the server may take to stop by itself."""
_LOG_KEPT = 4096
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Run one server until it dies, our parent dies, or we are told to stop."""
    parent, place, command = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
    orders = _hear_orders()
    if orders is None:
        return
    files, configuration = orders
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit())
    directory = os.path.join(place, f"valkeybench-{os.urandom(8).hex()}")  # noqa: PTH118 - pathlib takes as long to import as all the rest
    last_words, server = b"", _Server(command, directory, configuration)
    try:
        os.mkdir(directory, mode=0o700)  # noqa: PTH102 - see above
        _write(directory, files)
        server.start()
        last_words = _watch(server, parent)
    except OSError as error:
        last_words = f"failed {error}\n".encode()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        server.stop()
        _remove(directory)
    _say(last_words)


def _hear_orders() -> tuple[dict[str, bytes], bytes] | None:
    """Read files and configuration up to the empty line and not a byte further.

    The next one means stop. None when there is no such line: half a configuration may be one
    without a password.
    """
    files: dict[str, bytes] = {}
    configuration = b""
    with open(_STDIN, "rb", buffering=0, closefd=False) as stdin:
        while line := stdin.readline():
            if line == b"\n":
                return files, configuration
            word, _, rest = line.partition(b" ")
            if word == b"file":
                size, _, name = rest.decode().strip().partition(" ")
                files[name] = _hear_bytes(int(size))
            else:
                configuration += line
    return None


def _hear_bytes(count: int) -> bytes:
    """Read so many bytes, or what there is before the end; a pipe gives them in pieces."""
    heard = b""
    while len(heard) < count and (chunk := os.read(_STDIN, count - len(heard))):
        heard += chunk
    return heard


def _write(directory: str, files: dict[str, bytes]) -> None:
    """Write the files so that nobody else can ever read them."""
    for name, content in files.items():
        path = os.path.join(directory, name)  # noqa: PTH118 - see above
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:  # noqa: PTH123 - there is no path to a descriptor
            file.write(content)


class _Server:
    """The server, in the lives it has one after another."""

    def __init__(self, command: list[str], directory: str, configuration: bytes) -> None:
        self._command, self._directory = command, directory
        self._configuration = configuration
        self._process: subprocess.Popen[bytes] | None = None
        self._cpus: set[int] | None = None

    @property
    def log(self) -> int | None:
        """Give the descriptor its log comes from; None while it is away."""
        out = None if self._process is None else self._process.stdout
        return None if out is None else out.fileno()

    def start(self) -> None:
        """Start it in a process group of its own; nobody can list what it is told."""
        if self._process is not None:
            return
        self._process = server = subprocess.Popen(  # noqa: S603 - the caller chose the command
            self._command,
            cwd=self._directory,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            process_group=0,
            preexec_fn=self._prepare,  # noqa: PLW1509 - we have one thread
        )
        assert server.stdin is not None  # noqa: S101 - for the type checker
        with suppress(BrokenPipeError), server.stdin as stdin:
            stdin.write(self._configuration)
        _say(f"started {server.pid} {self._directory}\n".encode())

    def kill(self) -> None:
        """Kill it, and have it away until it is started again, on the CPUs it had."""
        if self._process is not None:
            if sys.platform == "linux":
                with suppress(OSError):
                    self._cpus = os.sched_getaffinity(self._process.pid)
            self.signal(signal.SIGKILL)
            self._bury()
        _say(b"killed\n")

    def signal(self, number: signal.Signals) -> None:
        """Send it, and what it has started itself, a signal."""
        # macOS says "not permitted" where Linux says "no such process".
        if self._process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def stop(self) -> None:
        """Ask, then insist; the second time also means what the server itself has started."""
        if self._process is None:
            return
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        self.signal(signal.SIGKILL)
        self._bury()

    def _bury(self) -> None:
        server, self._process = self._process, None
        assert server is not None  # noqa: S101 - for the type checker
        server.wait()
        assert server.stdout is not None  # noqa: S101 - for the type checker
        server.stdout.close()

    def _prepare(self) -> None:
        _die_with_guardian()
        if self._cpus is not None:
            with suppress(OSError):
                os.sched_setaffinity(0, self._cpus)


def _die_with_guardian() -> None:
    """Have the kernel kill the server if we are killed ourselves; only Linux can."""
    if sys.platform == "linux":
        with suppress(ImportError, OSError):
            import ctypes  # noqa: PLC0415 - elsewhere it is not needed

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(server: _Server, parent: int) -> bytes:
    """Do as we are told until there is a reason to stop; give it, with the end of the log."""
    kept = b""
    while os.getppid() == parent:
        log = server.log
        heard_from = [_STDIN] if log is None else [_STDIN, log]
        ready, _, _ = select.select(heard_from, [], [], _WATCH_PARENT_S)
        if log in ready:
            assert log is not None  # noqa: S101 - for the type checker
            chunk = os.read(log, 65536)
            if not chunk:
                # Nobody is left to write it.
                return b"died\n" + kept
            kept = (kept + chunk)[-_LOG_KEPT:]
        if _STDIN in ready and not _obey(server, os.read(_STDIN, 64)):
            break
    return b"stopped\n" + kept


def _obey(server: _Server, order: bytes) -> bool:
    """Do what is said, and say so; anything else is to stop. It waits for each answer."""
    match order:
        case b"kill\n":
            server.kill()
        case b"start\n":
            server.start()
        case b"pause\n":
            server.signal(signal.SIGSTOP)
            _say(b"paused\n")
        case b"resume\n":
            server.signal(signal.SIGCONT)
            _say(b"resumed\n")
        case _:
            return False
    return True


def _remove(directory: str) -> None:
    """Remove the directory and the files in it; a server puts no directories there."""
    with suppress(OSError):
        for entry in os.scandir(directory):
            os.unlink(entry.path)  # noqa: PTH108 - see above
        os.rmdir(directory)  # noqa: PTH106 - see above


def _say(text: bytes) -> None:
    # A parent that is gone hears nothing, and that is no reason to leave anything behind.
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), text)


if __name__ == "__main__":
    main()
