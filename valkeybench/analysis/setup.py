"""What a new connection has to go through before its first command, counted step by step."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.analysis.cases import seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from valkeybench.analysis.cases import SeenCase
    from valkeybench.results.runfile import CaseRecord, Connections

_OFF = 0.05
"""By which share of one a mean count may be off a whole number, and still be that number."""

_DECIDING = ("client", "driver", "tls", "handshake", "protocol")
"""The axes that decide what a new connection has to do."""


_ORDER = (
    "HELLO with AUTH",
    "HELLO",
    "AUTH",
    "CLIENT MAINT_NOTIFICATIONS",
    "CLIENT SETNAME",
    "CLIENT SETINFO",
    "SELECT",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A kind of round trip: how many a new connection makes (mean), and how many are refused."""

    name: str
    round_trips: float
    refused: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """The steps of opening a connection, for all cases that open theirs alike.

    There are none where they could not be counted, because connections did not get through.
    """

    axes: Mapping[str, object]
    connections: int
    got_through: int | None
    """How many of the connections were ready for a command in the end; None is not known."""
    steps: tuple[Step, ...]

    @property
    def round_trips(self) -> float:
        """Give the round trips of a new connection before its first command."""
        return sum(step.round_trips for step in self.steps)


def setups(records: Sequence[CaseRecord]) -> list[Setup]:
    """Count the steps for each way of opening connections that was measured."""
    alike: dict[tuple[object, ...], list[SeenCase]] = defaultdict(list)
    for case in seen(records):
        alike[tuple(case.record.axes.get(name) for name in _DECIDING)].append(case)
    found = (_setup(cases) for cases in alike.values())
    return [setup for setup in found if setup is not None]


def _setup(cases: Sequence[SeenCase]) -> Setup | None:
    # One case is enough, and the one with most connections is the surest.
    case = max(cases, key=lambda each: (is_counted(each.summary.connections), _opened(each)))
    connections, count = case.summary.connections, _opened(case)
    if not count or not connections.setup:
        return None
    return Setup(
        axes={name: case.record.axes.get(name) for name in _DECIDING},
        connections=count,
        got_through=connections.got_through,
        steps=_steps(connections) if is_counted(connections) else (),
    )


def is_counted(connections: Connections) -> bool:
    """Tell whether what a new connection goes through can be told from the mean of all.

    One that breaks off half-way has made some of the round trips, and none stands for it.
    """
    opened, through = connections.prewarmed + connections.opened, connections.got_through
    if not opened or (through is not None and through < (1 - _OFF) * opened):
        return False
    counts = (step.round_trips for step in _steps(connections))
    return all(abs(count - round(count)) < _OFF * max(count, 1.0) for count in counts)


def _steps(connections: Connections) -> tuple[Step, ...]:
    steps = [Step(name="TCP", round_trips=1.0)]
    if connections.tls_round_trips:
        steps.append(Step(name="TLS", round_trips=connections.tls_round_trips))
    steps += _commands(connections, connections.prewarmed + connections.opened)
    return tuple(steps)


def _commands(connections: Connections, count: int) -> list[Step]:
    """Count the set-up commands of a new connection, by what each adds to the round trips.

    redis.asyncio sends the last ones together: those that follow add nothing.
    """
    asked = dict(sorted(connections.setup.items(), key=_turn))
    waited = connections.setup_round_trips
    together = 0.0 if waited is None else max(sum(asked.values()) / count - waited, 0.0)
    steps = []
    for name, sent in reversed(asked.items()):
        each = sent / count
        followed = min(together, each)
        together -= followed
        refused = connections.refused.get(name, 0) / count
        steps.append(Step(name=name, round_trips=each - followed, refused=refused))
    return steps[::-1]


def _turn(step: tuple[str, int]) -> int:
    """Give a set-up command's turn in redis-py's handshake; unknown ones come last."""
    return _ORDER.index(step[0]) if step[0] in _ORDER else len(_ORDER)


def _opened(case: SeenCase) -> int:
    return case.summary.connections.prewarmed + case.summary.connections.opened
