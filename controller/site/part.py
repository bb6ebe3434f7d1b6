"""What every mapping of the site file is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from controller.site.unknown import UNKNOWN


class Part(BaseModel):
    """A mapping of the site file: strict, closed, frozen."""

    # Built once, inside SiteFile: a build of each part alone would double the time of the import.
    model_config = ConfigDict(
        strict=True, extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True, defer_build=True
    )

    @field_validator("*", mode="wrap")
    @classmethod
    def _let_an_unknown_value_pass(cls, value: Any, read: Callable[[Any], Any]) -> Any:
        return value if value is UNKNOWN else read(value)

    @model_validator(mode="wrap")
    @classmethod
    def _let_an_unknown_part_pass(cls, value: Any, read: Callable[[Any], Any]) -> Any:
        return value if value is UNKNOWN else read(value)


def key(name: str, description: str, default: Any = ...) -> Any:
    """Return a field that is called `name` in the file; without a default it is needed."""
    return Field(default, alias=name, description=description)
