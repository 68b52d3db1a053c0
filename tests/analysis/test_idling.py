"""A server that closes idle connections is named as one, with what it did to ours."""

from __future__ import annotations

from dataclasses import replace

from tests.runs import case_record
from valkeybench.analysis.idling import idle_notes
from valkeybench.measurement.reading import ServerFacts

CLOSES = ServerFacts(idle_timeout_s=60)


def test_how_many_of_ours_were_closed_is_said_by_case() -> None:
    """Those beyond what was ever open at once, in every trial of a pool; no others."""
    busy, resting = case_record("blocking", 10), case_record("raising", 10, opened=3)
    bare = case_record("none")
    (note,) = idle_notes(CLOSES, [busy, resting, bare])
    assert ("idle_timeout", resting.id) == (note.code, note.case)
    assert (
        "the server closes connections that are idle for 60.0 s (timeout): 9 connections of ours "
        "were closed and opened again, without a failure"
    ) == note.message
    assert "timeout 0" in note.remedy


def test_what_a_failure_closed_is_not_put_down_to_idleness() -> None:
    """A connection that broke with its command is closed for that."""
    (note,) = idle_notes(CLOSES, [case_record("blocking", 10, opened=3, failures={"reset": 3})])
    assert note.case is None
    assert note.message.endswith("(timeout): none of ours was idle for so long")


def test_a_server_that_lets_them_rest_is_not_mentioned() -> None:
    """Nor one that does not tell."""
    case = case_record("blocking", 10, opened=3)
    for facts in (ServerFacts(), ServerFacts(idle_timeout_s=0)):
        assert [] == list(idle_notes(facts, [case]))


def test_of_a_cluster_the_least_patient_node_counts() -> None:
    """Whichever it is."""
    nodes = (ServerFacts(idle_timeout_s=0), CLOSES, replace(CLOSES, idle_timeout_s=7))
    (note,) = idle_notes(ServerFacts(nodes=nodes), [case_record("blocking", 10)])
    assert "idle for 7.00 s" in note.message
