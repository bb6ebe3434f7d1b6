"""A Modbus TCP server of one meter, small enough that every misbehaviour of the field can be switched on in it.

Source: Modbus application protocol 1.1b3; Modbus messaging on TCP/IP 1.0b (header of 7 bytes).
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_HEADER: Final = struct.Struct(">HHHB")
_REQUEST: Final = struct.Struct(">BHH")

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
DEVICE_FAILURE: Final = 4
NO_TARGET: Final = 11

#: What the meter shows now: (function code, address) to word; None while it has no reading.
Image = Callable[[], Mapping[tuple[int, int], int] | None]


@dataclass(slots=True, kw_only=True)
class Faults:
    """Misbehaviour, switchable while the server runs.

    `scale_error`: factor on what is shown of power. `flip_sign`: of power. `nan`: every float register is NaN.
    `exception`: code that answers every request. `mute`: requests are read and never answered. `delay_s`: before each
    answer. `unit_shift`, `transaction_shift`: added to the ids of each answer.
    """

    scale_error: float = 1.0
    flip_sign: bool = False
    nan: bool = False
    exception: int | None = None
    mute: bool = False
    delay_s: float = 0.0
    unit_shift: int = 0
    transaction_shift: int = 0


async def serve_meter(
    host: str, port: int, *, unit: int, largest_block: int, image: Image, faults: Faults
) -> asyncio.Server:
    """Listen on host:port (0: any free one) and answer for `unit`; other units are answered as a gateway would."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                transaction, protocol, length, asked = _HEADER.unpack(await reader.readexactly(_HEADER.size))
                request = await reader.readexactly(length - 1)
                if faults.mute or protocol != 0:
                    continue
                await asyncio.sleep(faults.delay_s)
                answer = _answer(request, image(), largest_block) if asked == unit else _failed(request, NO_TARGET)
                if faults.exception is not None:
                    answer = _failed(request, faults.exception)
                ids = (transaction + faults.transaction_shift) % 65536, (asked + faults.unit_shift) % 256
                writer.write(_HEADER.pack(ids[0], 0, len(answer) + 1, ids[1]) + answer)
                await writer.drain()
        writer.close()

    return await asyncio.start_server(converse, host, port)


def _answer(request: bytes, image: Mapping[tuple[int, int], int] | None, largest_block: int) -> bytes:
    if len(request) != _REQUEST.size or request[0] not in {3, 4}:
        return _failed(request, ILLEGAL_FUNCTION)
    fc, address, count = _REQUEST.unpack(request)
    if not 1 <= count <= largest_block:
        return _failed(request, ILLEGAL_VALUE)
    if image is None:
        return _failed(request, DEVICE_FAILURE)
    if (fc, address) not in image or (fc, address + count - 1) not in image:
        return _failed(request, ILLEGAL_ADDRESS)
    words = [image.get((fc, each), 0) for each in range(address, address + count)]
    return struct.pack(f">BB{count}H", fc, 2 * count, *words)


def _failed(request: bytes, code: int) -> bytes:
    return bytes([request[0] | 0x80, code])
