"""The noise file: how much runs of a load scatter on a machine where nothing changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from valkeybench.errors import ResultError
from valkeybench.results.bounds import Count, Share
from valkeybench.results.record import Record
from valkeybench.results.store import write_text

if TYPE_CHECKING:
    from pathlib import Path


_LARGEST = 1 << 24
"""Bytes; a floor is less than a thousand."""


class Floor(Record):
    """What was learned from one load on one machine."""

    created: str
    fingerprint: dict[str, JsonValue]
    """What must be the same for it to hold: machine, load, length of a trial."""
    pairs: Annotated[Count, Field(ge=2)]
    scatter: dict[str, Share]
    """Standard deviation of pairs by metric: of logarithms, or of waits in nanoseconds."""


class NoiseFile(Record):
    """Every floor that was learned; one for each fingerprint."""

    schema_version: Literal[1] = 1
    floors: list[Floor]

    def find(self, fingerprint: dict[str, JsonValue]) -> Floor | None:
        """Find what was learned of a load on a machine."""
        return next((each for each in self.floors if each.fingerprint == fingerprint), None)

    def learned(self, floor: Floor) -> NoiseFile:
        """Give the file with a floor in place of the one it had for that."""
        others = [each for each in self.floors if each.fingerprint != floor.fingerprint]
        return NoiseFile(floors=[*others, floor])


def read_noise(path: Path) -> NoiseFile:
    """Read a noise file; one that is not there is empty. Raises ResultError."""
    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise ResultError(f"{path} is too large to be a noise file")
        return NoiseFile.model_validate_json(text)
    except FileNotFoundError:
        return NoiseFile(floors=[])
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise ResultError(
            f"{path} is no noise file: {first['msg']}",
            remedy="name another with --noise, or calibrate again",
        ) from None


def write_noise(noise: NoiseFile, path: Path) -> None:
    """Write a noise file as reports are written; raises ResultError or ScenarioError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ResultError(f"{path} cannot be written: {error.strerror or error}") from None
    write_text(noise.model_dump_json(indent=1) + "\n", path, flag="--noise")
