"""The JSON schema of a kind of file, for editors, for the documentation and for the words of error messages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from controller.site.part import Part
from controller.site.problems import Loc


class _Generate(GenerateJsonSchema):
    """An absent value is absent: the file knows no null, and no titles that repeat the keys."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        made = super().default_schema(schema)
        if not made.get("default", True):
            del made["default"]
        return made

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 (the library's signature)
        return False


@cache
def schema_of(kind: type[Part], title: str) -> Mapping[str, Any]:
    """Return the JSON schema (draft 2020-12), made once; ``$comment`` says in words what a value may be."""
    made = kind.model_json_schema(schema_generator=_Generate)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made, "title": f"surplusd {title}"}


def schema_at(whole: Mapping[str, Any], loc: Loc) -> Mapping[str, Any]:
    """Return the part of the schema `whole` that describes the value at `loc`; empty where nothing does."""
    part = _resolved(whole, whole)
    for step in loc:
        if isinstance(step, int):
            part = part.get("items", {})
        else:
            part = part.get("properties", {}).get(step, part.get("additionalProperties") or {})
        part = _resolved(whole, part)
    return part


def _resolved(whole: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return `part` with its reference, or that of its alternatives which is one, put in."""
    references = [one["$ref"] for one in (part, *part.get("anyOf", ())) if "$ref" in one]
    if not references:
        return part
    return {**whole["$defs"][references[0].removeprefix("#/$defs/")], **part}


def allowed_at(whole: Mapping[str, Any], loc: Loc) -> str:
    """Return in words what the value at `loc` may be."""
    part = schema_at(whole, loc)
    if "$comment" in part:
        return str(part["$comment"])
    if "const" in part or "enum" in part:
        return " or ".join(json.dumps(value) for value in part.get("enum", [part.get("const")]))
    return {"array": "a list", "object": "a mapping"}[part["type"]]


def needed_at(whole: Mapping[str, Any], loc: Loc) -> str:
    """Return in words what is missing at `loc`."""
    return f"{schema_at(whole, loc)['description'].rstrip('.')}: {allowed_at(whole, loc)}"
