"""A server of the tests' own that can be killed and started again where it was."""

from __future__ import annotations

import signal
import subprocess
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

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

    def __init__(self, directory: Path, *lines: str, port: int, password: Secret) -> None:
        self.endpoint = Endpoint(host="127.0.0.1", port=port, password=password)
        self._configuration = "\n".join((
            *("bind 127.0.0.1", f"port {self.endpoint.port}", f"requirepass {password.reveal()}"),
            *(f"dir {directory}", 'save ""'),
            *lines,
        )).encode()  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self, *, to_load: bool = False) -> None:
        """Start it and wait until it answers; or says that it has not loaded its keys yet."""
        binary = find_server_binary()
        assert binary is not None
        self._process = subprocess.Popen(
            [binary, "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        assert self._process.stdin is not None
        self._process.stdin.write(self._configuration)
        self._process.stdin.close()
        wait_until(self._is_loading if to_load else self._answers)

    def kill(self) -> None:
        """Kill it, as the kernel does when memory runs out."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """Have it stand still meanwhile: connections stay, and nothing is answered."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), closing(client(self.endpoint)) as asking:
            return bool(asking.ping())
        return False

    def _is_loading(self) -> bool:
        with suppress(redis.ConnectionError), closing(client(self.endpoint)) as asking:
            try:
                asking.ping()
            except redis.BusyLoadingError:
                return True
        return False


@contextmanager
def mortal_server(
    directory: Path, *lines: str, port: int | None = None, password: Secret | None = None
) -> Iterator[Mortal]:
    """Run a server that can be killed while the context lasts; `lines` configure it."""
    server = Mortal(
        directory,
        *lines,
        port=pick_free_port() if port is None else port,
        password=password or Secret(PASSWORD),
    )
    try:
        yield server
    finally:
        server.kill()


def gets(endpoint: Endpoint) -> int:
    """Count the GETs a server has answered."""
    with closing(client(endpoint)) as asking:
        told: Any = asking.info("commandstats")
        return int(told.get("cmdstat_get", {}).get("calls", 0))
