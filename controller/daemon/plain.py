"""Columns, reasons and watts as plain values, for logs, the journal and whoever asks."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, Final, Literal, TypeAlias

import numpy as np

from controller.core.reasons import Code, Parameter, Reason
from controller.texts.english import text

#: Watts, the word for no limit, or None where nobody knows.
ShownWatts: TypeAlias = float | Literal["unlimited"] | None

_CODES: Final = frozenset(Code)
_NUMBERS: Final = frozenset({"inf", "-inf", "nan"})


def plain(value: object) -> Any:
    """Return a dataclass, with all that it holds, as mappings and lists; a number that JSON does not have as its name."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    elif isinstance(value, Enum):
        value = value.value
    elif is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def recorded(reasons: Iterable[Mapping[str, Any]]) -> tuple[Reason, ...]:
    """Return reasons as they were before `plain`; a code that is not known, of another build, is left out."""
    return tuple(
        Reason(
            Code(each["code"]), each["subject"], {name: _number(value) for name, value in each["parameters"].items()}
        )
        for each in reasons
        if each["code"] in _CODES
    )


def told_reason(reason: Reason) -> dict[str, Any]:
    """Return a reason as it is told: by code, with its figures as numbers, and in words; a figure that is none is None."""
    parameters = {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in reason.parameters.items()
    }
    return {"code": reason.code.value, "subject": reason.subject, "parameters": plain(parameters), "text": text(reason)}


def shown_w(watts: float) -> ShownWatts:
    """Return watts as they are shown."""
    if math.isnan(watts):
        return None
    return "unlimited" if math.isinf(watts) else float(watts)


def _number(value: Parameter) -> Parameter:
    return float(value) if value in _NUMBERS else value
