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


@contextmanager
def ending_well() -> Iterator[None]:
    """Turn whatever stops a command into a message and an exit code; never a traceback.

    SIGTERM and SIGHUP end a command as Ctrl-C does: what was measured is kept.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _as_interrupt)
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
        typer.echo(
            f"a bug of ours: {type(error).__name__}: {error}\n"
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
            place = typer.style(problem.place, bold=True)
            typer.echo(f"{indent}{place}: {problem.reason}", err=True)
            if problem.remedy:
                typer.echo(f"{indent}  {problem.remedy}", err=True)
        return
    typer.echo(f"{typer.style('error', fg='red', bold=True)}: {error.message}", err=True)
    if error.remedy:
        typer.echo(f"  {error.remedy}", err=True)


def _as_interrupt(number: int, _: FrameType | None) -> NoReturn:
    # Once only: a second signal must find us leaving, not starting over.
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def is_terminal() -> bool:
    """Whether a person watches standard error."""
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
