"""How tests read scenarios: as TOML or flags, and with every problem as a line of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from valkeybench.errors import ScenarioError
from valkeybench.scenario.reader import parse_toml, read_scenario

if TYPE_CHECKING:
    from valkeybench.scenario.model import Scenario

SOURCE = "s.toml"


def read(toml: str = "", **more: Any) -> Scenario:  # noqa: ANN401 - flags and environment
    """Read a scenario from the text of a file, flags and environment."""
    return read_scenario(parse_toml(toml, source=SOURCE), source=SOURCE, **more)


def problems(toml: str = "", **more: Any) -> list[str]:  # noqa: ANN401 - as above
    """Give what is wrong with a scenario, one line each; fail when nothing is."""
    with pytest.raises(ScenarioError) as caught:
        read(toml, **more)
    return list(map(str, caught.value.problems))
