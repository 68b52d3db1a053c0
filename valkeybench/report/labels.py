"""Names cases by what sets them apart, in words short enough for a table."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from valkeybench.scenario.model import Keys, Pool
from valkeybench.units import format_bytes, format_duration, format_rate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from valkeybench.results.runfile import CaseRecord

    Axes = Mapping[str, object]

POOL_AXES = ("pool", "max_connections")
"""The axes that say which pool a case has; all others are the load it bears."""


_ONLY_OF_SOME_DRIVERS = frozenset({"client", "clients", "event_loop"})


def pool_of(axes: Axes) -> Pool | None:
    """Tell the pool policy of a case; None when a newer valkeybench wrote one we do not know."""
    with suppress(ValueError):
        return Pool(str(axes.get("pool")))
    return None


def pool_label(axes: Axes) -> str:
    """Name a pool: `no pool`, `blocking 10`."""
    if pool_of(axes) is Pool.NONE:
        return "no pool"
    size = axes.get("max_connections")
    return f"{axes.get('pool')}" if size is None else f"{axes.get('pool')} {size}"


def axis_label(name: str, value: object) -> str:
    """Say one axis's value in a word or two: `50 handlers`, `think 10ms`."""
    say = _words().get(name)
    if say is not None:
        with suppress(TypeError, ValueError):
            return say(value)
    words = name.removesuffix("_ns").replace("_", " ")
    return f"no {words}" if value is None else f"{words} {_value(name, value)}"


def distance_label(records: Iterable[Axes]) -> str:
    """Name the distances that are emulated; empty when none is."""
    found = {axes.get("rtt_ns") for axes in records}
    emulated = sorted(ns for ns in found if isinstance(ns, int) and ns)
    return f"emulated rtt {', '.join(map(short_duration, emulated))}" if emulated else ""


def varied(records: Sequence[Axes]) -> list[str]:
    """Name the axes on which the records differ, in their order, the pool's own two first.

    An axis that means nothing for a record (`max_connections` without a pool) sets
    nothing apart.
    """
    names = dict.fromkeys(name for axes in records for name in axes)
    found = [name for name in names if len({_meant(name, axes) for axes in records} - {""}) > 1]
    return sorted(found, key=lambda name: name not in POOL_AXES)


def labels(cases: Sequence[CaseRecord]) -> dict[str, str]:
    """Give each case, by id, a name made of what sets it apart; a lone case goes by its pool."""
    found = axes_labels([case.axes for case in cases])
    if len(set(found)) < len(found):
        return {case.id: case.id for case in cases}
    return {case.id: label for case, label in zip(cases, found, strict=True)}


def axes_labels(records: Sequence[Axes]) -> list[str]:
    """Name each of several sets of axis values by what sets it apart from the others."""
    names = varied(records)
    return [_label(axes, names) for axes in records]


def _label(axes: Axes, names: Sequence[str]) -> str:
    others = [name for name in names if name not in POOL_AXES]
    words = [axis_label(name, axes[name]) for name in others if _meant(name, axes)]
    if len(others) < len(names) or not words:
        words.insert(0, pool_label(axes))
    return ", ".join(words)


def _meant(name: str, axes: Axes) -> str:
    """Write a value for comparing; empty when it means nothing in this case."""
    pool = pool_of(axes)
    off_the_driver = name in _ONLY_OF_SOME_DRIVERS and axes.get(name) is None
    meaningless = (
        name not in axes
        or off_the_driver
        or (
            pool is not None
            and (
                (name in ("max_connections", "clients") and not pool.is_pooled)
                or (name == "pool_timeout_ns" and not pool.waits)
            )
        )
    )
    return "" if meaningless else repr(axes[name])


def _value(name: str, value: object) -> str:
    if name.endswith("_ns") and isinstance(value, int | float):
        return short_duration(value)
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _words() -> dict[str, Callable[[object], str]]:
    return {
        "concurrency": lambda n: "1 handler" if n == 1 else f"{n} handlers",
        "processes": lambda n: "1 process" if n == 1 else f"{n} processes",
        "rate": lambda rate: format_rate(_number(rate)).replace(" ", ""),
        "rtt_ns": lambda ns: f"emulated rtt {short_duration(_number(ns))}" if ns else "rtt 0",
        "arrivals": lambda kind: f"{kind} arrivals",
        "think": lambda think: "by schedule" if think is None else f"think {think}",
        "client": str,
        "clients": lambda kind: f"{kind} clients",
        "value_size": lambda size: f"{_size(size)} values",
        "pipeline": lambda n: "single commands" if n == 1 else f"pipelines of {n}",
        "handshake": lambda kind: f"{kind} handshake",
        "protocol": lambda version: f"RESP{version}",
        "decode_responses": lambda yes: "text replies" if yes else "byte replies",
        "keys": lambda where: "keys in one slot" if where == Keys.ONE_SLOT else f"keys {where}",
        "disturb": lambda what: "undisturbed" if what is None else str(what),
        "reconnect_within_ns": _reconnecting,
        "retries": lambda n: "1 retry" if n == 1 else f"{n} retries",
    }


def _reconnecting(within: object) -> str:
    """Say when lost connections are opened again."""
    if within is None:
        return "reconnects on demand"
    return f"reconnects {f'within {short_duration(_number(within))}' if within else 'at once'}"


def _size(value: object) -> str:
    """Say a size of values; what is more than a size is said as it was written."""
    return value if isinstance(value, str) else _without_zeros(format_bytes(_number(value)))


def _number(value: object) -> float:
    if isinstance(value, int | float):
        return value
    raise TypeError(value)


def short_duration(nanoseconds: float) -> str:
    """Write a round duration without its zeros: `3 s`, `1.5 ms`."""
    return _without_zeros(format_duration(nanoseconds))


def _without_zeros(quantity: str) -> str:
    number, _, unit = quantity.partition(" ")
    if "." in number:
        number = number.rstrip("0").rstrip(".")
    return f"{number} {unit}".strip()
