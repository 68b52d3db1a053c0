"""A word that must not leak: the one type that holds passwords."""

from __future__ import annotations

import os

SECRET_VARIABLES = ("VALKEYBENCH_PASSWORD", "VALKEYBENCH_KEY_PASSWORD", "VALKEYBENCH_URL")


def public_environment() -> dict[str, str]:
    """Give our environment without the secrets in it: what a process that we start may have."""
    return {name: word for name, word in os.environ.items() if name not in SECRET_VARIABLES}


class Secret:
    """A word nobody gets to see by accident: printing shows stars, pickling is refused.

    Only `reveal` gives it out; whoever calls that is where to look for a leak.
    """

    __slots__ = ("_word",)

    def __init__(self, word: str) -> None:
        self._word = word

    def reveal(self) -> str:
        """Give the word itself."""
        return self._word

    def __repr__(self) -> str:
        """Show stars."""
        return "***"

    def __eq__(self, other: object) -> bool:
        """Compare by the word."""
        return isinstance(other, Secret) and other._word == self._word

    def __hash__(self) -> int:
        """Hash by the word."""
        return hash(self._word)

    def __reduce__(self) -> tuple[type[Secret], tuple[str]]:
        """Refuse to be pickled; a pickle is a file or a wire away from a leak."""
        raise TypeError("a secret is not pickled; hand it over on purpose with reveal()")
