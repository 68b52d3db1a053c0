"""Levers that were set and mean nothing beside others: whoever set them expects something."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from valkeybench.scenario.model import Scenario

    Unfit = tuple[str, str, str]
    """The target of the lever that is unfit, the reason and a remedy."""

_DECIDED_BY = {
    "think": (
        "rate",
        "an open load has no think time: requests come when they are due",
        "leave one of the two out",
    ),
    "arrivals": (
        "rate",
        "says how requests arrive, and in a closed load handlers ask when they have thought",
        "say how many arrive as well, as in --rate 1000/s, or leave it out",
    ),
    "client": (
        "driver",
        "the driver wire speaks to the server itself, without a client library",
        "leave it out, or name a driver beside it (--driver threads,wire)",
    ),
    "event_loop": (
        "driver",
        "only the driver asyncio runs on an event loop that can be chosen",
        "add --driver asyncio, or leave it out",
    ),
}
"""Which axis decides whether another means anything, why it does not, and what helps."""


def unfit_for_want_of_meaning(scenario: Scenario, given: Mapping[str, bool]) -> Iterator[Unfit]:
    """Find levers that no case has a use for.

    `given` are the targets that were given a value, and whether a flag gave it.
    """
    cases = list(scenario.axes.cases())
    for axis, (decider, reason, remedy) in _DECIDED_BY.items():
        target = f"axes.{axis}"
        if target not in given or any(getattr(case, axis) is not None for case in cases):
            continue
        if stands(target, f"axes.{decider}", given):
            yield target, reason, remedy


def stands(target: str, decider: str, given: Mapping[str, bool]) -> bool:
    """Tell whether a target is meant beside what decides whether it means anything.

    What a flag makes mean nothing in a scenario file is left alone: that is what the flag is for.
    """
    return given[target] or not given.get(decider, False)
