"""Frames within a stream of bytes, wherever they begin. Pure."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final

from pymodbus.framer import FramerRTU

from drivers.modbus.requests import ModbusRequest

#: Transaction number, protocol (0), bytes that follow, unit.
HEADER: Final = struct.Struct(">HHHB")
_LONGEST: Final = 254
_CHECKSUM: Final = 2


def tcp_frames(data: bytes | bytearray, at: int, request: ModbusRequest) -> tuple[bytes, ...]:
    """Return what the whole frame of Modbus TCP that begins at `at` says, if it comes from whom `request` asks.

    Some gateways leave the checksum of the serial line behind it and count it in: then it is returned without, too.
    """
    if len(data) < at + HEADER.size:
        return ()
    _, protocol, length, unit = HEADER.unpack_from(data, at)
    end = at + 6 + length
    if protocol != 0 or not 2 <= length <= _LONGEST + _CHECKSUM or end > len(data) or not request.accepts(unit):
        return ()
    pdu = bytes(data[at + HEADER.size : end])
    if has_form(request, pdu) or not checked(bytes(data[at + 6 : end])):
        return (pdu,)
    return pdu, pdu[:-_CHECKSUM]


def rtu_frames(data: bytes | bytearray, head: bytes, size: int) -> Iterator[bytes]:
    """Yield what each whole frame of `size` bytes with the right checksum says that begins with `head`."""
    at = data.find(head)
    while at >= 0:
        frame = bytes(data[at : at + size])
        if len(frame) == size and checked(frame):
            yield frame[1:-_CHECKSUM]
        at = data.find(head, at + 1)


def checked(frame: bytes) -> bool:
    """Return whether a frame ends with its checksum."""
    return FramerRTU.check_CRC(frame[:-_CHECKSUM], int.from_bytes(frame[-_CHECKSUM:], "big"))


def has_form(request: ModbusRequest, pdu: bytes) -> bool:
    """Return whether `pdu` has the form of the answer to `request`, or of an exception in its place."""
    return request.is_answered(pdu) or (len(pdu) == 2 and pdu[0] == request.fc | 0x80)
