"""A client that shows no pool leaves dashes, and no advice on pools is drawn from it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.runs import case_record, run_file
from valkeybench.analysis.cost import opening_cost
from valkeybench.analysis.health import health
from valkeybench.analysis.sizing import recommend
from valkeybench.measurement.metrics import Phase
from valkeybench.report.document import Command, Table
from valkeybench.report.in_use import in_use_block
from valkeybench.report.labels import labels
from valkeybench.report.phases import phase_block
from valkeybench.report.run import run_document, who
from valkeybench.scenario.model import Client, Driver

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, RunFile

SIX = [8_990, 700, 200, 75, 21, 10, 4]


def glide(**wishes: Any) -> CaseRecord:  # noqa: ANN401 - every field of two records
    """Make a case of valkey-glide."""
    usual = {"client": Client.VALKEY_GLIDE, "phases": {Phase.COMMAND: 0.3}, "prewarmed": 1}
    return case_record(**{**usual, "opened": 0, **wishes})


def pooled(**wishes: Any) -> CaseRecord:  # noqa: ANN401 - as above
    """Make a case of redis-py whose pool was no limit."""
    return case_record(**{"in_use": SIX, **wishes})


def bare(**wishes: Any) -> CaseRecord:  # noqa: ANN401 - as above
    """Make a case of the bare wire whose pool was no limit."""
    return case_record(**{"in_use": SIX, "driver": Driver.WIRE, **wishes})


@pytest.mark.parametrize("without", [glide, bare])
def test_a_size_is_for_the_pool_of_a_client_library(without: Any) -> None:  # noqa: ANN401 - makes a case
    """What has none is passed over beside one that has, whichever comes first."""
    for cases in ([pooled(), without()], [without(), pooled()]):
        assert recommend([pooled()]) == recommend(cases)


@pytest.mark.parametrize(
    ("without", "cause", "said", "remedy"),
    [
        (bare, "no_library", "the bare wire has no client library", "--driver threads,wire"),
        (glide, "no_pool", "it has no pool to size", "--client redis-py,valkey-glide"),
    ],
)
def test_alone_it_is_told_why_there_is_no_size(
    without: Any,  # noqa: ANN401 - makes a case
    cause: str,
    said: str,
    remedy: str,
) -> None:
    """And what to measure for one."""
    [found] = recommend([without()])
    assert ("no_size", None) == (found.verdict, found.max_connections)
    assert [cause] == found.evidence["causes"]
    assert said in found.reason
    assert remedy in str(found.evidence["remedy"])


def test_it_is_named_by_client_and_policy() -> None:
    """Neither is explained by a number, as it has no size."""
    found = labels([glide(id="a"), pooled(id="b"), pooled(id="c", client=Client.VALKEY_PY)])
    assert {
        "a": "multiplexed, valkey-glide",
        "b": "blocking 10, redis-py",
        "c": "blocking 10, valkey-py",
    } == found


def test_phases_that_did_not_happen_are_dashes() -> None:
    """In the table of shares all of it is the command."""
    cases = [glide(id="glide"), *(pooled(id=str(n), concurrency=n) for n in range(40, 50))]
    table = phase_block(cases, {case.id: case.id for case in cases})
    assert isinstance(table, Table)
    row = dict(zip([c.title for c in table.columns], [c.text for c in table.rows[0]], strict=True))
    assert ("–", "100 %", "–") == (row["pool wait"], row["command"], row["release"])


def test_nothing_is_said_of_what_it_does_not_show() -> None:
    """No connections in use, no cost of opening one."""
    assert in_use_block([glide()], {}) is None
    assert [] == opening_cost([glide()])
    assert 1 == len(opening_cost([glide(), pooled()]))


def test_a_busy_client_is_not_told_to_use_a_pool() -> None:
    """Nor that it opens connections all the time."""
    [warning] = [w for w in health([glide(cpu_share=1.0)]) if w.code == "client_saturated"]
    assert "spread the handlers over more processes" in warning.remedy


def next_words(run: RunFile) -> str:
    """Give the command that ends a report."""
    [command] = [
        block for block in run_document(run, path=None).blocks if isinstance(block, Command)
    ]
    return shlex.join(command.words)


def test_next_to_it_a_pool_is_worth_trying() -> None:
    """Alone it leads to a client with pools, of one connection for each handler."""
    run = run_file(glide(concurrency=8))
    words = "valkeybench run --concurrency 8 --client redis-py,valkey-glide --pool blocking"
    assert f"{words} --max-conn 8" == next_words(run)


def test_who_asked_is_named_with_the_package_that_did() -> None:
    """Both packages of valkey-glide have versions of their own."""
    run = run_file(glide(), glide(driver=Driver.ASYNCIO))
    packages = {"valkey-glide": "2.6.0", "valkey-glide-sync": "2.6.1", "redis": "8.1.0"}
    run = run.model_copy(update={"environment": {**run.environment, "packages": packages}})
    said = who(run).replace("\N{NO-BREAK SPACE}", " ")
    assert "valkey-glide-sync 2.6.1" in said
    assert "valkey-glide 2.6.0" in said
    assert "redis-py" not in said
