"""What a Modbus unit can be asked, and what has the form of its answer. Pure: no socket, no clock.

Source: Modbus application protocol 1.1b3.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.bit_message import ReadCoilsRequest, ReadDiscreteInputsRequest, WriteSingleCoilRequest
from pymodbus.pdu.register_message import ReadHoldingRegistersRequest, ReadInputRegistersRequest


class ModbusRequest(Protocol):
    """One request to one unit; as a text, what it is about."""

    @property
    def unit(self) -> int:
        """The unit that is asked."""

    @property
    def fc(self) -> int:
        """The function code."""

    def accepts(self, unit: int) -> bool:
        """Return whether an answer as `unit` may be its answer."""

    def message(self, transaction: int = 0) -> ModbusPDU:
        """Return what pymodbus makes a frame of."""

    def is_answered(self, pdu: bytes) -> bool:
        """Return whether `pdu` has the form of its answer, as far as that can be told from the bytes."""

    def said(self, message: ModbusPDU) -> Sequence[int]:
        """Return what the answer says."""


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """A read of `count` registers from `address` of `unit`; `fc` is 3 or 4.

    `any_unit`: the answer may come as another unit, from one that is alone at its address.
    """

    unit: int
    fc: int
    address: int
    count: int
    any_unit: bool = False

    def __str__(self) -> str:
        """Return what it is about."""
        return f"{self.count} registers at {self.address}"

    def accepts(self, unit: int) -> bool:
        """Return whether it is the unit that was asked, or any will do."""
        return self.any_unit or unit == self.unit

    def message(self, transaction: int = 0) -> ModbusPDU:
        """Return what pymodbus makes a frame of."""
        kind = ReadHoldingRegistersRequest if self.fc == 3 else ReadInputRegistersRequest
        return kind(address=self.address, count=self.count, dev_id=self.unit, transaction_id=transaction)

    def is_answered(self, pdu: bytes) -> bool:
        """Return whether it is as many registers."""
        return len(pdu) == 2 + 2 * self.count and pdu[:2] == bytes([self.fc, 2 * self.count])

    def said(self, message: ModbusPDU) -> Sequence[int]:
        """Return the registers."""
        return message.registers


@dataclass(frozen=True, slots=True)
class ReadBit:
    """A read of one coil (`fc` 1) or discrete input (`fc` 2) of `unit`."""

    unit: int
    fc: int
    address: int

    def __str__(self) -> str:
        """Return what it is about."""
        return f"{'coil' if self.fc == 1 else 'discrete input'} {self.address}"

    def accepts(self, unit: int) -> bool:
        """Return whether it is the unit that was asked."""
        return unit == self.unit

    def message(self, transaction: int = 0) -> ModbusPDU:
        """Return what pymodbus makes a frame of."""
        kind = ReadCoilsRequest if self.fc == 1 else ReadDiscreteInputsRequest
        return kind(address=self.address, count=1, dev_id=self.unit, transaction_id=transaction)

    def is_answered(self, pdu: bytes) -> bool:
        """Return whether it is one byte of bits; what stands beside the first bit is nobody's."""
        return len(pdu) == 3 and pdu[:2] == bytes([self.fc, 1])

    def said(self, message: ModbusPDU) -> Sequence[int]:
        """Return the bit as 0 or 1."""
        return [int(message.bits[0])]


@dataclass(frozen=True, slots=True)
class WriteCoil:
    """Have one coil of `unit` on or off."""

    unit: int
    address: int
    on: bool

    @property
    def fc(self) -> int:
        """The function code."""
        return 5

    def __str__(self) -> str:
        """Return what it is about."""
        return f"coil {self.address} to be {'on' if self.on else 'off'}"

    def accepts(self, unit: int) -> bool:
        """Return whether it is the unit that was asked."""
        return unit == self.unit

    def message(self, transaction: int = 0) -> ModbusPDU:
        """Return what pymodbus makes a frame of."""
        return WriteSingleCoilRequest(
            address=self.address, bits=[self.on], dev_id=self.unit, transaction_id=transaction
        )

    def is_answered(self, pdu: bytes) -> bool:
        """Return whether it is the request itself: nothing else says that the coil was written so."""
        return pdu == struct.pack(">BHH", self.fc, self.address, 0xFF00 if self.on else 0)

    def said(self, message: ModbusPDU) -> Sequence[int]:
        """Return the state that was written as 0 or 1."""
        return [int(message.bits[0])]


Q = TypeVar("Q", bound=ModbusRequest)
