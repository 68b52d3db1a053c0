"""What a run will put on a server while it lasts: how many keys, and how much in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeybench.plan.dataset import keys_touched, writes
from valkeybench.plan.trial import key_prefixes, under

if TYPE_CHECKING:
    from valkeybench.scenario.model import Scenario
    from valkeybench.scenario.values import Values


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """The keys of a run, all of them under its own prefix and removed at its end."""

    loaded: int
    """Keys written before the load, so that reads find something."""
    loaded_bytes: int
    """Of the words sent for them: keys, items and values."""
    most: int
    """Keys there can be at any time, with those that the commands write."""


def footprint(scenario: Scenario, prefix: str) -> Footprint:
    """Count what a run would write under a prefix; nothing is written."""
    beginnings = key_beginnings(scenario, prefix)
    keys = size = 0
    for value_size, each in beginnings if scenario.data_set else ():
        for _, commands in writes(
            scenario.commands, seed=data_seed(scenario), prefix=each, value_size=value_size
        ):
            keys += 1
            size += sum(len(word.encode()) for words in commands for word in words[1:])
    most = sum(1 for _, each in beginnings for _ in keys_touched(scenario.commands, prefix=each))
    return Footprint(loaded=keys, loaded_bytes=size, most=most)


def data_seed(scenario: Scenario) -> str:
    """Give the seed of what is there before the load."""
    return f"{scenario.seed}/data"


def key_beginnings(scenario: Scenario, prefix: str) -> list[tuple[int | Values, str]]:
    """Give every beginning of keys, with the size of the values under it."""
    by_size = key_prefixes(scenario, prefix).items()
    return [(size, under(each, keys)) for keys in scenario.axes.keys for size, each in by_size]
