"""A pool that cannot be filled before the load: why, in words that help, and with the numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.load.loads import few_handlers, make_trial
from tests.server.started import make_papers, started
from valkeybench.errors import ServerError
from valkeybench.load.places import LocalPlace
from valkeybench.scenario.model import Driver

if TYPE_CHECKING:
    from pathlib import Path

FEWER = "ask for fewer connections (--max-conn, --processes), or raise maxclients on the server"


@pytest.mark.parametrize("driver", [Driver.THREADS, Driver.ASYNCIO, Driver.WIRE])
@pytest.mark.parametrize("tls", [False, pytest.param(True, marks=pytest.mark.tls)])
def test_a_server_that_is_full_says_which_connection_was_one_too_many(
    tmp_path: Path, driver: Driver, *, tls: bool
) -> None:
    """Over TLS it can only hang up: no words of OpenSSL's, and the remedy is the same."""
    trial = make_trial(few_handlers(driver=driver, max_connections=6))
    papers = make_papers(tmp_path) if tls else None
    with (
        started("maxclients 3", papers=papers) as endpoint,
        pytest.raises(ServerError) as caught,
        LocalPlace().standing_by(trial, endpoint),
    ):
        pass
    error = caught.value
    assert "connection 4 of 6" in error.message
    assert "maxclients" in error.message
    assert ("while TLS was negotiated" in error.message) == tls
    assert "_ssl" not in error.message + error.remedy
    assert "EOF" not in error.message + error.remedy
    assert error.remedy.startswith(FEWER)
