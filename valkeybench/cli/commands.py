"""What each command takes, in words; doing it is left to the module of its name."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from valkeybench.cli import observe_options, report_options
from valkeybench.cli.ending import ending_well
from valkeybench.cli.flags import takes_flags
from valkeybench.cli.fleet_command import FLEET_EXAMPLES, fleet_command
from valkeybench.cli.output_options import AsJson, Output, Quiet
from valkeybench.scenario.field import Panel

commands = typer.Typer(
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_LOAD_PANELS = tuple(panel for panel in Panel if panel is not Panel.LIMITS)
_GOAL = "What is looked for"
_EXAMPLES = """\b
Examples:
  valkeybench run -c 50 -m 10              with a pool of ten, and without
  valkeybench run -c 50 -m 5,10,25,50      which size is enough?
  valkeybench run --pool raising -m 5      what an exhausted pool does
  valkeybench run undersized               a scenario that comes with it
  valkeybench run --url valkey://host:6379 against a server of yours
"""

_SIZE_EXAMPLES = """\b
Examples:
  valkeybench size -c 50 --think 10ms           as good as a pool that is no limit
  valkeybench size size-web --slo 'response.p99 < 5ms'
  valkeybench size -c 50 --confidence certified --growth 1.5x
  valkeybench size --pool raising -c 20         which size never raises?
"""

_GATE_EXAMPLES = """\b
Examples:
  valkeybench gate run.json --fail-if 'response.p99[pool=blocking] > 5ms' --fail-if 'failed > 0'
  valkeybench gate run.json --fail-if 'command.p50[tls=on] / command.p50[tls=off] > 1.5'
  valkeybench gate run.json --baseline last-week.json --junit gate.xml --markdown gate.md
"""

_COMPARE_EXAMPLES = """\b
Examples:
  valkeybench compare before.json after.json
  valkeybench compare run.json --by pool         with a pool, against without
  valkeybench compare run.json --by tls --metric connect.p50 --metric tls.p50
"""

_Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="Compare this one, such as connect.p50 (repeatable), instead of the usual ones.",
    ),
]


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
    flags: dict[str, str | list[str]],
) -> None:
    """Measure: the same load with and without a pool, and what size is enough.

    Values that can be varied take a list: --max-conn 5,10,25 runs a case for each.
    """  # fmt: skip
    with ending_well():
        from valkeybench.cli.run import run  # noqa: PLC0415 - heavy, and not for --help

        raise typer.Exit(run(scenario, flags, output=output, as_json=as_json, quiet=quiet))


_Slo = Annotated[
    list[str] | None,
    typer.Option(
        "--slo",
        metavar="LIMIT",
        rich_help_panel=_GOAL,
        help="What is good enough, as 'response.p99 < 5ms'; several must all hold. "
        "[dim]Default: as good as a pool that is no limit[/dim]",
    ),
]


@commands.command("size", epilog=_SIZE_EXAMPLES)
@takes_flags(*_LOAD_PANELS, examples=True)
def size_command(
    scenario: Annotated[
        str | None,
        typer.Argument(help="Name of a shipped scenario or a TOML file with one load."),
    ] = None,
    *,
    slo: _Slo = None,
    confidence: Annotated[
        str,
        typer.Option(
            "--confidence",
            metavar="WORD",
            rich_help_panel=_GOAL,
            help="quick: one run and an estimate; standard: sizes tried beside a pool that is no "
            "limit; certified: fresh pairs prove it.",
        ),
    ] = "standard",
    headroom: Annotated[
        str,
        typer.Option(
            "--headroom", rich_help_panel=_GOAL, help="What to add, said beside the size."
        ),
    ] = "25%",
    growth: Annotated[
        str,
        typer.Option(
            "--growth",
            metavar="FACTOR",
            rich_help_panel=_GOAL,
            help="Also say what so many times the load needs.",
        ),
    ] = "1x",
    cap: Annotated[
        int | None,
        typer.Option("--cap", metavar="N", rich_help_panel=_GOAL, help="No pool larger than this."),
    ] = None,
    output: Output = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
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
        code = size(scenario, flags, wishes, output=output, as_json=as_json, quiet=quiet)
        raise typer.Exit(code)


@commands.command("observe", epilog=observe_options.EXAMPLES)
@takes_flags(Panel.SERVER, Panel.TLS)
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


@commands.command("compare", epilog=_COMPARE_EXAMPLES)
def compare_command(
    base: Annotated[Path, typer.Argument(metavar="BASE", help="The run to compare with.")],
    new: Annotated[Path | None, typer.Argument(metavar="[NEW]", help="The run to look at.")] = None,
    *,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--by",
            metavar="AXIS",
            help="Compare cases that differ in this axis, such as pool or tls: of one run, or "
            "of two that were measured with different values of it.",
        ),
    ] = None,
    metric: _Metric = None,
    even_if_different: Annotated[
        bool,
        typer.Option("--even-if-different", help="Compare runs of different machines or loads."),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the comparison to standard output as JSON.")
    ] = False,
) -> None:
    """Say what changed between two runs, or between cases of one, and how sure that is.

    It needs no server, and no redis-py. The exit code says whether the runs could be
    compared, not what was found.
    """
    with ending_well():
        from valkeybench.cli.compare import compare  # noqa: PLC0415 - heavy, and not for --help

        code = compare(
            [base] if new is None else [base, new],
            by=by or [],
            metrics=metric or [],
            even_if_different=even_if_different,
            as_json=as_json,
        )
        raise typer.Exit(code)


@commands.command("gate", epilog=_GATE_EXAMPLES)
def gate_command(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A file that `run` wrote.")],
    *,
    fail_if: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-if",
            metavar="LIMIT",
            help="What must not be so (repeatable). [dim]Default: the scenario's own[/dim]",
        ),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE", help="Warn of what got worse since this run was kept."
        ),
    ] = None,
    fail_on_baseline: Annotated[
        bool, typer.Option("--fail-on-baseline", help="Fail on it, rather than warn.")
    ] = False,
    even_if_different: Annotated[
        bool,
        typer.Option("--even-if-different", help="Use a baseline that does not fit the run."),
    ] = False,
    metric: _Metric = None,
    junit: Annotated[
        Path | None,
        typer.Option("--junit", metavar="FILE", help="Write JUnit XML, a test for each limit."),
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write Markdown.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the verdict to standard output as JSON.")
    ] = False,
) -> None:
    """Give a verdict for CI.

    Exit code 0: pass; 10: fail; 11: can't say. In a job of GitHub's it also writes
    annotations and the job summary.
    """
    with ending_well():
        from valkeybench.cli.gate import Against, gate_run  # noqa: PLC0415 - heavy
        from valkeybench.cli.verdicts import Outlets  # noqa: PLC0415 - as above

        outlets = Outlets(junit=junit, markdown=markdown, as_json=as_json)
        against = None
        if baseline is not None:
            against = Against(
                path=baseline, fails=fail_on_baseline, even_if_different=even_if_different
            )
        code = gate_run(
            run, fail_if=fail_if or [], against=against, metrics=metric or [], outlets=outlets
        )
        raise typer.Exit(code)


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
