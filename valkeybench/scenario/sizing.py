"""What a search for a size can start from: one load, one pool policy, and sensible wishes."""

from __future__ import annotations

from dataclasses import fields, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario.fields import FIELDS
from valkeybench.scenario.model import Client, Driver
from valkeybench.scenario.wording import legible

if TYPE_CHECKING:
    from valkeybench.scenario.model import Scenario

_OF_THE_POOL = frozenset({"pool", "max_connections"})
_MOST_HEADROOM, _MOST_GROWTH = 10.0, 100.0
_PERCENT = 100


def one_load(scenario: Scenario) -> Scenario:
    """Give the scenario with the one pool policy to size.

    Raises ScenarioError naming every axis that has several values, and a policy that has
    no size or is not the only one. Sizes a scenario names are what is looked for: they
    are not kept.
    """
    axes = scenario.axes
    problems = [
        Problem(
            _place(axis.name),
            f"{len(getattr(axes, axis.name))} values, and a size is found for one load",
            "give one, and run the others apart",
        )
        for axis in fields(axes)
        if axis.name not in _OF_THE_POOL and len(getattr(axes, axis.name)) > 1
    ]
    if axes.driver == (Driver.WIRE,):
        problems.append(
            Problem(
                _place("driver"),
                "the bare wire has no client library, and a size is one of a library's pool",
                "use --driver threads or asyncio",
            )
        )
    if any(axes.disturb):
        reason = "a size is one for a server that is there, not for one that is disturbed"
        problems.append(Problem(_place("disturb"), reason, "leave it out"))
    pooled = [pool for pool in axes.pool if pool.is_pooled]
    if axes.client == (Client.VALKEY_GLIDE,):
        reason = "valkey-glide has one connection and no pool, so there is no size"
        problems.append(Problem(_place("client"), reason, "use --client redis-py or valkey-py"))
    elif not pooled:
        problems.append(
            Problem(_place("pool"), "without a pool there is no size", "use --pool blocking")
        )
    elif len(pooled) > 1:
        named = ", ".join(pooled)
        problems.append(
            Problem(_place("pool"), f"one policy is sized at a time, not {named}", "choose one")
        )
    if problems:
        raise ScenarioError(problems)
    return replace(scenario, axes=replace(axes, pool=(pooled[0],)))


def parse_headroom(word: str) -> float:
    """Read `25%` or `0.25` as a share; raises ScenarioError."""
    number = _number(word.removesuffix("%"))
    share = None if number is None else number / _PERCENT if word.endswith("%") else number
    if share is None or not 0 <= share <= _MOST_HEADROOM:
        raise ScenarioError.one(
            "--headroom", f"»{legible(word)}« is no headroom", "write it like 25%, 0% to 1000%"
        )
    return float(share)


def parse_growth(word: str) -> float:
    """Read `1.5x` or `1.5` as a factor of 1 or more; raises ScenarioError."""
    factor = _number(word.removesuffix("x"))
    if factor is None or not 1 <= factor <= _MOST_GROWTH:
        raise ScenarioError.one(
            "--growth", f"»{legible(word)}« is no growth", "write it like 1.5x, from 1x to 100x"
        )
    return float(factor)


def _number(word: str) -> Fraction | None:
    try:
        return Fraction(word.strip()) if len(word) < _MOST_DIGITS else None
    except (ValueError, ZeroDivisionError):
        return None


_MOST_DIGITS = 20


def _place(axis: str) -> str:
    return next(
        (field.flags[0] for field in FIELDS if field.target == f"axes.{axis}" and field.flags),
        axis,
    )
