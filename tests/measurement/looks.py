"""Lines of CLIENT LIST as servers wrote them, and shorter ways to say what was seen."""

from __future__ import annotations

from typing import Any

from valkeybench.measurement.client_ledger import (
    Application,
    ApplicationSeen,
    ClientLedger,
    ClientsSeen,
    ConnectionSeen,
)
from valkeybench.measurement.client_list import ClientEntry
from valkeybench.measurement.looking import Watched
from valkeybench.measurement.reading import Flavour, ServerFacts, ServerReading
from valkeybench.units import MICROSECOND, MINUTE, SECOND

VALKEY_9 = (
    "id=3 addr=127.0.0.1:49278 laddr=127.0.0.1:17100 fd=11 name=web age=7 idle=1 flags=N capa= "
    "db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1032 "
    "rbp=0 obl=0 oll=0 omem=0 tot-mem=1616 events=r cmd=get user=default redir=-1 resp=3 "
    "lib-name=redis-py lib-ver=8.1.0 tot-net-in=281 tot-net-out=1993 tot-cmds=5"
)
VALKEY_8 = (
    "id=3 addr=[::1]:49278 laddr=[::1]:17100 fd=11 name=web age=7 idle=1 flags=N db=0 sub=0 psub=0 "
    "ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 "
    "omem=0 tot-mem=1920 events=r cmd=get user=default redir=-1 resp=3 lib-name=redis-py "
    "lib-ver=8.1.0 tot-net-in=281 tot-net-out=1668 tot-cmds=5"
)
REDIS_8 = (
    "id=3 addr=127.0.0.1:49278 laddr=127.0.0.1:17102 fd=13 name=web age=7 idle=1 flags=N db=0 "
    "sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 "
    "obl=0 oll=0 omem=0 tot-mem=1920 events=r cmd=get user=default redir=-1 resp=3 "
    "lib-name=redis-py lib-ver=8.1.0 io-thread=0 tot-net-in=281 tot-net-out=1783 tot-cmds=5"
)
REDIS_7 = (
    "id=3 addr=127.0.0.1:49278 laddr=127.0.0.1:6379 fd=8 name=web age=7 idle=1 flags=N db=0 sub=0 "
    "psub=0 ssub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 "
    "omem=0 tot-mem=1800 events=r cmd=get user=default redir=-1 resp=2"
)
REDIS_6 = (
    "id=3 addr=127.0.0.1:49278 laddr=127.0.0.1:17101 fd=9 name=web age=7 idle=1 flags=N db=0 sub=0 "
    "psub=0 multi=-1 qbuf=0 qbuf-free=0 argv-mem=0 obl=0 oll=0 omem=0 tot-mem=17048 events=r "
    "cmd=get user=default redir=-1"
)
"""Every field as 9.1.2, 8.0.1, 8.2.3 and 6.2.14 wrote it, the name and ages but for a common test;
that of Redis 7.0 by its documentation."""

WEB = Application(name="web", library="redis-py", version="8.1.0")


def entry(number: int, **changes: Any) -> ClientEntry:  # noqa: ANN401 - every field of a record
    """Make a line of a connection of `web` that has sent ten commands, the last a GET."""
    usual: dict[str, Any] = {
        "name": "web",
        "library": "redis-py",
        "version": "8.1.0",
        "user": "default",
        "address": "10.0.0.7",
        "age_s": 100,
        "command": "get",
        "commands": 10,
        "traffic": 100,
        "memory": 2000,
    }
    return ClientEntry(id=number, **(usual | changes))


def looked(*looks: list[ClientEntry], every_s: int = 1) -> ClientsSeen:
    """Enter looks at even distances, and give what was seen."""
    ledger = ClientLedger()
    for number, entries in enumerate(looks):
        ledger.enter(entries, at_ns=10**15 + number * every_s * SECOND)
    return ledger.seen()


def connection(**changes: Any) -> ConnectionSeen:  # noqa: ANN401 - every field of a record
    """Make a connection that has been there for two days and did nothing all that time."""
    usual: dict[str, Any] = {
        "address": "10.0.0.7",
        "is_waiting": False,
        "was_used": False,
        "last_use_s": None,
        "is_kept_alive": False,
        "age_s": 2 * 86_400,
        "memory": 2000,
    }
    return ConnectionSeen(**(usual | changes))


def application(
    *connections: ConnectionSeen,
    **changes: Any,  # noqa: ANN401 - every field of a record
) -> ApplicationSeen:
    """Make an application that sent 6000 commands in a minute."""
    used = sum(each.was_used for each in connections)
    usual: dict[str, Any] = {
        "application": WEB,
        "connections": connections,
        "active_total": 60 * used,
        "active_most": used,
        "commands": 6000 if used else 0,
        "traffic": 600_000 if used else 0,
        "opened": 0,
        "closed": 0,
    }
    return ApplicationSeen(**(usual | changes))


def watched(
    *applications: ApplicationSeen,
    clients: dict[str, Any] | None = None,
    **changes: Any,  # noqa: ANN401 - every field of a record
) -> Watched:
    """Make a watch of one minute with a look a second, that cost 2 ms."""
    seen: dict[str, Any] = {
        "looks": 61,
        "lasted_ns": MINUTE,
        "counts_commands": True,
        "is_cut_short": False,
        "others": {},
        "applications": applications,
    }
    usual: dict[str, Any] = {
        "address": "valkey://cache.example:6379/0",
        "facts": ServerFacts(
            version="9.1.2", flavour=Flavour.VALKEY, mode="standalone", maxclients=10_000
        ),
        "clients": ClientsSeen(**(seen | (clients or {}))),
        "before": ServerReading(at_ns=0, total_connections_received=500),
        "after": ServerReading(at_ns=MINUTE, total_connections_received=500),
        "cost_ns": 2000 * MICROSECOND,
        "cost_is_told": True,
        "longest_listing_ns": 40 * MICROSECOND,
        "mean_command_ns": 2.0 * MICROSECOND,
        "round_trip_ns": 398 * MICROSECOND,
        "own_connections": 1,
    }
    return Watched(**(usual | changes))
