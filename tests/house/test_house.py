"""The rules of the house hold here, and each of them can say no."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, version
from statistics import StatisticsError
from typing import TYPE_CHECKING

import pytest

import valkeybench
from tests.house import rules
from tests.house.rules import ROOT, Source

if TYPE_CHECKING:
    from pathlib import Path


def source(text: str) -> Source:
    """Make a module out of its text."""
    return Source("some/module.py", text)


def function_of(lines: int) -> str:
    """Write a function of so many lines."""
    return "def f():\n" + "    pass\n" * (lines - 1)


# --- what holds here ---


def test_no_function_is_over_budget() -> None:
    """A function has 60 lines at most."""
    assert [] == rules.long_functions(rules.sources("valkeybench") + rules.sources("benchmarks"))


def test_no_module_is_over_budget() -> None:
    """A module has 400 lines at most."""
    assert [] == rules.long_modules(rules.sources("valkeybench") + rules.sources("benchmarks"))


def test_the_median_function_is_short() -> None:
    """Half of all functions have ten lines at most."""
    assert rules.median_function(rules.sources("valkeybench")) <= rules.MEDIAN_FUNCTION


@pytest.mark.parametrize("folder", ["valkeybench", "benchmarks", "tests"])
def test_every_module_says_what_it_knows(folder: str) -> None:
    """A module has a docstring with words in it."""
    assert [] == rules.undocumented_modules(rules.sources(folder))


def test_every_test_states_its_rule() -> None:
    """A test has a docstring that states the rule."""
    assert [] == rules.undocumented_tests(rules.sources("tests"))


def test_no_module_could_hold_anything() -> None:
    """No module or package is called utils, common, core, helpers, base or manager."""
    found = [source.path for source in rules.sources("valkeybench") + rules.sources("tests")]
    assert [] == rules.names_that_say_nothing(found)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    """What is committed means the same on every machine."""
    files = rules.repository_files(ROOT)
    assert "pyproject.toml" in files
    assert [] == [
        complaint
        for name in files
        for complaint in rules.private_paths(name, (ROOT / name).read_bytes())
    ]


def test_the_version_is_the_installed_one() -> None:
    """What the package says of itself is what the installer was told."""
    try:
        installed = version("valkeybench")
    except PackageNotFoundError:
        pytest.fail("valkeybench is not installed here; see CONTRIBUTING.md")
    assert installed == valkeybench.__version__


def test_the_licence_travels_with_the_package() -> None:
    """The wheel is MIT but for the charting library, and carries the text of each licence."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "MIT AND Apache-2.0 AND BSD-3-Clause" == project["license"]
    found = {path.name for each in project["license-files"] for path in ROOT.glob(each)}
    assert {"LICENSE", "ECHARTS-LICENSE", "ECHARTS-NOTICE", "ZRENDER-LICENSE"} == found
    assert (ROOT / "LICENSE").read_text(encoding="utf-8").startswith("MIT License\n")


def test_every_ignored_rule_has_a_reason() -> None:
    """Whoever ignores a lint rule says why, on the same line."""
    assert [] == rules.unexplained_ignores((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


# --- the rules can say no ---


def test_a_long_function_is_found() -> None:
    """Sixty lines pass, sixty-one do not; methods, nested and async functions count."""
    assert [] == rules.long_functions([source(function_of(60))])

    expected = ["some/module.py: f has 61 lines, 60 at most"]
    assert expected == rules.long_functions([source(function_of(61))])
    assert expected == rules.long_functions([source("async " + function_of(61))])
    nested = "class C:\n" + "".join(f"  {line}\n" for line in function_of(61).splitlines())
    assert expected == rules.long_functions([source(nested)])


def test_a_long_module_is_found() -> None:
    """Four hundred lines pass, one more does not."""
    assert [] == rules.long_modules([source("\n" * 400)])
    assert ["some/module.py has 401 lines, 400 at most"] == rules.long_modules([source("\n" * 401)])


def test_the_median_is_over_all_modules() -> None:
    """The median is over every function of every module, and there must be one."""
    found = [source(function_of(3)), source(function_of(30) + function_of(12))]
    assert 12 == rules.median_function(found)
    with pytest.raises(StatisticsError):
        rules.median_function([])


@pytest.mark.parametrize("text", ["x = 1\n", '"""."""\n', '"""Stub."""\n'])
def test_a_module_that_says_nothing_is_found(text: str) -> None:
    """No docstring, an empty one and a stub of one are the same."""
    expected = ["some/module.py: the docstring does not say what the module knows"]
    assert expected == rules.undocumented_modules([source(text)])
    assert [] == rules.undocumented_modules([source('"""The clock that moves when told."""')])


def test_a_test_that_says_nothing_is_found() -> None:
    """A test without words is found, inside a class as well; what is no test is left alone."""
    text = "class A:\n  def test_it(self): pass\n\ndef other(): pass\n"
    expected = ["some/module.py: test_it does not say which rule it checks"]
    assert expected == rules.undocumented_tests([source(text)])


@pytest.mark.parametrize("path", ["a/utils.py", "a/helpers/b.py", "core/__init__.py"])
def test_a_name_that_says_nothing_is_found(path: str) -> None:
    """Modules and packages are looked at, whole words only."""
    assert [path] == rules.names_that_say_nothing([path, "a/baseline.py", "scoreboard.py"])


@pytest.mark.parametrize("place", ["work", "tmp/dev", "home/someone", "Users/someone"])
def test_a_private_path_is_found(place: str) -> None:
    """A path that begins on somebody's machine is found with its line; a relative one is fine."""
    expected = ["notes.md:2: names a place on somebody's machine"]
    assert expected == rules.private_paths("notes.md", f"fine\nsee /{place}/x".encode())
    assert [] == rules.private_paths("notes.md", f"see ./{place}/x and $dir/{place}/x".encode())


def test_an_ignore_without_a_reason_is_found() -> None:
    """Only rules are looked at, and a bare hash is no reason."""
    text = '[tool.ruff.lint]\nignore = [\n  "A1",\n  "B2", #\n  "C3", # why\n]\n[tool.mypy]\n'
    assert [
        'pyproject.toml: "A1", has no reason beside it',
        'pyproject.toml: "B2", # has no reason beside it',
    ] == rules.unexplained_ignores(text)


def test_files_about_to_be_committed_are_looked_at(tmp_path: Path) -> None:
    """A new file counts before it is added, an ignored one never."""
    for name in ("new.md", "ignored.md"):
        (tmp_path / name).touch()
    (tmp_path / ".gitignore").write_text("ignored.md\n", encoding="utf-8")
    (tmp_path / ".git").mkdir()
    for name in ("objects", "refs"):
        (tmp_path / ".git" / name).mkdir()
    (tmp_path / ".git" / "HEAD").write_text("ref: refs/heads/main\n", encoding="utf-8")

    assert [".gitignore", "new.md"] == rules.repository_files(tmp_path)
