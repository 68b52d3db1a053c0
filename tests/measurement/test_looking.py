"""Looking never takes more of a server core than was promised."""

from __future__ import annotations

import pytest

from valkeybench.measurement.command_stats import Spent, read_command_stats
from valkeybench.measurement.looking import MOST_SHARE, Budget, Pace, cost_of_look
from valkeybench.measurement.reading import parse_info
from valkeybench.units import MICROSECOND, MILLISECOND, SECOND

US = MICROSECOND


def looks(cost_ns: int, *, lasts_ns: int = 60 * SECOND, interval_ns: int = SECOND) -> list[int]:
    """Give the instants of all looks of a watch whose looks cost so much each."""
    budget = Budget(Pace(lasts_ns=lasts_ns, interval_ns=interval_ns, most_clients=1))
    at_ns: int | None = 7
    found = []
    while at_ns is not None:
        found.append(at_ns - 7)
        budget.look(at_ns=at_ns, cost_ns=cost_ns)
        at_ns = budget.next_ns()
    assert budget.cost_ns == cost_ns * len(found)
    return found


def test_cheap_looks_keep_the_interval() -> None:
    """And the last one is at the end, however the interval divides it."""
    assert [0, 4, 8, 10] == [
        at // SECOND for at in looks(US, lasts_ns=10 * SECOND, interval_ns=4 * SECOND)
    ]


@pytest.mark.parametrize("cost_ms", [1, 7, 40, 200])
def test_dear_looks_are_fewer(cost_ms: int) -> None:
    """At every instant of the watch's end the share of a core is kept."""
    found = looks(cost_ms * MILLISECOND)
    assert 2 <= len(found)
    assert 60 * SECOND == found[-1]
    assert MOST_SHARE >= cost_ms * MILLISECOND * len(found) / found[-1]


def test_a_look_that_takes_too_much_stays_the_only_one() -> None:
    """A second would be over the share for so short a watch."""
    assert [0] == looks(400 * MILLISECOND)


def test_what_a_look_costs_is_told_by_the_server() -> None:
    """Its time for each, half as much again for writing, and a little for every exchange."""
    before = {"client|list": Spent(calls=5, time_ns=500), "info": Spent(calls=1, time_ns=10)}
    after = {
        "client|list": Spent(calls=7, time_ns=500 + 2 * 1000 * US),
        "info": Spent(calls=5, time_ns=10 + 4 * 20 * US),
    }
    assert 1.5 * (1000 + 2 * 20) * US + 4 * 20 * US == cost_of_look(
        before, after, infos=2, waited_ns=1
    )


@pytest.mark.parametrize(
    "after",
    [
        {},
        {"client": Spent(calls=3, time_ns=9), "info": Spent(calls=3, time_ns=9)},
        {"client|list": Spent(calls=1, time_ns=9), "info": Spent(calls=1, time_ns=9)},
    ],
    ids=["not told", "all CLIENT commands in one", "counted anew"],
)
def test_what_is_not_told_costs_all_the_time_we_waited(after: dict[str, Spent]) -> None:
    """More than it was, never less."""
    before = {"client|list": Spent(calls=5, time_ns=99), "info": Spent(calls=5, time_ns=99)}
    assert 12345 == cost_of_look(before, after, infos=2, waited_ns=12345)


def test_command_statistics_are_read() -> None:
    """As servers before 7 and since write them; what is no statistic is left out."""
    info = parse_info(
        "# Commandstats\r\n"
        "cmdstat_client|list:calls=2,usec=68,usec_per_call=34.00,rejected_calls=0,failed_calls=0\r\n"
        "cmdstat_client:calls=24,usec=239,usec_per_call=9.96\r\n"
        "cmdstat_x:whatever\r\n"
    )
    assert {
        "client|list": Spent(calls=2, time_ns=68 * US),
        "client": Spent(calls=24, time_ns=239 * US),
    } == read_command_stats(info)
    assert 34.0 * US == Spent(calls=2, time_ns=68 * US).each_ns
