"""What tests ask the system about the processes an embedded server consists of."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

    from valkeybench.server.endpoint import Endpoint

ROOT = Path(__file__).parents[2]

on_linux = pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    """Everything an embedded server leaves in the system while it runs."""

    server: int
    guardian: int
    directory: Path

    @property
    def left(self) -> list[str]:
        """Name what is still there."""
        there = {
            "server": is_running(self.server),
            "guardian": is_running(self.guardian),
            "directory": self.directory.exists(),
        }
        return [name for name, is_there in there.items() if is_there]


def client(endpoint: Endpoint) -> redis.Redis:
    """Make a client over a connection of its own that tries nothing twice."""
    kwargs: dict[str, Any] = endpoint.connection_kwargs()
    if "path" in kwargs:
        kwargs["unix_socket_path"] = kwargs.pop("path")
    once = Retry(NoBackoff(), 0)
    return redis.Redis(**kwargs, ssl=endpoint.tls, single_connection_client=True, retry=once)


def traces_of(endpoint: Endpoint) -> Traces:
    """Find what belongs to an embedded server."""
    assert endpoint.pid is not None
    with closing(client(endpoint)) as asking:
        directory = str(asking.config_get("dir")["dir"])
    guardian = int(shown_by_ps("ppid", endpoint.pid))
    return Traces(server=endpoint.pid, guardian=guardian, directory=Path(directory))


def is_running(pid: int) -> bool:
    """Tell whether a process is there and not dead; who reaps orphans may take their time."""
    return shown_by_ps("stat", pid)[:1] not in ("", "Z")


def wait_until(is_so: Callable[[], object]) -> None:
    """Look again and again until it is so; fail when it takes unreasonably long."""
    give_up_at = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < give_up_at, "it never came to be"
        time.sleep(0.01)


def run_python(code: str) -> subprocess.Popen[str]:
    """Start a Python program that can import what is tested, in a session of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def shown_by_ps(field: str, pid: int) -> str:
    """Give a field of a process as ps has it; nothing when it is gone."""
    command = ["ps", "-ww", "-o", f"{field}=", "-p", str(pid)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
