"""How a disturbance of the server is written, and which one cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from valkeybench.scenario import kinds
from valkeybench.scenario.disturbance import Deed, Disturbance
from valkeybench.scenario.kinds import Kind, UnfitError, shown
from valkeybench.scenario.model import Driver
from valkeybench.scenario.wording import did_you_mean
from valkeybench.units import MILLISECOND, SECOND, compact_duration

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from valkeybench.scenario.model import Scenario

LEAST_BEFORE_NS = 500 * MILLISECOND
"""What of the window must be over before: it says what is usual."""
LEAST_AFTER_NS = SECOND
"""What must be left of it: half of it to be back in, and half to show that it lasts."""

_NEVER = "none"
_EXAMPLE = "write restart, 'restart 250ms at 1s', 'stall 500ms', kill_clients or none"


def disturbance() -> Kind:
    """Take what is done to the server, for how long and when: `restart 250ms at 1s`; or none."""
    duration = kinds.duration()

    def convert(value: object) -> Disturbance | None:
        if value == _NEVER:
            return None
        words = value.split() if isinstance(value, str) else []
        if not words:
            raise UnfitError(f"{shown(value)} is no disturbance", _EXAMPLE)
        deed, *rest = words
        names = [member.value for member in Deed]
        if deed not in names:
            raise UnfitError(
                f"{shown(deed)} is nothing to do to a server", did_you_mean(deed, [*names, _NEVER])
            )
        lasts = 0 if not rest or rest[0] == "at" else duration.convert(rest.pop(0))
        at = None
        if len(rest) == 2 and rest[0] == "at":  # noqa: PLR2004 - a word and a time
            at = duration.convert(rest.pop())
            rest.clear()
        if rest:
            raise UnfitError(f"{shown(value)} is no disturbance", _EXAMPLE)
        return _sensible(Disturbance(Deed(deed), lasts, at))

    schema = {"type": "string", "examples": ["restart 250ms at 1s", "stall 500ms", "none"]}
    return Kind("WHAT", convert, schema)


def _sensible(asked: Disturbance) -> Disturbance:
    if asked.lasts_ns and not asked.deed.takes_time:
        raise UnfitError(f"{asked.deed} takes no time", "leave the first time out")
    if asked.deed is Deed.STALL and not asked.lasts_ns:
        raise UnfitError("a stall needs its length", "write it like 'stall 500ms'")
    return asked


def unfit_disturbance(scenario: Scenario, given: Collection[str]) -> Iterator[tuple[str, str, str]]:
    """Find what cannot be disturbed, and what leaves nothing to measure.

    Each is the target of the lever that is unfit, the reason and a remedy. `given` are the
    targets that were given a value.
    """
    asked = [each for each in scenario.axes.disturb if each is not None]
    if asked and "server.url" in given:
        yield (
            "axes.disturb",
            "only a server of our own is disturbed, and a URL names another",
            "leave the URL out",
        )
    if asked and scenario.server.cluster:
        yield "axes.disturb", "a cluster is not disturbed", "leave --cluster out"
    for each in asked:
        yield from _no_room(each, scenario.duration_ns)
    drivers = {*scenario.axes.driver}
    if any(within is not None for within in scenario.axes.reconnect_within_ns):
        yield from _not_by_itself(drivers)


def _no_room(each: Disturbance, window_ns: int) -> Iterator[tuple[str, str, str]]:
    at, window = each.at(window_ns), compact_duration(window_ns)
    before, after = compact_duration(LEAST_BEFORE_NS), compact_duration(LEAST_AFTER_NS)
    if at < LEAST_BEFORE_NS:
        reason = (
            f"'{each}' comes {compact_duration(at)} after the window opens, before it is known what"
            " is usual"
        )
        yield "axes.disturb", reason, f"let it come after {before} or later, as in 'at {before}'"
    elif at + each.lasts_ns + LEAST_AFTER_NS > window_ns:
        reason = f"'{each}' leaves less than {after} of a window of {window} to recover in"
        yield "axes.disturb", reason, "measure longer (--duration), or let it come earlier"


def _not_by_itself(drivers: Collection[Driver]) -> Iterator[tuple[str, str, str]]:
    if Driver.WIRE not in drivers:
        yield (
            "axes.reconnect_within_ns",
            "redis-py and its like open a lost connection when a handler wants one",
            "use the driver wire, or leave it out",
        )
