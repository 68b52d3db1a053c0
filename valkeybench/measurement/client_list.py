"""What a line of CLIENT LIST means, as every server since Redis 6 writes it.

Names, libraries and addresses in it are whatever clients said of themselves: they are cut to a
length, and stay text that others must make harmless before they show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

LONGEST_NAME = 64
"""Characters kept of what a client says of itself."""

_LONGEST_LINE = 4096
_UNIX = "unix socket"

_SETTING_UP = frozenset({"NULL", "hello", "auth", "select", "readonly", "command", "ping"})
"""Last commands that say: it was set up or kept alive, and nothing more."""


class Role(StrEnum):
    """What a connection is for, by the server's flags."""

    ORDINARY = "ordinary"
    SUBSCRIBER = "subscriber"
    BLOCKED = "blocked"
    """It waits in BLPOP, XREAD BLOCK, WAIT or the like."""
    MONITOR = "monitor"
    REPLICA = "replica"
    PRIMARY = "primary"
    """The one this server replicates from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientEntry:
    """One connection, as one CLIENT LIST has it. None is what this server does not tell."""

    id: int
    name: str = ""
    library: str = ""
    version: str = ""
    user: str = ""
    address: str = ""
    """The client's, without its port."""
    role: Role = Role.ORDINARY
    age_s: int = 0
    idle_s: int = 0
    """Whole seconds since anything went over it, set-up and keep-alive included."""
    command: str = ""
    """The last one, in lower case: `get`, `client|setinfo`."""
    commands: int | None = None
    """All it ever sent. Valkey from 8.0 and newer Redis count them."""
    traffic: int | None = None
    """Bytes in both directions, from the same versions on."""
    memory: int | None = None
    """Bytes the server holds for it, without what a TLS library does."""

    @property
    def is_working(self) -> bool:
        """Tell whether its last command was more than setting up or keeping alive."""
        kind = self.command.partition("|")[0]
        return self.command not in _SETTING_UP and kind not in ("client", "cluster", "command")

    @property
    def is_kept_alive(self) -> bool:
        """Tell whether its last command was a PING, which hides when it last did anything."""
        return self.command == "ping"


def read_client_list(text: str, *, most: int) -> Iterator[ClientEntry]:
    """Read the reply to CLIENT LIST line by line, `most` lines of it.

    A line without an id is none of ours and is left out; so is the rest of an overlong one.
    """
    start, count = 0, 0
    while start < len(text) and count < most:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        entry = _read_line(text[start : min(end, start + _LONGEST_LINE)])
        start = end + 1
        if entry is not None:
            count += 1
            yield entry


def _read_line(line: str) -> ClientEntry | None:
    fields: dict[str, str] = {}
    for word in line.split(" "):
        name, separator, value = word.partition("=")
        # The first of a name is the server's own; a socket's path may hold more of them.
        if separator:
            fields.setdefault(name, value)
    number = _number(fields, "id")
    if number is None:
        return None
    sent, received = _number(fields, "tot-net-out"), _number(fields, "tot-net-in")
    return ClientEntry(
        id=number,
        name=fields.get("name", "")[:LONGEST_NAME],
        library=fields.get("lib-name", "")[:LONGEST_NAME],
        version=fields.get("lib-ver", "")[:LONGEST_NAME],
        user=fields.get("user", "")[:LONGEST_NAME],
        address=_address(fields),
        role=_role(fields),
        age_s=_number(fields, "age") or 0,
        idle_s=_number(fields, "idle") or 0,
        command=fields.get("cmd", "")[:LONGEST_NAME],
        commands=_number(fields, "tot-cmds"),
        traffic=None if sent is None or received is None else sent + received,
        memory=_number(fields, "tot-mem"),
    )


def _address(fields: Mapping[str, str]) -> str:
    """Give the client's address without its port: `10.0.0.7`, `[::1]`, or that it has none."""
    if "U" in fields.get("flags", ""):
        return _UNIX
    return fields.get("addr", "").rpartition(":")[0][:LONGEST_NAME]


def _role(fields: Mapping[str, str]) -> Role:
    flags = fields.get("flags", "")
    for flag, role in (("O", Role.MONITOR), ("S", Role.REPLICA), ("M", Role.PRIMARY)):
        if flag in flags:
            return role
    if "P" in flags or any(_number(fields, name) for name in ("sub", "psub", "ssub")):
        return Role.SUBSCRIBER
    return Role.BLOCKED if "b" in flags else Role.ORDINARY


def _number(fields: Mapping[str, str], name: str) -> int | None:
    value = fields.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= _DIGITS else None


_DIGITS = 20
