"""What the report says of round trips, TLS contexts and distance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.runs import case_record, run_file
from valkeybench.report.document import Paragraph, Table, Tone
from valkeybench.report.network import distance_blocks, setup_blocks
from valkeybench.scenario.model import Client, Driver
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord, RunFile


def opening(case: CaseRecord, **connections: object) -> CaseRecord:
    """Give the case with other facts about its connections."""
    assert case.summary is not None
    changed = case.summary.connections.model_copy(update=connections)
    return case.model_copy(
        update={"summary": case.summary.model_copy(update={"connections": changed})}
    )


def said(run: RunFile) -> str:
    """Give all paragraphs about setting up."""
    return " ".join(block.text for block in setup_blocks(run) if isinstance(block, Paragraph))


def test_the_round_trips_of_a_new_connection_are_named_and_counted() -> None:
    """Each step stands by its name, how often, and whether it was refused."""
    shipped = opening(
        case_record("none"),
        prewarmed=0,
        opened=4,
        setup={"HELLO with AUTH": 4, "CLIENT MAINT_NOTIFICATIONS": 4, "CLIENT SETINFO": 8},
        refused={"CLIENT MAINT_NOTIFICATIONS": 4},
    )
    text = said(run_file(shipped))

    assert (
        "A new connection costs 5 round trips: TCP, HELLO with AUTH, "
        "CLIENT MAINT_NOTIFICATIONS (refused), CLIENT SETINFO × 2." in text
    )
    assert "3 of them can be spared (--handshake minimal)" in text


UNFINISHED = {
    "prewarmed": 0,
    "opened": 29,
    "tls_round_trips": 9 / 29,
    "setup": {"HELLO with AUTH": 9, "CLIENT MAINT_NOTIFICATIONS": 9, "CLIENT SETINFO": 18},
    "refused": {"CLIENT MAINT_NOTIFICATIONS": 9},
}


@pytest.mark.parametrize(
    ("through", "told"),
    [(9, "Of 29 connections 9 got through"), (None, "Of 29 connections not all got through")],
)
def test_connections_that_break_off_count_for_none(through: int | None, told: str) -> None:
    """Nothing is said of round trips nobody made, nor of what of them can be spared."""
    case = opening(case_record("none"), **UNFINISHED, got_through=through)
    assert f"{told}; what a new one costs could not be counted." == said(run_file(case))


def test_a_login_that_is_refused_is_no_way_in() -> None:
    """Whole numbers do not make it one; a case whose connections got through says more."""
    refused = {"prewarmed": 0, "opened": 40, "setup": {"HELLO with AUTH": 40}}
    case = opening(case_record("none"), **refused, got_through=0)
    assert "Of 40 connections 0 got through" in said(run_file(case))
    fine = opening(
        case_record("none", concurrency=7), prewarmed=0, opened=4, setup={"HELLO": 4}, refused={}
    )
    assert "A new connection costs 2 round trips: TCP, HELLO." == said(run_file(case, fine))


def test_a_straggler_does_not_hide_what_all_others_did() -> None:
    """One connection cut off by the window's end among many."""
    case = opening(
        case_record("none"),
        prewarmed=0,
        opened=100,
        got_through=99,
        refused={},
        setup={"HELLO": 99},
    )
    assert "A new connection costs 2 round trips: TCP, HELLO." == said(run_file(case))


def test_valkey_py_is_not_advised_as_redis_py_is() -> None:
    """It has no notifications to switch off."""
    other = opening(
        case_record("none", client=Client.VALKEY_PY),
        prewarmed=0,
        opened=4,
        setup={"HELLO": 4, "CLIENT SETINFO": 8},
        refused={},
    )
    assert "costs 4 round trips" in said(run_file(other))
    assert "spared" not in said(run_file(other))


def test_set_up_commands_sent_together_are_one_round_trip() -> None:
    """The commands that follow another without waiting cost nothing, and are not said to."""
    together = opening(
        case_record("none", driver=Driver.ASYNCIO),
        prewarmed=0,
        opened=4,
        setup={"HELLO": 4, "CLIENT MAINT_NOTIFICATIONS": 4, "CLIENT SETINFO": 8, "SELECT": 4},
        setup_round_trips=3.0,
        refused={"CLIENT MAINT_NOTIFICATIONS": 4},
    )
    text = said(run_file(together))

    assert (
        "A new connection costs 4 round trips: TCP, HELLO, "
        "CLIENT MAINT_NOTIFICATIONS (refused), CLIENT SETINFO, SELECT (sent along)." in text
    )


def test_nothing_is_said_to_be_spared_when_nothing_can() -> None:
    """A minimal handshake has no step left to leave out."""
    minimal = opening(case_record("none"), prewarmed=0, opened=4, setup={"HELLO": 4}, refused={})
    text = said(run_file(minimal))

    assert "costs 2 round trips: TCP, HELLO." in text
    assert "spared" not in text


def test_distance_shows_fitted_and_counted_round_trips() -> None:
    """A row for each policy, and the note that the distance is emulated."""
    cases = [case_record("none", rtt_ns=rtt) for rtt in (0, 2 * MILLISECOND)]
    [table] = distance_blocks(cases)

    assert isinstance(table, Table)
    assert 1 == len(table.rows)
    assert any("emulated" in note.text for note in table.notes)


def test_no_distance_is_no_block() -> None:
    """Without an emulated round trip there is nothing to fit."""
    assert [] == list(distance_blocks([case_record("none"), case_record("blocking", 10)]))


def answered_in(case: CaseRecord, p50_ms: float) -> CaseRecord:
    """Give the case with another median of the response time."""
    assert case.summary is not None
    phases = dict(case.summary.phases)
    p50 = {"p50_ns": round(p50_ms * MILLISECOND)}
    phases["response"] = phases["response"].model_copy(update=p50)
    return case.model_copy(update={"summary": case.summary.model_copy(update={"phases": phases})})


@pytest.mark.parametrize(("k", "tone"), [(1.0, Tone.PLAIN), (0.5, Tone.WARNING)])
def test_a_line_that_is_not_what_was_counted_is_doubted(k: float, tone: Tone) -> None:
    """The number stands out and the note says what it may be; one that fits has neither."""
    cases = [
        answered_in(case_record("blocking", 10, rtt_ns=rtt_ms * MILLISECOND), 1 + k * rtt_ms)
        for rtt_ms in (0, 6)
    ]
    [table] = distance_blocks(cases)

    assert isinstance(table, Table)
    assert tone is table.rows[0][2].tone
    doubted = any("Where k is not what was counted" in note.text for note in table.notes)
    assert doubted == (tone is Tone.WARNING)
