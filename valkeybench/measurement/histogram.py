"""The only module that knows HdrHistogram: counts in numpy, the library at the edges.

The layout is HdrHistogram's own for 1 ns to 1 h at three significant digits, so what is
encoded here any HdrHistogram V2 library decodes. The library itself records one value a
microsecond, drops values out of range without a word, turns exact minima and maxima into
bucket edges when it adds, and lets an empty histogram drag the minimum to zero; this
module records arrays, counts what was out of range, and keeps minimum, maximum and sum
exact.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from dataclasses import dataclass, field
from operator import mul
from typing import TYPE_CHECKING

import numpy as np
from hdrh.histogram import HdrHistogram

from valkeybench.errors import ResultError
from valkeybench.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Integers = NDArray[np.int64]

LOWEST_NS = 1
HIGHEST_NS = HOUR
_LONGEST_TEXT = 1 << 20
_COMPRESSED_FROM = 8
"""Bytes before what is compressed: a cookie and a length."""
_MOST_VALUES = 1 << 50
"""More than can be recorded in a year; beyond it sums would overflow."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How values map to counters, for a number of significant digits.

    A value's bucket is its power of two, beyond the first `2 * half` values, which are
    exact; each bucket holds `half` counters.
    """

    digits: int
    shift: int = field(init=False)
    """Binary logarithm of the counters in a bucket."""

    def __post_init__(self) -> None:
        """Work the shift out once: this is on the recording path."""
        object.__setattr__(self, "shift", math.ceil(math.log2(2 * 10**self.digits)) - 1)

    @property
    def size(self) -> int:
        """Give the number of counters."""
        return int(self.index(np.array([HIGHEST_NS]))[0] | ((1 << self.shift) - 1)) + 1

    def index(self, values: Integers) -> Integers:
        """Give each value's counter. Exact for values below 2**53."""
        shift = self.shift
        # frexp's exponent is the bit length: exact, as these integers fit a double.
        exponents = np.frexp((values | ((2 << shift) - 1)).astype(np.float64))[1]
        buckets = exponents.astype(np.int64) - (shift + 1)
        indices: Integers = (buckets << shift) + (values >> buckets)
        return indices

    def lowest(self, indices: Integers) -> Integers:
        """Give the smallest value each counter counts."""
        buckets = np.maximum((indices >> self.shift) - 1, 0)
        values: Integers = (indices - (buckets << self.shift)) << buckets
        return values

    def highest(self, indices: Integers) -> Integers:
        """Give the largest value each counter counts, which is what it is reported as."""
        buckets = np.maximum((indices >> self.shift) - 1, 0)
        values: Integers = self.lowest(indices) + (np.int64(1) << buckets) - 1
        return values


LAYOUT = Layout(3)
"""What is kept of every phase: 33 792 counters, 264 KiB."""

SIZE = LAYOUT.size
_LONGEST_PAYLOAD = 40 + 9 * SIZE
"""Bytes of the header, and of every counter at its longest."""
_LAYOUT_FIELDS, _LAYOUT_FROM = struct.Struct(">IIQQ"), 8
"""Where the header says it: offset of the first counter, digits, lowest and highest value."""
_OUR_LAYOUT = (0, LAYOUT.digits, LOWEST_NS, HIGHEST_NS)


@dataclass(frozen=True, slots=True, eq=False)
class Histogram:
    """Durations in nanoseconds, counted; with the exact minimum, maximum and sum.

    Histograms add up: `a + b` holds what both held, and `Histogram.empty()` changes
    nothing. `out_of_range` counts values below 0 or above one hour: they are in no counter,
    and a report must say so.
    """

    counts: Integers
    minimum: int | None
    maximum: int | None
    total: int
    out_of_range: int = 0

    @classmethod
    def empty(cls) -> Histogram:
        """Make the histogram that holds nothing."""
        return cls(np.zeros(SIZE, np.int64), None, None, 0)

    @classmethod
    def of(cls, values: Sequence[int] | Integers) -> Histogram:
        """Count the values, nanoseconds each."""
        given = np.asarray(values, np.int64)
        kept = given[(given >= 0) & (given <= HIGHEST_NS)]
        counts = np.bincount(LAYOUT.index(kept), minlength=SIZE).astype(np.int64)
        if not kept.size:
            return cls(counts, None, None, 0, given.size)
        return cls(
            counts, int(kept.min()), int(kept.max()), int(kept.sum()), given.size - kept.size
        )

    def __add__(self, other: Histogram) -> Histogram:
        """Hold what both held."""
        if not isinstance(other, Histogram):
            return NotImplemented
        lows = [h.minimum for h in (self, other) if h.minimum is not None]
        highs = [h.maximum for h in (self, other) if h.maximum is not None]
        return Histogram(
            self.counts + other.counts,
            min(lows, default=None),
            max(highs, default=None),
            self.total + other.total,
            self.out_of_range + other.out_of_range,
        )

    def __eq__(self, other: object) -> bool:
        """Say whether both hold the same."""
        return (
            isinstance(other, Histogram)
            and (self.minimum, self.maximum, self.total, self.out_of_range)
            == (other.minimum, other.maximum, other.total, other.out_of_range)
            and bool(np.array_equal(self.counts, other.counts))
        )

    __hash__ = None  # type: ignore[assignment]  # arrays can change

    def __repr__(self) -> str:
        """Show the whole state on one line."""
        return f"<Histogram {self.count} values, {self.minimum}…{self.maximum} ns>"

    @property
    def count(self) -> int:
        """Give the number of values held."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float | None:
        """Give the exact mean in nanoseconds; None when empty."""
        return self.total / self.count if self.count else None

    def quantile(self, share: float) -> int | None:
        """Give the value in nanoseconds that `share` of the values do not exceed.

        Nearest-rank (the smallest counter holding at least ceil(share × count) values), its
        largest value, never beyond the exact maximum. None when empty.
        """
        return self.quantiles([share])[0]

    def quantiles(self, shares: Sequence[float]) -> list[int | None]:
        """Give several quantiles in one pass."""
        count = self.count
        if count == 0 or self.maximum is None or self.minimum is None:
            return [None] * len(shares)
        # The tiny slack keeps 0.99 × 100 from asking for rank 100 by a rounding error.
        ranks = np.maximum(np.ceil(np.asarray(shares) * count - 1e-9), 1)
        indices = np.searchsorted(np.cumsum(self.counts), ranks)
        values = np.clip(LAYOUT.highest(indices), self.minimum, self.maximum)
        return [int(value) for value in values]

    def bins(self, edges_ns: Sequence[int]) -> list[int]:
        """Count the values from each edge up to the next; one bin fewer than edges.

        A counter is put by its largest value, so an edge is off by at most 0.1 %.
        """
        filled = np.flatnonzero(self.counts)
        heights, _ = np.histogram(
            LAYOUT.highest(filled), bins=np.asarray(edges_ns), weights=self.counts[filled]
        )
        return [int(height) for height in heights]

    def encode(self) -> str:
        """Write the counts as base64 of an HdrHistogram V2, compressed."""
        library = HdrHistogram(LOWEST_NS, HIGHEST_NS, LAYOUT.digits)
        np.ctypeslib.as_array(library.counts)[:] = self.counts
        library.total_count = self.count
        if self.minimum is not None and self.maximum is not None:
            library.min_value, library.max_value = self.minimum, self.maximum
        encoded: bytes = library.encode()
        return encoded.decode("ascii")

    @classmethod
    def decode(cls, text: str) -> Histogram:
        """Read what `encode`, or another HdrHistogram library at our layout, wrote.

        Minimum, maximum and sum come back as exact as the counters are (0.1 %). Raises
        ResultError when it is no such histogram; whatever it is, takes little time and room.
        """
        if len(text) > _LONGEST_TEXT:
            raise ResultError(f"a histogram of {len(text)} characters is none of ours")
        try:
            _check_before_inflating(text)
            library = HdrHistogram.decode(text)
        except ResultError:
            raise
        except Exception as error:  # the library raises whatever zlib, base64 or ctypes raise
            raise ResultError(f"not an HdrHistogram V2 ({type(error).__name__})") from error
        counts = np.ctypeslib.as_array(library.counts).astype(np.int64)
        if counts.min() < 0 or counts.sum(dtype=np.float64) > _MOST_VALUES:
            raise ResultError("the histogram holds more than can have been recorded")
        return cls.of_counts(counts)

    @classmethod
    def of_counts(
        cls,
        counts: Integers,
        *,
        minimum: int | None = None,
        maximum: int | None = None,
        total: int | None = None,
    ) -> Histogram:
        """Make a histogram of its counters, as exact as these are where nothing else is known."""
        filled = np.flatnonzero(counts)
        if not filled.size:
            return cls.empty()
        middles = (LAYOUT.lowest(filled) + LAYOUT.highest(filled)) // 2
        # In Python's integers: hours times many values do not fit 64 bits.
        sums = map(mul, middles.tolist(), counts[filled].tolist())
        return cls(
            counts,
            int(LAYOUT.lowest(filled[:1])[0]) if minimum is None else minimum,
            int(LAYOUT.highest(filled[-1:])[0]) if maximum is None else maximum,
            sum(sums) if total is None else total,
        )


def _check_before_inflating(text: str) -> None:
    """Refuse what would take more room than any histogram of ours, before the library does it."""
    compressed = base64.b64decode(text)[_COMPRESSED_FROM:]
    inflated = zlib.decompressobj().decompress(compressed, _LONGEST_PAYLOAD + 1)
    if len(inflated) > _LONGEST_PAYLOAD:
        raise ResultError("what is compressed there is too long to be a histogram of ours")
    if _LAYOUT_FIELDS.unpack_from(inflated, _LAYOUT_FROM) != _OUR_LAYOUT:
        raise ResultError("the histogram has another layout than 1 ns to 1 h at 3 digits")
