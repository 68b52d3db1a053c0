"""Pages made from the code are as the code is, and links between pages lead somewhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from docs.generate import REFERENCE, pages
from tests.docs.shown import pages as written_pages
from tests.server.processes import ROOT
from valkeybench.analysis.metric import parse_metric
from valkeybench.errors import ExitCode
from valkeybench.results import placed, recovered, runfile
from valkeybench.results.record import Record
from valkeybench.scenario.fields import FIELDS

if TYPE_CHECKING:
    from pathlib import Path

MADE = pages()


@pytest.mark.parametrize("name", MADE)
def test_a_page_is_as_the_code_makes_it(name: str) -> None:
    """A page of the reference is what `python -m docs.generate` would write."""
    assert MADE[name] == (REFERENCE / name).read_text(encoding="utf-8")


def test_no_page_is_made_by_hand() -> None:
    """Every page of the reference is one that is made."""
    assert set(MADE) == {path.name for path in REFERENCE.iterdir()}


def test_nothing_is_missing_from_the_reference() -> None:
    """Every key of a scenario, every exit code and every record of a run file has its place."""
    keys = set(re.findall(r"^\| `(\w+)` \|", MADE["scenario.md"], re.MULTILINE))
    assert {field.key for field in FIELDS} == keys
    codes = re.findall(r"^\| (\d+) \|", MADE["exit-codes.md"], re.MULTILINE)
    assert [str(int(code)) for code in ExitCode] == codes
    records = {
        each.__name__
        for module in (runfile, placed, recovered)
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Record) and each is not Record
    }
    headings = set(re.findall(r"^## (\w+)$", MADE["result-file.md"], re.MULTILINE))
    assert records == headings - {"Histograms"}


def test_a_metric_of_the_reference_can_be_asked_for() -> None:
    """Each total and failure, and each phase with a statistic, is a metric that limits may name."""
    names = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", MADE["metrics.md"], re.MULTILINE)
    phases = {name for name, kind in names if kind in ("part", "whole", "beside")} - {"failed"}
    for phase in phases:
        assert phase == parse_metric(f"{phase}.p99").phase
    totals = [name for name, kind in names if kind not in ("part", "whole", "beside")]
    assert 17 == len(totals)
    for total in totals:
        assert total == parse_metric(total).stat


@pytest.mark.parametrize(
    "page", written_pages(), ids=lambda path: path.relative_to(ROOT).as_posix()
)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """A relative link names a file there is, and a heading that file has."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), target
        assert not anchor or anchor in anchors(linked.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """Give the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}
