"""What `report` may be told, and where other commands write pages to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from valkeybench.cli.output_options import PANEL

EXAMPLES = """\b
Examples:
  valkeybench report RUN.json                  in the terminal
  valkeybench report RUN.json -o report.html   as a page, to print and to forward
  valkeybench report A.json B.json -o all.csv  several runs beside each other
  valkeybench report RUN.json --format om -o -  to standard output
"""

Runs = Annotated[
    list[Path] | None,
    typer.Argument(metavar="RUN…", help="Files that `valkeybench run` or `size` wrote."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="Write it here, in the format the name ends in; - is standard output.",
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="WORD",
        help="html, md, csv, json, hgrm, hlog, om (OpenMetrics) or prom (Prometheus).",
    ),
]
Case = Annotated[
    list[str] | None,
    typer.Option("--case", metavar="ID", help="Only this case; several may be named."),
]
Phase = Annotated[
    str | None,
    typer.Option(
        "--phase",
        metavar="NAME",
        help="Whose percentiles an .hgrm holds. [dim]Default: response[/dim]",
    ),
]
Schema = Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of a run file.")]

Page = Annotated[
    Path | None,
    typer.Option(
        "--page",
        metavar="FILE",
        rich_help_panel=PANEL,
        help="Write the plan as a page as well (.html), or as Markdown (.md).",
    ),
]
