"""The flags that say where a command's result goes, for the commands that measure."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PANEL = "Output"
"""The heading they are listed under."""

Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        rich_help_panel=PANEL,
        help="Keep the result here instead of results/<utc>-<name>.json.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        rich_help_panel=PANEL,
        help="Write the result to standard output, everything else to standard error; "
        "no file unless -o names one.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", rich_help_panel=PANEL, help="No progress; only the recommendation."
    ),
]
