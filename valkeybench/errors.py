"""Everything that can stop valkeybench, each with the exit code it ends in.

ValkeybenchError      1   a bug of ours, or something nobody foresaw
├── ScenarioError     2   what was asked cannot be (all problems at once, each with its place)
├── ServerError       3   no server, it refused us, or it went away
├── LoadError         4   the load could not be generated as promised
└── ResultError       5   a result file cannot be read or compared

A command that fails inside a trial is data, counted by kind in the measurement, and never
one of these. A gate that says no is not an error either: it has exit codes of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class ExitCode(IntEnum):
    """What the shell is told."""

    DONE = 0
    BUG = 1
    USAGE = 2
    SERVER = 3
    LOAD = 4
    RESULT = 5
    GATE_FAIL = 10
    GATE_INCONCLUSIVE = 11
    INTERRUPTED = 130

    @property
    def meaning(self) -> str:
        """Say what happened."""
        return _MEANINGS[self]


_MEANINGS = {
    ExitCode.DONE: "done; a gate says pass",
    ExitCode.BUG: "a bug of ours",
    ExitCode.USAGE: "what was asked cannot be: usage or scenario",
    ExitCode.SERVER: "the server is unreachable, refused us, or went away",
    ExitCode.LOAD: "the load could not be generated as promised",
    ExitCode.RESULT: "a result file can't be read, written or compared",
    ExitCode.GATE_FAIL: "a gate, or `--fail-if`, says no",
    ExitCode.GATE_INCONCLUSIVE: "a gate, or `--fail-if`, can't say",
    ExitCode.INTERRUPTED: "interrupted; what was measured is kept",
}


class ValkeybenchError(Exception):
    """The root: something stopped us.

    `remedy` says what the reader can do about it.
    """

    exit_code = ExitCode.BUG

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with what was asked: where, what, and what to do."""

    place: str
    reason: str
    remedy: str = ""

    def __str__(self) -> str:
        """Put the problem on one line, as the terminal shows it."""
        return f"{self.place}: {self.reason}" + (f"; {self.remedy}" if self.remedy else "")


class ScenarioError(ValkeybenchError):
    """What was asked cannot be: every problem found, not only the first."""

    exit_code = ExitCode.USAGE

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    @classmethod
    def one(cls, place: str, reason: str, remedy: str = "") -> ScenarioError:
        """Make the error for a single problem."""
        return cls([Problem(place, reason, remedy)])


class ServerError(ValkeybenchError):
    """There is no server, it refused us, or it went away."""

    exit_code = ExitCode.SERVER


class LoadError(ValkeybenchError):
    """The load could not be generated as promised."""

    exit_code = ExitCode.LOAD


class ResultError(ValkeybenchError):
    """A result file cannot be read or compared."""

    exit_code = ExitCode.RESULT
