"""Looks add up to who held, who used and who came and went."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from tests.measurement.looks import WEB, entry, looked
from valkeybench.measurement.client_ledger import Application, ClientLedger
from valkeybench.measurement.client_list import Role
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterator

    from valkeybench.measurement.client_list import ClientEntry


def test_one_whose_count_grew_was_used() -> None:
    """Held, used, active in each interval, commands and bytes are exact."""
    seen = looked(
        [entry(n) for n in range(5)],
        [entry(0, commands=13, traffic=160), entry(1, commands=11), *map(entry, range(2, 5))],
        [entry(0, commands=14), entry(1, commands=11), *map(entry, range(2, 5))],
    )
    (web,) = seen.applications
    assert (3, 2 * SECOND, True) == (seen.looks, seen.lasted_ns, seen.counts_commands)
    assert [True, True, False, False, False] == [each.was_used for each in web.connections]
    assert (3, 2) == (web.active_total, web.active_most)
    assert (5, 60, 0, 0) == (web.commands, web.traffic, web.opened, web.closed)


def test_one_look_tells_no_use() -> None:
    """There is nothing to compare it with, however much was ever sent."""
    (web,) = looked([entry(1, idle_s=0)]).applications
    assert (0, 0, 0) == (web.active_total, web.active_most, web.commands)
    assert [False] == [each.was_used for each in web.connections]


def test_a_keep_alive_is_no_use() -> None:
    """A PING adds to the count and hides when there was work; many commands before it do not."""
    ping = {"command": "ping", "idle_s": 0}
    (web,) = looked(
        [entry(1), entry(2)], [entry(1, commands=11, **ping), entry(2, commands=40, **ping)]
    ).applications
    first, second = web.connections
    assert (False, None, True) == (first.was_used, first.last_use_s, first.is_kept_alive)
    assert (True, 0) == (second.was_used, second.last_use_s)


def test_a_new_connection_that_was_only_set_up_is_not_used() -> None:
    """It was opened in advance; one that has sent more was opened because it was needed."""
    (web,) = looked(
        [],
        [entry(1, commands=4, command="client|setinfo"), entry(2, commands=5)],
    ).applications
    assert [False, True] == [each.was_used for each in web.connections]
    assert [None, 0] == [each.last_use_s for each in web.connections]
    assert (2, 0, 9) == (web.opened, web.closed, web.commands)


def test_those_that_are_gone_are_counted_and_forgotten() -> None:
    """Under the name they had."""
    seen = looked([entry(1), entry(2)], [entry(2)], [entry(2), entry(3)])
    (web,) = seen.applications
    assert (2, 1, 1) == (len(web.connections), web.opened, web.closed)


def test_a_server_without_counts_is_told_by_idle_times() -> None:
    """Used is what was idle for less than the time since the last look."""
    old = {"commands": None, "traffic": None}
    seen = looked(
        [entry(1, idle_s=5, **old), entry(2, idle_s=50, **old), entry(3, idle_s=9, **old)],
        [
            entry(1, idle_s=9, **old),
            entry(2, idle_s=60, **old),
            entry(3, idle_s=0, command="ping", **old),
        ],
        every_s=10,
    )
    (web,) = seen.applications
    assert not seen.counts_commands
    assert [True, False, False] == [each.was_used for each in web.connections]
    assert (None, None, 1) == (web.commands, web.traffic, web.active_most)


def test_whoever_waits_is_no_pool_and_not_active() -> None:
    """Seen blocked or subscribed at any look; replicas and monitors belong to nobody."""
    seen = looked(
        [entry(1, role=Role.BLOCKED), entry(2, role=Role.SUBSCRIBER), entry(3, role=Role.REPLICA)],
        [entry(1, commands=11), entry(2, commands=12), entry(4, role=Role.MONITOR)],
    )
    (web,) = seen.applications
    assert [True, True] == [each.is_waiting for each in web.connections]
    assert (0, 0, 3) == (web.active_total, web.active_most, web.commands)
    assert {Role.MONITOR: 1} == seen.others


def test_applications_are_told_apart_by_what_they_say_of_themselves() -> None:
    """Name, library and user; the address only where there is no name."""
    seen = looked(
        [
            entry(1),
            entry(2, address="10.0.0.8"),
            entry(3, version="8.0.0"),
            entry(4, user="shop"),
            entry(5, name=""),
            entry(6, name="", address="10.0.0.8"),
        ]
    )
    assert [
        (WEB, 2),
        (Application(name="web", library="redis-py", version="8.0.0"), 1),
        (Application(name="web", library="redis-py", version="8.1.0", user="shop"), 1),
        (Application(library="redis-py", version="8.1.0", address="10.0.0.7"), 1),
        (Application(library="redis-py", version="8.1.0", address="10.0.0.8"), 1),
    ] == [(each.application, len(each.connections)) for each in seen.applications]


def test_one_that_says_its_name_late_is_moved() -> None:
    """A connection is one and the same before and after CLIENT SETNAME."""
    seen = looked([entry(1, name="")], [entry(1, commands=12)])
    nameless, web = seen.applications
    assert (0, 1) == (len(nameless.connections), len(web.connections))
    assert (0, 0, 2) == (web.opened, nameless.closed, web.commands)


def test_a_list_that_was_cut_short_closes_nobody() -> None:
    """Who was not read may still be there."""
    ledger = ClientLedger()
    ledger.enter([entry(1), entry(2)], at_ns=0)
    ledger.enter([entry(1)], at_ns=SECOND, is_cut_short=True)
    (web,) = ledger.seen().applications
    assert (2, 0, True) == (len(web.connections), web.closed, ledger.seen().is_cut_short)


def test_an_interrupted_look_leaves_what_was_true() -> None:
    """What was read of it did happen; the looks and their times stay as they were."""

    def interrupted() -> Iterator[ClientEntry]:
        yield entry(1, commands=11)
        raise KeyboardInterrupt

    ledger = ClientLedger()
    ledger.enter([entry(1), entry(2)], at_ns=0)
    with suppress(KeyboardInterrupt):
        ledger.enter(interrupted(), at_ns=SECOND)
    seen = ledger.seen()
    assert (1, 0, 2) == (seen.looks, seen.lasted_ns, len(seen.applications[0].connections))
    assert [False, False] == [each.was_used for each in seen.applications[0].connections]
