"""What the document says of the bodies that give orders: as the requests have it, with what this site knows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from controller.core.site import Site
from controller.daemon.orders.admission import ABSURD


def schema_of(model: type[BaseModel], site: Site) -> dict[str, Any]:
    """Return the schema of the body that `model` reads, with the nodes of the site and the most that it believes."""
    schema = model.model_json_schema()
    for name, part in schema.pop("$defs", {}).items():
        # In the document of the whole interface, a reference would point elsewhere.
        schema = json.loads(json.dumps(schema).replace(json.dumps({"$ref": f"#/$defs/{name}"}), json.dumps(part)))
    for terms in _terms(schema):
        fields = terms["properties"]
        fields["node"]["anyOf"][0]["enum"] = list(site.tree.ids)
        for size in ("limit_w", "reduce_by_w"):
            fields[size]["anyOf"][0]["maximum"] = ABSURD * site.rules.contract_w
    return schema


def _terms(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Return every part of a schema that asks for power on a node."""
    fields = schema.get("properties", {})
    if "limit_w" in fields:
        yield schema
    for field in fields.values():
        yield from _terms(field.get("items", {}))
