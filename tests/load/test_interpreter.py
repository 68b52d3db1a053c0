"""Another environment's Python runs our load with its own packages and nothing else of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from valkeybench.errors import ExitCode, ScenarioError
from valkeybench.load.interpreter import OURS, other_interpreter


def stand_in(directory: Path, script: str) -> str:
    """Make a program that is no Python."""
    program = directory / "python"
    program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    program.chmod(0o755)
    return str(program)


def test_it_tells_what_it_is_and_gets_our_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """What leads us to our packages, and who we are to a server, does not reach it."""
    monkeypatch.setenv("PYTHONPATH", "/no/such/place")
    monkeypatch.setenv("PYTHONHOME", "/no/such/home")
    monkeypatch.setenv("VALKEYBENCH_PASSWORD", "canary-77")
    with other_interpreter(sys.executable, place="--new python") as other:
        assert other.about is not None
        assert sys.version.split()[0] == other.about["python"]
        assert other.about["packages"]["redis"] is not None
        assert other.package_path == other.environment()["PYTHONPATH"]
        assert "canary-77" not in other.environment().values()
        assert "1" == other.environment()["OPENBLAS_NUM_THREADS"]
        where = subprocess.run(
            other.command("-c", "import valkeybench; print(valkeybench.__file__)"),
            env=other.environment(),
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        assert where.startswith(str(other.package_path))
        assert sys.executable == OURS.command()[0]
    assert not Path(other.package_path or "").exists()


@pytest.mark.parametrize(
    ("script", "said", "remedy"),
    [
        (
            "echo \"ModuleNotFoundError: No module named 'numpy'\" >&2; exit 1",
            "cannot run the load: ModuleNotFoundError: No module named 'numpy'",
            "hdrhistogram",
        ),
        ("exit 3", "it said nothing", "Python 3.11"),
    ],
)
def test_what_it_lacks_is_said(tmp_path: Path, script: str, said: str, remedy: str) -> None:
    """In its own last words, with what must be installed there."""
    with (
        pytest.raises(ScenarioError, match=said) as caught,
        other_interpreter(stand_in(tmp_path, script), place="--new python"),
    ):
        pass
    (problem,) = caught.value.problems
    assert ("--new python", ExitCode.USAGE) == (problem.place, caught.value.exit_code)
    assert remedy in problem.remedy


def test_a_client_library_too_old_for_a_driver_is_said_before_any_load(tmp_path: Path) -> None:
    """Drivers are loaded when they are needed, and it is asked whether they can be."""
    older = tmp_path / "older" / "redis"
    older.mkdir(parents=True)
    (older / "__init__.py").write_text("__version__ = '6.4.0'\n", encoding="utf-8")
    script = f'export PYTHONPATH="{older.parent}:$PYTHONPATH"; exec {sys.executable} "$@"'
    with (
        pytest.raises(ScenarioError, match=r"cannot run the load: .*redis") as caught,
        other_interpreter(stand_in(tmp_path, script), place="--new python"),
    ):
        pass
    assert "redis>=8.0" in caught.value.problems[0].remedy


def test_what_is_no_python_is_said(tmp_path: Path) -> None:
    """A program that is content with anything, and says nothing."""
    with (
        pytest.raises(ScenarioError, match="it does not say what it is"),
        other_interpreter(stand_in(tmp_path, "exit 0"), place="--new python"),
    ):
        pass


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    """Before any server is started."""
    with (
        pytest.raises(ScenarioError, match="no Python we can run"),
        other_interpreter(str(tmp_path / "none"), place="--new python"),
    ):
        pass
