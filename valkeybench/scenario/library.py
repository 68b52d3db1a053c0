"""The seed scenarios that ship with valkeybench, and scenario files of the user's own."""

from __future__ import annotations

from pathlib import Path

from valkeybench.errors import ScenarioError
from valkeybench.scenario.wording import did_you_mean, legible

_LARGEST = 1 << 20
"""Bytes; the longest scenario that ships has a few thousand."""

_PACKAGED = Path(__file__).parent / "seed"
_IN_CHECKOUT = Path(__file__).parents[2] / "scenarios"


def seed_paths() -> dict[str, Path]:
    """Give the seed scenarios by name; empty only in a broken installation."""
    directory = _PACKAGED if _PACKAGED.is_dir() else _IN_CHECKOUT
    return {path.stem: path for path in sorted(directory.glob("*.toml"))}


def find_scenario(word: str) -> Path:
    """Find a scenario by seed name or by path; raises ScenarioError with the nearest name."""
    seeds = seed_paths()
    if word in seeds:
        return seeds[word]
    path = Path(word)
    try:
        path = path.expanduser()
        if path.is_file():
            return path
    except (OSError, RuntimeError):  # too long, not ours to look at, nobody's home
        pass
    if path.suffix == ".toml" or len(path.parts) > 1:
        raise ScenarioError.one("SCENARIO", f"there is no file {legible(word)}", "check the path")
    reason = f"there is no scenario {legible(word)}"
    raise ScenarioError.one("SCENARIO", reason, did_you_mean(word, seeds))


def read_text(path: Path) -> str:
    """Read a scenario file; raises ScenarioError when it is not text."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ScenarioError.one(str(path), "too large for a scenario", "is it the right file?")
        return text.decode()
    except UnicodeDecodeError:
        raise ScenarioError.one(str(path), "not text in UTF-8", "is it a scenario file?") from None
    except OSError as error:
        raise ScenarioError.one(str(path), f"cannot be read: {error.strerror}") from None
