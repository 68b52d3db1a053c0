"""The commands that README and docs show, and how each is made fit to be run by a test.

Shown are the lines of fenced `sh` and `bash` blocks, and what jobs of a fenced `yaml` block run.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.server.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NOT_OURS = {
    "pip": "an installation, which .ci/run does in an environment of its own",
    "python": "a script of this checkout, which has tests of its own",
    "python3": "the environment the tests run in",
    ".": "the same",
    "pytest": "it is what runs this",
    "sudo": "needs root and a kernel with sch_netem; tests/load/test_netem.py where there are both",
    "dask": "a cluster of its own; tests/load/test_dask.py starts one",
    "export": "variables of Dask's own configuration; tests/load/test_dask.py sets them",
}
"""First words of commands that are shown and are not valkeybench, and why they are not run here."""

_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<kind>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)
_JOB = re.compile(r"^ *-(?: run:)? (?P<command>valkeybench .*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shown:
    """A command as words, and the page it stands on."""

    page: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        """Write it as a shell takes it, for the name of a test."""
        return f"{self.page}: {shlex.join(self.words)}"


def pages() -> list[Path]:
    """Give every page that shows commands."""
    first = ROOT / "README.md"
    others = [path for path in sorted(ROOT.glob("*.md")) if path != first]
    kept = ROOT / "results/reference/README.md"
    return [first, *others, *sorted((ROOT / "docs").rglob("*.md")), kept]


def shown() -> list[Shown]:
    """Give every command on every page, each once."""
    found: dict[tuple[str, ...], Shown] = {}
    for path in pages():
        page = path.relative_to(ROOT).as_posix()
        for words in commands_in(path.read_text(encoding="utf-8")):
            found.setdefault(words, Shown(page, words))
    return list(found.values())


def ours() -> list[Shown]:
    """Give those of them that are valkeybench's, without its name."""
    return [Shown(each.page, each.words[1:]) for each in shown() if each.words[0] == "valkeybench"]


def commands_in(text: str) -> Iterator[tuple[str, ...]]:
    """Read the commands of a page: comments, prompts and redirections are none of them."""
    for fence in _FENCE.finditer(text):
        block = fence["text"]
        if fence["kind"] == "yaml":
            block = "\n".join(job["command"] for job in _JOB.finditer(block))
        elif fence["kind"] not in ("sh", "bash"):
            continue
        for line in block.replace("\\\n", " ").splitlines():
            yield from _commands_of(shlex.split(line, comments=True))


def _commands_of(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Part a line where one command ends and another begins."""
    command: list[str] = []
    for word in [*words, "&&"]:
        if word in ("&&", ";", "|"):
            if command:
                kept = command[: command.index(">")] if ">" in command else command
                yield tuple(kept)
            command = []
        else:
            command.append(word)
