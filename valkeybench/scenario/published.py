"""The JSON Schema of a scenario file, made from the table of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from valkeybench.scenario.fields import FIELDS, SECTIONS

if TYPE_CHECKING:
    from valkeybench.scenario.field import Field


def json_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 2020-12) of a scenario file, TOML read as JSON."""
    properties = {field.key: _property(field) for field in FIELDS if not field.section}
    for section in SECTIONS:
        properties[section] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {f.key: _property(f) for f in FIELDS if f.section == section},
        }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "valkeybench scenario",
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
    }


def _property(field: Field) -> dict[str, Any]:
    schema = dict(field.kind.schema)
    if field.axis or field.many:
        schema = {"anyOf": [schema, {"type": "array", "minItems": 1, "items": schema}]}
    return {"description": field.help, **schema}
