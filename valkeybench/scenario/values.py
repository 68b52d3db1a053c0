"""What values are like: their sizes, how those scatter, and what they consist of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Spread(StrEnum):
    """How sizes of values scatter over their range."""

    UNIFORM = "uniform"
    LOGNORMAL = "lognormal"
    """Most are small: the logarithm is normal about the middle, the ends two deviations off."""


class Content(StrEnum):
    """What values consist of."""

    REPEATED = "repeated"
    """One letter: nothing compresses better."""
    RANDOM = "random"
    """Letters and digits in no order: 64 of them, so a quarter can be squeezed out at most."""


@dataclass(frozen=True, slots=True)
class Values:
    """Values of several sizes, or with a content that matters; a plain size is an int."""

    least: int
    most: int
    spread: Spread = Spread.UNIFORM
    content: Content = Content.REPEATED

    def __str__(self) -> str:
        """Write it as a scenario would: `random lognormal 100..4096`."""
        sizes = str(self.most) if self.least == self.most else f"{self.least}..{self.most}"
        spread = "lognormal" if self.spread is Spread.LOGNORMAL else ""
        content = "random" if self.content is Content.RANDOM else ""
        return " ".join(filter(None, (content, spread, sizes)))
