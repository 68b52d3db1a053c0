"""What a terminal shows: the words, the widths, the colours, and nothing that harms it."""

from __future__ import annotations

import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.report.examples import ESCAPE, EXAMPLES, PATH, shown, two_cases
from tests.runs import case_record, run_file
from valkeybench.report.document import Document, Heading, Paragraph
from valkeybench.report.layout import lay_out
from valkeybench.report.page import Page, line_width
from valkeybench.report.run import run_document
from valkeybench.report.text import typeface, width

GOLDEN = Path(__file__).parent / "golden"

REGENERATE = "VALKEYBENCH_WRITE_GOLDEN"
"""Set this environment variable to write the golden files anew; then read the difference."""


@lru_cache(maxsize=16)
def report(name: str) -> Document:
    """Build an example's report once."""
    return run_document(EXAMPLES[name](), path=PATH)


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_run_is_shown_as_it_always_was(name: str, columns: int) -> None:
    """Every word, number and blank of a report without colour is as the golden file has it."""
    golden = GOLDEN / f"{name}-{columns}.txt"
    seen = shown(report(name), columns)
    if os.environ.get(REGENERATE):
        golden.write_text(seen, encoding="utf-8")

    assert golden.read_text(encoding="utf-8") == seen


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_line_is_wider_than_the_terminal(name: str) -> None:
    """From 60 columns up every line fits, in any encoding."""
    for columns in range(60, 161):
        for encoding in ("utf-8", "ascii"):
            page = Page(width=columns, typeface=typeface(encoding), many_colours=False)
            lines = lay_out(report(name), page)
            assert [] == [line for line in lines if line_width(line) > columns]


@given(
    names=st.lists(st.text(max_size=90), min_size=1, max_size=4, unique=True),
    title=st.text(max_size=300),
    columns=st.integers(60, 160),
)
@settings(deadline=None, max_examples=60)
def test_no_text_however_odd_widens_a_line(names: list[str], title: str, columns: int) -> None:
    """Titles and case names may be anything; the page keeps its width."""
    plain = case_record("blocking", 10, repeats=1, duration_ms=20)
    cases = [
        plain.model_copy(update={"id": str(i), "axes": {**plain.axes, "note": name}})
        for i, name in enumerate(names)
    ]
    run = run_file(case_record("none", repeats=1, duration_ms=20))
    run = run.model_copy(update={"scenario": {"title": title, "name": names[0]}, "cases": cases})

    text = shown(run_document(run, path=None), columns)

    assert [] == [line for line in text.split("\n") if width(line) > columns]


@pytest.mark.parametrize(
    ("console", "environment"),
    [
        ({}, {}),
        ({"force_terminal": True}, {"TERM": "dumb"}),
        ({"force_terminal": True, "color_system": "truecolor"}, {"NO_COLOR": "1"}),
        ({"force_terminal": True, "no_color": True, "color_system": "256"}, {}),
    ],
    ids=["pipe", "dumb", "NO_COLOR", "no_color"],
)
@pytest.mark.parametrize("name", EXAMPLES)
def test_without_colour_there_is_not_one_escape(
    name: str, console: dict[str, Any], environment: dict[str, str]
) -> None:
    """A pipe, a dumb terminal and NO_COLOR get plain text: the same text, and no attributes."""
    text = shown(report(name), environment=environment, **console)

    assert ESCAPE not in text
    assert shown(report(name)) == text


@pytest.mark.parametrize("system", ["standard", "256", "truecolor"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_colour_changes_no_word(name: str, system: str) -> None:
    """Colour comes on top: without its escapes only the filling of bars may differ."""
    coloured = shown(report(name), force_terminal=True, color_system=system)

    assert ESCAPE in coloured
    bare = re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert ESCAPE not in bare
    filling = str.maketrans(dict.fromkeys("▇·▓▒▚▞░█─", " "))
    assert shown(report(name)).translate(filling) == bare.translate(filling)


def test_bars_can_be_told_apart_by_what_tells_them_apart() -> None:
    """Without colour, and with too few colours, each phase has a sign of its own."""
    plain = shown(report("tls"))
    few = shown(report("tls"), force_terminal=True, color_system="standard")
    many = shown(report("tls"), force_terminal=True, color_system="256")

    for sign in "▓▚▞░█─":
        assert sign * 2 in plain
        assert sign * 2 in few
    assert "▚" not in many
    assert "▇▇" in many


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "cp437", "koi8-r"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_an_encoding_without_our_signs_gets_plainer_ones(name: str, encoding: str) -> None:
    """Nothing fails, and nothing turns into a question mark or a code."""
    text = shown(report(name), encoding=encoding)

    assert "?" not in text
    # A command may go on in the next line.
    assert "\\" not in text.replace(" \\\n", " ")
    assert ("----" in text) != ("────" in text)
    assert "us" in text or "µs" in text


HARMFUL = [
    "[red]x[/red]",
    "[link=https://example.org]x[/link]",
    ":boom: {x} %s",
    "a\x1b[31mb",
    "a\x1b]0;title\x07b",
    "a\rb\x08c",
    "a\x9b31mb",
    "safe\u202etxt.exe",
    "a\u200bb",
    "\ud800",
]


@pytest.mark.parametrize("words", HARMFUL)
@pytest.mark.parametrize("colour", [False, True], ids=["plain", "colour"])
def test_a_harmful_title_is_shown_and_does_nothing(words: str, *, colour: bool) -> None:
    """Markup is shown as it is written; signs that steer a terminal are spelled out."""
    run = two_cases()
    scenario = {**run.scenario, "title": words, "name": words, "commands": [words]}
    document = run_document(run.model_copy(update={"scenario": scenario}), path=words)

    options: dict[str, Any] = (
        {"force_terminal": True, "color_system": "truecolor"} if colour else {}
    )
    bare = re.sub(r"\x1b\[[0-9;]*m", "", shown(document, 400, **options))

    # Title and name, the load's command, where the result is, and the command to paste.
    assert 5 == bare.count(spelled(words))
    assert set() == {sign for sign in bare if sign < " "} - {"\n"}
    assert set() == {sign for sign in bare if "\x7f" <= sign <= "\x9f"}


def spelled(words: str) -> str:
    """Spell out what steers a terminal."""
    steering = {"\x1b", "\x07", "\r", "\x08", "\x9b", "\u202e", "\u200b", "\ud800"}
    return "".join(
        sign.encode("unicode_escape").decode() if sign in steering else sign for sign in words
    )


def test_a_blank_line_parts_subjects_and_nothing_else() -> None:
    """Sentences stand together, what stands under a heading is not parted from it."""
    blocks = (
        Heading(text="One"),
        Paragraph(text="a"),
        Paragraph(text="b"),
        Heading(text="Two"),
        Paragraph(text="c"),
    )

    assert "One\n  a\n  b\n\nTwo\n  c\n" == shown(Document(blocks))
