"""The published JSON Schema says what the reader takes."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from valkeybench.errors import ScenarioError
from valkeybench.scenario.fields import FIELDS, FLAGGED, SECTIONS
from valkeybench.scenario.library import seed_paths
from valkeybench.scenario.published import json_schema
from valkeybench.scenario.reader import read_scenario

SCHEMA = Draft202012Validator(json_schema())


def test_the_schema_is_valid() -> None:
    """It is a JSON Schema of draft 2020-12, and JSON."""
    Draft202012Validator.check_schema(json_schema())
    assert json_schema() == json.loads(json.dumps(json_schema()))


def test_every_lever_is_in_the_schema_with_its_words() -> None:
    """Each key has its place and a description."""
    properties = json_schema()["properties"]
    for field in FIELDS:
        place = properties[field.section]["properties"] if field.section else properties
        assert field.help == place[field.key]["description"]


@pytest.mark.parametrize("name", sorted(seed_paths()))
def test_a_seed_scenario_obeys_the_schema(name: str) -> None:
    """Every file that ships is valid."""
    SCHEMA.validate(tomllib.loads(seed_paths()[name].read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    "document",
    [
        {"concurrency": 5},
        {"load": {"concurency": 5}},
        {"lod": {}},
        {"load": 5},
        {"load": {"concurrency": 0}},
        {"load": {"concurrency": True}},
        {"client": {"max_connections": []}},
        {"client": {"pool": ["none", "bloking"]}},
        {"load": {"duration": 5}},
        {"load": {"prewarm": "yes"}},
        {"server": {"client_name": "my app"}},
    ],
)
def test_what_the_reader_refuses_breaks_the_schema(document: dict[str, Any]) -> None:
    """An unknown key, another type, a number out of range, an empty list."""
    with pytest.raises(ValidationError):
        SCHEMA.validate(document)
    with pytest.raises(ScenarioError):
        read_scenario(document)


_values = (
    st.booleans()
    | st.integers(-1, 100)
    | st.floats(allow_nan=False)
    | st.sampled_from(
        ["", "none", "0", "1s", "constant 5ms", "fair", "minimal", "64", "auto", "on", "both"]
    )
)


@given(st.sampled_from(FIELDS), _values | st.lists(_values, max_size=2))
@settings(deadline=None, max_examples=500)
def test_what_the_reader_takes_obeys_the_schema(field: Any, value: object) -> None:  # noqa: ANN401 - a Field
    """An editor that knows the schema does not complain about what would run."""
    document = {field.section: {field.key: value}} if field.section else {field.key: value}
    try:
        read_scenario(document)
    except ScenarioError:
        return
    SCHEMA.validate(document)


def test_a_lever_has_one_place_one_target_and_one_flag() -> None:
    """No two levers are confused: a key is in one section, a flag is of one lever."""
    assert len(FIELDS) == len({field.key for field in FIELDS})
    flags = [flag for field in FLAGGED for flag in field.flags]
    assert len(flags) == len(set(flags))
    assert len(FLAGGED) == len({field.parameter for field in FLAGGED})
    assert {field.section for field in FIELDS} == {"", *SECTIONS}
    assert all(field.panel for field in FLAGGED)
