"""Modbus requests and answers as bytes: behind the header of Modbus TCP, or as RTU frames with their checksum.

Source: Modbus messaging on TCP/IP 1.0b (header of 7 bytes); Modbus over serial line 1.02, section 6.2.2 (CRC).
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

_HEADER: Final = struct.Struct(">HHHB")
#: Unit, function code, address, count and checksum: the only requests that a simulated meter knows.
_RTU_REQUEST: Final = 8


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """One request: its transaction (0 in RTU, which has none), the unit asked, function code and data."""

    transaction: int
    unit: int
    pdu: bytes


class TcpFrames:
    """Modbus TCP: every answer carries the transaction of its request."""

    @staticmethod
    async def requests(reader: asyncio.StreamReader) -> AsyncIterator[ServedRequest]:
        """Yield what comes in until the client has gone."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                transaction, protocol, length, unit = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                pdu = await reader.readexactly(max(length - 1, 0))
                if protocol == 0 and pdu:
                    yield ServedRequest(transaction, unit, pdu)

    @staticmethod
    def frame(transaction: int, unit: int, pdu: bytes, *, spoilt: bool = False) -> bytes:
        """Return an answer as bytes; `spoilt`: it announces another length than it has."""
        return _HEADER.pack(transaction, 0, len(pdu) + 1 + spoilt, unit) + pdu


class RtuFrames:
    """RTU frames: nothing but the unit and the order tells which request an answer belongs to."""

    @staticmethod
    async def requests(reader: asyncio.StreamReader) -> AsyncIterator[ServedRequest]:
        """Yield what comes in with a right checksum until the client has gone; bytes that fit nowhere are skipped."""
        window = b""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                window += await reader.readexactly(_RTU_REQUEST - len(window))
                if crc(window[:-2]) == window[-2:]:
                    yield ServedRequest(0, window[0], window[1:-2])
                    window = b""
                window = window[1:]

    @staticmethod
    def frame(_transaction: int, unit: int, pdu: bytes, *, spoilt: bool = False) -> bytes:
        """Return an answer as bytes; `spoilt`: with a wrong checksum."""
        body = bytes([unit]) + pdu
        low, high = crc(body)
        return body + bytes([low ^ spoilt, high])


def crc(data: bytes) -> bytes:
    """Return the checksum of an RTU frame, low byte first.

    >>> crc(bytes.fromhex("0207")).hex()
    '4112'
    """
    value = 0xFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0xA001 if value & 1 else 0)
    return value.to_bytes(2, "little")
