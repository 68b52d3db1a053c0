"""Gives commands the flags they share, made from the table of fields."""

from __future__ import annotations

import inspect
from dataclasses import replace
from enum import StrEnum
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from valkeybench.scenario.field import Field, Panel
from valkeybench.scenario.fields import FLAGGED

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

LOAD_PANELS = tuple(panel for panel in Panel if panel is not Panel.LIMITS)
"""What says how a load is run and measured, and not what is thought of it."""


def takes_flags(
    *panels: Panel,
    own: Sequence[Field] = (),
    refused: Collection[str] = (),
    defaults: Mapping[str, str] | None = None,
    examples: bool = False,
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the flags of these panels to a command, each with an example of its use if wished.

    `own` are the command's own, before them and instead of those of the same name. Those it will
    have `refused`, with better words than "no such option", are not in its help; `defaults` are
    its own. The command receives those that were given as `flags`, by parameter name.
    """
    taken = {field.parameter for field in own}
    fields = list(own)
    fields += [
        replace(f, default=(defaults or {}).get(f.parameter, f.default))
        for panel in panels
        for f in FLAGGED
        if f.panel is panel and f.parameter not in taken
    ]

    def add(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        kept = [parameter for name, parameter in own.parameters.items() if name != "flags"]

        @wraps(command)
        def with_flags(**arguments: Any) -> None:  # noqa: ANN401 - whatever the command takes
            given = {field.parameter: arguments.pop(field.parameter) for field in fields}
            words = {name: _words(value) for name, value in given.items() if value is not None}
            command(**arguments, flags=words)

        # What a command takes for itself comes last: its words first, its own options after ours.
        first = [each for each in kept if each.kind is not inspect.Parameter.KEYWORD_ONLY]
        flags = [
            _parameter(field, examples=examples, hidden=field.parameter in refused)
            for field in fields
        ]
        parameters = [*first, *flags, *kept[len(first) :]]
        with_flags.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_flags.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        del with_flags.__wrapped__  # typer would look through to it
        return with_flags

    return add


def _parameter(field: Field, *, examples: bool, hidden: bool) -> inspect.Parameter:
    # One without a metavar can only be switched on.
    is_switch = field.kind.metavar in ("BOOL", "")
    both_ways = field.kind.metavar == "BOOL"
    names = [f"{field.flags[0]}/--no-{field.flags[0][2:]}"] if both_ways else list(field.flags)
    option = typer.Option(
        *names,
        help=_help(field),
        metavar=None if is_switch else field.kind.metavar + (",…" if field.axis else ""),
        rich_help_panel=_heading(field.panel) if examples else field.panel.value,
        show_default=False,
        hidden=hidden,
    )
    kind: Any = bool if is_switch else list[str] if field.many else str
    return inspect.Parameter(
        field.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _heading(panel: StrEnum) -> str:
    """Write a group's name and, for it is short and shows more than words, an example."""
    if not isinstance(panel, Panel):
        return panel
    return f"{panel}, as in: {panel.example.removeprefix('valkeybench ')}"


def _help(field: Field) -> str:
    # Braces and brackets stay as they are; only rich's own markup would be read.
    values = [str(value) for value in field.kind.schema.get("enum", ()) if isinstance(value, str)]
    words = field.help
    if any(value not in words for value in values):
        words = f"{words} One of: {', '.join(values)}."
    words = words.replace("[", r"\[")
    return f"{words} [dim]Default: {field.default}[/dim]" if field.default else words


def _words(value: object) -> str | list[str]:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, list) else str(value)
