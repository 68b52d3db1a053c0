"""Error replies by their codes: how many different ones are kept, and never their words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER = "OTHER"
"""What the codes beyond the most that are kept are counted as, together."""

_MOST = 16


class ReplyCodes(Counter[str]):
    """How often each code came; whatever a server makes up, no more than 16 names are kept."""

    def count(self, code: str, times: int = 1) -> None:
        """Count one, or several."""
        known = code in self or len(self) < _MOST - 1
        self[code if known else OTHER] += times


def most_frequent(codes: Mapping[str, int]) -> dict[str, int]:
    """Keep as many as one process would, the most frequent ones, in the order of their names."""
    kept = ReplyCodes()
    for code, times in sorted(codes.items(), key=lambda item: (item[0] == OTHER, -item[1], item)):
        kept.count(code, times)
    return dict(sorted(kept.items()))
