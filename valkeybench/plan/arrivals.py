"""When a handler issues its next command: arithmetic, without a clock or a sleep."""

from __future__ import annotations

from itertools import repeat
from random import Random
from typing import TYPE_CHECKING

from valkeybench.scenario.model import Distribution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.scenario.model import Think


def think_times(think: Think, *, seed: str) -> Iterator[float]:
    """Yield the pauses of one handler in seconds, for ever; repeatable by seed.

    The first pause of a constant think time is drawn evenly from the whole, so that
    handlers started together do not march in step.
    """
    mean = think.mean_ns / 1e9
    if not mean:
        yield from repeat(0.0)
    draw = Random(seed)  # noqa: S311 - load, not cryptography
    if think.distribution is Distribution.CONSTANT:
        yield draw.random() * mean
        yield from repeat(mean)
    while True:
        yield draw.expovariate(1.0) * mean
