"""What values look like: their sizes, exactly as distributed as asked, and their contents."""

from __future__ import annotations

import string
from math import exp, log
from statistics import NormalDist
from typing import TYPE_CHECKING

from valkeybench.scenario.values import Content, Spread, Values

if TYPE_CHECKING:
    from random import Random

MOST_VALUES = 1024
"""Different values of one load process."""
_MOST_BYTES = 64 * 2**20
_DEVIATIONS = 2.0
"""How many standard deviations the ends of a lognormal range are from its middle."""

_ALPHABET = (string.ascii_letters + string.digits + "-_").encode()
_LETTERS = bytes(_ALPHABET[byte % 64] for byte in range(256))


def value_pool(size: int | Values, draw: Random) -> list[str]:
    """Make the values of one load process, in the order of a draw; ASCII, so bytes are letters.

    Their sizes are the quantiles of the distribution asked for at (i + ½) / n, so that
    drawing evenly from the pool follows it as closely as n values can.
    """
    values = Values(size, size) if isinstance(size, int) else size
    count = _count(values)
    sizes = [size_at(values, (index + 0.5) / count) for index in range(count)]
    draw.shuffle(sizes)
    return [_content(values.content, each, draw) for each in sizes]


def size_at(values: Values, share: float) -> int:
    """Give the size that this share of values, between 0 and 1, is not larger than."""
    if values.spread is Spread.UNIFORM:
        return values.least + int(share * (values.most - values.least + 1))
    # ln(size) is normal, cut off at both ends of the range.
    low, high = log(values.least), log(values.most)
    normal = NormalDist()
    below = normal.cdf(-_DEVIATIONS)
    deviations = normal.inv_cdf(below + share * (1 - 2 * below))
    return round(exp((low + high) / 2 + deviations * (high - low) / (2 * _DEVIATIONS)))


def _count(values: Values) -> int:
    if values.least == values.most and values.content is Content.REPEATED:
        return 1
    return max(1, min(MOST_VALUES, _MOST_BYTES // max(values.most, 1)))


def _content(content: Content, size: int, draw: Random) -> str:
    if content is Content.REPEATED:
        return "x" * size
    return draw.randbytes(size).translate(_LETTERS).decode("ascii")
