"""The bare wire says what limits a client, and only of a client that sends the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.runs import case_record, run_file
from valkeybench.analysis.cases import seen
from valkeybench.analysis.ceiling import Ceiling, Limit, ceilings
from valkeybench.analysis.thresholds import Thresholds
from valkeybench.report.document import Paragraph
from valkeybench.report.run import run_document
from valkeybench.scenario.model import Driver
from valkeybench.units import format_rate

SATURATING: dict[str, Any] = {"think": "0", "max_connections": 10}


def bare(**wishes: Any) -> Any:  # noqa: ANN401 - a case record
    """Make a case of the bare wire."""
    usual = {**SATURATING, "driver": Driver.WIRE, "throughput": 90_000.0, "id": "bare"}
    return case_record(**{**usual, **wishes})


def with_client(**wishes: Any) -> Any:  # noqa: ANN401 - a case record
    """Make a case of redis-py."""
    return case_record(**{**SATURATING, "throughput": 9_000.0, "id": "client", **wishes})


def found(*cases: Any) -> list[Ceiling]:  # noqa: ANN401 - case records
    """Pair the cases."""
    return list(ceilings(seen(cases)))


@pytest.mark.parametrize(
    ("changes", "pairs"),
    [
        ({}, 1),
        ({"pool": "fair"}, 1),
        ({"clients": "successive"}, 1),
        ({"pool": "raising"}, 0),
        ({"pool": "none"}, 0),
        ({"max_connections": 11}, 0),
        ({"concurrency": 51}, 0),
        ({"tls": True}, 0),
        ({"driver": Driver.WIRE}, 0),
    ],
)
def test_cases_pair_that_differ_in_the_client_alone(changes: dict[str, Any], pairs: int) -> None:
    """A blocking pool of redis-py stands beside the fair one, which is all the wire has."""
    assert pairs == len(found(with_client(**changes), bare()))


def test_without_a_pool_on_either_side_they_pair_too() -> None:
    """What a connection for each command costs without a client library is a ceiling as well."""
    assert 1 == len(found(with_client(pool="none"), bare(pool="none")))


@pytest.mark.parametrize(
    ("throughput", "limit"), [(9_000.0, Limit.CLIENT), (80_000.0, Limit.SERVER)]
)
def test_what_the_bare_wire_does_not_exceed_is_the_server_s_limit(
    throughput: float, limit: Limit
) -> None:
    """The client is the limit only where much more goes through without it."""
    [ceiling] = found(with_client(throughput=throughput), bare())
    assert limit is ceiling.limit


def test_a_generator_short_of_cpu_shows_a_lower_bound() -> None:
    """The server might give more to a faster one."""
    [busy] = found(with_client(), bare(cpu_share=0.99))
    [idle] = found(with_client(), bare(cpu_share=0.5))
    assert (True, False) == (
        busy.is_lower_bound(Thresholds()),
        idle.is_lower_bound(Thresholds()),
    )


def said(*cases: Any) -> list[str]:  # noqa: ANN401 - case records
    """Give the paragraphs of a report that speak of a client library."""
    document = run_document(run_file(*cases), path=None)
    paragraphs = [block.text for block in document.blocks if isinstance(block, Paragraph)]
    return [text for text in paragraphs if "without a client library" in text]


def test_the_report_says_the_ceiling_of_a_load_that_saturates() -> None:
    """How much server and network give, and who is the limit."""
    [text] = said(with_client(), bare())
    with_it, bare_one = format_rate(9_000.0), format_rate(90_000.0)
    assert f"give {bare_one} without a client library, and {with_it} with it" in text
    assert text.endswith("the client is the limit.")


def test_the_report_says_where_an_ideal_pool_would_do_no_better() -> None:
    """A p99 that is noise away is no promise."""
    paced = {"think": "10ms"}
    [text] = said(with_client(**paced, p99_ms=2.0), bare(**paced, p99_ms=2.1))
    assert "did not do better" in text


def test_the_report_says_the_ideal_pool_s_p99_of_a_load_that_pauses() -> None:
    """Throughput says nothing there; the waiting does."""
    paced = {"think": "10ms"}
    [text] = said(with_client(**paced, p99_ms=7.0), bare(**paced, p99_ms=2.0))
    assert "p99 of 2.00 ms; this one with 6.99 ms" in text


def test_the_report_says_nothing_without_a_bare_case() -> None:
    """Nor of a bare case alone."""
    assert [] == said(with_client()) == said(bare())
