"""Which Python load processes run in: ours, or another environment's, with our package in it.

Another environment brings its own client library and its own Python; of valkeybench it gets ours,
whatever it has itself, so that both sides of a comparison measure alike and speak alike.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import valkeybench
from valkeybench.errors import ScenarioError
from valkeybench.scenario.secret import public_environment

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_NEEDED = "redis>=8.0 hiredis numpy hdrhistogram"
_PATIENCE_SECONDS = 60.0

# It must be able to do what a load process does, which loads its driver only when it knows which;
# then it tells what it is.
_INTRODUCTION = """\
import runpy
import valkeybench.load.process, valkeybench.load.threads, valkeybench.load.tasks
runpy.run_module("valkeybench.results.environment", run_name="__main__")
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """A Python, and where it finds our package when that is not among its own."""

    executable: str | None = None
    """None is the one we run in."""
    package_path: str | None = None
    about: Mapping[str, Any] | None = None
    """What it said of itself and its packages; None is what we say of ours."""

    def command(self, *words: str) -> list[str]:
        """Give the words that run something in it."""
        # -P: a file called redis.py where the user stands must not become our redis.
        return [self.executable or sys.executable, "-P", *words]

    def environment(self) -> dict[str, str]:
        """Give the variables it runs with: ours, but for secrets."""
        kept = public_environment()
        # numpy's threads spin for a while where the load should have the CPU, and none is needed.
        kept["OPENBLAS_NUM_THREADS"] = "1"
        if self.package_path is None:
            return kept
        # What leads our Python to its packages would lead another one to them, too.
        for variable in ("PYTHONHOME", "VIRTUAL_ENV"):
            kept.pop(variable, None)
        return kept | {"PYTHONPATH": self.package_path}


OURS = Interpreter()


@contextmanager
def other_interpreter(executable: str, *, place: str) -> Iterator[Interpreter]:
    """Give another environment's interpreter, our package and nothing else of ours in its reach.

    `place` names what asked for it. Raises ScenarioError when it is none, or lacks what a load
    process needs.
    """
    with tempfile.TemporaryDirectory(prefix="valkeybench-") as directory:
        (package,) = valkeybench.__path__
        (Path(directory) / "valkeybench").symlink_to(package, target_is_directory=True)
        found = Interpreter(str(Path(executable).expanduser().absolute()), directory)
        yield replace(found, about=_introduce(found, place=place))


def _introduce(interpreter: Interpreter, *, place: str) -> dict[str, Any]:
    """Let an interpreter say what it is; raises ScenarioError when it cannot."""
    try:
        done = subprocess.run(  # noqa: S603 - the user named it
            interpreter.command("-c", _INTRODUCTION),
            env=interpreter.environment(),
            capture_output=True,
            text=True,
            timeout=_PATIENCE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = getattr(error, "strerror", None) or "it does not answer"
        raise ScenarioError.one(
            place, f"{interpreter.executable} is no Python we can run: {why}", "name its python"
        ) from None
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise ScenarioError.one(
            place,
            f"{interpreter.executable} cannot run the load: {last}",
            f"it needs Python 3.11 and, installed there: {_NEEDED}",
        )
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ScenarioError.one(
            place, f"{interpreter.executable} is no Python we can run: it does not say what it is",
            "name its python",
        ) from None  # fmt: skip
    return said
