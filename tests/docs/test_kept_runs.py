"""What docs show of the kept runs, in words and in the picture, is what the tool says of them."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

import pytest

from docs.draw import COMMAND, PICTURE, picture
from tests.docs.standins import REFERENCE
from tests.report.examples import shown as shown_document
from tests.server.processes import ROOT
from valkeybench.report.run import run_document
from valkeybench.report.size import size_document
from valkeybench.results.store import read_run

_MOST_BYTES = 200_000
_FIGURE = re.compile(r"\d[\d.]* (?:ms|µs)")
_SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def reports() -> str:
    """Give what the terminal shows of both runs."""
    pool = run_document(read_run(REFERENCE / "pool.json"), path=None)
    size = size_document(read_run(REFERENCE / "size.json"), path=None)
    return shown_document(pool) + shown_document(size)


def test_the_outputs_of_the_tutorial_are_real(reports: str) -> None:
    """Every line of output the tutorial shows is a line of the report of a kept run."""
    text = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```text\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert 6 <= len(blocks)
    seen = {line.rstrip() for line in reports.replace("\xa0", " ").splitlines()}
    assert [] == [line for block in blocks for line in block.splitlines() if line not in seen]


def test_the_figures_of_the_explanation_are_those_of_the_runs(reports: str) -> None:
    """Every duration that is explained was measured in a kept run, or asked for."""
    text = (ROOT / "docs/explanation/pools.md").read_text(encoding="utf-8")
    figures = set(_FIGURE.findall(text))
    assert 8 <= len(figures)
    asked = {"50 ms"}
    assert set() == {figure for figure in figures - asked if figure not in reports}


def test_the_picture_says_what_the_report_says() -> None:
    """The picture that is kept has the words and signs that `python -m docs.draw` would draw."""
    kept = PICTURE.read_text(encoding="utf-8")
    assert words_of(picture()) == words_of(kept)
    assert f"$ {COMMAND}" in words_of(kept)


def test_the_picture_asks_nobody_for_anything() -> None:
    """An image on a page must not fetch fonts or anything else."""
    assert [] == re.findall(r"url\((?!#)[^)]*\)|href=|<script", PICTURE.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", ["pool.json", "size.json"])
def test_a_kept_run_is_small_and_clean(name: str) -> None:
    """A run in the repository is small, complete, recommends a size, and holds no password."""
    path = REFERENCE / name
    run = read_run(path)
    assert path.stat().st_size < _MOST_BYTES
    assert "complete" == run.status
    assert ["size"] == [each.verdict for each in run.recommendations]
    assert '"password":null' in path.read_text(encoding="utf-8")


def words_of(drawing: str) -> list[str]:
    """Read a drawn terminal: its lines from top to bottom, each from left to right."""
    lines: dict[float, list[tuple[float, str]]] = {}
    for text in ET.fromstring(drawing).iter(f"{_SVG}text"):  # noqa: S314 - our own picture
        place = lines.setdefault(float(text.get("y", "0")), [])
        place.append((float(text.get("x", "0")), "".join(text.itertext())))
    shown = [
        " ".join("".join(part for _, part in sorted(lines[y])).replace("\xa0", " ").split())
        for y in sorted(lines)
    ]
    return [line for line in shown if line]
