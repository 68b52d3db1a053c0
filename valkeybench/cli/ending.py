"""How every command ends: one clear message on standard error, and its exit code."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

import typer

from valkeybench.errors import ExitCode, ScenarioError, ValkeybenchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_TRACE = "VALKEYBENCH_TRACE"
_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
_LEFT = b"left at once; keys that begin with valkeybench: may be left on a server of yours\n"
_SHOW_CURSOR = b"\x1b[?25h\n"
"""A progress bar hides it."""


@contextmanager
def ending_well() -> Iterator[None]:
    """Turn whatever stops a command into a message and an exit code; never a traceback.

    SIGTERM and SIGHUP end a command as Ctrl-C does: what was measured is kept. A second
    Ctrl-C leaves at once.
    """
    for number in (signal.SIGINT, *_LIKE_CTRL_C):
        # What is ignored (under nohup, or in the background of a script) stays ignored.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        yield
    except ValkeybenchError as error:
        say_error(error)
        raise typer.Exit(error.exit_code) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except Exception as error:
        if os.environ.get(_TRACE):
            raise
        said = harmless(f"{type(error).__name__}: {error}")
        typer.echo(
            f"a bug of ours: {said}\n"
            f"  please report it; {_TRACE}=1 before the command shows where it happened",
            err=True,
        )
        raise typer.Exit(ExitCode.BUG) from None


def say_error(error: ValkeybenchError) -> None:
    """Say what is wrong, where, and what to do."""
    if isinstance(error, ScenarioError):
        count = len(error.problems)
        if count > 1:
            typer.echo(f"{count} problems:", err=True)
        indent = "  " if count > 1 else ""
        for problem in error.problems:
            place = typer.style(harmless(problem.place), bold=True)
            typer.echo(f"{indent}{place}: {harmless(problem.reason)}", err=True)
            if problem.remedy:
                typer.echo(f"{indent}  {harmless(problem.remedy)}", err=True)
        return
    message = harmless(error.message)
    typer.echo(f"{typer.style('error', fg='red', bold=True)}: {message}", err=True)
    if error.remedy:
        typer.echo(f"  {harmless(error.remedy)}", err=True)


def harmless(message: str) -> str:
    """Spell out what would steer a terminal: servers and files are quoted in messages."""
    from valkeybench.report.text import typeface  # noqa: PLC0415 - only for what went wrong

    return "\n".join(map(typeface("utf-8").text, message.split("\n")))


def _interrupt(_: int, __: FrameType | None) -> NoReturn:
    signal.signal(signal.SIGINT, _leave)
    for number in _LIKE_CTRL_C:
        # Who closes a terminal or ends a group sends them twice and means it once.
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _leave(_: int, __: FrameType | None) -> NoReturn:
    """Leave without clearing up; what we started ends by itself when we are gone."""
    # Not through sys.stderr, in whose lock we may have been interrupted.
    os.write(sys.stderr.fileno(), (_SHOW_CURSOR if is_terminal() else b"") + _LEFT)
    os._exit(ExitCode.INTERRUPTED)


def is_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
