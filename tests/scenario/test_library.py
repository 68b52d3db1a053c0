"""Scenarios are found by seed name or path, and what is not found is said with what is near."""

from __future__ import annotations

from pathlib import Path

import pytest

from valkeybench.errors import ScenarioError
from valkeybench.scenario.library import find_scenario, read_text, seed_paths
from valkeybench.scenario.reader import parse_toml, read_scenario

ROOT = Path(__file__).parents[2]


def problem(word: str) -> str:
    """Say what is wrong with a name or path."""
    with pytest.raises(ScenarioError) as caught:
        find_scenario(word)
    return str(caught.value)


def test_the_seed_scenarios_are_those_in_the_repository() -> None:
    """Every file in `scenarios/` can be run by its bare name."""
    assert sorted(path.stem for path in (ROOT / "scenarios").glob("*.toml")) == list(seed_paths())
    assert 5 <= len(seed_paths())


@pytest.mark.parametrize("name", sorted(seed_paths()))
def test_a_seed_scenario_teaches(name: str) -> None:
    """It can be read, has a title on one line, a description, and something to compare.

    One for `valkeybench size` has a single load: the search is what varies.
    """
    path = find_scenario(name)
    scenario = read_scenario(parse_toml(read_text(path), source=str(path)), name=name)

    assert name == scenario.name
    assert 10 < len(scenario.title) < 80
    assert len(scenario.description.split()) > 30
    assert len(scenario.cases()) > 1 or name.startswith("size-")


def test_a_file_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Relative, absolute or from home, with or without the suffix; a seed's name comes first."""
    path = tmp_path / "mine.toml"
    path.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    assert path == find_scenario(str(path))
    assert Path("mine.toml") == find_scenario("mine.toml")
    assert path == find_scenario("~/mine.toml")
    (tmp_path / "reuse").touch()
    assert "reuse.toml" == find_scenario("reuse").name


def test_a_scenario_that_is_not_there_is_said_with_the_nearest() -> None:
    """A typo is told from a path that leads nowhere."""
    assert "SCENARIO: there is no scenario undersize; did you mean undersized?" == problem(
        "undersize"
    )
    assert "SCENARIO: there is no file a/b; check the path" == problem("a/b")
    assert "SCENARIO: there is no file b.toml; check the path" == problem("b.toml")
    assert f"; there are {', '.join(seed_paths())}" in problem("zzz")


@pytest.mark.parametrize("word", ["", "a" * 5000, "~nobody-of-that-name/x", "a\0b", "\udcff", "."])
def test_no_word_however_odd_breaks_the_search(word: str) -> None:
    """Whatever is typed, the answer is one legible line."""
    assert problem(word).startswith("SCENARIO: there is no ")
    assert problem(word).isprintable()
    assert len(problem(word)) < 140 + sum(len(f"{name}, ") for name in seed_paths())


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """A directory, a file that went away, bytes that are no text: each has its reason."""
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe")
    expected = [
        f"{tmp_path}: cannot be read: Is a directory",
        f"{tmp_path / 'gone.toml'}: cannot be read: No such file or directory",
        f"{binary}: not text in UTF-8; is it a scenario file?",
    ]
    seen = []
    for path in (tmp_path, tmp_path / "gone.toml", binary):
        with pytest.raises(ScenarioError) as caught:
            read_text(path)
        seen.append(str(caught.value))

    assert expected == seen
