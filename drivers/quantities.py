"""Quantities as people write them, ``1.5 MW`` or ``30 s``, to SI numbers.

A quantity without its unit is not a quantity: a bare number is refused everywhere but for zero-less counts.
``unlimited`` is a word of its own; zero never means unlimited.
"""

from __future__ import annotations

import math
import re
from enum import Enum
from typing import Final

_NUMBER = re.compile(r"^\s*([+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)\s*(.+?)\s*$")
_BARE = re.compile(r"^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*$")


class QuantityKind(Enum):
    """What a quantity measures; its value is the SI unit of the parsed number."""

    POWER = "W"
    REACTIVE_POWER = "var"
    APPARENT_POWER = "VA"
    ENERGY = "Wh"
    TIME = "s"
    POWER_RATE = "W/s"
    FRACTION = "1"
    FREQUENCY = "Hz"
    VOLTAGE = "V"
    CURRENT = "A"
    CARBON = "g/kWh"


#: Unit as written -> factor to the kind's SI unit. Case matters: mW and MW differ by 10^9.
UNITS: Final[dict[QuantityKind, dict[str, float]]] = {
    QuantityKind.POWER: {"W": 1.0, "kW": 1e3, "MW": 1e6, "GW": 1e9},
    QuantityKind.REACTIVE_POWER: {"var": 1.0, "kvar": 1e3, "Mvar": 1e6},
    QuantityKind.APPARENT_POWER: {"VA": 1.0, "kVA": 1e3, "MVA": 1e6},
    QuantityKind.ENERGY: {"Wh": 1.0, "kWh": 1e3, "MWh": 1e6, "GWh": 1e9},
    QuantityKind.TIME: {"ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0},
    QuantityKind.POWER_RATE: {
        "W/s": 1.0,
        "kW/s": 1e3,
        "MW/s": 1e6,
        "kW/min": 1e3 / 60.0,
        "MW/min": 1e6 / 60.0,
    },
    QuantityKind.FRACTION: {"%": 0.01},
    QuantityKind.FREQUENCY: {"Hz": 1.0, "mHz": 1e-3},
    QuantityKind.VOLTAGE: {"V": 1.0, "kV": 1e3},
    QuantityKind.CURRENT: {"A": 1.0, "mA": 1e-3, "kA": 1e3},
    QuantityKind.CARBON: {"g/kWh": 1.0, "kg/MWh": 1.0},
}


class QuantityError(ValueError):
    """The text is not a quantity of the wanted kind; the message says what is allowed."""


def parse_quantity(text: object, kind: QuantityKind) -> float:
    """Return the value of `text` in the SI unit of `kind`.

    Raises QuantityError for a bare number, an unknown unit, or a value that is not finite.

    >>> parse_quantity("1.5 MW", QuantityKind.POWER)
    1500000.0
    """
    units = UNITS[kind]
    allowed = f"a number with one of the units {', '.join(units)}"
    match = _NUMBER.match(text) if isinstance(text, str) else None
    if isinstance(text, str) and _BARE.match(text):
        raise QuantityError(f"found {text!r} without a unit, allowed is {allowed}")
    if match is None:
        raise QuantityError(f"found {text!r}, allowed is {allowed}")
    factor = units.get(match[2])
    if factor is None:
        raise QuantityError(f"found the unit {match[2]!r}, allowed is {allowed}")
    value = float(match[1]) * factor
    if not math.isfinite(value):
        raise QuantityError(f"found {text!r}, which is not finite; allowed is {allowed}")
    return value


def format_power(watts: float) -> str:
    """Return watts as a person reads them: ``unlimited``, ``812.5 kW`` or ``1.234 MW``."""
    if math.isinf(watts):
        return "unlimited" if watts > 0 else "-unlimited"
    if abs(watts) >= 1e6:
        return f"{watts / 1e6:.3f} MW"
    return f"{watts / 1e3:.1f} kW"
