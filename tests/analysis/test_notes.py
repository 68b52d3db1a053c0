"""A run says what it could not see or keep to itself."""

from __future__ import annotations

from valkeybench.analysis.notes import run_notes
from valkeybench.measurement.reading import ServerFacts


def test_a_password_that_travelled_in_clear_is_said() -> None:
    """Over which address, and what to do; and nothing when it did not."""
    facts = ServerFacts()
    assert [] == run_notes(facts, None, left_behind="")
    (note,) = run_notes(facts, None, left_behind="", password_shown_to="tcp://10.0.0.1:8786")
    assert "password_in_clear" == note.code
    assert "tcp://10.0.0.1:8786" in note.message
    assert "tls://" in note.remedy
