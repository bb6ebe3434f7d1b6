"""Families with a series for each node or agent, of which there may be thousands, as text: a thirtieth of what the library takes."""

from __future__ import annotations

import math
from collections.abc import Iterable


def escape(label: str) -> str:
    """Return a label's value as the text format wants it between quotes."""
    return label.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def heading(name: str, text: str) -> str:
    """Return what stands above the series of a gauge."""
    return f"# HELP {name} {text}\n# TYPE {name} gauge\n"


def gauge_text(name: str, text: str, label: str, values: Iterable[tuple[str, float | None]]) -> str:
    """Return a gauge with one series for each known value; what is unknown has no series, since zero would be a value."""
    lines = [f'{name}{{{label}="{key}"}} {_number(value)}\n' for key, value in values if value is not None]
    return heading(name, text) + "".join(lines)


def _number(value: float) -> str:
    if math.isfinite(value):
        return repr(float(value))
    return "NaN" if value != value else "+Inf" if value > 0.0 else "-Inf"  # noqa: PLR0124  a NaN is not itself
