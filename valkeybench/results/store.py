"""Where run files live: written beside and renamed over, read back with every doubt spelt out."""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from valkeybench.errors import ResultError, ScenarioError
from valkeybench.results.runfile import SCHEMA_VERSION, RunFile

if TYPE_CHECKING:
    from datetime import datetime

LARGEST_FILE = 256 * 2**20
"""Bytes; a run of fifty cases is about ten million."""

DEFAULT_DIRECTORY = Path("results")


def default_path(name: str, created: datetime) -> Path:
    """Choose where a run is kept when the user does not say: `results/<utc>-<name>.json`."""
    return DEFAULT_DIRECTORY / f"{created:%Y%m%dT%H%M%SZ}-{name}.json"


def check_writable(path: Path, *, make_directory: bool) -> None:
    """Find out before the load starts whether the result can be kept.

    Raises ScenarioError naming what stands in the way.
    """
    directory = path.parent
    if make_directory:
        try:
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(directory, error.strerror or str(error)) from None
    if not directory.is_dir():
        raise ScenarioError.one(
            "--output", f"there is no directory {directory}", f"create it: mkdir -p {directory}"
        )
    if path.is_dir():
        raise ScenarioError.one("--output", f"{path} is a directory", "name a file in it")
    try:
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise _unwritable(directory, error.strerror or str(error)) from None


def write_run(run: RunFile, path: Path) -> None:
    """Write the run so that the file is always whole: beside first, then renamed over.

    Raises ResultError when the disk will not take it; what was there before stays.
    """
    text = run.model_dump_json(by_alias=True, indent=1)
    handle, beside = None, ""
    try:
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.chmod(beside, 0o666 & ~_umask())
        Path(beside).replace(path)
    except OSError as error:
        with suppress(OSError):
            Path(beside).unlink()
        raise ResultError(
            f"the result could not be written to {path}: {error.strerror}",
            remedy="make room there, or name another place with --output",
        ) from None


def read_run(path: Path) -> RunFile:
    """Read a run file; raises ResultError saying what is wrong with it."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise ResultError(f"{path} is too large to be a run file")
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path} is not JSON: {error}") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ResultError(
            f"{path} is not a run file of schema version {SCHEMA_VERSION} (it says {version!r})",
            remedy="was it written by valkeybench, and by a version this one knows?",
        )
    try:
        return RunFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ResultError(
            f"{path} is not a valid run file: {place}: {first['msg']}"
            + (f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else "")
        ) from None


def _unwritable(directory: Path, why: str) -> ScenarioError:
    return ScenarioError.one(
        "--output", f"{directory} cannot be written to ({why})", "name another place with --output"
    )


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
