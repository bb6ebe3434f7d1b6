"""Where a meter has said nothing at all: whether somebody answers there in another way. One read for each way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from controller.commands.meter.meter_line import Address, opened
from drivers.errors import DriverLoss
from drivers.modbus.place import Transport

#: Unit ids that meters with Ethernet have when nobody has changed them.
_USUAL_UNITS: Final = (1, 255, 0)
_LAST_SERIAL_UNIT: Final = 247
_OTHER: Final[Mapping[Transport, Transport]] = {"tcp": "rtu_over_tcp", "rtu_over_tcp": "tcp"}


async def other_way(address: Address) -> str:
    """Return the options by which somebody answers a read there, whatever the answer; empty where nobody does."""
    for options, there in _ways(address):
        try:
            async with opened(there) as line:
                await line.ask(there.read(3, 0, 1), there.timeout_s)
        except DriverLoss:  # NoAnswer among them: this is not the way
            continue
        return options
    return ""


def _ways(address: Address) -> Iterator[tuple[str, Address]]:
    place = address.place
    if place.transport in _OTHER:
        other = replace(place, transport=_OTHER[place.transport], ignore_transaction=False)
        if 1 <= address.unit <= _LAST_SERIAL_UNIT or other.transport == "tcp":
            yield f"--transport {other.transport}", replace(address, place=other, any_unit=False)
    if place.transport in {"tcp", "tls"}:
        for unit in _USUAL_UNITS:
            if unit != address.unit:
                yield f"--unit {unit}", replace(address, unit=unit, any_unit=False)
        if not place.ignore_transaction:
            yield "--ignore-transaction", replace(address, place=replace(place, ignore_transaction=True))
        if not address.any_unit:
            yield "--unit any", replace(address, any_unit=True)
