"""An open load counts every command from when it was due, whoever was free to send it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.load.fakes import Answer, fake_server, to_commands
from tests.load.loads import POLICIES, assert_adds_up, drive_apart, drive_here, make_trial, total_ns
from valkeybench.measurement.metrics import Phase
from valkeybench.scenario.model import Arrivals, Case, Pool, Think
from valkeybench.units import MILLISECOND, SECOND

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint


def open_case(rate: float, **changes: object) -> Case:
    """Make a case of few handlers that get their commands by a schedule."""
    usual = {"concurrency": 8, "max_connections": 8, "rate": rate, "arrivals": Arrivals.STEADY}
    return Case(**{**usual, **changes})  # type: ignore[arg-type]  # any of a case's


@pytest.mark.parametrize("pool", POLICIES)
def test_every_command_that_was_due_is_accounted_for(embedded: Endpoint, pool: Pool) -> None:
    """Offered is completed, failed, unfinished or dropped: nothing vanishes."""
    seen = drive_here(make_trial(open_case(400, pool=pool), lasts_ns=SECOND // 2), embedded)

    assert 200 == seen.offered
    assert seen.offered == seen.attempted
    assert_adds_up(seen)


def test_response_is_lateness_and_service(embedded: Endpoint) -> None:
    """In sum over all completed commands, to the nanosecond; unfinished ones come on top."""
    seen = drive_here(make_trial(open_case(500)), embedded)

    if not seen.unfinished:
        expected = total_ns(seen, Phase.LATENESS) + total_ns(seen, Phase.SERVICE)
        assert expected == total_ns(seen, Phase.RESPONSE)
    assert seen.completed == seen.histograms[Phase.LATENESS].count


def test_what_cannot_be_sent_in_time_is_late_and_then_dropped() -> None:
    """One handler and 50 ms an answer carry 20 commands a second; 100 are offered."""
    case = open_case(100, concurrency=1, max_connections=1)
    slow = Answer(reply=b"$1\r\nx\r\n", after_ns=50 * MILLISECOND)
    with fake_server(to_commands(slow)) as server:
        seen = drive_here(make_trial(case, lasts_ns=SECOND), server.endpoint)

    assert 100 == seen.offered == seen.attempted
    # Twenty can be done at most; each of them began 40 ms later than the one before.
    assert 1 <= seen.completed <= 20
    assert seen.dropped >= 100 - 20 - 1
    lateness = seen.histograms[Phase.LATENESS]
    assert lateness.count == seen.completed
    least = sum(40 * MILLISECOND * n for n in range(seen.completed))
    assert lateness.total >= least


def test_processes_share_the_rate(embedded: Endpoint) -> None:
    """The rate is that of all processes together."""
    case = open_case(400, processes=2)
    seen = drive_apart(make_trial(case, lasts_ns=SECOND // 2), embedded)

    assert 200 == seen.offered
    assert seen.offered == seen.attempted


def test_what_was_used_is_counted_though_the_window_opened_before_all_had_begun(
    embedded: Endpoint,
) -> None:
    """Starting hundreds of threads outlasts a window of a millisecond; its work is no less."""
    case = Case(pool=Pool.BLOCKING, concurrency=300, max_connections=4, think=Think(0))
    seen = drive_here(make_trial(case, lasts_ns=MILLISECOND), embedded)

    # Three hundred threads are not begun in a tenth of a millisecond of anybody's CPU.
    assert seen.cpu_ns > MILLISECOND / 10
