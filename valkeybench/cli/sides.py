"""Reads what the sides of a gate are: a scenario and, for each, what is different about it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from valkeybench.cli.run import load_scenario
from valkeybench.errors import Problem, ScenarioError
from valkeybench.scenario.field import Panel
from valkeybench.scenario.fields import FLAGGED
from valkeybench.scenario.model import LOCAL
from valkeybench.scenario.wording import did_you_mean, legible
from valkeybench.turns import Side

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from valkeybench.scenario.field import Field
    from valkeybench.scenario.model import Scenario

    Flags = Mapping[str, str | list[str]]

_PYTHON, _SERVER = "python", "server"
_THE_SAME_FOR_BOTH = (Panel.MEASURING, Panel.LIMITS)


def read_side(
    name: str, word: str | None, flags: Flags, words: Sequence[str], *, output: Path | None
) -> Side:
    """Read a side: the scenario both share, and its own `KEY=VALUE` words.

    Keys are those of flags and scenario files, and `python` (an interpreter) and `server` (the
    program of a server of our own). Raises ScenarioError.
    """
    place = f"--{name}"
    own, program, python = _own_words(words, place)
    scenario = load_scenario(word, {**flags, **own})
    if "pool" not in own:
        scenario = pooled_only(scenario)
    _check_one_case(scenario, place)
    if program is not None:
        if scenario.server.url is not None:
            raise ScenarioError.one(
                f"{place} server", "is for a server of our own, and a URL names another", "drop one"
            )
        server = replace(scenario.server, binary=program)
        scenario = replace(scenario, server=server)
    if python is not None and scenario.place != LOCAL:
        raise ScenarioError.one(
            f"{place} python", "is for processes of this machine, not of --place", "drop one"
        )
    return Side(name=name, scenario=scenario, python=python, output=output)


def pooled_only(scenario: Scenario) -> Scenario:
    """Leave out the case without a pool that runs have beside the others."""
    pooled = tuple(pool for pool in scenario.axes.pool if pool.is_pooled)
    return replace(scenario, axes=replace(scenario.axes, pool=pooled)) if pooled else scenario


def _check_one_case(scenario: Scenario, place: str) -> None:
    """Raise ScenarioError when a side has several cases."""
    cases = scenario.cases()
    if len(cases) > 1:
        varied = ", ".join(scenario.axes.varied())
        raise ScenarioError.one(
            place,
            f"{len(cases)} cases, and a side is one: {varied} has several values",
            f"choose one with a flag, or with {place} KEY=VALUE",
        )


def _own_words(words: Sequence[str], place: str) -> tuple[dict[str, str], str | None, str | None]:
    """Give a side's own flags, its server program, and its interpreter."""
    own: dict[str, str] = {}
    special: dict[str, str | None] = {_SERVER: None, _PYTHON: None}
    problems = []
    known = {name: field for field in FLAGGED for name in _names(field)}
    for word in words:
        key, equals, value = (part.strip() for part in word.partition("="))
        key = key.lstrip("-").replace("-", "_")
        field = known.get(key)
        if not equals or not value:
            reason, remedy = f"»{legible(word)}« is no KEY=VALUE", "write it like max_conn=20"
            problems.append(Problem(place, reason, remedy))
        elif key in special:
            special[key] = value
        elif field is None:
            known_keys = [*special, *(each.parameter for each in FLAGGED)]
            reason = f"there is no key {legible(key)}"
            problems.append(Problem(place, reason, did_you_mean(key, known_keys)))
        elif field.panel in _THE_SAME_FOR_BOTH:
            reason = f"{legible(key)} must be the same for both sides"
            problems.append(Problem(place, reason, f"give it once: {field.flags[0]} {value}"))
        else:
            own[field.parameter] = value
    if problems:
        raise ScenarioError(problems)
    return own, special[_SERVER], special[_PYTHON]


def _names(field: Field) -> set[str]:
    flags = {flag.lstrip("-").replace("-", "_") for flag in field.flags}
    return {field.key, field.target.removeprefix("axes."), *flags}
