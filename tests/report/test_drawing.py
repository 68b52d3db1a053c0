"""Tables, bars and histograms as they are laid out, without a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from valkeybench.measurement.metrics import Phase
from valkeybench.report.document import (
    Align,
    Bar,
    Bars,
    Block,
    Callout,
    Cell,
    Column,
    Command,
    Document,
    Histogram,
    KeyValues,
    Kind,
    Note,
    Segment,
    Series,
    Table,
)
from valkeybench.report.figures import apportion
from valkeybench.report.layout import lay_out
from valkeybench.report.page import Page
from valkeybench.report.text import typeface


def drawn(block: Block, width: int, *, encoding: str = "utf-8") -> list[str]:
    """Lay one block out, and give its lines as text without the indent."""
    page = Page(width=width, typeface=typeface(encoding), many_colours=False)
    lines = ["".join(span.text for span in line) for line in lay_out(Document((block,)), page)]
    return [line.removeprefix("  ").rstrip() for line in lines]


def table(*priorities: int, rows: int = 2) -> Table:
    """Make a table with a column named by its letter for each priority, after the row names."""
    letters = "abcdefgh"[: len(priorities)]
    columns = (
        Column(title=letter * 6, priority=p) for letter, p in zip(letters, priorities, strict=True)
    )
    return Table(
        columns=(Column(title="row", align=Align.LEFT), *columns),
        rows=tuple(
            (Cell(f"r{i}"), *(Cell(f"{letter}{i}") for letter in letters)) for i in range(rows)
        ),
        notes=(Note("always"), Note("about c", sign="c")),
    )


def test_a_table_that_fits_is_whole() -> None:
    """Names to the left, values to the right, under a rule; notes below."""
    assert [
        "row  aaaaaa  bbbbbb  cccccc",
        "───────────────────────────",
        "r0       a0      b0      c0",
        "r1       a1      b1      c1",
        "always",
        "about c",
    ] == drawn(table(1, 0, 2), 29)


def test_columns_go_by_priority_and_are_named() -> None:
    """The highest number goes first, with the notes about it; the reader is told what went."""
    assert [
        "row  aaaaaa  bbbbbb",
        "───────────────────",
        "r0       a0      b0",
        "r1       a1      b1",
        "always",
        "Not shown at this width:",
        "cccccc.",
    ] == drawn(table(1, 0, 2), 28)
    assert "row  bbbbbb" == drawn(table(1, 0, 2), 20)[0]


def test_a_table_that_may_lose_nothing_is_turned() -> None:
    """Where no more columns may go, rows become columns, and nothing is left out."""
    assert [
        "row     r0  r1",
        "──────────────",
        "aaaaaa  a0  a1",
        "bbbbbb  b0  b1",
        "cccccc  c0  c1",
        "always",
        "about c",
    ] == drawn(table(0, 0, 0), 20)


def test_a_table_that_fits_in_no_way_becomes_a_list() -> None:
    """As a last resort each row is a list of names and values."""
    lines = drawn(table(0, 0, 0, rows=9), 20)

    assert ["r0", "  aaaaaa  a0", "  bbbbbb  b0", "  cccccc  c0", "r1"] == lines[:5]


def test_headings_break_before_columns_go() -> None:
    """A heading takes two lines where its cells are narrower than it."""
    wide = Table(
        columns=(Column(title="case", align=Align.LEFT), Column(title="memory each", priority=1)),
        rows=((Cell("x"), Cell("17 KiB")),),
    )

    assert ["case  memory each", "─────────────────", "x          17 KiB"] == drawn(wide, 19)
    assert ["      memory", "case    each", "────────────", "x     17 KiB"] == drawn(wide, 18)


def test_neighbours_of_a_group_share_a_heading() -> None:
    """The group's name spans its columns; a column on its own has it right above."""
    grouped = Table(
        columns=(
            Column(title="case", align=Align.LEFT),
            Column(title="aaaaaa", group="both"),
            Column(title="bbbbbb", group="both"),
            Column(title="c", group="alone"),
        ),
        rows=(),
    )

    assert [
        "      ──── both ────  alone",
        "case  aaaaaa  bbbbbb      c",
        "───────────────────────────",
    ] == drawn(grouped, 80)


def test_only_a_column_of_sentences_wraps() -> None:
    """It takes the room that is left, on as many lines as it needs."""
    sentences = Table(
        columns=(
            Column(title="name", align=Align.LEFT),
            Column(title="shows", align=Align.LEFT, wraps=True),
        ),
        rows=(
            (Cell("a"), Cell("one two three four five six seven")),
            (Cell("b"), Cell("eight")),
        ),
    )

    assert [
        "name  shows",
        "─────────────────────────────",
        "a     one two three four five",
        "      six seven",
        "b     eight",
    ] == drawn(sentences, 32)


def test_sentences_are_not_squeezed_into_nothing() -> None:
    """Where less than a column's worth is left, each row becomes a list, wrapped as prose."""
    narrow = Table(
        columns=(Column(title="n", align=Align.LEFT), Column(title="shows", wraps=True)),
        rows=((Cell("a"), Cell("one two three four five")), (Cell("b"), Cell("x " * 20))),
    )

    assert ["a", "  shows  one two", "         three four", "         five"] == drawn(narrow, 22)[
        :4
    ]


@given(
    shares=st.lists(st.floats(0, 1), min_size=1, max_size=8),
    length=st.integers(1, 120),
)
def test_a_bar_is_cut_by_shares(shares: list[float], length: int) -> None:
    """Parts are whole, off by less than one sign, and never longer than the bar together."""
    cells = apportion(shares, length)
    whole = max(sum(shares), 1)

    assert sum(cells) <= length
    assert sum(cells) == round(sum(share / whole * length for share in shares))
    for share, count in zip(shares, cells, strict=True):
        assert abs(count - share / whole * length) < 1 + 1e-9


def bars(labels: list[str]) -> Bars:
    """Make bars, half command and half pool wait each."""
    halves = tuple(
        Segment(phase=phase, name=name, value="1 ms", share=0.5, share_text="50 %")
        for phase, name in ((Phase.POOL_WAIT, "pool wait"), (Phase.COMMAND, "command"))
    )
    return Bars(
        bars=tuple(Bar(label=label, total="2 ms", segments=halves) for label in labels),
        total_name="mean",
    )


def test_a_bar_is_explained_below_it() -> None:
    """Each sign of a bar is in the table, with its mean and share; the total is beside the bar."""
    assert [
        "                               mean",
        "no pool  ··········██████████  2 ms",
        "",
        "             ─ no pool ─",
        "             mean  share",
        "────────────────────────",
        "· pool wait  1 ms   50 %",
        "█ command    1 ms   50 %",
    ] == drawn(bars(["no pool"]), 37)


def test_bars_are_equally_long() -> None:
    """Shares compare from bar to bar, whatever the names."""
    lines = drawn(bars(["no pool", "blocking 10"]), 61)

    assert "no pool      ····················████████████████████  2 ms" == lines[1]
    assert "blocking 10  ····················████████████████████  2 ms" == lines[2]


def test_the_table_of_many_bars_goes_on_below() -> None:
    """No bar's numbers are lost where the page is narrow."""
    labels = [f"blocking {n}" for n in (1, 2, 3, 4, 5, 6)]
    text = "\n".join(drawn(bars(labels), 60))

    assert 6 * 2 == text.count("50 %")
    for label in labels:
        assert 2 == text.count(label)


def test_a_long_name_stands_above_its_bar() -> None:
    """A bar never gets too short to be read."""
    label = "blocking 10, 50 handlers, constant 10ms"
    lines = drawn(bars([label]), 60)

    assert label == lines[1]
    assert lines[2].startswith("····")


HISTOGRAM = Histogram(
    starts=("1 ms", "2 ms", "5 ms"),
    end="10 ms",
    series=(
        Series(label="a", counts=(0, 1, 1000), texts=("0", "1", "1000")),
        Series(label="b", counts=(5, 10, 0), texts=("5", "10", "0")),
    ),
)


def test_series_stand_beside_each_other() -> None:
    """Bars are as long as their share of the series' largest; one sample is never nothing."""
    assert [
        "               a                  b",
        "────────────────────────────────────────────────",
        "1 ms –  2 ms      0                5 █████▌",
        "2 ms –  5 ms      1 ▏             10 ███████████",
        "5 ms – 10 ms   1000 ███████████    0",
    ] == drawn(HISTOGRAM, 50)


def test_series_stand_below_each_other_where_there_is_no_room() -> None:
    """Nothing is lost on a narrow page."""
    lines = drawn(HISTOGRAM, 36)

    assert [["a"], ["b"]] == [lines[0].split(), lines[6].split()]
    assert "5 ms – 10 ms   1000 ██████████████" == lines[4]
    assert "2 ms –  5 ms   10 ████████████████" == lines[9]


def test_without_block_signs_bars_are_of_number_signs() -> None:
    """ASCII has no eighths; something is still never nothing."""
    lines = drawn(HISTOGRAM, 60, encoding="ascii")

    assert "2 ms -  5 ms      1 #                  10 ################" == lines[3]


def test_a_callout_has_an_edge_on_every_line() -> None:
    """Title, text and remedy stand behind the edge, the remedy behind an arrow."""
    callout = Callout(kind=Kind.WARNING, title="Title", text="one two", remedy="do this now")

    assert ["│ Title", "│ one two", "│ → do this", "│   now"] == drawn(callout, 15)


def test_names_and_values_stand_in_two_columns() -> None:
    """A long value goes on below itself; a very long name has a line of its own."""
    block = KeyValues(pairs=(("a", "one two three"), ("n" * 40, "x")))

    assert ["a" + " " * 29 + "one", " " * 30 + "two", " " * 30 + "three"] == drawn(block, 38)[:3]


@pytest.mark.parametrize("width", [20, 30, 40, 60, 100])
def test_a_command_can_be_pasted_at_any_width(width: int) -> None:
    """Lines are continued the way a shell reads them, and only between words."""
    words = ("valkeybench", "run", "--command", "GET key:{0..9999}", "--max-conn", "4,8,16")
    lines = drawn(Command(words=words), width)

    assert lines[0].startswith("$ valkeybench")
    assert all(line.endswith(" \\") for line in lines[:-1])
    joined = " ".join(line.removesuffix("\\").strip() for line in lines).removeprefix("$ ")
    assert Command(words=words).text == joined


def test_a_table_with_a_crooked_row_is_a_bug() -> None:
    """Blocks refuse what no format could draw."""
    with pytest.raises(ValueError, match="bug: 2 cells for 1 columns"):
        Table(columns=(Column(title="a"),), rows=((Cell("1"), Cell("2")),))
    with pytest.raises(ValueError, match="bug: 1 counts for 2 bins"):
        Histogram(starts=("1", "2"), end="3", series=(Series(label="", counts=(1,), texts=("1",)),))
