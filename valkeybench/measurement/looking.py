"""How much of somebody's server looking at it may take, and what that has come to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.measurement.command_stats import NOTHING, Spent
from valkeybench.units import MICROSECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from valkeybench.measurement.client_ledger import ClientsSeen
    from valkeybench.measurement.reading import ServerFacts, ServerReading

MOST_SHARE = 0.01
"""Of a core of the server: what looking never takes more of."""

_AIMED_SHARE = 0.8 * MOST_SHARE
"""Room for a look that costs more than the one before."""

_WRITING = 1.5
"""The server's time in a command leaves out writing the answer, which is at most half as much
again: measured 5 to 10 % plain, 26 % over TLS, for 400 to 4000 clients."""
_EXCHANGE_NS = 20 * MICROSECOND
"""What taking in a command and beginning on an answer costs at most; measured 5 to 15 µs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long to watch, and how often to look at most."""

    lasts_ns: int
    interval_ns: int
    most_clients: int


class Budget:
    """Counts what looking has cost the server, and says when the next look may be.

    Every look's cost is either told by the server (its time in the commands) or, where it
    does not say, all the time we waited for it, which is more.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._begun_ns: int | None = None
        self._latest_ns = 0
        self._cost_ns = self._last_cost_ns = 0

    @property
    def cost_ns(self) -> int:
        """Give the server's time spent on us so far."""
        return self._cost_ns

    def look(self, *, at_ns: int, cost_ns: int) -> None:
        """Count a look that began at an instant and has cost so much."""
        self._begun_ns = at_ns if self._begun_ns is None else self._begun_ns
        self._latest_ns = at_ns
        self._cost_ns += cost_ns
        self._last_cost_ns = cost_ns

    def next_ns(self) -> int | None:
        """Give the instant of the next look; None when there is to be none.

        The last is at the end of the watch. It is left out where it would cost too much.
        """
        if self._begun_ns is None:
            raise AssertionError("bug: the first look needs no budget")
        ends_ns = self._begun_ns + self._pace.lasts_ns
        if self._latest_ns >= ends_ns:
            return None
        affordable_ns = self._affordable_ns(looks=1)
        if affordable_ns > ends_ns:
            return None
        if self._affordable_ns(looks=2) > ends_ns:
            return ends_ns
        return min(max(self._latest_ns + self._pace.interval_ns, affordable_ns), ends_ns)

    def _affordable_ns(self, *, looks: int) -> int:
        """Give the instant from which so many more looks, as dear as the last, are no more."""
        spent_ns = self._cost_ns + looks * self._last_cost_ns
        return (self._begun_ns or 0) + round(spent_ns / _AIMED_SHARE)


def cost_of_look(
    before: Mapping[str, Spent], after: Mapping[str, Spent], *, infos: int, waited_ns: int
) -> int:
    """Give what one CLIENT LIST and some INFO cost a server, in nanoseconds of a core.

    `before` and `after` are its command statistics around the look, the second as the last
    INFO gave it. Others may use the same commands, so a call is taken to cost the mean of all
    since. Where the statistics do not say (no permission, reset, or a server that puts all
    CLIENT commands into one figure), `waited_ns`, our time for all of it, is more than it was.
    """
    listing_ns, info_ns = (_since(before, after, name).each_ns for name in ("client|list", "info"))
    if listing_ns is None or info_ns is None:
        return waited_ns
    return round(_WRITING * (listing_ns + infos * info_ns)) + (2 + infos) * _EXCHANGE_NS


def _since(before: Mapping[str, Spent], after: Mapping[str, Spent], name: str) -> Spent:
    return after.get(name, NOTHING) - before.get(name, NOTHING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A server that was watched: who held connections, and what it and the watching did."""

    address: str
    facts: ServerFacts
    clients: ClientsSeen
    before: ServerReading
    after: ServerReading
    """The server's own numbers at the first look and the last; unknown where we may not ask."""
    cost_ns: int
    """Server time that looking took; see `Budget`."""
    cost_is_told: bool
    """Whether the server told it, rather than our clock."""
    longest_listing_ns: int | None
    """The longest mean time of a CLIENT LIST between two looks: while it lasts nobody is served."""
    mean_command_ns: float | None
    """The server's mean time for a command of anybody's but ours."""
    round_trip_ns: int | None
    """The median of our own PINGs: what a command takes from here."""
    own_connections: int
    was_interrupted: bool = False
    lost: str = ""
    """Why the server could not be asked any more, if it ended the watch."""

    @property
    def least_watch_ns(self) -> int:
        """Give how long a watch must be for two looks like these."""
        return round(2 * self.cost_ns / max(self.clients.looks, 1) / _AIMED_SHARE)

    @property
    def core_share(self) -> float | None:
        """Give the share of a core that looking took; None before there were two looks."""
        if not self.clients.lasted_ns:
            return None
        return self.cost_ns / self.clients.lasted_ns
