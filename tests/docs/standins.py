"""What stands in for the files, servers and lengths of time that shown commands speak of."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.runs import case_record, run_file
from tests.server.processes import ROOT
from valkeybench.results.store import read_run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from valkeybench.results.runfile import RunFile

REFERENCE = ROOT / "results/reference"

_WRITES = ("-o", "--output", "--junit", "--markdown")
_SHORT = ("--duration", "150ms", "--warmup", "0")
SHORTER = {
    "run": (*_SHORT, "--repeats", "1", "--quiet"),
    "size": (*_SHORT, "--confidence", "quick", "--quiet"),
    "observe": ("--for", "300ms", "--quiet"),
}
"""Flags that make a command's load or watch short; they come last, and so before its own."""


def put_files(words: Sequence[str], directory: Path) -> None:
    """Put the files a command reads where it looks for them."""
    for day, word in enumerate(_read(words), start=10):
        path = directory / word
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            # No two files hold one and the same run.
            run = _run_for(words).model_copy(update={"created": f"2026-11-{day}T12:00:00+00:00"})
            path.write_text(run.model_dump_json(by_alias=True), encoding="utf-8")
        elif path.suffix == ".toml":
            shutil.copy(ROOT / "scenarios/size-web.toml", path)
        elif path.suffix == ".txt":
            path.write_text("secret\n", encoding="utf-8")
            path.chmod(0o600)


def _read(words: Sequence[str]) -> Iterator[str]:
    """Name the files among a command's words, but for those it writes."""
    for before, word in zip(("", *words), words, strict=False):
        if before not in _WRITES and word.endswith((".json", ".toml", ".txt")):
            yield word


def _run_for(words: Sequence[str]) -> RunFile:
    """Give a kept run with limits of its own; with and without TLS, where that is asked about."""
    if any("tls" in word for word in words):
        return run_file(*(case_record(tls=on) for on in (False, True)))
    if words[0] == "fleet":
        return read_run(REFERENCE / "size.json")
    run = read_run(REFERENCE / "pool.json")
    return run.model_copy(update={"scenario": {**run.scenario, "fail_if": ["failed > 0"]}})


def elsewhere(words: Sequence[str], url: str, password_file: Path) -> list[str]:
    """Name another server than the one a command names, and the file with its password."""
    if "--url" not in words:
        return list(words)
    kept = []
    skips = False
    for word in words:
        if not skips and word not in ("--url", "--password-file"):
            kept.append(word)
        skips = word in ("--url", "--password-file")
    return [*kept, "--url", url, "--password-file", str(password_file)]
