"""How somebody is asked before a server that may be in use is loaded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from valkeybench.cli.ending import harmless, is_terminal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.cli.progress import Silence
    from valkeybench.errors import Problem

_PANEL = "Guards"

Yes = Annotated[
    bool,
    typer.Option(
        "--yes",
        "-y",
        rich_help_panel=_PANEL,
        help="Load a server that others use, or most of whose connections it takes, without "
        "being asked. Servers of this machine are never asked about.",
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run",
        rich_help_panel=_PANEL,
        help="Only say what would be done: cases, time, connections, keys. No load is sent; a "
        "server named by --url is asked about itself, a private one not started.",
    ),
]


class Consent:
    """Says yes when that was said before; else asks who sits there, and is a no if nobody does."""

    def __init__(self, progress: Silence, *, yes: bool) -> None:
        self._progress, self._yes = progress, yes

    def __call__(self, found: Sequence[Problem]) -> bool:
        """Tell whether the server is to be loaded, knowing what speaks against it."""
        if self._yes:
            return True
        if not (sys.stdin.isatty() and is_terminal()):
            return False
        with self._progress.aside():
            for problem in found:
                place = typer.style(harmless(problem.place), bold=True)
                typer.echo(f"{place}: {harmless(problem.reason)}", err=True)
            try:
                return typer.confirm("Load it all the same?", default=False, err=True)
            except typer.Abort:
                raise KeyboardInterrupt from None
