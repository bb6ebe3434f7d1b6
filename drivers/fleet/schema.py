"""The bodies of the contract as a JSON Schema, made from the types."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from drivers.fleet import wire

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema of every body under ``$defs``, by the name of its type."""
    bodies = (wire.Set, wire.Report, wire.Inventory, wire.Status)
    _, definitions = msgspec.json.schema_components(bodies, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:
            definition["description"] = " ".join(definition["description"].split())
    # What Set.__post_init__ says, which a type cannot.
    definitions["Set"]["oneOf"] = [
        {"required": ["setpoints_w"], "properties": {"setpoints_w": {"type": "array"}}},
        {"required": ["same_as"], "properties": {"same_as": {"type": "integer"}}},
    ]
    return {"$schema": _DIALECT, "title": f"surplusd fleet contract v{wire.VERSION}", "$defs": definitions}


def render() -> str:
    """Return the schema as it stands in ``docs/contract/schemas.json``."""
    return json.dumps(json_schema(), indent=2) + "\n"
