"""Every driver tells the delays a server is known to make, and is not fooled by its stalls."""

from __future__ import annotations

from time import perf_counter_ns as clock

import pytest

from tests.load.delayed_server import Delays, delayed_server
from tests.load.loads import DRIVERS, assert_adds_up, drive_here, few_handlers, make_trial
from valkeybench.measurement.metrics import Phase
from valkeybench.measurement.recorder import Window
from valkeybench.scenario.model import Driver, Pool
from valkeybench.server.endpoint import Endpoint
from valkeybench.units import MILLISECOND, SECOND

HANDLERS = 16
RATE = 1000
STALLS = Delays(stall_ns=200 * MILLISECOND, period_ns=5 * SECOND)
APART_NS = 200 * MILLISECOND
"""What is between a stall and either end of a window."""

every_driver = pytest.mark.parametrize("driver", DRIVERS)


@every_driver
@pytest.mark.parametrize("pool", [Pool.NONE, Pool.FAIR])
def test_no_command_is_faster_than_the_server(driver: Driver, pool: Pool) -> None:
    """An exact delay is in `command`, all of it and in no other phase."""
    delays = Delays(delay_ns=25 * MILLISECOND)
    with delayed_server(delays) as port:
        case = few_handlers(driver=driver, pool=pool, max_connections=3)
        seen = drive_here(make_trial(case), Endpoint(host="127.0.0.1", port=port))
    assert {} == seen.failures
    assert delays.delay_ns <= (seen.histograms[Phase.COMMAND].minimum or 0)
    assert (seen.histograms[Phase.COMMAND].minimum or 0) < 2 * delays.delay_ns
    for phase in set(seen.histograms) - {Phase.COMMAND, Phase.SERVICE, Phase.RESPONSE}:
        assert (seen.histograms[phase].minimum or 0) < delays.delay_ns
    assert_adds_up(seen)


def clear_of_stalls(instant: int) -> int:
    """Give this instant, or one soon after it, so that a period from it holds one stall whole."""
    within = instant % STALLS.period_ns
    if within > STALLS.period_ns - APART_NS:
        return instant + 2 * APART_NS + STALLS.stall_ns
    return instant + max(STALLS.stall_ns + APART_NS - within, 0)


@every_driver
def test_a_stall_shows_in_response_as_theory_has_it(driver: Driver) -> None:
    """With stalls of S in every P, P(response > x) = (S - x)/P, so p99 is S - P/100.

    Poisson arrivals do not stop for a stall: each that falls into one waits for what is left of
    it. Timed from the sending (`service`) no more commands see a stall than there are handlers:
    under one in a hundred here, and p99 would know nothing of it.
    """
    case = few_handlers(
        driver=driver, pool=Pool.FAIR, concurrency=HANDLERS, max_connections=HANDLERS,
        think=None, rate=float(RATE),
    )  # fmt: skip
    trial = make_trial(case, lasts_ns=STALLS.period_ns)
    with delayed_server(STALLS) as port:
        load = DRIVERS[driver](trial, Endpoint(host="127.0.0.1", port=port), process=0)
        load.prewarm()
        opens = clear_of_stalls(clock() + APART_NS)
        seen = load.drive(Window(opens, opens + STALLS.period_ns))

    assert {} == seen.failures
    response, service = seen.histograms[Phase.RESPONSE], seen.histograms[Phase.SERVICE]
    for quantile in (0.99, 0.999):
        theory = STALLS.stall_ns - (1 - quantile) * STALLS.period_ns
        assert theory == pytest.approx(response.quantile(quantile), rel=0.15)
    in_a_period = RATE * STALLS.period_ns // SECOND
    assert HANDLERS / in_a_period < 0.01
    from_sending = service.quantile(0.99)
    assert from_sending is not None
    assert from_sending < STALLS.stall_ns / 4
    assert_adds_up(seen)
