"""Connections that were ready for a command in the end are told from those that broke off."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.load.loads import drive_here, few_handlers, make_trial
from valkeybench.scenario.model import Client, Driver, Pool
from valkeybench.scenario.secret import Secret
from valkeybench.units import MILLISECOND

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint


@pytest.mark.parametrize(
    ("driver", "asks"),
    [
        (Driver.THREADS, Client.REDIS_PY),
        (Driver.ASYNCIO, Client.REDIS_PY),
        (Driver.WIRE, Client.REDIS_PY),
        (Driver.THREADS, Client.VALKEY_PY),
        (Driver.ASYNCIO, Client.VALKEY_PY),
    ],
)
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.BLOCKING])
def test_only_who_was_let_in_got_through(
    embedded: Endpoint, driver: Driver, asks: Client, pool: Pool
) -> None:
    """All of them with the password, none without."""
    case = few_handlers(driver=driver, client=asks, pool=pool).meaningful()
    trial = make_trial(case, lasts_ns=100 * MILLISECOND, prewarm=False)
    seen = drive_here(trial, embedded)
    opened = (seen.warmup + seen.opened).connections
    assert 0 < opened == seen.got_through
    stranger = drive_here(trial, replace(embedded, password=Secret("not this one")))
    assert 0 < stranger.opened.connections
    assert 0 == stranger.got_through
