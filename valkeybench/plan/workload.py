"""What handlers send: seeded draws from the scenario's command templates, and their keys."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from valkeybench.scenario.template import parse_template

if TYPE_CHECKING:
    from collections.abc import Iterator

TABLE_SIZE = 1 << 13
"""Commands drawn ahead for each load process; handlers walk them from different places."""


def command_table(
    texts: tuple[str, ...], *, seed: str, prefix: str, value_size: int
) -> list[tuple[str, ...]]:
    """Draw the commands a load process sends, weighted and repeatable by seed."""
    templates = [parse_template(text) for text in texts]
    draw = Random(seed)  # noqa: S311 - load, not cryptography
    value = "x" * value_size
    chosen = draw.choices(templates, [template.weight for template in templates], k=TABLE_SIZE)
    return [template.render(draw, prefix=prefix, value=value) for template in chosen]


def keys_to_load(texts: tuple[str, ...], *, prefix: str) -> Iterator[str]:
    """Name the keys that reads expect to find."""
    for text in texts:
        template = parse_template(text)
        if template.reads:
            yield from template.keys(prefix)


def keys_touched(texts: tuple[str, ...], *, prefix: str) -> Iterator[str]:
    """Name every key the commands can leave behind."""
    for text in texts:
        yield from parse_template(text).keys(prefix)
