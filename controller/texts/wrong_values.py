"""What is wrong with a value that was sent: where it stands, what was found, and what is allowed. The words are ours, not a library's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

#: Characters of a value that are repeated at most.
_SHOWN: Final = 60
#: By the type of the error, with what pydantic tells of it; whatever is not here is told without details.
_ALLOWED: Final = {
    "missing": "a value, which is needed",
    "json_invalid": "one JSON object",
    "model_type": "an object",
    "model_attributes_type": "an object",
    "tuple_type": "a list",
    "list_type": "a list",
    "string_type": "a text",
    "string_pattern_mismatch": "a text that matches {pattern}",
    "string_too_short": "a text of {min_length} or more characters",
    "string_too_long": "a text of {max_length} characters at most",
    "too_long": "a list of {max_length} at most",
    "float_type": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "bool_type": "true or false",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of {ge:g} or more",
    "less_than_equal": "a number of {le:g} at most",
    "extra_forbidden": "no such field",
    "value_error": "{error}",
}


class WrongValue(NamedTuple):
    """One wrong value. `field`: where it stands, ``body`` for the whole."""

    field: str
    found: str
    allowed: str

    def __str__(self) -> str:
        """Return it as a person reads it."""
        return f"{self.field}: found {self.found}, allowed is {self.allowed}"


def wrong_value(error: Mapping[str, Any]) -> WrongValue:
    """Return what one of the errors of a pydantic validation says."""
    kind, context = error["type"], error.get("ctx", {})
    allowed = _ALLOWED.get(kind, "what the description of the interface has").format(**context)
    return WrongValue(".".join(map(str, error["loc"])) or "body", _found(kind, error.get("input")), allowed)


def _found(kind: str, value: object) -> str:
    if kind == "missing":
        return "nothing"
    if kind == "json_invalid":
        return "what is no JSON"
    shown = json.dumps(value, default=str, ensure_ascii=False)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
