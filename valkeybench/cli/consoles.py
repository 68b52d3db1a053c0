"""Where things are printed: results to standard output, the rest to standard error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from valkeybench.report.terminal import render

if TYPE_CHECKING:
    from valkeybench.report.document import Document


def show(document: Document, *, on_stderr: bool = False) -> None:
    """Print a document in the colours and width the terminal has."""
    render(document, Console(stderr=on_stderr, highlight=False))
