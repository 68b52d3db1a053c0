"""Our histogram counts as HdrHistogram does, sample by sample, and forgets nothing it drops."""

from __future__ import annotations

import base64
import struct
import tracemalloc
import zlib
from math import ceil

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.measurement.measurements import anything, durations, histograms
from valkeybench.errors import ResultError
from valkeybench.measurement.histogram import HIGHEST_NS, LAYOUT, LOWEST_NS, SIZE, Histogram, Layout
from valkeybench.units import HOUR, MILLISECOND

BORDERS = sorted(
    {0, HOUR - 1, HOUR} | {(1 << bits) + step for bits in range(42) for step in (-1, 0, 1)}
)
"""Every power of two up to an hour, with its neighbours."""


def library(values: list[int]) -> HdrHistogram:
    """Count the values as the library does, one by one."""
    histogram = HdrHistogram(LOWEST_NS, HIGHEST_NS, 3)
    for value in values:
        assert histogram.record_value(value)
    return histogram


def counts_of(histogram: HdrHistogram) -> list[int]:
    """Give the library's counters."""
    return [histogram.get_count_at_index(index) for index in range(histogram.counts_len)]


def packed(payload: bytes, cookie: int = 0x1C849314) -> str:
    """Compress and wrap as HdrHistogram V2 does."""
    compressed = zlib.compress(payload)
    return base64.b64encode(struct.pack(">II", cookie, len(compressed)) + compressed).decode()


def payload(
    counters: bytes, *, digits: int = 3, lowest: int = 1, highest: int = HOUR, offset: int = 0
) -> bytes:
    """Write the header of an HdrHistogram V2 before its counters."""
    header = (0x1C849313, len(counters), offset, digits, lowest, highest, 1.0)
    return struct.pack(">IIIIQQd", *header) + counters


# --- it is HdrHistogram ---


def test_the_layout_is_the_librarys() -> None:
    """As many counters as the library has, for the digits of phases and of series."""
    for digits in (2, 3):
        assert HdrHistogram(LOWEST_NS, HIGHEST_NS, digits).counts_len == Layout(digits).size
    assert 33_792 == SIZE


@pytest.mark.parametrize("digits", [2, 3])
def test_every_value_has_the_librarys_counter(digits: int) -> None:
    """At every border, and around it: the counter, its lowest and its highest value."""
    ours, theirs = Layout(digits), HdrHistogram(LOWEST_NS, HIGHEST_NS, digits)
    indices = ours.index(np.array(BORDERS, np.int64))

    for value, index in zip(BORDERS, indices.tolist(), strict=True):
        assert theirs._counts_index_for(value) == index  # noqa: SLF001 - there is no public way
        bounds = (
            theirs.get_lowest_equivalent_value(value),
            theirs.get_highest_equivalent_value(value),
        )
        at = np.array([index])
        assert bounds == (int(ours.lowest(at)[0]), int(ours.highest(at)[0]))


@given(st.lists(durations, max_size=30))
@settings(deadline=None, max_examples=50)
def test_it_counts_as_the_library_does(values: list[int]) -> None:
    """The same counters for the same values, and the same bytes when written."""
    ours, theirs = Histogram.of(values), library(values)

    assert np.array_equal(np.ctypeslib.as_array(theirs.counts), ours.counts)
    assert theirs.get_total_count() == ours.count
    assert theirs.encode().decode() == ours.encode()


@given(st.lists(durations, min_size=1, max_size=30))
@settings(deadline=None, max_examples=50)
def test_the_library_reads_what_we_write(values: list[int]) -> None:
    """Counters, count, least and greatest value come out of the library as they went in."""
    read = HdrHistogram.decode(Histogram.of(values).encode())

    assert counts_of(library(values)) == counts_of(read)
    assert len(values) == read.get_total_count()
    assert library(values).get_max_value() == read.get_max_value()
    assert library(values).get_min_value() == read.get_min_value()


@given(st.lists(durations, max_size=30))
@settings(deadline=None, max_examples=50)
def test_we_read_what_the_library_writes(values: list[int]) -> None:
    """Counters are the same; minimum, maximum and mean as exact as counters are."""
    read, exact = Histogram.decode(library(values).encode().decode()), Histogram.of(values)

    assert np.array_equal(exact.counts, read.counts)
    assert 0 == read.out_of_range
    if values:
        assert pytest.approx(min(values), rel=1e-3) == read.minimum
        assert pytest.approx(max(values), rel=1e-3) == read.maximum
        assert pytest.approx(sum(values) / len(values), rel=1e-3) == read.mean
    else:
        assert Histogram.empty() == read


# --- what it knows ---


@given(st.lists(anything, max_size=30))
@settings(deadline=None, max_examples=50)
def test_least_greatest_and_sum_are_exact(values: list[int]) -> None:
    """To the nanosecond, over what is in range; the rest is counted, not forgotten."""
    histogram = Histogram.of(values)
    kept = [value for value in values if 0 <= value <= HOUR]

    assert len(values) - len(kept) == histogram.out_of_range
    assert (len(kept), sum(kept)) == (histogram.count, histogram.total)
    assert min(kept, default=None) == histogram.minimum
    assert max(kept, default=None) == histogram.maximum
    assert (sum(kept) / len(kept) if kept else None) == histogram.mean


@given(st.lists(durations, min_size=1, max_size=200), st.floats(0, 1))
@settings(deadline=None)
def test_a_quantile_is_the_nearest_rank(values: list[int], share: float) -> None:
    """The value at rank ceil(share × count) of all in order, at most 0.1 % above it."""
    exact = sorted(values)[max(ceil(share * len(values) - 1e-9), 1) - 1]
    seen = Histogram.of(values).quantile(share)

    assert seen is not None
    assert exact <= seen <= min(exact * (1 + 1 / 1024), max(values))


@pytest.mark.parametrize(
    ("share", "rank"),
    [(0, 1), (0.01, 1), (0.07, 7), (0.5, 50), (0.9, 90), (0.99, 99), (0.991, 100), (1, 100)],
)
def test_a_quantile_of_a_hundred_values_is_one_of_them(share: float, rank: int) -> None:
    """Among 1 to 100 every rank is exact; no rounding error moves it on."""
    assert rank == Histogram.of(range(1, 101)).quantile(share)


def test_quantiles_come_together_as_they_come_alone() -> None:
    """One pass gives what several do."""
    histogram = Histogram.of([1, 5, 5_000, 10**9])
    shares = [0.1, 0.5, 0.75, 1.0]
    assert [histogram.quantile(share) for share in shares] == histogram.quantiles(shares)


def test_an_empty_histogram_knows_nothing() -> None:
    """Nothing is None, never 0: neither without values nor with none in range."""
    for histogram in (Histogram.empty(), Histogram.of([]), Histogram.of([-1, HOUR + 1])):
        assert 0 == histogram.count
        assert (None, None, None) == (histogram.minimum, histogram.maximum, histogram.mean)
        assert [None, None] == histogram.quantiles([0.5, 0.99])
    assert 2 == Histogram.of([-1, HOUR + 1]).out_of_range


def test_bins_count_from_edge_to_edge() -> None:
    """Each value is in one bin; what is outside the edges is in none."""
    histogram = Histogram.of([1, 5, 10, 11, 99, 100, 1000])
    assert [2, 3, 1] == histogram.bins([0, 10, 100, 1000 - 1])


def test_a_histogram_shows_itself_on_one_line() -> None:
    """A failing test shows what it holds, not thirty thousand counters."""
    assert "<Histogram 2 values, 1…7 ns>" == repr(Histogram.of([7, 1]))


def test_a_histogram_is_compared_by_all_it_holds() -> None:
    """Counters alone do not make two equal; it is nothing a dictionary could keep."""
    assert Histogram.of([5_000_000]) != Histogram.of([5_000_001])  # one counter, two values
    assert Histogram.of([5]) != Histogram.of([5, -1])
    assert Histogram.of([5]) != "<Histogram 1 values, 5…5 ns>"
    with pytest.raises(TypeError):
        hash(Histogram.empty())


# --- it adds up ---


@given(histograms, histograms, histograms)
@settings(deadline=None, max_examples=50)
def test_histograms_add_up(a: Histogram, b: Histogram, c: Histogram) -> None:
    """In any order and any grouping, and the empty one changes nothing."""
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a == a + Histogram.empty() == Histogram.empty() + a


@given(st.lists(anything, max_size=20), st.lists(anything, max_size=20))
@settings(deadline=None, max_examples=50)
def test_a_sum_holds_what_both_held(some: list[int], more: list[int]) -> None:
    """Counting apart and adding is counting together."""
    assert Histogram.of(some + more) == Histogram.of(some) + Histogram.of(more)


def test_only_histograms_add_up() -> None:
    """Anything else is refused."""
    with pytest.raises(TypeError):
        _ = Histogram.empty() + 0  # type: ignore[operator]


# --- what is read may be anything ---


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=200)
def test_no_counters_whatever_break_it(counters: bytes) -> None:
    """A header like ours with anything behind it is a histogram or a ResultError."""
    try:
        read = Histogram.decode(packed(payload(counters)))
    except ResultError:
        return
    assert read.counts.min() >= 0
    assert read.count == Histogram.decode(read.encode()).count


@given(st.text(max_size=50) | st.binary(max_size=50).map(lambda b: base64.b64encode(b).decode()))
@settings(deadline=None, max_examples=200)
def test_garbage_is_a_result_error(text: str) -> None:
    """Text that is no histogram is refused, whatever it is."""
    with pytest.raises(ResultError):
        Histogram.decode(text)


def cut(text: str, at: int) -> str:
    """Break what was encoded."""
    return base64.b64encode(base64.b64decode(text)[:at]).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an HdrHistogram V2"),
        ("HISTFAAAA", "not an HdrHistogram V2"),
        (cut(Histogram.of([1]).encode(), 30), "not an HdrHistogram V2"),
        (packed(b""), "not an HdrHistogram V2"),
        (packed(b"\0" * 31), "not an HdrHistogram V2"),
        (packed(payload(b"\2"), cookie=1), "not an HdrHistogram V2"),
        (packed(payload(b"\x80")), "not an HdrHistogram V2"),
        (packed(payload(b"\xff" * 8 + b"\x7f")), "not an HdrHistogram V2"),
        (packed(payload(b"\2", digits=2)), "another layout"),
        (packed(payload(b"\2", lowest=2, highest=2 * HOUR)), "another layout"),
        (packed(payload(b"\2", highest=HOUR - 1)), "another layout"),
        (packed(payload(b"\2", offset=1)), "another layout"),
        (packed(payload(b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f")), "more than can have been"),
        ("A" * (1 << 20) + "A", "a histogram of 1048577 characters"),
    ],
)
def test_what_is_wrong_with_a_histogram_is_said(text: str, reason: str) -> None:
    """No histogram, one of another layout, an impossible one, or one far too long."""
    with pytest.raises(ResultError) as caught:
        Histogram.decode(text)
    assert reason in caught.value.message


def bomb(megabytes: int) -> str:
    """Write a header like ours and a very long row of zeros."""
    squeeze = zlib.compressobj()
    parts = [squeeze.compress(payload(b""))]
    parts += [squeeze.compress(bytes(1 << 20)) for _ in range(megabytes)]
    compressed = b"".join([*parts, squeeze.flush()])
    return base64.b64encode(struct.pack(">II", 0x1C849314, len(compressed)) + compressed).decode()


def test_what_inflates_without_end_takes_no_room() -> None:
    """Hundreds of megabytes, or a layout of millions of counters, are refused unread."""
    for text in (bomb(300), packed(payload(b"\2", digits=5, highest=2**62))):
        tracemalloc.start()
        try:
            with pytest.raises(ResultError):
                Histogram.decode(text)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 8 << 20


def test_sums_of_hours_do_not_overflow() -> None:
    """A billion values of an hour have a mean of an hour, read back as well as added."""
    counts = np.zeros(SIZE, np.int64)
    counts[LAYOUT.index(np.array([HOUR]))] = 10**9
    read = Histogram.decode(Histogram.of_counts(counts).encode())

    assert pytest.approx(HOUR, rel=1e-3) == read.mean
    assert pytest.approx(HOUR, rel=1e-3) == (read + read).mean


def test_counters_keep_what_else_is_known() -> None:
    """Where minimum, maximum and sum are known exactly, they stay."""
    counts = Histogram.of([5 * MILLISECOND]).counts
    exact = Histogram.of_counts(counts, minimum=3, maximum=9, total=7)
    assert (3, 9, 7) == (exact.minimum, exact.maximum, exact.total)
