"""What `valkeybench fleet` takes, in words; doing it is left to `cli/fleet.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from valkeybench.cli.consent import Yes
from valkeybench.cli.ending import ending_well
from valkeybench.cli.flags import takes_flags
from valkeybench.cli.output_options import PANEL
from valkeybench.cli.report_options import Page
from valkeybench.scenario.field import Panel
from valkeybench.scenario.fleet import FLEET_FIELDS

FLEET_EXAMPLES = """\b
Examples:
  valkeybench fleet results/mine.json --processes 40 --pods 25
  valkeybench fleet results/mine.json --processes 40 --pods 25 --measure    what the run lacks
  valkeybench fleet results/mine.json --processes 8 --maxclients 20000 --server-memory 8GiB
  valkeybench fleet results/mine.json --processes 8 --tls on --handshakes-per-second 477
"""


_Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        rich_help_panel=PANEL,
        help="Keep what --measure measured here instead of results/<utc>-fleet-storm.json.",
    ),
]


@takes_flags(Panel.SERVER, Panel.TLS, own=FLEET_FIELDS)
def fleet_command(
    run: Annotated[
        Path | None,
        typer.Argument(
            metavar="RUN", help="A file that `valkeybench run` or `size` wrote: one process's load."
        ),
    ] = None,
    *,
    measure: Annotated[
        bool,
        typer.Option(
            "--measure",
            rich_help_panel=PANEL,
            help="Measure what the run lacks, in half a minute: handshakes per second and what a "
            "connection costs, plain and over TLS, on a private server or the one that the flags "
            "of Server and TLS name. Keeps that run, too.",
        ),
    ] = False,
    output: _Output = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            rich_help_panel=PANEL,
            help="Write the plan to standard output, everything else to standard error.",
        ),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option("--quiet", "-q", rich_help_panel=PANEL, help="No progress; only the verdict."),
    ] = False,
    page: Page = None,
    yes: Yes = False,
    flags: dict[str, str | list[str]],
) -> None:
    """Plan many processes: connections, memory, CPU and reconnect storms, from a run.

    A run says what one process needs and does; this says what processes × pods of them are to
    the server: now, during a deploy, after a failover, and when all reconnect at once. Every
    number comes with its formula, every input can be given by hand, and what is not known is
    said. A plan is no test: the exit code is 0 also when the fleet does not fit.
    """
    with ending_well():
        from valkeybench.cli.fleet import fleet  # noqa: PLC0415 - heavy, and not for --help

        code = fleet(
            run,
            flags,
            measure=measure,
            output=output,
            page=page,
            as_json=as_json,
            quiet=quiet,
            yes=yes,
        )
        raise typer.Exit(code)
