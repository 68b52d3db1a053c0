"""Texts become harmless, as wide as they look, and break where they may."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.report.text import pad, shorten, typeface, width, wrap


@given(text=st.text(), encoding=st.sampled_from(["utf-8", "latin-1", "ascii"]))
def test_any_text_becomes_harmless_and_encodable(text: str, encoding: str) -> None:
    """What comes out can be encoded and holds nothing that steers a terminal."""
    shown = typeface(encoding).text(text)

    shown.encode(encoding)
    assert {unicodedata.category(sign) for sign in shown}.isdisjoint(
        {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
    )


@given(text=st.text(st.characters(min_codepoint=32, max_codepoint=126)))
def test_plain_text_is_left_alone(text: str) -> None:
    """Nothing that is harmless is changed."""
    assert text == typeface("ascii").text(text)


def test_an_unknown_encoding_gets_plain_signs() -> None:
    """An encoding Python does not know is taken for one that can do nothing special."""
    assert "-" == typeface("no-such-encoding").glyphs.rule


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("µs", 2), ("日本", 4), ("e\u0301", 1)])
def test_width_is_columns(text: str, columns: int) -> None:
    """Wide signs take two columns, combining ones none."""
    assert columns == width(text)


@pytest.mark.parametrize(
    ("text", "columns", "lines"),
    [
        ("", 5, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("took 1.24 ms of it", 9, ["took", "1.24 ms", "of it"]),
        ("is 84 % of", 5, ["is", "84 %", "of"]),
        ("at 4 870 /s now", 8, ["at", "4 870 /s", "now"]),
        ("is ≥ 5 ms", 6, ["is", "≥ 5 ms"]),
        ("ends in 5 seconds", 9, ["ends in 5", "seconds"]),
        ("abcdefgh i", 3, ["abc", "def", "gh", "i"]),
    ],
)
def test_lines_end_between_words_and_never_within_a_quantity(
    text: str, columns: int, lines: list[str]
) -> None:
    """A number keeps its unit; only a word longer than a line is cut."""
    assert lines == wrap(text, columns)


@given(text=st.text(), columns=st.integers(2, 40))
def test_wrapping_loses_nothing_and_overflows_nowhere(text: str, columns: int) -> None:
    """All signs are there, in order, and every line fits."""
    clean = typeface("utf-8").text(text)
    lines = wrap(clean, columns)

    assert "".join(clean.split(" ")) == "".join("".join(lines).split(" "))
    assert [] == [line for line in lines if width(line) > columns]


def test_padding_counts_columns() -> None:
    """A wide sign is two columns of a table too."""
    assert "日  " == pad("日", 4)
    assert "  日" == pad("日", 4, right=True)


@pytest.mark.parametrize(("columns", "text"), [(8, "blocking"), (5, "bloc…"), (1, "…")])
def test_a_text_that_was_cut_shows_it(columns: int, text: str) -> None:
    """What fits is left alone; what does not ends in an ellipsis, within the room."""
    assert text == shorten("blocking", columns, "…")
