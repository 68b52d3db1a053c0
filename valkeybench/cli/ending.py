"""How every command ends: one clear message on standard error, and its exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

import typer

from valkeybench.errors import (
    ExitCode,
    LoadError,
    ResultError,
    ScenarioError,
    ValkeybenchError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

_TRACE = "VALKEYBENCH_TRACE"
_LIKE_CTRL_C = (signal.SIGTERM, signal.SIGHUP)
_LEFT = b"left at once; keys that begin with valkeybench: may be left on a server of yours\n"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS})
_NOT_GIVEN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
_SHOW_CURSOR = b"\x1b[?25h\n"
"""A progress bar hides it."""


def let_closed_streams_lead_nowhere() -> None:
    """Open streams that we were given closed, or the next files opened would take their places."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            _lead_nowhere(number)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


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
        _say("interrupted")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except (typer.Exit, typer.Abort, BrokenPipeError):
        raise
    except OSError as error:
        if (why := _not_ours(error)) is None:
            _report_bug(error)
        else:
            say_error(why)
            raise typer.Exit(why.exit_code) from None
    except Exception as error:  # noqa: BLE001 - whatever it was, it is said and has its exit code
        _report_bug(error)


@contextmanager
def output_ending_well() -> Iterator[None]:
    """See to it that what was printed has arrived; say so in one message when it cannot."""
    try:
        try:
            yield
        finally:
            if sys.stdout is not None:
                sys.stdout.flush()
    except BrokenPipeError:
        _give_output_up()
        raise SystemExit(ExitCode.BUG) from None  # as click has it; nobody listens any more
    except OSError as error:
        if (why := _not_ours(error)) is None:
            raise
        _give_output_up()
        say_error(why)
        raise SystemExit(why.exit_code) from None


def _report_bug(error: Exception) -> NoReturn:
    if os.environ.get(_TRACE):
        raise error
    said = harmless(f"{type(error).__name__}: {error}")
    _say(
        f"a bug of ours: {said}\n"
        f"  please report it; {_TRACE}=1 before the command shows where it happened"
    )
    raise typer.Exit(ExitCode.BUG) from None


def _not_ours(error: OSError) -> ValkeybenchError | None:
    """Say what the system did not have or do, when that is why we cannot go on."""
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return ResultError(
            f"what there is to say could not be written: {reason}",
            remedy="make room, or send standard output elsewhere; "
            "--output FILE keeps what a run measured, whatever becomes of the rest",
        )
    if error.errno in _NOT_GIVEN:
        return LoadError(
            f"this machine did not give what is needed: {reason}",
            remedy="raise what it allows (ulimit -n and -u, the limits of a container)",
        )
    return None


def _give_output_up() -> None:
    """Let what is still waiting to be printed go nowhere, or the interpreter would try again."""
    with suppress(OSError, ValueError):
        _lead_nowhere(sys.stdout.fileno())


def _lead_nowhere(number: int) -> None:
    """Let a descriptor, open or not, be one of what takes everything and gives nothing."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != number:
        os.dup2(nowhere, number)
        os.close(nowhere)


def say_error(error: ValkeybenchError) -> None:
    """Say what is wrong, where, and what to do."""
    if isinstance(error, ScenarioError):
        count = len(error.problems)
        if count > 1:
            _say(f"{count} problems:")
        indent = "  " if count > 1 else ""
        for problem in error.problems:
            place = typer.style(harmless(problem.place), bold=True)
            _say(f"{indent}{place}: {harmless(problem.reason)}")
            if problem.remedy:
                _say(f"{indent}  {harmless(problem.remedy)}")
        return
    _say(f"{typer.style('error', fg='red', bold=True)}: {harmless(error.message)}")
    if error.remedy:
        _say(f"  {harmless(error.remedy)}")


def harmless(message: str) -> str:
    """Spell out what would steer a terminal: servers and files are quoted in messages."""
    from valkeybench.report.text import typeface  # noqa: PLC0415 - only for what went wrong

    return "\n".join(map(typeface("utf-8").text, message.split("\n")))


def _say(words: str) -> None:
    """Tell whoever reads standard error; where nobody can, the exit code has to do."""
    with suppress(OSError):
        typer.echo(words, err=True)


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
