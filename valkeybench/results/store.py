"""Where run files live: written beside and renamed over, read back with every doubt spelt out."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import contextmanager, suppress
from datetime import UTC
from itertools import chain, count
from math import isinf
from pathlib import Path
from stat import S_IMODE
from typing import TYPE_CHECKING

from pydantic import ValidationError
from pydantic_core import from_json

from valkeybench.errors import ResultError, ScenarioError
from valkeybench.results.claim import claimed, taken
from valkeybench.results.runfile import SCHEMA_VERSION, RunFile
from valkeybench.results.soundness import contradictions

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

LARGEST_FILE = 256 * 2**20
"""Bytes; a run of fifty cases is about ten million."""

MOST_VALUES = 5_000_000
"""Numbers, texts and lists in a file; a run of fifty cases has some hundred thousand."""

MOST_CASES = 10_000

_OUTPUT = "--output"
"""The flag that names a file, where no other does."""

_ROOM = 64 * 2**10
"""Bytes there must be room for before the load: more than a run of one trial takes."""

_MOST_NAMES = 10_000
"""Names in one object."""

_LONGEST_SHOWN = 120
"""Characters of what a file says that a message repeats."""

DEFAULT_DIRECTORY = Path("results")


def default_path(name: str, created: datetime) -> Path:
    """Choose where a run is kept when the user does not say: `results/<utc>-<name>.json`.

    A number follows where that is taken, by a run of the same second or since the clock was set
    back: nobody asked for it to be replaced.
    """
    stem = f"{created.astimezone(UTC):%Y%m%dT%H%M%SZ}-{name}"
    names = chain([f"{stem}.json"], (f"{stem}-{number}.json" for number in count(2)))
    return next(path for each in names if not taken(path := DEFAULT_DIRECTORY / each))


@contextmanager
def place_for(path: Path | None, *, make_directory: bool, flag: str = _OUTPUT) -> Iterator[None]:
    """Find out before the load starts whether the result can be kept; keep its place meanwhile.

    A directory made for it is gone again when nothing came to be in it. No path is no place to
    keep. Raises ScenarioError naming what stands in the way, another run among them.
    """
    if path is None:
        yield
        return
    made: list[Path] = []
    try:
        if make_directory:
            made = _make(path.parent)
        _check_target(
            path, flag, "use --json to write to a pipe or device" if flag == _OUTPUT else ""
        )
        _try_writing(path.parent)
    except OSError as error:
        _unmake(made)
        raise _unwritable(path, error, flag) from None
    try:
        with claimed(path, flag=flag):
            yield
    finally:
        _unmake(made)


def _try_writing(directory: Path) -> None:
    """Raise OSError where no file can be made and filled; modes alone do not tell."""
    with tempfile.TemporaryFile(dir=directory) as file:
        file.write(bytes(_ROOM))  # a full disk makes files, and has nothing to put in them
        file.flush()
        os.fsync(file.fileno())


def _make(directory: Path) -> list[Path]:
    """Make a directory; give those that were not there before, the innermost first."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    directory.mkdir(parents=True, exist_ok=True)
    return missing


def _unmake(made: Sequence[Path]) -> None:
    """Take directories away again that hold nothing."""
    with suppress(OSError):
        for directory in made:
            directory.rmdir()


def _check_target(path: Path, flag: str, remedy: str) -> None:
    """Look at what is there already; `remedy` is for what is no ordinary file, where it has one.

    A link is not followed: whoever made it would choose which file is replaced. Directories on
    the way may be links.
    """
    if path.is_symlink():
        reason = f"{path} is a symbolic link"
        itself = ", or ".join(filter(None, ("name the file itself", remedy)))
        raise ScenarioError.one(flag, reason, itself)
    directory = path.parent
    if not directory.exists():
        reason, how = f"there is no directory {directory}", f"create it: mkdir -p {directory}"
        raise ScenarioError.one(flag, reason, how)
    if path.is_dir():
        raise ScenarioError.one(flag, f"{path} is a directory", "name a file in it")
    if path.exists() and not path.is_file():
        raise ScenarioError.one(flag, f"{path} is no ordinary file", remedy or "name one that is")


def write_run(run: RunFile, path: Path) -> None:
    """Write the run so that the file is always whole: beside first, then renamed over.

    A link is refused, and a file that is there keeps its mode. Raises ResultError when the
    disk will not take it; what was there before stays.
    """
    text = run.model_dump_json(by_alias=True, indent=1)
    try:
        if path.is_symlink() or (path.exists() and not path.is_file()):
            what = "a symbolic link" if path.is_symlink() else "no ordinary file"
            raise ResultError(f"the result is not written to {path}: it is {what}")
        _replace(path, f"{text}\n")
    except OSError as error:
        raise ResultError(
            f"the result could not be written to {path}: {_reason(error)}",
            remedy="make room there, or name another place with --output",
        ) from None


def check_replaceable(path: Path, *, flag: str = _OUTPUT, remedy: str = "") -> None:
    """Find out whether a file can be written there, or in the place of the one that is there.

    Raises ScenarioError when it cannot, or a link, a directory or a device of that name is in
    the way: what is made of runs is never written through any of them.
    """
    try:
        _check_target(path, flag, remedy)
        _try_writing(path.parent)
    except OSError as error:
        raise _unwritable(path, error, flag) from None


def write_text(text: str, path: Path, *, flag: str = _OUTPUT) -> None:
    """Write a text so that the file is always whole: beside first, then renamed over.

    A file that is there is replaced and keeps its mode; a link is refused. Raises ScenarioError
    or ResultError, and then what was there before stays.
    """
    check_replaceable(path, flag=flag)
    try:
        _replace(path, text)
    except OSError as error:
        raise ResultError(
            f"{path} could not be written: {_reason(error)}",
            remedy=f"make room there, or name another place with {flag}",
        ) from None


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with beside.open("x", encoding="utf-8", newline="") as file:
            # Not through a link, should one have come there meanwhile; it would be replaced itself.
            if os.path.lexists(path):
                os.fchmod(file.fileno(), S_IMODE(path.lstat().st_mode))
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:  # Ctrl-C as well: nothing half-written stays
        with suppress(OSError):
            beside.unlink()
        raise


def read_run(path: Path) -> RunFile:
    """Read a run file; raises ResultError saying what is wrong with it."""
    try:
        # Not by its size, of which a device or a pipe has none.
        with path.open("rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise ResultError(f"{path} is too large to be a run file")
        # Before it is read, as each value takes many times its length: between two is a comma.
        if text.count(b",") > MOST_VALUES:
            raise ResultError(
                f"{path} holds more values than a run file has ({MOST_VALUES} at most)"
            )
        document = from_json(text, allow_inf_nan=False)
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {_reason(error)}") from None
    except ValueError as error:
        raise ResultError(f"{path} is not JSON: {error}") from None
    version = document.get("schema_version") if isinstance(document, dict) else None
    if isinstance(version, bool) or version != SCHEMA_VERSION:
        raise ResultError(
            f"{path} is not a run file of schema version {SCHEMA_VERSION} "
            f"(it says {_short(repr(version))})",
            remedy="was it written by valkeybench, and by a version this one knows?",
        )
    _check_extent(document, path)
    try:
        run = RunFile.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = _short(".".join(map(str, first["loc"])))
        raise ResultError(
            f"{path} is not a valid run file: {place}: {_short(first['msg'])}"
            + (f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else "")
        ) from None
    for said in contradictions(run):
        raise ResultError(f"{path} does not agree with itself: {_short(said)}")
    return run


def _check_extent(document: dict[str, object], path: Path) -> None:
    """Refuse what is no run for its size alone, before every part of it is looked at."""
    cases = document.get("cases")
    if isinstance(cases, list) and len(cases) > MOST_CASES:
        raise ResultError(f"{path} has {len(cases)} cases; {MOST_CASES} are the most")
    waiting: list[object] = [document]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict) and len(each) > _MOST_NAMES:
            raise ResultError(f"{path} has {len(each)} names in one place; {_MOST_NAMES} at most")
        parts = each.values() if isinstance(each, dict) else each
        for part in parts if isinstance(parts, Iterable) else ():
            if isinstance(part, dict | list):
                waiting.append(part)
            elif isinstance(part, float) and isinf(part):
                # 1e999 is JSON, and a number that cannot be written as JSON again.
                raise ResultError(f"{path} holds a number beyond all bounds")


def _unwritable(path: Path, error: OSError, flag: str) -> ScenarioError:
    return ScenarioError.one(
        flag, f"{path} cannot be written ({_reason(error)})", f"name another place with {flag}"
    )


def _reason(error: OSError) -> str:
    """Say why in the system's words, without the paths it adds."""
    return error.strerror or str(error)


def _short(words: str) -> str:
    return words if len(words) <= _LONGEST_SHOWN else f"{words[: _LONGEST_SHOWN - 1]}…"
