"""How to watch who uses a server without getting in their way: a look now and then, read-only."""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING, Protocol

from valkeybench.errors import ScenarioError, ServerError
from valkeybench.measurement.client_ledger import ClientLedger
from valkeybench.measurement.client_list import read_client_list
from valkeybench.measurement.command_stats import NOTHING, Spent, read_command_stats
from valkeybench.measurement.looking import Budget, Pace, Watched, cost_of_look
from valkeybench.measurement.reading import facts_from_info, reading_from_info
from valkeybench.server.sampler import ServerSampler
from valkeybench.server.watching import SAMPLER_NAME
from valkeybench.units import MICROSECOND, SECOND, format_count, format_duration

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valkeybench.measurement.client_list import ClientEntry
    from valkeybench.measurement.reading import ServerFacts
    from valkeybench.server.endpoint import Endpoint

_TIMEOUT_NS = 10 * SECOND
_OURS = ("client|list", "client|id", "client|setname", "info", "ping", "auth", "select")
_LISTING_EACH_NS = 1.2 * MICROSECOND
"""What each client adds to a CLIENT LIST at least; measured 1.2 to 8 µs."""
_KEPT_ROUND_TRIPS = 1000


class LookWatcher(Protocol):
    """Who is told how the watching gets on."""

    def watching(self, endpoint: Endpoint, facts: ServerFacts, pace: Pace) -> None:
        """Hear that the server answers, and for how long it will be watched."""

    def looked(self, *, clients: int, looks: int, lasted_ns: int, cost_ns: int) -> None:
        """Hear that one more look was taken."""


def watch_clients(endpoint: Endpoint, pace: Pace, watcher: LookWatcher) -> Watched:
    """Look at a server's clients until the time is over; Ctrl-C ends it with what was seen.

    Only CLIENT LIST, CLIENT ID, INFO and PING are sent, over one connection that is named.
    Raises ServerError when the server cannot be used, may not be asked, or goes away before
    there is anything to tell; ScenarioError when it has more clients than shall be read.
    """
    with ServerSampler(endpoint, timeout_ns=_TIMEOUT_NS) as sampler:
        watch = _ClientWatch(endpoint, sampler, pace)
        watch.begin()
        watcher.watching(endpoint, watch.facts, pace)
        was_interrupted, lost = False, ""
        try:
            watch.go_on(watcher)
        except KeyboardInterrupt:
            if not watch.has_looked:
                raise
            was_interrupted = True
        except ServerError as error:
            if not watch.has_looked:
                raise
            lost = error.message
        return watch.watched(was_interrupted=was_interrupted, lost=lost)


class _ClientWatch:
    """One watch of one server."""

    def __init__(self, endpoint: Endpoint, sampler: ServerSampler, pace: Pace) -> None:
        self._endpoint, self._sampler, self._pace = endpoint, sampler, pace
        self._ledger, self._budget = ClientLedger(), Budget(pace)
        self._round_trips: list[int] = []
        self._longest_ns: float | None = None
        self._told = True

    def begin(self) -> None:
        """Ask who is there, and see that it may be looked at."""
        self._first = self._stats = self._command_stats()
        info = self._sampler.info("default")
        self.facts = facts_from_info(info, tls=self._endpoint.tls)
        self._before = self._after = reading_from_info(info, time.perf_counter_ns())
        self._own_id, self._own_opened = self._sampler.own_id(), self._sampler.own_connections
        clients = self.facts.connected_clients
        if clients is not None and clients > self._pace.most_clients:
            raise ScenarioError.one(
                "--max-clients",
                f"the server has {format_count(clients)} clients; listing them would hold it up "
                f"for {format_duration(clients * _LISTING_EACH_NS)} or more each time",
                f"if that is no harm, allow it: --max-clients {clients + clients // 10}",
            )

    @property
    def has_looked(self) -> bool:
        """Tell whether there is anything to tell."""
        return self._ledger.looks > 0

    def go_on(self, watcher: LookWatcher) -> None:
        """Look until the time is over."""
        first_ns = begun_ns = time.perf_counter_ns()
        while True:
            clients = self._look(begun_ns)
            watcher.looked(
                clients=clients,
                looks=self._ledger.looks,
                lasted_ns=begun_ns - first_ns,
                cost_ns=self._budget.cost_ns,
            )
            next_ns = self._budget.next_ns()
            if next_ns is None:
                break
            time.sleep(max(0, next_ns - time.perf_counter_ns()) / SECOND)
            begun_ns = time.perf_counter_ns()

    def watched(self, *, was_interrupted: bool, lost: str) -> Watched:
        """Give what was seen."""
        return Watched(
            address=self._endpoint.address,
            facts=self.facts,
            clients=self._ledger.seen(),
            before=self._before,
            after=self._after,
            cost_ns=self._budget.cost_ns,
            cost_is_told=self._told,
            longest_listing_ns=None if self._longest_ns is None else round(self._longest_ns),
            mean_command_ns=_of_others(self._first, self._stats).each_ns,
            round_trip_ns=round(median(self._round_trips)) if self._round_trips else None,
            own_connections=self._sampler.own_connections,
            was_interrupted=was_interrupted,
            lost=lost,
        )

    def _look(self, begun_ns: int) -> int:
        """Take one look, and count what it cost; give the number of clients."""
        round_trip_ns = self._sampler.round_trip_ns()
        if round_trip_ns is not None and len(self._round_trips) < _KEPT_ROUND_TRIPS:
            self._round_trips.append(round_trip_ns)
        asked_ns = time.perf_counter_ns()
        text = self._sampler.client_list()
        at_ns = time.perf_counter_ns()
        if text is None:
            raise self._not_allowed()
        self._after = reading_from_info(self._sampler.info("stats"), at_ns)
        stats = self._command_stats()
        waited_ns = time.perf_counter_ns() - asked_ns
        self._count_cost(stats, begun_ns, waited_ns)
        most = self._pace.most_clients
        return self._ledger.enter(
            self._others(text), at_ns=at_ns, is_cut_short=text.count("\n") > most
        )

    def _count_cost(self, stats: dict[str, Spent], begun_ns: int, waited_ns: int) -> None:
        # Two at each look, and before the first two more.
        infos = 2 if self.has_looked else 4
        cost_ns = cost_of_look(self._stats, stats, infos=infos, waited_ns=waited_ns)
        self._budget.look(at_ns=begun_ns, cost_ns=cost_ns)
        name = "client|list"
        listing_ns = (stats.get(name, NOTHING) - self._stats.get(name, NOTHING)).each_ns
        self._told &= listing_ns is not None
        if listing_ns is not None:
            self._longest_ns = max(self._longest_ns or 0.0, listing_ns)
        self._stats = stats

    def _command_stats(self) -> dict[str, Spent]:
        return read_command_stats(self._sampler.info("commandstats"))

    def _others(self, text: str) -> Iterator[ClientEntry]:
        """Read the clients but ourselves."""
        if self._sampler.own_connections != self._own_opened:
            self._own_id, self._own_opened = self._sampler.own_id(), self._sampler.own_connections
        for entry in read_client_list(text, most=self._pace.most_clients):
            # Only where we may not ask for our number is the name, which anybody can take, enough.
            is_ours = entry.name == SAMPLER_NAME if self._own_id is None else None
            if not (is_ours or entry.id == self._own_id):
                yield entry

    def _not_allowed(self) -> ServerError:
        user = self._endpoint.username or "default"
        return ServerError(
            f"{self._endpoint.address}: the user may not use CLIENT LIST, by which connections "
            "are seen",
            remedy=f"allow it to look: ACL SETUSER {user} +client|list +client|id "
            "+client|setname +info +ping (before Redis 7: +client +info +ping)",
        )


def _of_others(before: Mapping[str, Spent], after: Mapping[str, Spent]) -> Spent:
    """Add up what the server spent on all commands but those that we use."""
    total = NOTHING
    for name, spent in after.items():
        if name not in _OURS:
            total += spent - before.get(name, NOTHING)
    return total
