"""What was learned of a machine's noise is kept, one floor for each load, and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from valkeybench.errors import ResultError, ScenarioError
from valkeybench.results.noisefile import Floor, NoiseFile, read_noise, write_noise

if TYPE_CHECKING:
    from pathlib import Path


def floor(load: str, scatter: float) -> Floor:
    """Make a floor."""
    return Floor(
        created="2026-01-02T03:04:05Z",
        fingerprint={"cpu": "Example", "axes": {"think": load}},
        pairs=12,
        scatter={"response.p99": scatter},
    )


def test_a_floor_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    """Of the same load on the same machine; others stay."""
    path = tmp_path / "new" / "noise.json"
    assert [] == read_noise(path).floors
    noise = NoiseFile(floors=[floor("1ms", 0.1), floor("2ms", 0.2)]).learned(floor("1ms", 0.3))
    write_noise(noise, path)

    again = read_noise(path)
    found = again.find({"cpu": "Example", "axes": {"think": "1ms"}})
    assert (2, 0.3) == (len(again.floors), found and found.scatter["response.p99"])
    assert again.find({"cpu": "Other", "axes": {"think": "1ms"}}) is None


@pytest.mark.parametrize("text", ["", "[]", '{"schema_version": 2, "floors": []}', '{"floors": 1}'])
def test_a_file_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    """A gate must not take a floor for known that is not."""
    path = tmp_path / "noise.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ResultError, match="no noise file"):
        read_noise(path)


def test_a_place_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    """To read from, or to write to."""
    with pytest.raises(ResultError, match="cannot be read"):
        read_noise(tmp_path)
    with pytest.raises(ScenarioError, match=r"--noise: .* is a directory"):
        write_noise(NoiseFile(floors=[]), tmp_path)
