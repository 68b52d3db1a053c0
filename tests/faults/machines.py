"""Machines that lack something: a command run where a limit, a disk or a network is small."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.commandline import Ended, command, environment

if TYPE_CHECKING:
    from pathlib import Path

    from tests.faults.aftermath import Scene

needs_namespaces = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0,
    reason="makes a file system or a network of its own: needs root on Linux",
)


def ended_where(
    scene: Scene, first: str, *words: str, apart: str = "", then: str = "", **variables: str
) -> Ended:
    """Run a command to its end where a shell has done something first.

    `apart` is what it has of its own, `--mount` or `--net` of unshare(1). `then` is what the
    shell does afterwards, as what is apart is gone with it.
    """
    script = f'{first} && {{ "$@"; code=$?; {then or ":"}; exit $code; }}'
    done = subprocess.run(
        [*(("unshare", apart) if apart else ()), "sh", "-c", script, "sh", *command(words)],
        cwd=scene.directory,
        env=environment({"TMPDIR": str(scene.temporary), **variables}),
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def sitecustomize(directory: Path, code: str) -> dict[str, str]:
    """Have every Python that a command starts do something first; give the variables for it."""
    (directory / "sitecustomize.py").write_text(code, encoding="utf-8")
    here = environment({})["PYTHONPATH"]
    return {"PYTHONPATH": os.pathsep.join((str(directory), here))}
