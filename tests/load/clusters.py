"""Dask clusters on loopback for tests: a scheduler and workers, each a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.server.processes import ROOT, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

_QUIET = {
    # A test that hangs up on purpose should not wait for the patience meant for real networks.
    "DASK_DISTRIBUTED__COMM__RETRY__COUNT": "0",
    "DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__START": "False",
}


@dataclass(slots=True)
class Cluster:
    """A scheduler and its workers, by name."""

    directory: Path
    address: str
    scheduler: subprocess.Popen[bytes]
    workers: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def log(self, name: str) -> str:
        """Give what one of them has said."""
        return (self.directory / f"{name}.log").read_text(encoding="utf-8")


def _is_whole(found: Path) -> bool:
    return found.exists() and found.read_text(encoding="utf-8").rstrip().endswith("}")


@contextmanager
def dask_cluster(
    directory: Path,
    names: Sequence[str] = ("anna", "bert"),
    *,
    options: Sequence[str] = (),
    **variables: str,
) -> Iterator[Cluster]:
    """Run a scheduler on a free port, and a worker for each name, without nannies."""
    found = directory / "scheduler.json"
    options = ("--scheduler-file", str(found), "--no-dashboard", *options)
    with ExitStack() as processes:

        def start(name: str, *words: str) -> subprocess.Popen[bytes]:
            log = processes.enter_context((directory / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", *words, *options],
                cwd=directory,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | _QUIET | variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            processes.callback(process.wait)
            processes.callback(process.kill)
            return process

        scheduler = start("scheduler", "scheduler", "--host", "127.0.0.1", "--port", "0")
        # It is there before it is written, and whole when its last brace is.
        wait_until(lambda: _is_whole(found) or scheduler.poll() is not None)
        cluster = Cluster(directory, "", scheduler)
        assert scheduler.poll() is None, cluster.log("scheduler")
        cluster.address = json.loads(found.read_text(encoding="utf-8"))["address"]
        for name in names:
            words = ("worker", "--no-nanny", "--nthreads", "1", "--name", name)
            place = ("--local-directory", str(directory / f"{name}-files"))
            cluster.workers[name] = start(name, *words, *place)
        for name in names:
            wait_until(lambda name=name: f"name: {name}" in cluster.log("scheduler"))  # type: ignore[misc]
        yield cluster
