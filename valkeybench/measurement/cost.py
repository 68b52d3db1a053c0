"""What a connection costs the server in memory, by which of its figures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionCost:
    """Bytes of the server's memory for one connection of ours, the average of many.

    `used_…` is by `used_memory`, what the server itself asked for: exact, but without what a
    TLS library takes. `allocated_…` is by `allocator_allocated`, which holds that too where
    the two share an allocator; it is good to a few kilobytes. None is not known.
    """

    tls: bool
    connections: int = 0
    """How many were opened to find out."""
    used_fresh: int | None = None
    """Just set up."""
    used_idle: int | None = None
    """After the server has shrunk its buffers."""
    allocated_fresh: int | None = None
    """Just set up."""
    allocated_idle: int | None = None
    """After the server has shrunk its buffers."""
    note: str = ""
    """Why figures are missing; empty when none is."""
