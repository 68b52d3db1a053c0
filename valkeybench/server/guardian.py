"""Keeps a server alive exactly as long as the process that asked for it, and clears up after both.

A program of its own, started by `guarded` as `python -I -S guardian.py PARENT PLACE COMMAND…`;
it uses nothing but the standard library, and little of that, to be ready within milliseconds.

Heard on standard input: for each file `file SIZE NAME` and so many bytes; then configuration
lines, an empty line; later anything, or the end: stop. The command is started in a private
directory with those files in it, and reads the configuration on its standard input.
Said on standard output: `started PID DIRECTORY`; when all is gone `stopped` (we were told to)
or `died`, followed by what the server logged last; or else `failed REASON`.
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
    last_words, server = b"", None
    try:
        os.mkdir(directory, mode=0o700)  # noqa: PTH102 - see above
        _write(directory, files)
        server = _start(command, directory, configuration)
        _say(f"started {server.pid} {directory}\n".encode())
        last_words = _watch(server, parent)
    except OSError as error:
        last_words = f"failed {error}\n".encode()
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if server is not None:
            _stop(server)
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


def _start(command: list[str], directory: str, configuration: bytes) -> subprocess.Popen[bytes]:
    """Start the server in a process group of its own; nobody can list what it is told."""
    server = subprocess.Popen(  # noqa: S603 - the caller chose the command
        command,
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        process_group=0,
        preexec_fn=_die_with_guardian,  # noqa: PLW1509 - we have one thread
    )
    assert server.stdin is not None  # noqa: S101 - for the type checker
    with suppress(BrokenPipeError), server.stdin as stdin:
        stdin.write(configuration)
    return server


def _die_with_guardian() -> None:
    """Have the kernel kill the server if we are killed ourselves; only Linux can."""
    if sys.platform == "linux":
        with suppress(ImportError, OSError):
            import ctypes  # noqa: PLC0415 - elsewhere it is not needed

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _watch(server: subprocess.Popen[bytes], parent: int) -> bytes:
    """Wait for a reason to stop; give it, with the end of the server's log."""
    assert server.stdout is not None  # noqa: S101 - for the type checker
    log, kept = server.stdout.fileno(), b""
    while os.getppid() == parent:
        ready, _, _ = select.select([_STDIN, log], [], [], _WATCH_PARENT_S)
        if log in ready:
            chunk = os.read(log, 65536)
            if not chunk:
                # Nobody is left to write it.
                return b"died\n" + kept
            kept = (kept + chunk)[-_LOG_KEPT:]
        if _STDIN in ready:
            break
    return b"stopped\n" + kept


def _stop(server: subprocess.Popen[bytes]) -> None:
    """Ask, then insist; the second time also means what the server itself has started."""
    _signal(server.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        server.wait(_PATIENCE_S)
    _signal(server.pid, signal.SIGKILL)
    server.wait()


def _signal(group: int, number: signal.Signals) -> None:
    # macOS says "not permitted" where Linux says "no such process".
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


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
