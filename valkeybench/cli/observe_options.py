"""What `observe` takes for itself, in words: how long to watch, how far to look back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from valkeybench.scenario.fields import FLAGGED

_GOAL, _OUTPUT = "What is looked for", "Output"

EXAMPLES = """\b
Examples:
  valkeybench observe --url valkey://host:6379
  valkeybench observe --url valkeys://me@host:6379 --password-file word.txt --for 10m
  valkeybench observe --url valkey://host:6379 --lookback 1h --json > seen.json
"""

_WHOM = {
    "url": "The server to watch: valkey[s]://user@host:port/db, redis[s]://…, unix://…; also"
    " VALKEYBENCH_URL.",
    "cluster": "It is a cluster: watch all its nodes.",
}
WATCHED = tuple(
    replace(field, help=_WHOM[field.parameter]) for field in FLAGGED if field.parameter in _WHOM
)
"""Whom to watch: there is nothing to see of a server of our own, which others start without."""

Lasts = Annotated[
    str, typer.Option("--for", metavar="TIME", rich_help_panel=_GOAL, help="How long to watch.")
]
Interval = Annotated[
    str,
    typer.Option(
        "--interval",
        metavar="TIME",
        rich_help_panel=_GOAL,
        help="Look this often, or less often where that took more than 1 % of a server core.",
    ),
]
Lookback = Annotated[
    str,
    typer.Option(
        "--lookback",
        metavar="TIME",
        rich_help_panel=_GOAL,
        help="Leave room for what was used within this time, by the age of its last use.",
    ),
]
Headroom = Annotated[
    str,
    typer.Option("--headroom", rich_help_panel=_GOAL, help="What to add to what was used."),
]
MaxClients = Annotated[
    int,
    typer.Option(
        "--max-clients",
        metavar="N",
        rich_help_panel=_GOAL,
        help="Do not list the clients of a server that has more: it holds everybody up.",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        help="Keep what was seen here, as JSON.",
    ),
]
AsJson = Annotated[
    bool,
    typer.Option(
        "--json",
        rich_help_panel=_OUTPUT,
        help="Write it to standard output as JSON, everything else to standard error.",
    ),
]
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", rich_help_panel=_OUTPUT, help="No progress; only who needs fewer."
    ),
]
