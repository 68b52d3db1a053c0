"""Markdown shows the same document, and nothing in it can be anything but text."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.report.examples import PATH, troubled, two_cases
from tests.runs import case_record, run_file
from valkeybench.report.document import (
    Align,
    Block,
    Callout,
    Cell,
    Column,
    Command,
    Document,
    Heading,
    KeyValues,
    Kind,
    Note,
    Paragraph,
    Snippet,
    Table,
    Tone,
)
from valkeybench.report.markdown import escaped, markdown
from valkeybench.report.overlay import document_of, name_runs
from valkeybench.report.run import run_document

GOLDEN = Path(__file__).parent / "golden"


def written(*blocks: Block) -> str:
    """Write blocks as Markdown, without the line end of the last."""
    return markdown(Document(blocks)).rstrip("\n")


@pytest.mark.parametrize("name", ["troubled", "overlay"])
def test_a_report_is_written_as_it_always_was(name: str) -> None:
    """The whole document, word for word: of a run in trouble, and of two runs."""
    run = troubled()
    runs = name_runs([PATH, "other.json"], [run, two_cases()])
    document = run_document(run, path=PATH) if name == "troubled" else document_of(runs)
    golden, seen = GOLDEN / f"{name}.md", markdown(document)
    if os.environ.get("VALKEYBENCH_WRITE_GOLDEN"):
        golden.write_text(seen, encoding="utf-8")

    assert golden.read_text(encoding="utf-8") == seen


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("a | b", r"a \| b"),
        ("*bold* `code` [x](y)", r"\*bold\* \`code\` \[x\](y)"),
        ("max_connections", "max_connections"),
        ("_quiet_", r"\_quiet\_"),
        ("&lt;", "&amp;lt;"),
        ("a\nb", "a b"),
        ("\x1b[31m", r"\\x1b\[31m"),
        ("back\\slash", r"back\\slash"),
    ],
)
def test_a_text_shows_as_itself(raw: str, shown: str) -> None:
    """Signs of Markdown and HTML are escaped, invisible ones spelled out."""
    assert shown == escaped(raw)


@pytest.mark.parametrize(
    ("raw", "shown"),
    [("1. first", r"1\. first"), ("- x", r"\- x"), ("# x", r"\# x"), ("9.5 x", "9.5 x")],
)
def test_a_paragraph_begins_no_list_and_no_heading(raw: str, shown: str) -> None:
    """What would mean something at the beginning of a line does not."""
    assert shown == written(Paragraph(text=raw))


def test_a_table_has_its_columns_and_the_notes_that_belong_there() -> None:
    """Numbers to the right; of notes that explain a sign only those whose sign is there."""
    table = Table(
        columns=(Column(title="case", align=Align.LEFT), Column(title="p99", group="response")),
        rows=((Cell("a|b"), Cell("~5 ms")), (Cell("c"), Cell("7", Tone.BAD))),
        notes=(Note("a hint", sign="~"), Note("at least", sign="≥"), Note("always")),
    )

    assert [
        "| case | response p99 |",
        "| --- | ---: |",
        r"| a\|b | \~5 ms |",
        "| c | **7** |",
        "",
        "a hint<br>",
        "always",
    ] == written(table).splitlines()


def test_callouts_are_alerts() -> None:
    """Every line of one is inside it."""
    callout = Callout(kind=Kind.WARNING, title="Warning: *x*", text="What.", remedy="Do > it.")

    assert [
        "> [!WARNING]",
        r"> **Warning: \*x\***",
        ">",
        "> What.",
        ">",
        "> → Do &gt; it.",
    ] == written(callout).splitlines()


def test_what_is_pasted_is_code() -> None:
    """Behind a fence that nothing in it can close."""
    snippet = Snippet(purpose="Paste:", lines=("x = 1", "```", "y = 2"))

    assert ["Paste:", "", "````python", "x = 1", "```", "y = 2", "````"] == (
        written(snippet).splitlines()
    )
    assert "```sh\nvalkeybench run 'a b'\n```" == written(
        Command(words=("valkeybench", "run", "a b"))
    )


def test_headings_and_pairs() -> None:
    """A level is a number of signs; a pair is an item of a list."""
    assert "## a\n\n- k: v" == written(Heading(text="a"), KeyValues(pairs=(("k", "v"),)))


def test_bars_and_histograms_become_tables() -> None:
    """Phases and bins keep their numbers."""
    text = markdown(run_document(two_cases(), path=None))

    assert "| case | mean | pool wait | construct | connect | handshake | command | release |" in (
        text
    )
    assert "| from | up to | no pool | blocking 10 |" in text


def test_several_runs_name_their_cases() -> None:
    """By the name of their file, numbered where two are alike; one run is shown as ever."""
    run = run_file(case_record("blocking", 4), case_record("none"))
    twice = markdown(document_of(name_runs(["x/a.json", "y/a.json"], [run, run])))

    assert "| a (1): blocking 4 |" in twice
    assert "| a (2): no pool |" in twice
    assert markdown(run_document(run, path="a.json")) == markdown(
        document_of(name_runs(["a.json"], [run]))
    )
