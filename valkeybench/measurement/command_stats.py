"""What INFO commandstats says a server spent on which command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.units import MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

_PREFIX = "cmdstat_"
_SPENT = re.compile(r"calls=([0-9]{1,18}),usec=([0-9]{1,18})\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """How often something was called, and the server's time in it."""

    calls: int = 0
    time_ns: int = 0

    def __add__(self, other: Spent) -> Spent:
        """Add two up."""
        return Spent(calls=self.calls + other.calls, time_ns=self.time_ns + other.time_ns)

    def __sub__(self, other: Spent) -> Spent:
        """Give what was spent since."""
        return Spent(calls=self.calls - other.calls, time_ns=self.time_ns - other.time_ns)

    @property
    def each_ns(self) -> float | None:
        """Give the mean time of a call; None when there was none, or counting began anew."""
        return self.time_ns / self.calls if self.calls > 0 and self.time_ns >= 0 else None


NOTHING = Spent()


def read_command_stats(info: Mapping[str, str]) -> dict[str, Spent]:
    """Pick each command's calls and time out of INFO's fields, by its name in lower case."""
    found = (
        (name.removeprefix(_PREFIX), _SPENT.match(value))
        for name, value in info.items()
        if name.startswith(_PREFIX)
    )
    return {
        name: Spent(calls=int(spent[1]), time_ns=int(spent[2]) * MICROSECOND)
        for name, spent in found
        if spent
    }
