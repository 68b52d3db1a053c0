"""What the server said around and during one trial."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from valkeybench.measurement.reading import ClusterReading

if TYPE_CHECKING:
    from valkeybench.measurement.disturbed import Disturbed
    from valkeybench.measurement.reading import ServerReading


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerWatch:
    """Readings before prewarming, ready for the load, during it, and after everything closed.

    `own_connections` is how many connections the one who read opened between `before` and
    `after`; `opens_ns` and `closes_ns` are the trial's window, on the readings' clock.
    """

    before: ServerReading
    ready: ServerReading
    samples: tuple[ServerReading, ...]
    after: ServerReading
    own_connections: int
    opens_ns: int
    closes_ns: int
    lost: bool = False
    listen_overflows: int | None = None
    """Times a full accept queue of the server's machine turned a connection away meanwhile."""
    listen_drops: int | None = None
    """Times one was turned away for any reason."""
    disturbed: Disturbed | None = None
    """What was done to it on purpose; None is nothing."""

    @property
    def is_one_life(self) -> bool:
        """Whether its counters went on from the first reading to the last, as far as it tells."""
        return self.before.life == self.after.life or None in (self.before.life, self.after.life)

    def of_nodes(self) -> tuple[ServerWatch, ...]:
        """Give each node's own, when it is a cluster that was watched."""
        if not isinstance(self.before, ClusterReading):
            return ()
        return tuple(
            replace(
                self,
                before=_of_node(self.before, number),
                ready=_of_node(self.ready, number),
                samples=tuple(_of_node(sample, number) for sample in self.samples),
                after=_of_node(self.after, number),
            )
            for number in range(len(self.before.nodes))
        )


def _of_node(reading: ServerReading, number: int) -> ServerReading:
    assert isinstance(reading, ClusterReading)  # noqa: S101 - they are all of one cluster
    return reading.nodes[number]
