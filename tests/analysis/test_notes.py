"""A run says what it could not see or keep to itself."""

from __future__ import annotations

from valkeybench.analysis.notes import run_notes
from valkeybench.measurement.reading import ServerFacts
from valkeybench.scenario.model import CertReqs, TlsSettings


def test_a_password_that_travelled_in_clear_is_said() -> None:
    """Over which address, and what to do; and nothing when it did not."""
    facts = ServerFacts()
    assert [] == run_notes(facts, None, left_behind="")
    (note,) = run_notes(facts, None, left_behind="", password_shown_to="tcp://10.0.0.1:8786")
    assert "password_in_clear" == note.code
    assert "tcp://10.0.0.1:8786" in note.message
    assert "tls://" in note.remedy


def test_a_name_that_was_not_checked_is_said() -> None:
    """Once: where nothing at all was verified, that is what is said."""
    codes = {
        (reqs, check): [
            note.code
            for note in run_notes(
                ServerFacts(), TlsSettings(cert_reqs=reqs, check_hostname=check), left_behind=""
            )
        ]
        for reqs in (CertReqs.REQUIRED, CertReqs.NONE)
        for check in (True, False)
    }
    assert {
        (CertReqs.REQUIRED, True): [],
        (CertReqs.REQUIRED, False): ["host_not_checked"],
        (CertReqs.NONE, True): ["insecure"],
        (CertReqs.NONE, False): ["insecure"],
    } == codes
