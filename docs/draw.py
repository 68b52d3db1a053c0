"""Draws the picture of a terminal that the README shows, from a kept run and by the tool itself.

    python -m docs.draw              write docs/terminal.svg anew

A test compares its words with the report of that run.
"""

from __future__ import annotations

import re
from io import StringIO
from pathlib import Path

from rich.console import Console

from valkeybench.report.document import Callout, Document, Heading, Paragraph
from valkeybench.report.run import run_document
from valkeybench.report.terminal import render
from valkeybench.results.store import read_run

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/terminal.svg"
RUN = ROOT / "results/reference/pool.json"
COMMAND = "valkeybench run -c 20 -m 10 --think 50ms --rtt 1ms"
COLUMNS = 80
PARTS = 2
"""How many parts of the report are shown, from its beginning; then comes the answer."""


def picture() -> str:
    """Draw the beginning of the kept run's report as a terminal shows it."""
    console = Console(
        record=True, width=COLUMNS, file=StringIO(), force_terminal=True,
        color_system="truecolor", legacy_windows=False, _environ={},
    )  # fmt: skip
    document = run_document(read_run(RUN), path=None)
    console.print(f"$ {COMMAND}", style="bold", highlight=False)
    render(_excerpt(document), console)
    drawn = console.export_svg(title="valkeybench", unique_id="valkeybench")
    # Whatever fixed-width font the reader has: a picture asks nobody else for anything.
    drawn = re.sub(r"@font-face \{.*?\}\s*", "", drawn, flags=re.DOTALL)
    return drawn.replace("Fira Code, monospace", "ui-monospace, Menlo, Consolas, monospace")


def _excerpt(document: Document) -> Document:
    """Keep a report's first parts, and the size it ends with."""
    blocks, headings = [], 0
    for block in document.blocks:
        headings += isinstance(block, Heading) and block.level > 1
        if headings > PARTS:
            break
        blocks.append(block)
    answer = [block for block in document.blocks if _is_answer(block)]
    return Document((*blocks, Paragraph(text="…", parted=True), *answer))


def _is_answer(block: object) -> bool:
    return isinstance(block, Callout) and block.title.startswith("Recommended")


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
