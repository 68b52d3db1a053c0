"""What people write as durations, sizes and rates is read exactly, and written back shortly."""

from __future__ import annotations

import re
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from valkeybench.units import (
    HOUR,
    MICROSECOND,
    MILLISECOND,
    MINUTE,
    SECOND,
    are,
    compact_duration,
    format_bytes,
    format_count,
    format_duration,
    format_percent,
    format_rate,
    parse_duration,
    parse_rate,
    parse_size,
)

THIN = "\N{NARROW NO-BREAK SPACE}"
UNITS = {"ns": 1, "µs": MICROSECOND, "ms": MILLISECOND, "s": SECOND}

durations = st.integers(0, 10**24)


@given(durations)
@settings(deadline=None)
def test_a_duration_written_compactly_is_read_back(nanoseconds: int) -> None:
    """Compact durations lose nothing, however long they are."""
    assert nanoseconds == parse_duration(compact_duration(nanoseconds))


@given(durations)
@settings(deadline=None)
def test_a_compact_duration_has_one_unit(nanoseconds: int) -> None:
    """A whole number and one unit, the largest that divides it; nothing is a bare 0."""
    compact = compact_duration(nanoseconds)
    assert re.fullmatch(r"0|[1-9][0-9]*(ns|us|ms|s|m|h)", compact)


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("0", 0),
        ("0ms", 0),
        ("0.0", 0),
        ("1ns", 1),
        ("250us", 250 * MICROSECOND),
        ("250µs", 250 * MICROSECOND),
        ("250μs", 250 * MICROSECOND),
        ("10ms", 10 * MILLISECOND),
        (" 10 ms ", 10 * MILLISECOND),
        ("10MS", 10 * MILLISECOND),
        ("1.5s", 1500 * MILLISECOND),
        (".5s", 500 * MILLISECOND),
        ("5.s", 5 * SECOND),
        ("2m", 2 * MINUTE),
        ("2min", 2 * MINUTE),
        ("1h", HOUR),
        ("0.1s", 100 * MILLISECOND),
        ("9007199.254740993s", 9_007_199_254_740_993),
    ],
)
def test_a_duration_is_read(text: str, nanoseconds: int) -> None:
    """A number, whole or decimal, with its unit, to the nanosecond; only 0 does without one."""
    assert nanoseconds == parse_duration(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "10",
        "ms",
        "-1s",
        "+1s",
        "1e3s",
        "1,5s",
        "10 ms s",
        "10msx",
        "1s2",
        "10days",
        "nan",
        "inf",
        "0x10s",
        "1__0s",
        "٣s",
        "0.4ns",
        "9" * 400 + "s",
        "9" * 5000 + "s",
        "none",
    ],
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    """No number, no unit, an unknown one, less than there is or a number nobody means."""
    with pytest.raises(ValueError, match=r"^there is"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("64", 64),
        ("64b", 64),
        ("1kb", 1000),
        ("1KiB", 1024),
        ("1.5 KiB", 1536),
        ("2MB", 2000000),
        ("8GiB", 8 << 30),
        ("8g", 8 << 30),
        ("1.5GB", 1500000000),
        ("2MiB", 2 << 20),
        ("0.5kb", 500),
    ],
)
def test_a_size_is_read(text: str, size: int) -> None:
    """Decimal and binary units are told apart; a bare number is bytes."""
    assert size == parse_size(text)


@pytest.mark.parametrize("text", ["", "kb", "-1", "1.5", "0.1KiB", "1 tib", "1e3", "9" * 50])
def test_what_is_no_size_is_refused(text: str) -> None:
    """A part of a byte is no size either."""
    with pytest.raises(ValueError, match=r"^there is"):
        parse_size(text)


@pytest.mark.parametrize(
    ("text", "per_second"),
    [
        ("5000", 5000),
        ("5000/s", 5000),
        ("5k", 5000),
        ("5K/s", 5000),
        ("600/min", 10),
        ("7/m", 7 / 60),
        ("0.5", 0.5),
        (" 5 k/s ", 5000),
        ("0", 0),
    ],
)
def test_a_rate_is_read(text: str, per_second: float) -> None:
    """Commands per second or per minute; k is a thousand."""
    assert per_second == parse_rate(text)


@pytest.mark.parametrize("text", ["", "k", "5/h", "5/", "5kk", "-5", "5 per s", "9" * 400, "inf"])
def test_what_is_no_rate_is_refused(text: str) -> None:
    """An unknown unit, no number, or one nobody means."""
    with pytest.raises(ValueError, match=r"^there is"):
        parse_rate(text)


@given(st.text(max_size=20) | st.from_regex(r"[0-9.]{1,8} ?[a-zµ/]{0,4}", fullmatch=True))
@settings(deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Nothing but ValueError comes out of reading, and never a negative number."""
    for parse in (parse_duration, parse_size, parse_rate):
        with suppress(ValueError):
            assert parse(text) >= 0


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (None, "–"),
        (0, "0"),
        (1, "1.00 ns"),
        (12.345, "12.3 ns"),
        (9.994, "9.99 ns"),
        (9.996, "10.0 ns"),
        (99.96, "100 ns"),
        (999.4, "999 ns"),
        (999.5, "1.00 µs"),
        (1_000, "1.00 µs"),
        (9_994, "9.99 µs"),
        (9_995, "10.0 µs"),
        (99_949, "99.9 µs"),
        (99_950, "100 µs"),
        (999_499, "999 µs"),
        (999_500, "1.00 ms"),
        (1_240_000, "1.24 ms"),
        (999_499_999, "999 ms"),
        (999_500_000, "1.00 s"),
        (SECOND, "1.00 s"),
        (59_900_000_000, "59.9 s"),
        (60 * SECOND, "60.0 s"),
        (119_499_999_999, "119 s"),
        (119_500_000_000, "2 min"),
        (2 * MINUTE, "2 min"),
        (2 * MINUTE + 400 * MILLISECOND, "2 min"),
        (2 * MINUTE + 600 * MILLISECOND, "2 min 1 s"),
        (3 * MINUTE - 1, "3 min"),
        (HOUR + 5 * SECOND, "60 min 5 s"),
        (-1_240_000, "-1.24 ms"),
    ],
)
def test_a_duration_is_shown(nanoseconds: float | None, text: str) -> None:
    """Three figures and the unit that suits; nothing is ever shown as a thousand of a unit."""
    assert text == format_duration(nanoseconds)


@given(st.integers(1, 119 * SECOND))
@settings(deadline=None)
def test_a_shown_duration_is_true_to_three_figures(nanoseconds: int) -> None:
    """Reading what is shown gives the duration again, within half of its last figure."""
    number, _, unit = format_duration(nanoseconds).partition(" ")
    assert len(number.replace(".", "")) <= 3
    assert pytest.approx(nanoseconds, rel=5.01e-3) == float(number) * UNITS[unit]


@pytest.mark.parametrize(
    ("number", "text"),
    [(None, "–"), (0, "0"), (999, "999"), (9_812, f"9{THIN}812"), (1e6, f"1{THIN}000{THIN}000")],
)
def test_a_count_is_shown(number: float | None, text: str) -> None:
    """Thousands are set apart by a thin blank that does not break."""
    assert text == format_count(number)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (None, "–"),
        (0, "0.00 /s"),
        (0.5, "0.50 /s"),
        (9.996, "10.0 /s"),
        (99.94, "99.9 /s"),
        (99.96, "100 /s"),
        (100, "100 /s"),
        (4870.4, f"4{THIN}870 /s"),
    ],
)
def test_a_rate_is_shown(rate: float | None, text: str) -> None:
    """Three figures for small rates, whole commands for others."""
    assert text == format_rate(rate)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (None, "–"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1792, "1.75 KiB"),
        (1023.4 * 1024, "1023 KiB"),
        (1023.6 * 1024, "1.00 MiB"),
        (-1792, "-1.75 KiB"),
        (5 << 30, "5.00 GiB"),
        (5000 << 30, "5000 GiB"),
    ],
)
def test_a_size_is_shown(size: float | None, text: str) -> None:
    """Binary units, whole bytes, a sign where memory shrank; GiB is the largest unit."""
    assert text == format_bytes(size)


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (None, "–"),
        (0, "0 %"),
        (0.004, "0.4 %"),
        (0.0994, "9.9 %"),
        (0.0995, "10 %"),
        (0.1, "10 %"),
        (0.5, "50 %"),
        (1, "100 %"),
        (1.5, "150 %"),
        (-0.05, "-5.0 %"),
        (-0.0999, "-10 %"),
    ],
)
def test_a_share_is_shown(share: float | None, text: str) -> None:
    """A decimal below ten per cent, and none from there on."""
    assert text == format_percent(share)


@pytest.mark.parametrize(("number", "verb"), [(0, "are"), (1, "is"), (2, "are")])
def test_one_is_and_others_are(number: int, verb: str) -> None:
    """No handlers are, one is, two are."""
    assert verb == are(number)
