"""Makes the reference page of the command line from the commands themselves."""

from __future__ import annotations

import inspect
import re
from string import Template
from typing import TYPE_CHECKING, Any

import typer.main

from docs.markdown import table
from valkeybench.cli.app import SUMMARIES
from valkeybench.cli.commands import commands
from valkeybench.scenario.field import Panel
from valkeybench.scenario.fields import FLAGGED

if TYPE_CHECKING:
    from valkeybench.scenario.field import Field

_CLI = Template("""\
# Command line

$summaries

Flags that several commands share stand [below](#shared-flags). `LIST` in what a flag takes means
one value, or several with commas between: each makes a case. [Exit codes](exit-codes.md) are the
same for all commands.

$commands

## Shared flags

$shared
""")
_COLUMNS = ("flag", "takes", "default", "meaning")


def cli_page() -> str:
    """List every command with all it takes."""
    known: Any = typer.main.get_command(commands)
    shared = {
        panel: table(_COLUMNS, [_flag(field) for field in FLAGGED if field.panel is panel])
        for panel in Panel
    }
    return _CLI.substitute(
        summaries=table(
            ("command", "does"),
            [(f"[`{name}`](#valkeybench-{name})", does) for name, does in SUMMARIES.items()],
        ),
        commands="\n\n".join(
            part for name in SUMMARIES for part in _command(name, known.commands[name])
        ),
        shared="\n\n".join(f"### {panel}\n\n{flags}" for panel, flags in shared.items()),
    )


def _command(name: str, command: Any) -> list[str]:  # noqa: ANN401 - typer's own, unpublished
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    own = [
        each
        for each in command.params
        if each.param_type_name == "option" and each.name != "help" and _shared(each) is None
    ]
    panels = {field.panel for each in command.params if (field := _shared(each)) is not None}
    words = " ".join(_written(each) for each in arguments)
    parts = [
        f"## `valkeybench {name}`",
        f"```text\nvalkeybench {name} {words}{' ' if words else ''}[FLAGS]\n```",
        inspect.cleandoc(command.help or ""),
    ]
    rows: list[tuple[str, ...]] = [
        (f"`{_written(each)}`", "", "", _plain(each.help)) for each in arguments
    ]
    rows += [_option(each) for each in own]
    if rows:
        parts.append(table(_COLUMNS, rows))
    if panels:
        links = ", ".join(f"[{each}](#{each.lower()})" for each in Panel if each in panels)
        parts.append(f"And the shared flags of: {links}.")
    if command.epilog:
        parts.append(f"```sh\n{_examples(command.epilog)}\n```")
    return parts


def _shared(parameter: Any) -> Field | None:  # noqa: ANN401 - as above
    """Find the lever of all commands that a parameter is; None for a command's own."""
    for field in FLAGGED:
        if field.parameter == parameter.name and _plain(parameter.help).startswith(field.help):
            return field
    return None


def _written(argument: Any) -> str:  # noqa: ANN401 - as above
    word = str(argument.metavar or argument.name.upper())
    if argument.nargs == -1:
        word += "…"
    return word if argument.required or word.startswith("[") else f"[{word}]"


def _option(option: Any) -> tuple[str, ...]:  # noqa: ANN401 - as above
    flags = ", ".join(f"`{word}`" for word in (*option.opts, *option.secondary_opts))
    takes = "" if option.is_flag else f"`{option.metavar or 'TEXT'}`"
    said, _, default = _plain(option.help).partition(" Default: ")
    if not default and option.default not in (None, False, ()) and not option.is_flag:
        default = f"`{option.default}`"
    return flags, takes, default, _repeatable(said, yes=option.multiple)


def _flag(field: Field) -> tuple[str, ...]:
    flags = ", ".join(f"`{word}`" for word in field.flags)
    if field.kind.metavar == "BOOL":
        flags += f", `--no-{field.flags[0][2:]}`"
    words = [word for word in choices(field) if word not in ("true", "false")]
    takes = "" if field.kind.metavar in ("BOOL", "") else f"`{field.kind.metavar}`"
    if words and takes:
        takes = ", ".join(f"`{word}`" for word in words)
    if field.axis and takes:
        takes += " (LIST)"
    said = _repeatable(field.help, yes=field.many)
    return flags, takes, f"`{field.default}`" if field.default else "", said


def _repeatable(said: str, *, yes: bool) -> str:
    return f"{said} Repeatable." if yes and "repeatable" not in said else said


def _plain(words: str | None) -> str:
    """Take the terminal's markup out of a help text."""
    return re.sub(r"\[/?dim\]", "", words or "").replace(r"\[", "[")


def _examples(epilog: str) -> str:
    lines = []
    for line in epilog.splitlines():
        if line.strip().startswith("valkeybench "):
            command, gap, said = re.split(r"( {2,}|$)", line.strip(), maxsplit=1)
            lines.append(f"{command}{gap}# {said}" if said else command)
    return "\n".join(lines)


def choices(field: Field) -> list[str]:
    """Give the words it may be, as a scenario file has them."""
    return [
        str(word).lower() if isinstance(word, bool) else str(word)
        for word in field.kind.schema.get("enum", ())
    ]
