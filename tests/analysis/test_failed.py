"""The run names what the server answered to commands that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.runs import case_record
from valkeybench.analysis.failed import failure_notes

if TYPE_CHECKING:
    from valkeybench.results.runfile import CaseRecord


def telling(case: CaseRecord, *, rejected: int | None = None, **errors: int) -> CaseRecord:
    """Let the server tell of error replies, and of connections it turned away."""
    trials = []
    for trial in case.trials:
        assert trial.server is not None
        after = trial.server.after.model_copy(update={"rejected_connections": rejected})
        server = trial.server.model_copy(update={"errors": errors or None, "after": after})
        trials.append(trial.model_copy(update={"server": server}))
    return case.model_copy(update={"trials": trials})


def test_error_replies_are_named_by_their_codes() -> None:
    """Most frequent first, over all trials; a permission that lacks can be given."""
    case = case_record("blocking", failures={"reply_error": 300}, repeats=2)
    (note,) = failure_notes([telling(case, ERR=8, NOPERM=300)])
    assert ("error_replies", case.id) == (note.code, note.case)
    assert "NOPERM 600 times, ERR 16 times" in note.message
    assert "ACL SETUSER" in note.remedy


def hearing(case: CaseRecord, **codes: int) -> CaseRecord:
    """Let the client have heard these; an underscore stands for the space before a command."""
    assert case.summary is not None
    heard = {code.replace("_", " "): count for code, count in codes.items()}
    summary = case.summary.model_copy(update={"error_replies": heard})
    return case.model_copy(update={"summary": summary})


def test_what_the_client_heard_needs_no_word_of_the_server() -> None:
    """The user may lack INFO as well: the codes are named, and the commands not permitted."""
    case = case_record("blocking", failures={"reply_error": 44}, server=False)
    (note,) = failure_notes([hearing(case, NOPERM_GET=30, NOPERM=9, WRONGTYPE=4, OTHER=1)])
    assert note.message == (
        "the server answered commands with NOPERM 39 times (get), WRONGTYPE 4 times, "
        "other errors 1 time"
    )
    assert "ACL SETUSER <name> +get ~<key>" in note.remedy


def test_the_client_is_heard_before_the_server() -> None:
    """Its counts are of the commands of the load alone."""
    case = case_record("blocking", failures={"reply_error": 300}, repeats=2)
    (note,) = failure_notes([hearing(telling(case, ERR=8), WRONGTYPE=600)])
    assert note.message == "the server answered commands with WRONGTYPE 600 times"


def test_no_error_among_the_commands_is_no_note() -> None:
    """Set-up commands are refused in every run; a server that counts nothing names nothing."""
    assert [] == failure_notes([telling(case_record("blocking"), ERR=8)])
    failing = case_record("blocking", failures={"reply_error": 300})
    assert [] == failure_notes([telling(failing)])
    assert [] == failure_notes([case_record("blocking", failures={"reply_error": 3}, server=False)])


def test_a_full_server_over_tls_is_said_to_be_known_by_its_counter() -> None:
    """Over plain connections it says so itself."""
    (note,) = failure_notes([case_record("none", tls=True, failures={"max_clients": 9})])
    assert "max_clients_by_server" == note.code
    assert [] == failure_notes([case_record("none", failures={"max_clients": 9})])


def test_a_server_that_does_not_tell_leaves_the_question_open() -> None:
    """A failure of TLS may be a full server, unless its counter says otherwise."""
    case = case_record("none", tls=True, failures={"tls": 9})
    (note,) = failure_notes([telling(case)])
    assert "tls_or_max_clients" == note.code
    assert [] == failure_notes([telling(case, rejected=0)])
    (note,) = failure_notes([case_record("none", tls=True, failures={"tls": 9}, server=False)])
    assert "tls_or_max_clients" == note.code
