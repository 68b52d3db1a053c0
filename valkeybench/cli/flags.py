"""Gives commands the flags they share, made from the table of fields."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Annotated, Any

import typer

from valkeybench.scenario.fields import FLAGGED, Field

if TYPE_CHECKING:
    from collections.abc import Callable


EVERYTHING = frozenset(field.panel for field in FLAGGED)


def takes_flags(*panels: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Add the flags of these panels (none named: every flag) to a command.

    The command receives those that were given as `flags`, by parameter name.
    """
    fields = [field for field in FLAGGED if field.panel in (panels or EVERYTHING)]

    def add(command: Callable[..., None]) -> Callable[..., None]:
        own = inspect.signature(command, eval_str=True)
        kept = [parameter for name, parameter in own.parameters.items() if name != "flags"]

        @wraps(command)
        def with_flags(**arguments: Any) -> None:  # noqa: ANN401 - whatever the command takes
            given = {field.parameter: arguments.pop(field.parameter) for field in fields}
            words = {name: _words(value) for name, value in given.items() if value is not None}
            command(**arguments, flags=words)

        parameters = [*kept, *map(_parameter, fields)]
        with_flags.__signature__ = own.replace(parameters=parameters)  # type: ignore[attr-defined]
        with_flags.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        del with_flags.__wrapped__  # typer would look through to it
        return with_flags

    return add


def _parameter(field: Field) -> inspect.Parameter:
    is_switch = field.kind.metavar == "BOOL"
    names = [f"{field.flags[0]}/--no-{field.flags[0][2:]}"] if is_switch else list(field.flags)
    option = typer.Option(
        *names,
        help=_help(field),
        metavar=None if is_switch else field.kind.metavar + (",…" if field.axis else ""),
        rich_help_panel=field.panel,
        show_default=False,
    )
    kind: Any = bool if is_switch else list[str] if field.many else str
    return inspect.Parameter(
        field.parameter,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, option],
    )


def _help(field: Field) -> str:
    # Braces and brackets stay as they are; only rich's own markup would be read.
    words = field.help.replace("[", r"\[")
    return f"{words} [dim]Default: {field.default}[/dim]" if field.default else words


def _words(value: object) -> str | list[str]:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, list) else str(value)
