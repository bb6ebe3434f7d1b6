"""Which quantity stands where in a message, and what becomes of what stands there."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from drivers.meters.codec import Dropped
from drivers.meters.payloads.pointer import MISSING, Pointer
from drivers.quantities import UNITS, QuantityKind

#: A number as a text: decimal, with a point. Not all that Python's float takes, such as 1_000, nan or digits of other scripts.
_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]{1,30}(?:\.[0-9]{0,30})?|\.[0-9]{1,30})(?:[eE][+-]?[0-9]{1,3})?")
_SHOWN: Final = 40


class NotThere(str):
    """Why a quantity has no value: there is nothing where it should stand."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Spot:
    """One value: `topic`: below that of the meter, empty where it is that one, or where it comes by HTTP."""

    pointer: Pointer
    topic: str = ""

    def __str__(self) -> str:
        """Return how a person finds it."""
        return " ".join(filter(None, (self.topic, str(self.pointer)))) or "the message"


#: The documents of one reading, by topic.
Documents = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """Where one quantity stands.

    `spots`: values that are added up. `valid_at`: where the meter says true while they count. `unit`: of each, None where the message or the site file says it; `unit_at`: where the
    message says it, which may not contradict `unit`. `factor`: value = what is sent times `factor`, in the unit. `written`: numbers are sent as texts.
    `plausible`: from least to most, in the unit of the quantity's name. `doubt`: what must be verified on the device.
    """

    kind: QuantityKind
    spots: tuple[Spot, ...]
    valid_at: tuple[Spot, ...] = ()
    unit: str | None = None
    unit_at: Spot | None = None
    factor: float = 1.0
    written: bool = False
    plausible: tuple[float, float] | None = None
    doubt: str = ""

    @property
    def topics(self) -> frozenset[str]:
        """All that must have come for it."""
        return frozenset(spot.topic for spot in self.all_spots)

    @property
    def all_spots(self) -> tuple[Spot, ...]:
        """All places that say something of it."""
        return (*self.spots, *self.valid_at, *((self.unit_at,) if self.unit_at else ()))

    def decode(self, documents: Documents) -> float | Dropped:
        """Return the value in the SI unit of its kind, or why there is none."""
        factor = self._unit_factor(documents)
        if isinstance(factor, Dropped):
            return factor
        for spot in self.valid_at:
            if (said := _found(spot, documents)) is not True:
                return Dropped(f"the meter says that it is not valid: {spot} is {_shown(said)}")
        total = 0.0
        for spot in self.spots:
            value = _number(_found(spot, documents), self.written, spot)
            if isinstance(value, Dropped):
                return value
            total += value
        shown = total * self.factor * factor
        if not math.isfinite(shown):
            return Dropped(f"{total:g} in its unit is not finite")
        if self.plausible is not None and not self.plausible[0] <= shown <= self.plausible[1]:
            low, high = self.plausible
            return Dropped(f"{shown:g} is not within {low:g} to {high:g}", implausible=True)
        return shown

    def _unit_factor(self, documents: Documents) -> float | Dropped:
        units = UNITS[self.kind]
        if self.unit_at is None:
            return Dropped("nobody says its unit") if self.unit is None else units[self.unit]
        said = _found(self.unit_at, documents)
        if said is MISSING and self.unit is not None:
            return units[self.unit]
        if not isinstance(said, str) or said not in units:
            return Dropped(f"its unit is {_shown(said)}, known are {', '.join(units)}")
        if self.unit not in {None, said}:
            return Dropped(f"the message says {said}, the site file {self.unit}")
        return units[said]


def _found(spot: Spot, documents: Documents) -> Any:
    return spot.pointer.find(documents.get(spot.topic, MISSING))


def _number(raw: Any, written: bool, spot: Spot) -> float | Dropped:
    """Return the finite number that was sent, or why it is none."""
    if raw is MISSING:
        return Dropped(NotThere(f"nothing at {spot}"))
    if written and isinstance(raw, str) and _NUMBER.fullmatch(raw):
        raw = float(raw)
    if type(raw) not in {int, float}:
        return Dropped(f"{_shown(raw)} is not a number")
    try:
        number = float(raw)
    except OverflowError:
        number = math.inf
    return number if math.isfinite(number) else Dropped(f"{_shown(raw)} is not finite")


def _shown(raw: Any) -> str:
    if raw is MISSING:
        return "not there"
    if isinstance(raw, dict | list):
        return "a list" if isinstance(raw, list) else "an object"
    if raw is None or isinstance(raw, bool):
        return {None: "null", True: "true", False: "false"}[raw]
    if isinstance(raw, int) and abs(raw) >= 10**_SHOWN:
        return "a number of many digits"
    shown = repr(raw)
    return shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
