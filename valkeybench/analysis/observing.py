"""Who holds more connections than they use: estimated from outside, with what is not known said.

The server sees commands, not pools. Three facts carry all of it:

- A connection that is in use sends commands. So those that sent any during a stretch of time
  are at least as many as were ever in use at once in it, whatever the pool does.
- redis-py and valkey-py hand out the connection that was given back last. Such a pool turns to
  one more connection only while all it used before are taken, so the two numbers are the same.
- Mean connections in use = command rate x how long a command holds one (Little's law). The
  server knows the rate and its own part of the time; the network's and the client's part are
  known only from our own commands.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from enum import StrEnum
from math import ceil
from statistics import median
from typing import TYPE_CHECKING

from valkeybench.units import DAY, HOUR, MINUTE, SECOND

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.measurement.client_ledger import Application, ApplicationSeen, ConnectionSeen
    from valkeybench.measurement.looking import Watched

LAST_BACK_FIRST_OUT = frozenset({"redis-py", "valkey-py"})
"""Libraries whose pools hand out the connection given back last, read in their source."""

HINDSIGHTS_NS = (10 * MINUTE, HOUR, DAY)
"""How far back idle ages are counted."""

_FEW = 1
"""Connections of an address that nobody would call a pool."""


class Verdict(StrEnum):
    """What can be said of a pool."""

    SHRINK = "shrink"
    FITS = "fits"
    IDLE = "idle"
    UNKNOWN = "unknown"


class Sureness(StrEnum):
    """How far what was seen can be relied on, by how far back it goes."""

    GOOD = "good"
    FAIR = "fair"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a suggestion shall have room for."""

    lookback_ns: int = DAY
    headroom: float = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInUse:
    """The mean number of connections in use: two bounds, and an estimate between them."""

    least: float | None
    """Rate x the server's mean time for a command; None without a count of commands."""
    estimate: float | None
    """Rate x (that time + our own round trip): right for one command at a time from as far away."""
    most: float | None
    """The mean number that did anything between two looks; None with one look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What an application would need, or why that cannot be said."""

    verdict: Verdict
    pool: int | None
    """Connections for each address; an address with several processes divides it among them."""
    frees: int
    """Connections that such pools would not hold."""
    frees_bytes: int | None
    """The server's memory for them, without a TLS library's."""
    waiting: int
    """Connections beside them, subscribed or blocked, at the address with the most."""
    sureness: Sureness | None
    remembers_ns: int
    """How far back what it rests on goes."""
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """One application: what it holds, what it does with it, and what it would need."""

    application: Application
    addresses: int
    held: int
    waiting: int
    """Of these, subscribed or blocked: they are no idle pool, and stay."""
    used: int
    """Connections, of those held, that did anything while they were watched."""
    active_mean: float | None
    active_most: int
    """Connections that did anything between two looks: on average, and in the busiest interval."""
    at_once_least: int
    """At least so many were in use at once, each pool's own most added up."""
    at_once_most: int
    """And at most so many: those used, closed ones included."""
    in_use: MeanInUse
    rate: float | None
    """Commands per second, set-up commands and PINGs included."""
    traffic: float | None
    """Bytes per second, both directions."""
    idle_median_s: int | None
    idle_most_s: int | None
    """Seconds since those not used last did anything, or were opened; PINGs are no use of them."""
    used_within: tuple[tuple[int, int], ...]
    """So many nanoseconds back, so many connections were used; as far as connections go back."""
    opened: int
    closed: int
    memory: int | None
    need: Need


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What came of watching: the applications, most connections first, and the server's."""

    watched: Watched
    wish: Wish
    usages: tuple[Usage, ...]
    unseen_connections: int | None
    """Connections the server took in and that were gone again before the next look."""


def judge(watched: Watched, wish: Wish) -> Findings:
    """Say who uses what, and what they would need."""
    usages = [_usage(seen, watched, wish) for seen in watched.clients.applications]
    there = [usage for usage in usages if usage.held or usage.closed]
    return Findings(
        watched=watched,
        wish=wish,
        usages=tuple(sorted(there, key=lambda usage: (-usage.held, usage.application.name))),
        unseen_connections=_unseen(watched),
    )


def _unseen(watched: Watched) -> int | None:
    before, after = (
        reading.total_connections_received for reading in (watched.before, watched.after)
    )
    if before is None or after is None or not watched.clients.lasted_ns:
        return None
    seen = sum(each.opened for each in watched.clients.applications)
    return max(0, after - before - seen - (watched.own_connections - 1))


def _usage(seen: ApplicationSeen, watched: Watched, wish: Wish) -> Usage:
    pool = [each for each in seen.connections if not each.is_waiting]
    used = sum(each.was_used for each in pool)
    seconds = watched.clients.lasted_ns / SECOND
    intervals = watched.clients.looks - 1
    rate = seen.commands / seconds if seen.commands is not None and seconds else None
    active_mean = seen.active_total / intervals if intervals else None
    in_use = _mean_in_use(rate, active_mean, watched)
    idle = [each for each in map(_idle_s, pool) if each is not None]
    memory = [each.memory for each in seen.connections]
    # One that has gone may have been one of those in use at once; how it ended was not seen.
    at_once_most = used + seen.closed
    at_once = seen.active_most if _is_last_back_first_out(seen) else ceil(in_use.least or 0)
    return Usage(
        application=seen.application,
        addresses=len({each.address for each in seen.connections}),
        held=len(seen.connections),
        waiting=len(seen.connections) - len(pool),
        used=used,
        active_mean=active_mean,
        active_most=seen.active_most,
        at_once_least=min(max(at_once, int(seen.active_most > 0)), at_once_most),
        at_once_most=at_once_most,
        in_use=in_use,
        rate=rate,
        traffic=seen.traffic / seconds if seen.traffic is not None and seconds else None,
        idle_median_s=round(median(idle)) if idle else None,
        idle_most_s=max(idle, default=None),
        used_within=_used_within(pool),
        opened=seen.opened,
        closed=seen.closed,
        memory=_sum(memory),
        need=_need(seen, pool, watched, wish),
    )


def _idle_s(connection: ConnectionSeen) -> int | None:
    """Give the idle age of a connection that was not used; None where a PING has hidden it."""
    if connection.was_used:
        return None
    if connection.last_use_s is None and not connection.is_kept_alive:
        return connection.age_s
    return connection.last_use_s


def _mean_in_use(rate: float | None, active: float | None, watched: Watched) -> MeanInUse:
    """Bound the mean by Little's law from below and by what was active from above."""
    service_ns = watched.mean_command_ns
    if rate is None:
        return MeanInUse(least=None, estimate=None, most=active)
    least = None if service_ns is None else rate * service_ns / SECOND
    if least is not None and active is not None:
        # The server's mean is over everybody's commands; nobody is busier than what was active.
        least = min(least, active)
    if service_ns is None or watched.round_trip_ns is None or active is None:
        return MeanInUse(least=least, estimate=None, most=active)
    hold_ns = service_ns + watched.round_trip_ns
    return MeanInUse(least=least, estimate=min(rate * hold_ns / SECOND, active), most=active)


def _used_within(pool: Sequence[ConnectionSeen]) -> tuple[tuple[int, int], ...]:
    oldest_ns = max((each.age_s for each in pool), default=0) * SECOND
    return tuple((back, sum(_used_since(each, back) for each in pool))
                 for back in HINDSIGHTS_NS if back <= oldest_ns)  # fmt: skip


def _used_since(connection: ConnectionSeen, back_ns: int) -> bool:
    if connection.was_used:
        return True
    return connection.last_use_s is not None and connection.last_use_s * SECOND <= back_ns


def _is_last_back_first_out(seen: ApplicationSeen) -> bool:
    return seen.application.library in LAST_BACK_FIRST_OUT


def _sum(values: Sequence[int | None]) -> int | None:
    known = [each for each in values if each is not None]
    return sum(known) if len(known) == len(values) else None


def _need(
    seen: ApplicationSeen, pool: Sequence[ConnectionSeen], watched: Watched, wish: Wish
) -> Need:
    """Say what pool would do at every address, or why that cannot be said."""
    remembers_ns = _remembers(pool, watched, wish)
    places: defaultdict[str, list[ConnectionSeen]] = defaultdict(list)
    for each in pool:
        places[each.address].append(each)
    # The setting is the same everywhere, so the busiest address decides.
    busiest = max(
        (sum(_used_since(e, remembers_ns) for e in held) for held in places.values()), default=0
    )
    waiting = Counter(each.address for each in seen.connections if each.is_waiting)
    size = ceil(busiest * (1 + wish.headroom) - 1e-9)
    frees = sum(max(0, len(held) - size) for held in places.values())
    verdict, reason = _verdict(seen, places, busiest=busiest, frees=frees)
    if verdict is Verdict.IDLE:
        frees = len(pool)
    elif verdict is not Verdict.SHRINK:
        frees = 0
    return Need(
        verdict=verdict,
        pool=size if verdict is Verdict.SHRINK else None,
        frees=frees,
        frees_bytes=_freed(pool, frees),
        waiting=max(waiting.values(), default=0),
        sureness=_sureness(remembers_ns) if verdict is Verdict.SHRINK else None,
        remembers_ns=remembers_ns,
        reason=reason,
    )


def _verdict(
    seen: ApplicationSeen,
    places: dict[str, list[ConnectionSeen]],
    *,
    busiest: int,
    frees: int,
) -> tuple[Verdict, str]:
    if settled := _without_counting(seen, places, busiest=busiest):
        return settled
    last_back_first_out = _is_last_back_first_out(seen)
    sign, at = "" if last_back_first_out else "at most ", " at the busiest address"
    needed = f"{sign}{busiest} {'was' if busiest == 1 else 'were'} needed"
    needed += at if len(places) > 1 else ""
    if frees:
        return Verdict.SHRINK, needed
    if busiest < max(map(len, places.values())):
        return Verdict.FITS, f"{needed}; the rest is headroom"
    library = seen.application.library
    if last_back_first_out:
        return Verdict.FITS, f"{library} took each only while the others were in use"
    named = library or "a library that says no name"
    return Verdict.UNKNOWN, f"all were used, but {named} may take turns with them"


def _without_counting(
    seen: ApplicationSeen, places: dict[str, list[ConnectionSeen]], *, busiest: int
) -> tuple[Verdict, str] | None:
    """Judge what has no pool, or none at work; None when there is one."""
    held = sum(map(len, places.values()))
    if not held and seen.connections:
        return Verdict.FITS, "all are subscribed or blocked"
    if 2 * seen.closed >= held:
        return (
            Verdict.UNKNOWN,
            f"{seen.closed} were closed meanwhile: no pool, or one that was replaced",
        )
    if not busiest:
        return Verdict.IDLE, "none did anything: what it needs when it works was not seen"
    if max(map(len, places.values())) <= _FEW:
        return Verdict.FITS, "one for each address"
    return None


def _remembers(pool: Sequence[ConnectionSeen], watched: Watched, wish: Wish) -> int:
    """Say how far back it is known which connections were used, in nanoseconds.

    As far as the oldest connection of an address goes, in the median of the addresses; no
    further than the watch where a PING has covered up what was before it.
    """
    if any(each.is_kept_alive and not each.was_used for each in pool):
        return min(watched.clients.lasted_ns, wish.lookback_ns)
    oldest: dict[str, int] = {}
    for each in pool:
        oldest[each.address] = max(oldest.get(each.address, 0), each.age_s)
    known_ns = round(median(oldest.values())) * SECOND if oldest else 0
    return min(max(known_ns, watched.clients.lasted_ns), wish.lookback_ns)


def _sureness(remembers_ns: int) -> Sureness:
    if remembers_ns >= DAY:
        return Sureness.GOOD
    return Sureness.FAIR if remembers_ns >= HOUR else Sureness.LOW


def _freed(pool: Sequence[ConnectionSeen], frees: int) -> int | None:
    """Give the memory of so many connections like those that were not used."""
    sizes = [each.memory for each in pool if not each.was_used]
    total = _sum(sizes)
    if not frees:
        return 0
    return None if total is None or not sizes else round(total / len(sizes) * frees)


def doubts(findings: Findings) -> list[str]:
    """Say what is less certain than it looks, and why."""
    watched, usages = findings.watched, findings.usages
    said = []
    if usages and watched.clients.looks == 1:
        said.append(
            "There was time for one look only, so nothing is known but ages. Two take a watch of "
            f"{round_span(watched.least_watch_ns + SECOND)} (--for), to stay under 1 % of a core."
        )
    if not watched.clients.counts_commands and usages:
        said.append(
            "This server keeps no count of each connection's commands (Valkey from 8.0 and "
            "newer Redis do): who was used is told by idle times in whole seconds, give or take "
            "one; rates and a mean in use are not known."
        )
    elif usages and watched.round_trip_ns is not None:
        said.append(
            "The mean in use is its command rate times what a command takes from here, between "
            "the server's part of that and the connections that were active: a pipeline counts "
            "each of its commands, and an application further away holds connections longer."
        )
    if any(usage.need.verdict is Verdict.UNKNOWN and not usage.closed for usage in usages) or any(
        usage.application.library not in LAST_BACK_FIRST_OUT
        and usage.need.verdict is Verdict.SHRINK
        for usage in usages
    ):
        said.append(
            "A pool that takes turns uses all its connections however few it needs; only of "
            "redis-py and valkey-py it is known that they do not."
        )
    if any(usage.need.sureness is Sureness.LOW for usage in usages):
        back = min(u.need.remembers_ns for u in usages if u.need.sureness is Sureness.LOW)
        said.append(
            f"Sureness is how far back connections remember their last use: good is a day, fair "
            f"an hour, low is less (here {round_span(back)}). What is rarer than that was not seen."
        )
    if watched.clients.is_cut_short:
        said.append("There were more clients than --max-clients; the rest was not read.")
    return said


def round_span(duration_ns: int) -> str:
    """Write how far back something goes, in its largest unit alone: `3 h`, `9 s`."""
    for unit_ns, unit in ((DAY, "d"), (HOUR, "h"), (MINUTE, "min")):
        if duration_ns >= unit_ns:
            return f"{duration_ns // unit_ns} {unit}"
    return f"{max(1, round(duration_ns / SECOND))} s"
