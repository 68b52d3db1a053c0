"""Connections this machine's kernel turned away before a server could accept them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from valkeybench.server.endpoint import is_loopback

if TYPE_CHECKING:
    from valkeybench.server.endpoint import Endpoint

_NETSTAT = Path("/proc/net/netstat")


@dataclass(frozen=True, slots=True, kw_only=True)
class Doorstep:
    """The kernel's counters, of all who listen on this machine together. None is not known.

    They are the `TcpExt` counters of the same names (Linux, Documentation/networking/
    snmp_counter.rst).
    """

    listen_overflows: int | None = None
    """A connection came while the accept queue (the listen backlog) was full."""
    listen_drops: int | None = None
    """A connection was dropped for that or any other reason."""

    def since(self, earlier: Doorstep) -> Doorstep:
        """Give what has been added since."""
        return Doorstep(
            listen_overflows=_added(earlier.listen_overflows, self.listen_overflows),
            listen_drops=_added(earlier.listen_drops, self.listen_drops),
        )


def read_doorstep(endpoint: Endpoint) -> Doorstep:
    """Read the counters; all are None for a server elsewhere, on a unix socket, or off Linux."""
    if not _is_here(endpoint):
        return Doorstep()
    try:
        fields = _tcp_fields(_NETSTAT.read_text(encoding="ascii"))
    except OSError:
        return Doorstep()
    return Doorstep(
        listen_overflows=fields.get("ListenOverflows"), listen_drops=fields.get("ListenDrops")
    )


def _is_here(endpoint: Endpoint) -> bool:
    return endpoint.path is None and is_loopback(endpoint.host)


def _tcp_fields(text: str) -> dict[str, int]:
    """Read the lines of `TcpExt`: one with the names, one with the numbers."""
    lines = [line.split()[1:] for line in text.splitlines() if line.startswith("TcpExt:")]
    names, numbers = lines if len(lines) == 2 else ([], [])  # noqa: PLR2004 - see above
    return {name: int(number) for name, number in zip(names, numbers, strict=False)}


def _added(before: int | None, after: int | None) -> int | None:
    return None if before is None or after is None else max(after - before, 0)
