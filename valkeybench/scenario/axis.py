"""How a person names an axis and one of its values: by the words of flags or of scenario files."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.scenario.fields import FIELDS
from valkeybench.scenario.kinds import UnfitError
from valkeybench.scenario.model import plain
from valkeybench.scenario.wording import did_you_mean, legible

if TYPE_CHECKING:
    from valkeybench.scenario.field import Field

_AXES = "axes."


@dataclass(frozen=True, slots=True)
class Pick:
    """A value of an axis that a case must have."""

    axis: str
    """As run files name it."""
    value: object
    """As run files hold it."""
    written: str

    def __str__(self) -> str:
        """Write it as it was written."""
        return self.written


def find_axis(word: str) -> Field:
    """Find an axis by its flag, its key in a scenario or its name in run files.

    Raises UnfitError.
    """
    named = {name: field for field in FIELDS if field.axis for name in _names(field)}
    found = named.get(word.strip().lstrip("-").replace("-", "_"))
    if found is None:
        known = [field.parameter for field in FIELDS if field.axis and field.flags]
        raise UnfitError(f"there is no axis {legible(word.strip())}", did_you_mean(word, known))
    return found


def axis_name(field: Field) -> str:
    """Give the name run files know an axis by."""
    return field.target.removeprefix(_AXES)


def parse_pick(text: str) -> Pick:
    """Read `pool=none` or `tls=on`; raises UnfitError."""
    name, equals, word = text.partition("=")
    if not equals or not word.strip():
        raise UnfitError("an axis and its value are meant", "write it like [pool=none] or [tls=on]")
    field = find_axis(name)
    value = field.kind.convert(field.kind.literal(word.strip()))
    return Pick(axis_name(field), plain(value), f"{name.strip()}={word.strip()}")


def _names(field: Field) -> set[str]:
    flags = {flag.lstrip("-").replace("-", "_") for flag in field.flags}
    return {field.key, axis_name(field), *flags}
