"""Knows what can be measured from which no size of a client library's pool follows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.analysis.finding import Code, Finding
from valkeybench.scenario.model import Driver, Pool

if TYPE_CHECKING:
    from valkeybench.analysis.cases import Group


def unsizable(group: Group) -> tuple[str, Finding] | None:
    """Find that what was measured has no pool of a client library, or no peace, by cause."""
    if group.leader.is_disturbed:
        return Code.DISTURBED, Finding(
            "the server was disturbed on purpose: how many connections were in use then says what"
            " an outage takes, and not what the load needs",
            "measure the load without --disturb",
        )
    if group.leader.record.axes.get("driver") == Driver.WIRE:
        return "no_library", Finding(
            "the bare wire has no client library: its pool is the ideal one, and what a library's"
            " pool needs is another number",
            "measure a client library beside it (--driver threads,wire)",
        )
    if group.leader.pool is Pool.MULTIPLEXED:
        return "no_pool", Finding(
            "valkey-glide sends the commands of all handlers over one connection: it has no pool"
            " to size",
            "measure a client with a pool beside it (--client redis-py,valkey-glide)",
        )
    return None
