"""The page of faults and the tests that make them name each other."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from tests.server.processes import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = ROOT / "docs/explanation/reliability.md"

_NAMED = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def named_in(file: Path) -> set[str]:
    """Name the functions of a file that pytest runs."""
    module = ast.parse(file.read_text(encoding="utf-8"))
    place = file.relative_to(ROOT)
    return {
        f"{place}::{part.name}"
        for part in module.body
        if isinstance(part, ast.FunctionDef) and part.name.startswith("test_")
    }


def on_the_page() -> set[str]:
    """Name the tests that the page names."""
    found = _NAMED.findall(PAGE.read_text(encoding="utf-8"))
    return {f"{file}::{name}" for file, name in found}


def test_every_fault_that_is_tested_is_on_the_page() -> None:
    """A fault that a test makes has its row."""
    files = sorted((ROOT / "tests/faults").glob("test_*.py"))
    tested = {test for file in files for test in named_in(file)}
    assert set() == tested - on_the_page()


def test_every_test_on_the_page_exists() -> None:
    """What the page names as proof is there."""
    files = {name.partition("::")[0] for name in on_the_page()}
    there = {test for file in files for test in named_in(ROOT / file)}
    assert set() == on_the_page() - there


def test_the_faults_are_as_many_as_are_counted() -> None:
    """The page begins with how many rows its first two tables have."""
    page = PAGE.read_text(encoding="utf-8")
    faults = page[page.index("## The server and the network") : page.index("## Recovery")]
    rows = [line for line in faults.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert f"In numbers: {len(rows)} faults" in page
