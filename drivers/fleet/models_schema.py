"""The JSON schema of models, for editors: of one model, and of a file of them. What is allowed in words is `catalogue`'s."""

from __future__ import annotations

from typing import Any, Final

from drivers.fleet.catalogue import MODE_KEYS, MODEL_KEYS, QUANTITY_KEYS, DeviceKind

_TYPES: Final[dict[str, dict[str, Any]]] = {
    "kind": {"enum": [kind.value for kind in DeviceKind]},
    "restarts": {"type": "boolean"},
    "steady": {"type": "boolean"},
    "continuous": {"type": "boolean"},
    "watts": {"type": "number", "minimum": 0},
    "hashrate_ths": {"type": "number", "minimum": 0},
    "sources": {"type": "object", "minProperties": 1, "additionalProperties": {"type": "string", "minLength": 1}},
}
_TEXT: Final = {"type": "string", "minLength": 1}


def model_schema() -> dict[str, Any]:
    """Return the schema of one model."""
    mode = _mapping({key: _described(key, words) for key, words in MODE_KEYS.items()}, optional={"continuous"})
    modes = {"type": "array", "minItems": 2, "items": mode, "$comment": MODEL_KEYS["modes"]}
    keys = {key: _described(key, words) for key, words in (MODEL_KEYS | QUANTITY_KEYS).items()}
    return _mapping(keys | {"modes": modes})


def models_schema() -> dict[str, Any]:
    """Return the schema of models by id."""
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[a-z0-9][a-z0-9-]{0,62}$"},
        "additionalProperties": model_schema(),
    }


def file_schema() -> dict[str, Any]:
    """Return the schema of a file of models."""
    keys = {"version": {"const": 1, "$comment": "version of this format"}, "models": models_schema()}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "surplusd models", **_mapping(keys)}


def _described(key: str, words: str) -> dict[str, Any]:
    return {**_TYPES.get(key, _TEXT), "$comment": words}


def _mapping(keys: dict[str, Any], optional: set[str] | frozenset[str] = frozenset()) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": keys,
        "required": [key for key in keys if key not in optional],
        "additionalProperties": False,
    }
