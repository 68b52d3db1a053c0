"""Where things are printed: results to standard output, the rest to standard error."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from rich.console import Console

from valkeybench.report.terminal import render

if TYPE_CHECKING:
    from valkeybench.report.document import Document


class Lines:
    """Standard error for lines nobody depends on: what cannot be written stops no measuring."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

    def print(self, line: str) -> None:
        """Print a line, if it can be."""
        with suppress(OSError):
            self._console.print(line)


def show(document: Document, *, on_stderr: bool = False) -> None:
    """Print a document in the colours and width the terminal has."""
    render(document, Console(stderr=on_stderr, highlight=False))
