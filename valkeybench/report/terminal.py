"""Shows a document in a terminal; the only module that knows the terminal's library."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.style import Style
from rich.text import Text

from valkeybench.measurement.metrics import Phase
from valkeybench.report.document import Tone
from valkeybench.report.layout import lay_out
from valkeybench.report.page import Page
from valkeybench.report.palette import PHASE_COLOURS
from valkeybench.report.text import typeface

if TYPE_CHECKING:
    from rich.console import Console

    from valkeybench.report.document import Document
    from valkeybench.report.page import Ink

_TONES = {
    Tone.PLAIN: "",
    Tone.QUIET: "dim",
    Tone.STRONG: "bold",
    Tone.GOOD: "bold green",
    Tone.INFO: "bold cyan",
    Tone.WARNING: "bold yellow",
    Tone.BAD: "bold red",
}


def render(document: Document, console: Console) -> None:
    """Write a document to a console, as wide as it is.

    Colours and attributes only where the console is a terminal that has them and
    `NO_COLOR` is not set; box-drawing signs only where its encoding has them.
    """
    coloured = console.color_system is not None and not console.no_color
    page = Page(
        width=console.width,
        typeface=typeface(console.encoding),
        many_colours=coloured and console.color_system != "standard",
    )
    for line in lay_out(document, page):
        text = Text(end="")
        for span in line:
            text.append(span.text, _style(span.ink) if coloured else None)
        text.rstrip()
        # Lines are as wide as they are meant to be: rich must neither wrap nor crop them.
        console.print(text, soft_wrap=True, markup=False, highlight=False, emoji=False)


def _style(ink: Ink) -> Style:
    if isinstance(ink, Phase):
        return Style(color=PHASE_COLOURS[ink])
    return Style.parse(_TONES[ink])
