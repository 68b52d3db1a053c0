"""When commands are due: arithmetic, without a clock or a sleep."""

from __future__ import annotations

from itertools import count, repeat
from random import Random
from typing import TYPE_CHECKING

from valkeybench.scenario.model import Arrivals, Distribution

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.scenario.model import Think

_DRAWN_TOGETHER = 512


def think_times(think: Think, *, seed: str) -> Iterator[float]:
    """Give the pauses of one handler in seconds, for ever; repeatable by seed.

    The first pause of a constant think time is drawn evenly from the whole, so that
    handlers started together do not march in step.
    """
    # Without a pause not through a generator: each step of one costs every command.
    return _pauses(think, seed) if think.mean_ns else repeat(0.0)


def _pauses(think: Think, seed: str) -> Iterator[float]:
    mean = think.mean_ns / 1e9
    draw = Random(seed)  # noqa: S311 - load, not cryptography
    if think.distribution is Distribution.CONSTANT:
        yield draw.random() * mean
        yield from repeat(mean)
    while True:
        yield draw.expovariate(1.0) * mean


def due_offsets(
    rate: float, arrivals: Arrivals, *, seed: str, process: int, processes: int
) -> Iterator[list[int]]:
    """Yield one process's share of an open load, as nanoseconds from the start, for ever.

    `rate` is commands per second of all processes together. Poisson arrivals are split
    into independent ones of an equal share of the rate, which together are Poisson again;
    steady ones are dealt out in turn, so that together they are evenly spaced. Lists of
    some hundred at a time, ascending.
    """
    between = processes * 1e9 / rate
    if arrivals is Arrivals.STEADY:
        first = between * process / processes
        for start in count(0, _DRAWN_TOGETHER):
            yield [round(first + between * n) for n in range(start, start + _DRAWN_TOGETHER)]
    draw = Random(f"{seed}/arrivals/{process}").expovariate  # noqa: S311 - load, not cryptography
    at = 0.0
    while True:
        dues = []
        for _ in range(_DRAWN_TOGETHER):
            at += draw(1.0) * between
            dues.append(round(at))
        yield dues
