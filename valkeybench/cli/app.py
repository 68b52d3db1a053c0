"""The command line's front door: quick to open, as it loads a command only when it is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from valkeybench.cli.ending import let_closed_streams_lead_nowhere, output_ending_well

if TYPE_CHECKING:
    from collections.abc import Mapping

SUMMARIES: Mapping[str, str] = {
    "run": "Measure: the same load with and without a pool, and what size is enough.",
    "size": "Find the smallest pool that is enough, by measurement.",
    "compare": "Say what changed between two runs, or between cases of one, and how sure that is.",
    "gate": "Give a verdict for CI: limits on a run, or a regression between two sides.",
    "fleet": "Plan many processes: connections, memory, CPU and reconnect storms, from a run.",
    "observe": "Watch a server in use: who holds connections, and who needs them.",
    "report": "Show runs that were kept, one or several, or write them in many formats.",
    "scenarios": "List the scenarios that ship with valkeybench, or show one.",
    "doctor": "Check whether this machine, client and server are fit to measure.",
}
"""What `--help` says of each command, known without loading any of them."""


class LazyCommands(TyperGroup):
    """Commands that are loaded when one of them is run, completed or explained."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002 - click's signature
        """Name the commands in the order they are met."""
        return list(SUMMARIES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """Load the command of this name; a name that is none ends with the nearest one."""
        if cmd_name not in SUMMARIES:
            from valkeybench.scenario.wording import did_you_mean  # noqa: PLC0415 - as below

            ctx.fail(f"there is no command {cmd_name}; {did_you_mean(cmd_name, SUMMARIES)}")
        from valkeybench.cli.commands import commands  # noqa: PLC0415 - the point of it all

        loaded: Any = typer.main.get_command(commands)
        return loaded.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ANN401, ARG002 - as above
        """List the commands without loading them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(SUMMARIES.items()))


app = typer.Typer(
    name="valkeybench",
    cls=LazyCommands,
    help="How big should my Valkey connection pool be, and what does it cost me if I am wrong?\n\n"
    "Drives the real redis-py client against a real Valkey, shows where every microsecond went, "
    "and recommends a pool size from what it measured.\n\n"
    "Begin with:  valkeybench run --concurrency 50 --max-conn 10",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line."""
    let_closed_streams_lead_nowhere()
    with output_ending_well():
        app()


@app.callback(invoke_without_command=True)
def top(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Say which version this is.", is_eager=True)
    ] = False,
) -> None:
    """Answer what is asked of no command in particular."""
    if version:
        from valkeybench import __version__  # noqa: PLC0415 - only when asked

        typer.echo(f"valkeybench {__version__}")
        raise typer.Exit
