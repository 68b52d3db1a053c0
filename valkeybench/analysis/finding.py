"""What a check looks at and what it can find: the codes of all warnings, and their form."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from valkeybench.analysis.thresholds import Thresholds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from valkeybench.analysis.cases import SeenCase


class Code(StrEnum):
    """What can be wrong, most important first. Stable: scripts match on them."""

    SERVER_LOST = "server_lost"
    DISTURBED = "disturbed"
    FAILURES = "failures"
    REJECTED_CONNECTIONS = "rejected_connections"
    ABANDONED = "abandoned"
    IN_USE_LEFT = "in_use_left"
    STARVED = "starved"
    UNFINISHED = "unfinished"
    CLIENT_SATURATED = "client_saturated"
    PROCESS_SATURATED = "process_saturated"
    LOOP_LATE = "loop_late"
    SERVER_SATURATED = "server_saturated"
    BEHIND_SCHEDULE = "behind_schedule"
    UNEVEN_START = "uneven_start"
    CROWDED = "crowded"
    NO_THINK = "no_think"
    POOL_BOUND = "pool_bound"
    REPEATS_DISAGREE = "repeats_disagree"
    UNSTEADY = "unsteady"
    FEW_SAMPLES = "few_samples"
    OUT_OF_RANGE = "out_of_range"
    RETRIES = "retries"
    EVICTIONS = "evictions"
    CONNECTIONS_DISAGREE = "connections_disagree"


class Finding(NamedTuple):
    """What was seen and why it matters, and what to do about it."""

    message: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Look:
    """What a check may look at: the case, the others of its run, and where the lines are."""

    case: SeenCase
    run: Sequence[SeenCase] = ()
    limits: Thresholds = field(default_factory=Thresholds)
