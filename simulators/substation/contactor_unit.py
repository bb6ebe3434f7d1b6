"""A unit of inputs and outputs on Modbus that switches contactors of the world: function codes 1, 2 and 5.

Source: Modbus application protocol 1.1b3, sections 6.1, 6.2 and 6.5.
"""

from __future__ import annotations

import argparse
import struct
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from drivers.errors import DriverLoss
from simulators.devicewire import DeviceWire
from simulators.substation.modbus_server import (
    ILLEGAL_ADDRESS,
    ILLEGAL_FUNCTION,
    ILLEGAL_VALUE,
    Faults,
    failed,
)

_REQUEST: Final = struct.Struct(">BHH")
_READ_COILS: Final = 1
_READ_INPUTS: Final = 2
_WRITE_COIL: Final = 5
_STATES: Final = {0xFF00: True, 0: False}
#: The most bits that a request may ask for.
_MOST_BITS: Final = 2000
#: The word that ends a contactor whose coil is off while it is closed.
_CLOSED_OFF: Final = "off"
FORM: Final = f"NODE:PORT:UNIT:COIL[:INPUT][:{_CLOSED_OFF}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class WiredContactor:
    """Where the contactor of a node hangs: its coil, its auxiliary contact if it has one, and what the coil is while closed.

    `before_device`: it is the relay before the device of that name.
    """

    node: str
    port: str
    unit: int
    coil: int
    position_input: int | None
    closed_on: bool
    before_device: bool = False


def parse_relay(text: str) -> WiredContactor:
    """Return the relay before a device that the option's text describes; a type for argparse, as `parse_contactor`."""
    return replace(parse_contactor(text), before_device=True)


def parse_contactor(text: str) -> WiredContactor:
    """Return the contactor that the option's text describes; a type for argparse, and raises its ArgumentTypeError."""
    words = text.split(":")
    closed_on = words[-1] != _CLOSED_OFF
    node, *numbers = words if closed_on else words[:-1]
    if len(numbers) not in {3, 4} or not all(number.isdecimal() for number in numbers):
        raise argparse.ArgumentTypeError(f"found {text!r}, allowed is {FORM}, with numbers after the node")
    port, unit, coil, *inputs = (int(number) for number in numbers)
    return WiredContactor(
        node=node,
        port=str(port),
        unit=unit,
        coil=coil,
        position_input=inputs[0] if inputs else None,
        closed_on=closed_on,
    )


class ContactorUnit:
    """One unit; its answers wait for the contactors, so that a silent one is never answered for.

    A coil is what the contactor was told, a discrete input what it says of its position.
    """

    def __init__(self, contactors: Iterable[WiredContactor], wire: DeviceWire, faults: Faults) -> None:
        self.faults = faults
        self._wire = wire
        mine = tuple(contactors)
        self._coils = {each.coil: each for each in mine}
        self._inputs = {each.position_input: each for each in mine if each.position_input is not None}

    async def respond(self, pdu: bytes) -> bytes | None:
        """Return what the unit answers to `pdu`, None for nothing."""
        if len(pdu) != _REQUEST.size or pdu[0] not in {_READ_COILS, _READ_INPUTS, _WRITE_COIL}:
            return failed(pdu, ILLEGAL_FUNCTION)
        if self.faults.exception is not None:
            return failed(pdu, self.faults.exception)
        fc, address, value = _REQUEST.unpack(pdu)
        try:
            if fc == _WRITE_COIL:
                return await self._written(pdu, address, value)
            if fc == _READ_COILS:
                return await self._read(pdu, self._coils, self._coil)
            return await self._read(pdu, self._inputs, self._position)
        except DriverLoss:
            return None

    async def _written(self, pdu: bytes, address: int, value: int) -> bytes:
        if value not in _STATES:
            return failed(pdu, ILLEGAL_VALUE)
        if address not in self._coils:
            return failed(pdu, ILLEGAL_ADDRESS)
        contactor = self._coils[address]
        closed = _STATES[value] is contactor.closed_on
        if contactor.before_device:
            await self._wire.relay(contactor.node, closed)
        else:
            await self._wire.switch_contactor(contactor.node, closed=closed)
        return pdu

    async def _read(
        self, pdu: bytes, there: Mapping[int, WiredContactor], bit: Callable[[WiredContactor], Awaitable[bool]]
    ) -> bytes:
        fc, address, count = _REQUEST.unpack(pdu)
        if not 1 <= count <= _MOST_BITS:
            return failed(pdu, ILLEGAL_VALUE)
        if any(each not in there for each in range(address, address + count)):
            return failed(pdu, ILLEGAL_ADDRESS)
        bits = [await bit(there[each]) for each in range(address, address + count)]
        size = (count + 7) // 8
        packed = sum(on << place for place, on in enumerate(bits))
        return bytes([fc, size]) + packed.to_bytes(size, "little")

    async def _coil(self, contactor: WiredContactor) -> bool:
        return await self._position(contactor) is contactor.closed_on

    async def _position(self, contactor: WiredContactor) -> bool:
        if contactor.before_device:
            return await self._wire.contact(contactor.node)
        return await self._wire.contactor(contactor.node)
