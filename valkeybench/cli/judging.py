"""What the commands that judge take, in words: `compare` and `gate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from valkeybench.cli.consent import Yes
from valkeybench.cli.ending import ending_well
from valkeybench.cli.flags import LOAD_PANELS, takes_flags

judging = typer.Typer(
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

_SIDES, _RUN, _OUTPUT = "Two sides that take turns", "A run that was kept", "Output"

_COMPARE_EXAMPLES = """\b
Examples:
  valkeybench compare before.json after.json
  valkeybench compare run.json --by pool         with a pool, against without
  valkeybench compare run.json --by tls --metric connect.p50 --metric tls.p50
"""

_GATE_EXAMPLES = """\b
Examples:
  valkeybench gate run.json --fail-if 'response.p99[pool=blocking] > 5ms' --fail-if 'failed > 0'
  valkeybench gate run.json --baseline last-week.json --junit gate.xml --markdown gate.md
  valkeybench gate my.toml --new max_conn=5                  a smaller pool: is it worse?
  valkeybench gate my.toml --new python=/other/bin/python    another redis-py
  valkeybench gate my.toml --base server=old/valkey-server --new server=new/valkey-server
  valkeybench gate my.toml --calibrate                       what can this machine tell?
"""

_Metric = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="METRIC",
        help="Compare this one, such as connect.p50 (repeatable), instead of the usual ones.",
    ),
]


@judging.command("compare", epilog=_COMPARE_EXAMPLES)
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


_FailIf = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-if",
        metavar="LIMIT",
        rich_help_panel=_RUN,
        help="What must not be so (repeatable). [dim]Default: the scenario's own[/dim]",
    ),
]
_Baseline = Annotated[
    Path | None,
    typer.Option(
        "--baseline",
        metavar="FILE",
        rich_help_panel=_RUN,
        help="Warn of what got worse since this run was kept.",
    ),
]
_FailOnBaseline = Annotated[
    bool,
    typer.Option("--fail-on-baseline", rich_help_panel=_RUN, help="Fail on it, rather than warn."),
]
_EvenIfDifferent = Annotated[
    bool,
    typer.Option(
        "--even-if-different", rich_help_panel=_RUN, help="Use a baseline that does not fit."
    ),
]
_Base = Annotated[
    list[str] | None,
    typer.Option(
        "--base",
        metavar="KEY=VALUE",
        rich_help_panel=_SIDES,
        help="What is different about the base (repeatable): any lever, python, server.",
    ),
]
_New = Annotated[
    list[str] | None,
    typer.Option(
        "--new",
        metavar="KEY=VALUE",
        rich_help_panel=_SIDES,
        help="What is different about the new side (repeatable).",
    ),
]
_Threshold = Annotated[
    list[str] | None,
    typer.Option(
        "--threshold",
        metavar="METRIC=N%",
        rich_help_panel=_SIDES,
        help="From where a change counts. [dim]Default: throughput=5% response.p50=5% "
        "response.p99=10%, or what the machine can tell[/dim]",
    ),
]
_Calibrate = Annotated[
    bool,
    typer.Option(
        "--calibrate",
        rich_help_panel=_SIDES,
        help="Let the base take turns with itself: learn what this machine can tell.",
    ),
]
_Noise = Annotated[
    Path,
    typer.Option("--noise", metavar="FILE", rich_help_panel=_SIDES, help="Where that is kept."),
]
_Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        help="Keep the sides in FILE-base.json and FILE-new.json.",
    ),
]
_Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        metavar="FILE",
        rich_help_panel=_OUTPUT,
        help="Write JUnit XML, a test for each limit.",
    ),
]
_Markdown = Annotated[
    Path | None,
    typer.Option("--markdown", metavar="FILE", rich_help_panel=_OUTPUT, help="Write Markdown."),
]
_AsJson = Annotated[
    bool,
    typer.Option(
        "--json", rich_help_panel=_OUTPUT, help="Write the verdict to standard output as JSON."
    ),
]
_Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", rich_help_panel=_OUTPUT, help="No progress.")
]


@judging.command("gate", epilog=_GATE_EXAMPLES)
@takes_flags(*LOAD_PANELS)
def gate_command(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[RUN|SCENARIO]",
            help="A run to judge; or, with two sides, the scenario both share.",
        ),
    ] = None,
    *,
    fail_if: _FailIf = None,
    baseline: _Baseline = None,
    fail_on_baseline: _FailOnBaseline = False,
    even_if_different: _EvenIfDifferent = False,
    base: _Base = None,
    new: _New = None,
    threshold: _Threshold = None,
    calibrate: _Calibrate = False,
    noise: _Noise = Path("results/noise.json"),
    metric: _Metric = None,
    output: _Output = None,
    junit: _Junit = None,
    markdown: _Markdown = None,
    as_json: _AsJson = False,
    quiet: _Quiet = False,
    yes: Yes = False,
    flags: dict[str, str | list[str]],
) -> None:
    """Give a verdict for CI: limits on a run, or whether one of two sides is worse.

    Exit code 0: pass; 10: fail; 11: can't say. In a job of GitHub's it also writes
    annotations and the job summary.
    """  # fmt: skip
    with ending_well():
        from valkeybench.cli import gate  # noqa: PLC0415 - heavy, and not for --help
        from valkeybench.cli.verdicts import Outlets  # noqa: PLC0415 - as above

        sides = gate.Wishes(
            base=base or (),
            new=new or (),
            is_calibration=calibrate,
            metrics=metric or (),
            thresholds=threshold or (),
            noise=noise,
            output=output,
            quiet=quiet,
            yes=yes,
        )
        run = gate.RunWishes(
            fail_if=fail_if or (),
            baseline=baseline,
            fails=fail_on_baseline,
            even_if_different=even_if_different,
            metrics=metric or (),
        )
        outlets = Outlets(junit=junit, markdown=markdown, as_json=as_json)
        raise typer.Exit(gate.gate(what, flags, run, sides, outlets))
