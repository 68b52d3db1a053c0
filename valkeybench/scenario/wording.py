"""How a message speaks of what the user wrote: on one line, not too long, with what was meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_SHOWN = 60
"""Characters of a value that a message repeats."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Suggest the nearest known word, or list them all when none is near."""
    names = sorted(known)
    close = get_close_matches(word[:LONGEST_SHOWN].lower(), names, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(names)}"


def legible(words: str) -> str:
    """Give what a message can hold: on one line, without control characters, not too long."""
    if not words.isprintable():
        words = ascii(words)[1:-1]
    return words if len(words) <= LONGEST_SHOWN else f"{words[: LONGEST_SHOWN - 1]}…"
