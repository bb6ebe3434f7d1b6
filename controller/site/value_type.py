"""How one kind of single value is read, described, and shown to editors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from controller.site.unknown import UNKNOWN


class NotAllowedError(Exception):
    """The value is not one of its kind; `instead` says what is allowed, where the kind's own words do not."""

    def __init__(self, instead: str = "") -> None:
        super().__init__(instead)
        self.instead = instead


def require(good: bool) -> None:
    """Raise NotAllowedError unless `good`."""
    if not good:
        raise NotAllowedError


def text_schema(pattern: str) -> dict[str, Any]:
    """Return the JSON schema of a text that matches."""
    return {"type": "string", "pattern": pattern}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ValueType:
    """How one kind of value is read (`parse` raises NotAllowedError), what is allowed in words, and its JSON schema."""

    parse: Callable[[Any], Any]
    allowed: str
    json: Mapping[str, Any] = field(default_factory=dict)

    def read(self, value: object, _folder: Path) -> Any:
        """Return the parsed value; `_folder` is the folder of the site file."""
        return self.parse(value)

    def _validate(self, value: object, info: ValidationInfo) -> Any:
        if value is UNKNOWN:
            return value
        try:
            return self.read(value, info.context or Path())
        except NotAllowedError as error:
            raise PydanticCustomError("value_type", "{allowed}", {"allowed": error.instead or self.allowed}) from error

    def __get_pydantic_core_schema__(self, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the value by `read` alone."""
        return core_schema.with_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(self, _schema: CoreSchema, _handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema for editors."""
        return {**self.json, "$comment": self.allowed}


class WordNone:
    """Beside a mapping that may be absent: the word ``none`` says so, leaving the key out does not."""

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Read the word as None, all else as the mapping."""
        return core_schema.no_info_before_validator_function(
            lambda value: None if value == "none" else value, handler(source)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Return the schema for editors."""
        return {"anyOf": [{"const": "none"}, handler(schema)], "$comment": "none, or a mapping"}
