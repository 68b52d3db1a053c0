"""How hard the tests of this folder try: little and always the same, or as much as one asks for.

pytest tests/fuzz --hypothesis-profile=deep
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings

if TYPE_CHECKING:
    from collections.abc import Callable

DEEP = "deep"
_DEEPER = 100
"""How many times as many examples a deep run tries."""


def effort(examples: int) -> Callable[..., settings]:
    """Try so many examples, the same each time; many more, drawn anew, in a deep run."""
    is_deep = settings.get_current_profile_name() == DEEP
    return settings(
        max_examples=examples * (_DEEPER if is_deep else 1),
        derandomize=not is_deep,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
    )
