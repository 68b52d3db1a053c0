"""The rules of the house, each a function from what is there to the complaints about it."""

from __future__ import annotations

import ast
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parents[2]

LONGEST_FUNCTION = 60
LONGEST_MODULE = 400
MEDIAN_FUNCTION = 10
SHORTEST_DOCSTRING = 2
"""Words; fewer say nothing."""

NAMES_THAT_SAY_NOTHING = {"utils", "common", "core", "helpers", "base", "manager"}

# Where someone keeps their checkout or tools. Built from parts, or this file would be guilty.
_PRIVATE_PATH = re.compile(
    rb"(?<![\w.$}-])/(?:" + rb"|".join((b"work", b"tmp/dev", b"home/\\w+", b"Users/\\w+")) + rb")/"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A Python file: its path from the root of the repository, and its text."""

    path: str
    text: str

    @property
    def lines(self) -> int:
        """How long it is."""
        return len(self.text.splitlines())

    @property
    def tree(self) -> ast.Module:
        """What it says; raises SyntaxError."""
        return ast.parse(self.text, filename=self.path)


@dataclass(frozen=True, slots=True)
class Function:
    """A function or method: where it is, its name, its lines with docstring, its docstring."""

    path: str
    name: str
    lines: int
    docstring: str


def sources(folder: str) -> list[Source]:
    """Read every Python file under a folder of the repository."""
    return [
        Source(path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / folder).rglob("*.py"))
    ]


def functions(found: Iterable[Source]) -> Iterator[Function]:
    """Find every function and method, nested ones included. Decorators do not count as lines."""
    for source in found:
        for node in ast.walk(source.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield Function(source.path, node.name, lines, ast.get_docstring(node) or "")


def long_functions(found: Iterable[Source]) -> list[str]:
    """Complain about each function over budget."""
    return [
        f"{function.path}: {function.name} has {function.lines} lines, {LONGEST_FUNCTION} at most"
        for function in functions(found)
        if function.lines > LONGEST_FUNCTION
    ]


def long_modules(found: Iterable[Source]) -> list[str]:
    """Complain about each module over budget."""
    return [
        f"{source.path} has {source.lines} lines, {LONGEST_MODULE} at most"
        for source in found
        if source.lines > LONGEST_MODULE
    ]


def median_function(found: Iterable[Source]) -> float:
    """Give the median length of all functions, in lines; raises StatisticsError without any."""
    return median(function.lines for function in functions(found))


def undocumented_modules(found: Iterable[Source]) -> list[str]:
    """Complain about each module that does not say what it knows."""
    return [
        f"{source.path}: the docstring does not say what the module knows"
        for source in found
        if _says_nothing(ast.get_docstring(source.tree) or "")
    ]


def undocumented_tests(found: Iterable[Source]) -> list[str]:
    """Complain about each test that does not say which rule it checks."""
    return [
        f"{function.path}: {function.name} does not say which rule it checks"
        for function in functions(found)
        if function.name.startswith("test_") and _says_nothing(function.docstring)
    ]


def _says_nothing(docstring: str) -> bool:
    return len(re.findall(r"\w+", docstring)) < SHORTEST_DOCSTRING


def names_that_say_nothing(paths: Iterable[str]) -> list[str]:
    """Complain about modules and packages that could hold anything."""
    return [
        path
        for path in paths
        if NAMES_THAT_SAY_NOTHING.intersection(Path(path).with_suffix("").parts)
    ]


def repository_files(root: Path) -> list[str]:
    """List what is, or would be, committed; raises CalledProcessError outside a git checkout."""
    # A checkout may belong to somebody else, as in a container.
    command = ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z"]
    command += ["--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, check=True, capture_output=True)
    names = {name for name in done.stdout.decode().split("\0") if name}
    return sorted(name for name in names if (root / name).is_file())


def private_paths(path: str, content: bytes) -> list[str]:
    """Complain about each line that names a place on somebody's machine."""
    return [
        f"{path}:{number}: names a place on somebody's machine"
        for number, line in enumerate(content.splitlines(), start=1)
        if _PRIVATE_PATH.search(line)
    ]


def unexplained_ignores(pyproject: str) -> list[str]:
    """Complain about each ignored ruff rule without a reason on its line."""
    ruff = pyproject.partition("[tool.ruff.lint]")[2].partition("\n[tool.mypy]")[0]
    return [
        f"pyproject.toml: {line.strip()} has no reason beside it"
        for line in ruff.splitlines()
        if re.match(r'\s+"[A-Z]+[0-9]*"', line) and not re.search(r'",\s+# \w+', line)
    ]
