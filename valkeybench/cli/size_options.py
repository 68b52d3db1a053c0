"""What `size` takes for itself, in words: what is good enough, and how sure it shall be."""

from __future__ import annotations

from typing import Annotated

import typer

_GOAL = "What is looked for"

REFUSED = {
    "max_conn": ("--max-conn", "that is what size finds", "to limit it, use --cap"),
    "fail_if": ("--fail-if", "is for runs and gates", "say what is good enough with --slo"),
    "repeats": ("--repeats", "size decides how often it tries", "see --confidence"),
}
"""What a run takes and a search does not, by parameter name: the flag, why, and what to do."""

EXAMPLES = """\b
Examples:
  valkeybench size -c 50 --think 10ms           as good as a pool that is no limit
  valkeybench size size-web --slo 'response.p99 < 5ms'
  valkeybench size -c 50 --confidence certified --growth 1.5x
  valkeybench size --pool raising -c 20         which size never raises?
"""

Slo = Annotated[
    list[str] | None,
    typer.Option(
        "--slo",
        metavar="LIMIT",
        rich_help_panel=_GOAL,
        help="What is good enough, as 'response.p99 < 5ms'; several must all hold. "
        "[dim]Default: as good as a pool that is no limit[/dim]",
    ),
]
Confidence = Annotated[
    str,
    typer.Option(
        "--confidence",
        metavar="WORD",
        rich_help_panel=_GOAL,
        help="quick: one run and an estimate; standard: sizes tried beside a pool that is no "
        "limit; certified: fresh pairs prove it.",
    ),
]
Headroom = Annotated[
    str,
    typer.Option("--headroom", rich_help_panel=_GOAL, help="What to add, said beside the size."),
]
Growth = Annotated[
    str,
    typer.Option(
        "--growth",
        metavar="FACTOR",
        rich_help_panel=_GOAL,
        help="Also say what so many times the load needs.",
    ),
]
Cap = Annotated[
    int | None,
    typer.Option("--cap", metavar="N", rich_help_panel=_GOAL, help="No pool larger than this."),
]
