"""What each command takes, in words; doing it is left to the module of its name."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from valkeybench.cli import observe_options, report_options, size_options
from valkeybench.cli.consent import DryRun, Yes
from valkeybench.cli.ending import ending_well
from valkeybench.cli.flags import LOAD_PANELS, takes_flags
from valkeybench.cli.fleet_command import FLEET_EXAMPLES, fleet_command
from valkeybench.cli.judging import judging
from valkeybench.cli.output_options import AsJson, Output, Quiet
from valkeybench.scenario.field import Panel

commands = typer.Typer(
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_EXAMPLES = """\b
Examples:
  valkeybench run -c 50 -m 10              with a pool of ten, and without
  valkeybench run -c 50 -m 5,10,25,50      which size is enough?
  valkeybench run --pool raising -m 5      what an exhausted pool does
  valkeybench run undersized               a scenario that comes with it
  valkeybench run --url valkey://host:6379  against a server of yours
"""


@commands.command("run", epilog=_EXAMPLES)
@takes_flags(*Panel, examples=True)
def run_command(
    scenario: Annotated[
        str | None,
        typer.Argument(
            help="Name of a shipped scenario (see `valkeybench scenarios`) or a TOML file. "
            "Flags override it; without one they make their own.",
        ),
    ] = None,
    *,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    flags: dict[str, str | list[str]],
) -> None:
    """Measure: the same load with and without a pool, and what size is enough.

    Values that can be varied take a list: --max-conn 5,10,25 runs a case for each.
    """  # fmt: skip
    with ending_well():
        from valkeybench.cli.run import run  # noqa: PLC0415 - heavy, and not for --help

        if dry_run:
            from valkeybench.cli.dry_run import dry_run_of_run  # noqa: PLC0415 - as above

            raise typer.Exit(dry_run_of_run(scenario, flags, output=output, as_json=as_json))
        code = run(scenario, flags, output=output, as_json=as_json, quiet=quiet, yes=yes)
        raise typer.Exit(code)


@commands.command("size", epilog=size_options.EXAMPLES)
@takes_flags(
    *LOAD_PANELS, refused=size_options.REFUSED, defaults={"pool": "blocking"}, examples=True
)
def size_command(
    scenario: Annotated[
        str | None,
        typer.Argument(help="Name of a shipped scenario or a TOML file with one load."),
    ] = None,
    *,
    slo: size_options.Slo = None,
    confidence: size_options.Confidence = "standard",
    headroom: size_options.Headroom = "25%",
    growth: size_options.Growth = "1x",
    cap: size_options.Cap = None,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    yes: Yes = False,
    flags: dict[str, str | list[str]],
) -> None:
    """Find the smallest pool that is enough, by measurement.

    A pool with a connection for each handler says what the load occupies; smaller ones are
    tried beside it until one is not enough. Where no size is an answer, it says why.
    """
    with ending_well():
        from valkeybench.cli.size import Wishes, size  # noqa: PLC0415 - heavy, and not for --help

        wishes = Wishes(
            slo=slo or [], confidence=confidence, headroom=headroom, growth=growth, cap=cap
        )
        if dry_run:
            from valkeybench.cli.dry_run import dry_run_of_size  # noqa: PLC0415 - as above

            code = dry_run_of_size(scenario, flags, wishes, output=output, as_json=as_json)
            raise typer.Exit(code)
        code = size(scenario, flags, wishes, output=output, as_json=as_json, quiet=quiet, yes=yes)
        raise typer.Exit(code)


@commands.command("observe", epilog=observe_options.EXAMPLES)
@takes_flags(Panel.SERVER, Panel.TLS, own=observe_options.WATCHED)
def observe_command(
    *,
    lasts: observe_options.Lasts = "60s",
    interval: observe_options.Interval = "1s",
    lookback: observe_options.Lookback = "24h",
    headroom: observe_options.Headroom = "25%",
    max_clients: observe_options.MaxClients = 100_000,
    output: observe_options.Output = None,
    as_json: observe_options.AsJson = False,
    quiet: observe_options.Quiet = False,
    flags: dict[str, str | list[str]],
) -> None:
    """Watch a server in use: who holds connections, and who needs them.

    Nothing is written and no load sent: it looks at CLIENT LIST and INFO now and then.
    That takes at most 1 % of a core of the server.
    """
    with ending_well():
        from valkeybench.cli.observe import Wishes, observe  # noqa: PLC0415 - as above

        wishes = Wishes(
            lasts=lasts,
            interval=interval,
            lookback=lookback,
            headroom=headroom,
            max_clients=max_clients,
        )
        raise typer.Exit(observe(flags, wishes, output=output, as_json=as_json, quiet=quiet))


commands.command("fleet", epilog=FLEET_EXAMPLES)(fleet_command)


@commands.command("report", epilog=report_options.EXAMPLES)
def report_command(
    runs: report_options.Runs = None,
    *,
    output: report_options.Output = None,
    format_: report_options.Format = None,
    case: report_options.Case = None,
    phase: report_options.Phase = None,
    schema: report_options.Schema = False,
) -> None:
    """Show runs that were kept, one or several beside each other, or write them in many formats.

    It needs no server, and no redis-py.
    """
    with ending_well():
        from valkeybench.cli.report import Wishes, report, show_schema  # noqa: PLC0415 - heavy

        if schema:
            show_schema()
        else:
            wishes = Wishes(output=output, format=format_, case=case or [], phase=phase)
            report(runs or [], wishes)


@commands.command("scenarios")
def scenarios_command(
    name: Annotated[
        str | None, typer.Argument(help="Show this one: its file, its cases, how long it takes.")
    ] = None,
    *,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a scenario file.")
    ] = False,
) -> None:
    """List the scenarios that ship with valkeybench, or show one."""
    with ending_well():
        from valkeybench.cli.scenarios import list_all, show, show_schema  # noqa: PLC0415 - as above

        if schema:
            show_schema()
        elif name is not None:
            show(name)
        else:
            list_all()


@commands.command("doctor")
@takes_flags(Panel.SERVER, Panel.TLS)
def doctor_command(*, flags: dict[str, str | list[str]]) -> None:
    """Check whether this machine, client and server are fit to measure."""
    with ending_well():
        from valkeybench.cli.doctor import examine  # noqa: PLC0415 - as above

        raise typer.Exit(examine(flags, os.environ))


# What is judged has a module of its own; its commands stand beside these.
commands.add_typer(judging)
