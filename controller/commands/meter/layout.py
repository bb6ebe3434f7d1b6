"""Measured values as lines and tables of plain text, narrow enough for a terminal of 80 columns. Pure."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from controller.terminal.escaped import escaped

#: One line each: what it is called, and the quantities that stand in it.
LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "surplus": ("surplus_w",),
    "active power": ("active_power_w",),
    "power L1 L2 L3": ("active_power_l1_w", "active_power_l2_w", "active_power_l3_w"),
    "frequency": ("frequency_hz",),
    "voltage L-N": ("voltage_l1_n_v", "voltage_l2_n_v", "voltage_l3_n_v"),
    "voltage L-L": ("voltage_l1_l2_v", "voltage_l2_l3_v", "voltage_l3_l1_v"),
    "current": ("current_l1_a", "current_l2_a", "current_l3_a"),
    "reactive power": ("reactive_power_var",),
    "import counter": ("energy_import_wh",),
    "export counter": ("energy_export_wh",),
}

_UNITS: Final = {"w": "W", "wh": "Wh", "v": "V", "a": "A", "var": "var", "hz": "Hz"}
_PREFIXES: Final = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))
_NARROWEST, _WIDEST = 80, 120


def unit_of(quantity: str) -> str:
    """Return the unit that the name of a quantity carries."""
    return _UNITS[quantity[quantity.rindex("_") + 1 :]]


def one(quantity: str, value: float) -> str:
    """Return a value as a person reads it.

    >>> one("active_power_w", -812_500.0)
    '-812.5 kW'
    """
    return together(quantity, (value,))


def together(quantity: str, values: Sequence[float]) -> str:
    """Return the values of up to three phases with one unit; all of them are of the kind of `quantity`.

    >>> together("voltage_l1_n_v", (230.1, 230.25, float("nan")))
    '230.1 / 230.25 / - V'
    """
    unit = unit_of(quantity)
    largest = max((abs(value) for value in values if value == value), default=0.0)  # noqa: PLR0124  NaN
    prefixes = _PREFIXES if unit != "Hz" else _PREFIXES[-1:]
    size, prefix = next(((size, prefix) for size, prefix in prefixes if largest >= size), (1.0, ""))
    texts = [f"{value / size:.6g}" if value == value else "-" for value in values]  # noqa: PLR0124  NaN
    return f"{' / '.join(texts)} {prefix}{unit}"


def age(seconds: float) -> str:
    """Return an age in few characters."""
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def width() -> int:
    """Return how many columns a line may have."""
    return max(_NARROWEST, min(shutil.get_terminal_size((_WIDEST, 0)).columns, _WIDEST))


def table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Return rows of cells as aligned lines; the last column is not padded."""
    rows = [tuple(map(escaped, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip() for row in rows]


def fold(text: str) -> list[str]:
    """Return `text` folded to the width."""
    return textwrap.wrap(escaped(text), width())


def note(mark: str, text: str, indent: int = 2) -> list[str]:
    """Return `text` behind a mark, folded to the width."""
    first = f"{' ' * indent}{mark} "
    return textwrap.wrap(escaped(text), width(), initial_indent=first, subsequent_indent=" " * len(first))
