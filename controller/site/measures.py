"""Quantities with their units, and prices."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from controller.site.texts import ratio
from controller.site.value_type import NotAllowedError, ValueType, require, text_schema
from drivers.quantities import UNITS, QuantityError, QuantityKind, parse_quantity

NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"


def spoken(value: float, kind: QuantityKind) -> str:
    """Return a value in the largest unit of its kind that is not larger than it.

    >>> spoken(1.5e6, QuantityKind.POWER)
    '1.5 MW'
    """
    units = UNITS[kind]
    fitting = [(factor, unit) for unit, factor in units.items() if factor <= value]
    smallest = min((factor, unit) for unit, factor in units.items())
    factor, unit = max(fitting, default=smallest)
    return f"{value / factor:g} {unit}"


def _bounds(kind: QuantityKind, low: float, high: float, low_open: bool) -> str:
    units = ", ".join(UNITS[kind])
    return f"a number in {units}; {'above' if low_open else 'from'} {spoken(low, kind)} to {spoken(high, kind)}"


def quantity(kind: QuantityKind, low: float, high: float, *, low_open: bool = False, word: str = "") -> ValueType:
    """Return the type of a quantity in the SI unit of `kind` between the bounds; `word` is allowed too, for inf."""

    def parse(text: object) -> float:
        if word and text == word:
            return math.inf
        try:
            value = parse_quantity(text, kind)
        except QuantityError:
            raise NotAllowedError from None
        require(low <= value <= high and not (low_open and value == low))
        return value

    units = "|".join(re.escape(unit) for unit in UNITS[kind])
    pattern = rf"^\s*{NUMBER}\s*(?:{units})\s*$"
    allowed = _bounds(kind, low, high, low_open)
    if word:
        return ValueType(parse=parse, allowed=f"{allowed}, or {word}", json=text_schema(rf"{pattern}|^{word}$"))
    return ValueType(parse=parse, allowed=allowed, json=text_schema(pattern))


_MOST_W: Final = 100e9  # more than any grid connection: above it, the unit is wrong
_MOST_W_S: Final = 1e9
_DAY_S: Final = 86400.0

Power = Annotated[float, quantity(QuantityKind.POWER, 0.0, _MOST_W)]
PositivePower = Annotated[float, quantity(QuantityKind.POWER, 0.0, _MOST_W, low_open=True)]
PowerLimit = Annotated[float, quantity(QuantityKind.POWER, 0.0, _MOST_W, low_open=True, word="unlimited")]
PowerRate = Annotated[float, quantity(QuantityKind.POWER_RATE, 0.0, _MOST_W_S, low_open=True)]
Seconds = Annotated[float, quantity(QuantityKind.TIME, 0.0, _DAY_S, low_open=True)]
#: Of a relay that opens by itself: longer than an agent needs to renew it, and what all plugs can count.
HoldSeconds = Annotated[float, quantity(QuantityKind.TIME, 12.0, 3600.0)]
#: A time that may be none at all.
Wait = Annotated[float, quantity(QuantityKind.TIME, 0.0, _DAY_S)]
TickSeconds = Annotated[float, quantity(QuantityKind.TIME, 0.1, 10.0)]
#: At most what a statement to an agent may grant, `MAX_TTL_MS` of the wire.
LeaseSeconds = Annotated[float, quantity(QuantityKind.TIME, 0.0, 120.0, low_open=True)]
MeterClass = Annotated[float, quantity(QuantityKind.FRACTION, 0.0, 0.1, low_open=True)]
Amperes = Annotated[float, quantity(QuantityKind.CURRENT, 0.0, 1e6, low_open=True)]
VoltAmperes = Annotated[float, quantity(QuantityKind.APPARENT_POWER, 0.0, _MOST_W, low_open=True)]
#: From what feeds a rack to the highest that a grid has.
Volts = Annotated[float, quantity(QuantityKind.VOLTAGE, 40.0, 1.2e6)]
#: At 200 % one of three phases carries all.
Imbalance = Annotated[float, quantity(QuantityKind.FRACTION, 0.0, 2.0)]
#: Windows that a tariff bills by: so many minutes, of which some are an hour.
_WINDOWS_S: Final = (300.0, 600.0, 900.0, 1200.0, 1800.0, 3600.0)
_TIME: Final = quantity(QuantityKind.TIME, 0.0, _DAY_S)


def _window(text: object) -> float:
    seconds: float = _TIME.parse(text)
    require(seconds in _WINDOWS_S)
    return seconds


BilledWindow = Annotated[
    float, ValueType(parse=_window, allowed="5 min, 10 min, 15 min, 20 min, 30 min or 1 h", json=_TIME.json)
]
PowerFactor = Annotated[float, ratio(0.1, 1.0)]


def _grid_frequency(text: object) -> float:
    match = re.match(_GRID_FREQUENCY, text) if isinstance(text, str) else None
    if match is None:
        raise NotAllowedError
    return float(match[1])


_GRID_FREQUENCY: Final = r"^\s*(50|60)(?:\.0*)?\s*Hz\s*$"
#: The world has grids of these two.
GridFrequency = Annotated[
    float, ValueType(parse=_grid_frequency, allowed="50 Hz or 60 Hz", json=text_schema(_GRID_FREQUENCY))
]

_POWER: Final = quantity(QuantityKind.POWER, 0.0, _MOST_W)
Failsafe = Annotated[
    float | Literal["off"],
    ValueType(
        parse=lambda text: text if text == "off" else _POWER.parse(text),
        allowed=f"off, or {_POWER.allowed}",
        json=text_schema(f"^off$|{_POWER.json['pattern']}"),
    ),
]

Cap = Annotated[
    float | Literal["value", "full"],
    ValueType(
        parse=lambda text: text if text in {"value", "full"} else _POWER.parse(text),
        allowed=f"value, full, or {_POWER.allowed}",
        json=text_schema(f"^value$|^full$|{_POWER.json['pattern']}"),
    ),
]


@dataclass(frozen=True, slots=True)
class Price:
    """`amount` of `currency` (three capitals) per what the key says: kWh, or TH/s and day."""

    amount: float
    currency: str


def price(units: Mapping[str, float], *, low: float = -1e9) -> ValueType:
    """Return the type of a price; `units` gives the factor to the first of them, `low` the least in that unit."""
    pattern = rf"^\s*({NUMBER})\s*([A-Z]{{3}})/({'|'.join(units)})\s*$"

    def parse(text: object) -> Price:
        match = re.match(pattern, text) if isinstance(text, str) else None
        if match is None:
            raise NotAllowedError
        amount = float(match[1]) * units[match[3]]
        require(low <= amount <= 1e9)
        return Price(amount, match[2])

    least = "" if low < 0 else ", not negative"
    ways = " or ".join(f"USD/{unit}" for unit in units)
    return ValueType(parse=parse, allowed=f"a price in {ways} (any currency code){least}", json=text_schema(pattern))


def _money(text: object) -> Price:
    match = re.match(rf"^\s*({NUMBER})\s*([A-Z]{{3}})\s*$", text) if isinstance(text, str) else None
    if match is None:
        raise NotAllowedError
    require(0.0 <= float(match[1]) <= 1e6)
    return Price(float(match[1]), match[2])


#: An amount by itself; its `per` is the event that the key names.
Money = Annotated[
    Price,
    ValueType(
        parse=_money,
        allowed="an amount such as 0.02 USD (any currency code), not negative",
        json=text_schema(rf"^\s*{NUMBER}\s*[A-Z]{{3}}\s*$"),
    ),
]
EnergyPrice = Annotated[Price, price({"kWh": 1.0, "MWh": 1e-3})]
JobPrice = Annotated[Price, price({"kWh": 1.0, "MWh": 1e-3}, low=0.0)]
_CARBON = quantity(QuantityKind.CARBON, 0.0, 5000.0)
#: g of CO2 per kWh; the worst lignite stands at about 1200.
CarbonIntensity = Annotated[float, _CARBON]
Hashprice = Annotated[Price, price({"TH/day": 1.0, "PH/day": 1e-3}, low=0.0)]
