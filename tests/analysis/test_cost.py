"""Opening a connection costs what was timed, and whoever opened one paid it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runs import case_record
from valkeybench.analysis.cost import OpeningCost, opening_cost
from valkeybench.measurement.metrics import Phase

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord

TLS = {"construct": 0.9, "connect": 0.1, "tls_context": 19, "tls": 1, "handshake": 0.6}


def only(*cases: CaseRecord) -> OpeningCost:
    """Give the one cost for these cases."""
    [found] = opening_cost(cases)
    return found


def milliseconds(cost: OpeningCost) -> dict[str, float]:
    """Give the phases as they were wished for."""
    return {phase.value: round(mean / 10**6, 3) for phase, mean in cost.phases.items()}


def test_the_phases_come_from_the_case_that_opens_for_each_command() -> None:
    """Construct, connect and handshake under load, in the order of a connection's life."""
    found = only(case_record(), case_record("none"))

    assert ("none-c50", True) == (found.source, found.under_load)
    assert {"construct": 0.9, "connect": 0.15, "handshake": 0.6} == milliseconds(found)
    assert ["construct", "connect", "handshake"] == list(milliseconds(found))
    assert pytest.approx(1_650_000, rel=1e-3) == found.total_ns


def test_without_such_a_case_filling_the_pool_tells() -> None:
    """What was opened before the load is timed as well, over all trials together."""
    found = only(case_record(max_connections=4))

    assert ("blocking-m4-c50", False) == (found.source, found.under_load)
    assert {"construct": 0.9, "connect": 0.15, "handshake": 0.6} == milliseconds(found)
    assert (None, ()) == (found.unpooled, found.ratios)


def test_tls_is_part_of_it_and_takes_a_round_trip() -> None:
    """One for TCP, one for TLS 1.3, and the set-up commands."""
    plain, secure = only(case_record("none")), only(case_record("none", phases=TLS))

    assert pytest.approx(TLS, rel=1e-3) == milliseconds(secure)
    assert (5, 6) == (plain.round_trips, secure.round_trips)


def test_tls_takes_the_round_trips_that_were_counted() -> None:
    """TLS 1.2 takes two."""
    case = case_record("none", phases=TLS)
    assert case.summary is not None
    connections = case.summary.connections.model_copy(update={"tls_round_trips": 2.0})
    older = case.model_copy(
        update={"summary": case.summary.model_copy(update={"connections": connections})}
    )

    assert 7 == only(older).round_trips


def test_who_paid_how_often() -> None:
    """A pool pays once for each connection, no pool once for each command."""
    found = only(case_record("none", throughput=1000), case_record(max_connections=7))
    [pooled] = found.pooled
    assert found.unpooled is not None

    assert (9000, 9000, 1.0) == (
        found.unpooled.openings,
        found.unpooled.commands,
        found.unpooled.opened_per_command,
    )
    assert (21, 0.0, 0.0) == (pooled.openings, pooled.opened_per_command, pooled.opening_share)
    assert ("blocking", 7) == (pooled.pool, pooled.max_connections)


def test_the_share_of_a_command_spent_on_opening() -> None:
    """1.65 of 1.90 ms without a pool, by the phases' means."""
    found = only(case_record("none"))
    assert found.unpooled is not None

    assert pytest.approx(1.65 / 1.90, rel=1e-3) == found.unpooled.opening_share


def test_unpooled_is_compared_with_each_pool() -> None:
    """Response and CPU for each command, unpooled over pooled."""
    found = only(
        case_record("none", throughput=1000, cpu_share=0.9, p99_ms=8),
        case_record(throughput=4000, cpu_share=0.4, p99_ms=2),
        case_record(max_connections=20, throughput=4000, cpu_share=0.2, p99_ms=1),
    )

    assert ["blocking-m10-c50", "blocking-m20-c50"] == [each.case for each in found.ratios]
    assert pytest.approx([4, 8], rel=5e-3) == [each.response_p99 for each in found.ratios]
    assert pytest.approx([9, 18], rel=5e-3) == [each.cpu_per_command for each in found.ratios]
    assert all(each.response_p50 is not None for each in found.ratios)


def test_cpu_is_that_of_all_processes_for_all_attempts() -> None:
    """Two processes at half a core for a thousand commands a second: a millisecond each."""
    found = only(case_record(processes=2, cpu_share=0.5, throughput=1000))

    assert pytest.approx(10**6) == found.pooled[0].cpu_ns_per_command


def test_each_load_has_its_own_cost() -> None:
    """Cases of different loads are not compared."""
    found = opening_cost(
        [case_record("none", concurrency=20), case_record("none"), case_record(concurrency=20)]
    )

    assert [(20, 1), (50, 0)] == [
        (each.applies_to["concurrency"], len(each.pooled)) for each in found
    ]


def test_what_is_not_known_is_none() -> None:
    """Nothing completed, nothing opened, no word about round trips: no numbers are made up."""
    found = only(
        case_record("none", throughput=0, cpu_share=0, setup_round_trips=None),
        case_record(throughput=0, prewarmed=0),
    )
    [ratio] = found.ratios
    assert found.unpooled is not None

    assert (None, {}, None, None) == (
        found.source,
        dict(found.phases),
        found.total_ns,
        found.round_trips,
    )
    assert (None, None, None, None, None) == (
        found.unpooled.opened_per_command,
        found.unpooled.opening_share,
        found.unpooled.cpu_ns_per_command,
        found.unpooled.response_p50_ns,
        found.unpooled.response_p99_ns,
    )
    assert (None, None, None) == (ratio.response_p50, ratio.response_p99, ratio.cpu_per_command)
    assert only(case_record("none", setup_round_trips=None)).round_trips is None
    for one_sided in (
        (case_record("none", throughput=0), case_record()),
        (case_record("none"), case_record(throughput=0)),
    ):
        assert None is only(*one_sided).ratios[0].response_p99


def test_nothing_finished_costs_nothing() -> None:
    """Cases without a finished trial are passed over."""
    assert [] == opening_cost([case_record("none", repeats=0)])


def test_phases_are_the_opening_ones_only() -> None:
    """The command itself and giving the connection back are no part of opening one."""
    assert {Phase.COMMAND, Phase.RELEASE}.isdisjoint(only(case_record("none")).phases)
