"""What a connection costs the server in memory, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.report.document import Paragraph
from valkeybench.units import format_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from valkeybench.report.document import Block
    from valkeybench.results.runfile import ConnectionCost


def memory_block(costs: Sequence[ConnectionCost]) -> Iterable[Block]:
    """Say it for every way that was looked at; nothing for ways that could not be."""
    said = [_said(cost) for cost in costs if cost.used_fresh is not None]
    if said:
        yield Paragraph(
            text=f"Server memory for each connection: {'; '.join(said)}. Looked at apart, before "
            "the load."
        )


def _said(cost: ConnectionCost) -> str:
    by_used = f"{format_bytes(cost.used_fresh)} fresh, {format_bytes(cost.used_idle)} idle"
    if not cost.tls:
        return f"{by_used} (used_memory)"
    if cost.allocated_fresh is None:
        return f"over TLS {by_used} (used_memory), without what the TLS library takes"
    return (
        f"over TLS {format_bytes(cost.allocated_fresh)} fresh, {format_bytes(cost.allocated_idle)}"
        f" idle with the TLS library's (allocator_allocated; used_memory alone knows {by_used})"
    )
