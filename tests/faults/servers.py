"""A server of the tests' own that can be killed and started again where it was."""

from __future__ import annotations

import subprocess
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

import redis

from tests.server.processes import client, wait_until
from tests.server.started import PASSWORD
from valkeybench.scenario.secret import Secret
from valkeybench.server.binary import find_server_binary
from valkeybench.server.embedded import pick_free_port
from valkeybench.server.endpoint import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Mortal:
    """A server that keeps nothing when it dies, on a port that stays the same."""

    def __init__(self, directory: Path, *lines: str) -> None:
        self.endpoint = Endpoint(host="127.0.0.1", port=pick_free_port(), password=Secret(PASSWORD))
        self._configuration = "\n".join((
            *("bind 127.0.0.1", f"port {self.endpoint.port}", f"requirepass {PASSWORD}"),
            *(f"dir {directory}", 'save ""'),
            *lines,
        )).encode()  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Start it, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            [find_server_binary(), "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._configuration)
        self._process.stdin.close()
        wait_until(self._answers)

    def kill(self) -> None:
        """Kill it, as the kernel does when memory runs out."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), closing(client(self.endpoint)) as asking:
            return bool(asking.ping())
        return False


@contextmanager
def mortal_server(directory: Path, *lines: str) -> Iterator[Mortal]:
    """Run a server that can be killed while the context lasts."""
    server = Mortal(directory, *lines)
    try:
        yield server
    finally:
        server.kill()
