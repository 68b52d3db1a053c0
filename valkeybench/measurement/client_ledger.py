"""What looking at CLIENT LIST again and again adds up to, in memory that the clients bound.

Every connection is known by the server's id for it. What it did between two looks is the growth
of the server's count of its commands; a server that keeps no count tells by how many whole
seconds the connection has been idle, give or take one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.measurement.client_list import ClientEntry, Role
from valkeybench.units import SECOND

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MOST_SETTING_UP = 8
"""Commands that setting a connection up takes at most."""

_NOT_APPLICATIONS = (Role.MONITOR, Role.REPLICA, Role.PRIMARY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Application:
    """Who holds connections: told apart by name and library, and by address where nameless."""

    name: str = ""
    library: str = ""
    version: str = ""
    user: str = ""
    address: str = ""
    """Empty where the name says enough."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSeen:
    """One connection at the last look, and whether it did anything while it was watched."""

    address: str
    is_waiting: bool
    """Whether it was seen subscribed or blocked: nothing of a pool that lies idle."""
    was_used: bool
    last_use_s: int | None
    """Seconds since it last did anything; None when that is not known, or it never did."""
    is_kept_alive: bool
    """Whether its last command was a PING, so that its idle age says nothing."""
    age_s: int
    memory: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplicationSeen:
    """Everything seen of one application."""

    application: Application
    connections: tuple[ConnectionSeen, ...]
    """Those there at the last look."""
    active_total: int
    """Connections that did anything between two looks and wait for nothing, added up."""
    active_most: int
    """The most of them in one interval."""
    commands: int | None
    """Commands while it was watched, set-up included; None when the server does not count."""
    traffic: int | None
    """Bytes in both directions meanwhile."""
    opened: int
    closed: int
    """Between the first look and the last; those that came and went unseen are not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientsSeen:
    """What the looks saw together."""

    looks: int
    lasted_ns: int
    """From the first look to the last."""
    counts_commands: bool
    """Whether the server counts the commands of each connection."""
    is_cut_short: bool
    """Whether there were more clients than were read."""
    others: Mapping[Role, int]
    """Connections that belong to no application: replicas, monitors, the primary."""
    applications: tuple[ApplicationSeen, ...]


class ClientLedger:
    """Enters looks one after another and keeps no more than one small record a connection."""

    def __init__(self) -> None:
        self._tracks: dict[int, _Track] = {}
        self._tallies: dict[Application, _Tally] = {}
        self._others: Counter[Role] = Counter()
        self._looks = 0
        self._first_ns = self._last_ns = 0
        self._cut_short = False
        self._counts_commands = False

    @property
    def looks(self) -> int:
        """Count the looks entered."""
        return self._looks

    def enter(
        self, entries: Iterable[ClientEntry], *, at_ns: int, is_cut_short: bool = False
    ) -> int:
        """Enter one look, our own connection left out; give the number of clients in it.

        One that is interrupted leaves only true things behind: what was entered did happen.
        """
        since_s = (at_ns - self._last_ns) / SECOND if self._looks else 0.0
        others: Counter[Role] = Counter()
        active: Counter[Application] = Counter()
        count = 0
        for entry in entries:
            count += 1
            if entry.role in _NOT_APPLICATIONS:
                others[entry.role] += 1
                continue
            self._counts_commands |= entry.commands is not None
            track = self._track(entry)
            if track.update(entry, look=self._looks, since_s=since_s) and not track.is_waiting:
                active[track.application] += 1
        if not is_cut_short:
            self._drop_closed()
        for application, used in active.items():
            self._tallies[application].active(used)
        self._others, self._cut_short = others, self._cut_short or is_cut_short
        self._first_ns = self._first_ns if self._looks else at_ns
        self._last_ns = at_ns
        self._looks += 1
        return count

    def seen(self) -> ClientsSeen:
        """Give what was seen so far."""
        held: dict[Application, list[ConnectionSeen]] = {each: [] for each in self._tallies}
        for track in self._tracks.values():
            held[track.application].append(track.seen(self._looks - 1))
        return ClientsSeen(
            looks=self._looks,
            lasted_ns=self._last_ns - self._first_ns,
            counts_commands=self._counts_commands,
            is_cut_short=self._cut_short,
            others=dict(self._others),
            applications=tuple(
                tally.seen(application, held[application], counts=self._counts_commands)
                for application, tally in self._tallies.items()
            ),
        )

    def _track(self, entry: ClientEntry) -> _Track:
        known = self._tracks.get(entry.id)
        application = _application(entry)
        # A client may say who it is only after a while.
        if known is not None and known.application == application:
            return known
        tally = self._tallies.setdefault(application, _Tally())
        if known is None:
            tally.opened += self._looks > 0
            known = self._tracks[entry.id] = _Track(application, tally)
        known.application, known.tally = application, tally
        return known

    def _drop_closed(self) -> None:
        for number in [n for n, track in self._tracks.items() if track.look != self._looks]:
            self._tracks.pop(number).tally.closed += 1


def _application(entry: ClientEntry) -> Application:
    return Application(
        name=entry.name,
        library=entry.library,
        version=entry.version,
        user="" if entry.user == "default" else entry.user,
        address="" if entry.name else entry.address,
    )


class _Tally:
    """What is added up for one application."""

    __slots__ = ("active_most", "active_total", "closed", "commands", "opened", "traffic")

    def __init__(self) -> None:
        self.active_total = self.active_most = self.opened = self.closed = 0
        self.commands = self.traffic = 0

    def active(self, used: int) -> None:
        """Count the connections that did anything in one interval."""
        self.active_total += used
        self.active_most = max(self.active_most, used)

    def seen(
        self, application: Application, held: list[ConnectionSeen], *, counts: bool
    ) -> ApplicationSeen:
        """Give what was added up."""
        return ApplicationSeen(
            application=application,
            connections=tuple(held),
            active_total=self.active_total,
            active_most=self.active_most,
            commands=self.commands if counts else None,
            traffic=self.traffic if counts else None,
            opened=self.opened,
            closed=self.closed,
        )


class _Track:
    """What is known of one connection."""

    __slots__ = (
        "_entry",
        "_quiet_s",
        "_was_used",
        "application",
        "is_waiting",
        "look",
        "tally",
    )

    def __init__(self, application: Application, tally: _Tally) -> None:
        self.application, self.tally = application, tally
        self.is_waiting = self._was_used = False
        self.look = -1
        self._entry: ClientEntry | None = None
        self._quiet_s = 0.0

    def update(self, entry: ClientEntry, *, look: int, since_s: float) -> bool:
        """Take in what the next look says; tell whether it did anything since the last one."""
        before = self._entry
        did = look > 0 and self._did_anything(before, entry, since_s)
        if look > 0:
            self.tally.commands += _growth(before, entry, "commands")
            self.tally.traffic += _growth(before, entry, "traffic")
        self.is_waiting |= entry.role is not Role.ORDINARY
        self._was_used |= did
        self._quiet_s = 0.0 if did else self._quiet_s + since_s
        self._entry, self.look = entry, look
        return did

    def seen(self, look: int) -> ConnectionSeen:
        """Give what is known at a look."""
        entry = self._entry
        if entry is None:
            raise AssertionError("bug: a connection without an entry")
        last_use_s: int | None = None
        if entry.is_working:
            last_use_s = entry.idle_s
        elif self._was_used:
            last_use_s = round(self._quiet_s)
        return ConnectionSeen(
            address=entry.address,
            is_waiting=self.is_waiting,
            was_used=self._was_used and look > 0,
            last_use_s=last_use_s,
            is_kept_alive=entry.is_kept_alive,
            age_s=entry.age_s,
            memory=entry.memory,
        )

    @staticmethod
    def _did_anything(before: ClientEntry | None, entry: ClientEntry, since_s: float) -> bool:
        if entry.commands is None:
            return entry.is_working and entry.idle_s < max(since_s, 1)
        if before is None:
            return entry.is_working
        growth = _growth(before, entry, "commands")
        # A few commands that end in a PING were no more than keeping it alive.
        return growth > (0 if entry.is_working else _MOST_SETTING_UP)


def _growth(before: ClientEntry | None, entry: ClientEntry, what: str) -> int:
    now: int = getattr(entry, what) or 0
    return max(0, now - ((getattr(before, what) or 0) if before else 0))
