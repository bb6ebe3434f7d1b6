"""What the document says of the bodies that give orders: as the requests have it, with what this site knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from controller.core.site import Site


def schema_of(model: type[BaseModel], site: Site) -> dict[str, Any]:
    """Return the schema of the body that `model` reads, with the nodes of the site, which stay while it runs."""
    schema = model.model_json_schema()
    for name, part in schema.pop("$defs", {}).items():
        # In the document of the whole interface, a reference would point elsewhere.
        schema = json.loads(json.dumps(schema).replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(part)))
    for terms in _terms(schema):
        terms["properties"]["node"]["anyOf"][0]["enum"] = list(site.tree.ids)
    return schema


def believe(schema: dict[str, Any], most_w: float) -> None:
    """Put into the schema of a body the largest power that is believed now: it follows a contract that is reloaded."""
    for terms in _terms(schema):
        for size in ("limit_w", "reduce_by_w"):
            terms["properties"][size]["anyOf"][0]["maximum"] = most_w


def _terms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every part of a schema that asks for power on a node."""
    fields = schema.get("properties", {})
    if "limit_w" in fields:
        yield schema
    for field in fields.values():
        yield from _terms(field.get("items", {}))
