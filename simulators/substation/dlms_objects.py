"""The objects of a simulated meter on DLMS/COSEM, written from the profile's file: what it shows, as a meter has it inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Any, Final

import yaml

#: Class, OBIS code and attribute of an object; what stands there, as it is sent.
Key = tuple[int, bytes, int]

_LONG, _UNSIGNED_LONG, _LONG64_UNSIGNED = 5, 6, 21
_CLOCK: Final[Key] = (8, bytes([0, 0, 1, 0, 0, 255]), 2)
_NAME: Final[Key] = (1, bytes([0, 0, 42, 0, 0, 255]), 2)
#: The unit that a quantity is sent in, by the end of its name, and the exponent of ten that it counts in.
_UNITS: Final = {"w": (27, 0), "var": (29, 0), "wh": (30, 0), "v": (35, -1), "a": (33, -2), "hz": (44, -2)}
_VALUE, _SCALER_UNIT, _SCALER_UNIT_OF_DEMAND = 2, 3, 4
_DEMAND: Final = 5


@dataclass(slots=True, kw_only=True)
class Objects:
    """What a meter shows. `values`: by quantity in the unit of its name; what is not there, the meter has not got.

    `scalers`, `units`: by quantity, where they are others than usual. `lacks`: codes that it has not got; `busy`: codes that it
    does not give now. `clock`: None for a meter without one; `runs`: else it stands still. `name`: its logical device name. `counter`: the newest
    invocation counter that it has taken, which stands in 0-0:43.1.`counter_object`.
    """

    profile: str
    values: Mapping[str, float]
    scalers: dict[str, int] = field(default_factory=dict)
    units: dict[str, int] = field(default_factory=dict)
    lacks: frozenset[str] = frozenset()
    busy: frozenset[str] = frozenset()
    clock: datetime | None = datetime(2026, 1, 1, tzinfo=UTC)
    runs: bool = True
    name: str = "SIM0000000000001"
    counter: int = 0
    counter_object: int = 0

    def shown(self, key: Key) -> bytes | int:
        """Return what stands at an attribute, or the data-access-result with which it is refused."""
        others: dict[Key, Callable[[], bytes]] = {
            _NAME: lambda: bytes([9, len(self.name)]) + self.name.encode(),
            (1, bytes([0, 0, 43, 1, self.counter_object, 255]), 2): lambda: (
                bytes([_UNSIGNED_LONG]) + self.counter.to_bytes(4, "big")
            ),
        }
        if self.clock is not None:
            others[_CLOCK] = self._time
        return others[key]() if key in others else self._number(key)

    def _number(self, key: Key) -> bytes | int:
        class_id, code, attribute = key
        text = "{}-{}:{}.{}.{}".format(*code)
        if text in self.busy:
            return 2
        found = self._numbers().get(text)
        if found is None or text in self.lacks:
            return 4
        quantity, value, own_class = found
        if class_id != own_class:
            return 9
        unit, scaler = _UNITS[quantity[quantity.rindex("_") + 1 :]]
        unit, scaler = self.units.get(quantity, unit), self.scalers.get(quantity, scaler)
        if attribute == (_SCALER_UNIT_OF_DEMAND if class_id == _DEMAND else _SCALER_UNIT):
            return bytes([2, 2, 15, scaler & 0xFF, 22, unit])
        return _number(round(value / 10.0**scaler)) if attribute == _VALUE else 4

    def _numbers(self) -> dict[str, tuple[str, float, int]]:
        """Return what is shown by OBIS code: its quantity, its value, its class."""
        found = {}
        for quantity, row in read_dlms_data(self.profile)["quantities"].items():
            if (value := self.values.get(quantity)) is None:
                continue
            own_class = row.get("class", 3)
            if "subtract" in row:
                found[row["subtract"]] = quantity, max(-value, 0.0), own_class
                value = max(value, 0.0)
            found[row["code"]] = quantity, value, own_class
        return found

    def _time(self) -> bytes:
        now = datetime.now(UTC) if self.runs or self.clock is None else self.clock
        date = now.year.to_bytes(2, "big") + bytes([now.month, now.day, now.isoweekday()])
        return bytes([9, 12]) + date + bytes([now.hour, now.minute, now.second, 0xFF, 0x80, 0x00, 0x00])


def _number(value: int) -> bytes:
    if -(2**31) <= value < 2**31:
        return bytes([_LONG]) + value.to_bytes(4, "big", signed=True)
    return bytes([_LONG64_UNSIGNED]) + value.to_bytes(8, "big")


@lru_cache(maxsize=64)
def read_dlms_data(profile: str) -> Mapping[str, Any]:
    """Return the file of a profile as it stands."""
    path = files("drivers.meters.dlms") / "profiles" / f"{profile}.yaml"
    data: Mapping[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return data
