"""From what a meter answers to values in SI units, and to whether its clock runs. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from drivers.meters.codec import Dropped
from drivers.meters.dlms.data import Data
from drivers.meters.dlms.profiles import Measured, Number
from drivers.meters.dlms.xdlms import Attribute, Denied, Got
from drivers.quantities import QuantityKind

#: Units as the enumeration of IEC 62056-6-2 numbers them.
UNITS: Final[Mapping[int, str]] = {
    27: "W",
    28: "VA",
    29: "var",
    30: "Wh",
    31: "VAh",
    32: "varh",
    33: "A",
    35: "V",
    44: "Hz",
    254: "another unit",
    255: "no unit",
}
_WANTED: Final[Mapping[QuantityKind, int]] = {
    QuantityKind.POWER: 27,
    QuantityKind.REACTIVE_POWER: 29,
    QuantityKind.ENERGY: 30,
    QuantityKind.CURRENT: 33,
    QuantityKind.VOLTAGE: 35,
    QuantityKind.FREQUENCY: 44,
}
#: No meter counts in larger or smaller powers of ten.
_LARGEST_SCALER: Final = 12
#: A date-time: year, month, day, day of week, hour, minute, second, hundredths, deviation, status (IEC 62056-6-2).
_DATE_TIME_BYTES: Final = 12
_TO_SECONDS: Final = slice(0, 8)
_NOT_SPECIFIED: Final = 0xFF


def value_of(where: Measured, kind: QuantityKind, got: Mapping[Attribute, Got]) -> float | Dropped:
    """Return a quantity in the SI unit of its kind, or why it has no value."""
    first = _number(where.code, kind, got)
    if isinstance(first, Dropped) or where.subtract is None:
        return first
    second = _number(where.subtract, kind, got)
    if isinstance(second, Dropped):
        return second
    difference = first - second
    return difference if math.isfinite(difference) else Dropped(f"{first:g} less {second:g} is not finite")


def _number(number: Number, kind: QuantityKind, got: Mapping[Attribute, Got]) -> float | Dropped:
    value, scaler_unit = got[number.value], got[number.scaler_unit]
    for each in (value, scaler_unit):
        if isinstance(each, Denied):
            return Dropped(each)
    if value is None:
        return Dropped("the meter has no value of it now")
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return Dropped(f"the meter shows {_shown(value)}, which is no number")
    return _scaled(value, scaler_unit, kind)


def _scaled(value: float, scaler_unit: Got, kind: QuantityKind) -> float | Dropped:
    match scaler_unit:
        case (int(scaler), int(unit)) if abs(scaler) <= _LARGEST_SCALER:
            pass
        case _:
            return Dropped(f"a scaler and unit that cannot be: {_shown(scaler_unit)}", implausible=True)
    if unit != _WANTED[kind]:
        meant, counted = UNITS[_WANTED[kind]], UNITS.get(unit, f"the unit {unit}")
        return Dropped(f"the meter counts it in {counted}, and it has to be {meant}", implausible=True)
    scaled = float(value * 10**scaler if scaler >= 0 else value / 10**-scaler)
    return scaled if math.isfinite(scaled) else Dropped(f"{value:g} times 10^{scaler} is not finite")


def _shown(value: Data) -> str:
    return f"0x{value.hex()}"[:40] if isinstance(value, bytes) else repr(value)[:40]


class MeterClock:
    """Whether the meter's own clock runs: values beside one that stands still are as old as it is.

    It is not asked what time it is, only whether it moves: clocks of meters are set, and lose their time zone.
    """

    def __init__(self) -> None:
        self._shown: bytes | None = None
        self._since_s = 0.0

    def taken_s(self, shown: Got, now_s: float) -> float:
        """Return when values were taken that came with this time at `now_s`: when it was first seen, now where there is none."""
        if not isinstance(shown, bytes) or len(shown) != _DATE_TIME_BYTES or shown[_TO_SECONDS][-1] == _NOT_SPECIFIED:
            return now_s
        if shown[_TO_SECONDS] != self._shown:
            self._shown, self._since_s = shown[_TO_SECONDS], now_s
        return self._since_s
