"""Which bytes ask a Modbus request, and what of the bytes that come back is its answer. Pure: no socket, no clock.

Frames, checksums and messages are pymodbus's; what is the answer is decided here. Whatever is not the answer to the request
that waits is dropped: another unit's, another function's, one of another length, one that comes too late. With Modbus TCP
the transaction number tells a late answer. RTU frames carry no such number, so that a late answer looks like one to the next
request of the same unit, function and length; `RtuFraming` therefore remembers what each unit still owes:

- While a unit may still owe an answer of some length, it is asked for nothing of that length. Where a request would be,
  a *fence* goes first: a read of a length that is not owed, whose values are thrown away.
- A unit answers in the order in which it is asked. Registers of a length that was not owed are therefore the answer to the
  newest request, and with them nothing is owed any more.
- An exception has no length. While something is owed it may belong to any request, and is dropped.
- What is owed for `LATEST_ANSWER_S` will not come any more.

Such a fence is a read of registers. Bits are therefore asked with Modbus TCP alone, where no answer needs one.

Sources: Modbus application protocol 1.1b3; Modbus messaging on TCP/IP 1.0b; Modbus over serial line 1.02.
"""

from __future__ import annotations

import struct
from dataclasses import replace
from typing import Final, Protocol

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse

from drivers.errors import DriverLoss
from drivers.modbus.answers import EXCEPTIONS, Answer, Refusal
from drivers.modbus.requests import ModbusRequest, Q, ReadRequest

#: An answer that is this old is lost for good: longer than gateways wait and queue.
LATEST_ANSWER_S: Final = 10.0

_HEADER: Final = struct.Struct(">HHHB")
_LONGEST_FRAME: Final = 256

_DECODER: Final = DecodePDU(is_server=False)
_SOCKET: Final = FramerSocket(_DECODER)
_SERIAL: Final = FramerRTU(_DECODER)


class Framing(Protocol[Q]):
    """One line's frames. It outlives connections: an answer may come over the next one.

    `dropped`: in words, what came last and is not the answer to the request that waits; empty where nothing did.
    """

    dropped: str

    def begin(self) -> None:
        """Start with a new connection."""

    def ask(self, request: Q) -> bytes:
        """Return the bytes that ask `request`, which waits for its answer from now on."""

    def receive(self, data: bytes) -> Answer | None:
        """Return the answer to the request that waits, if it is complete; raises DriverLoss for what is not Modbus."""

    def give_up(self, now_s: float) -> None:
        """Wait no longer."""

    def fence(self, request: Q, now_s: float) -> Q | None:
        """Return what must be asked and answered before `request` can be asked, or None."""


class TcpFraming:
    """Frames behind the header of Modbus TCP."""

    def __init__(self) -> None:
        self.dropped = ""
        self._transaction = 0
        self._waits: ModbusRequest | None = None
        self._buffer = bytearray()

    def begin(self) -> None:
        """Forget half a frame."""
        self._buffer.clear()

    def ask(self, request: ModbusRequest) -> bytes:
        """Return the request behind a transaction number of its own."""
        self._transaction = self._transaction % 0xFFFF + 1
        self._waits, self.dropped = request, ""
        return _SOCKET.buildFrame(request.message(self._transaction))

    def receive(self, data: bytes) -> Answer | None:
        """Take whole frames out of what has come; only one of them can be the answer."""
        buffer, found = self._buffer, None
        buffer += data
        while len(buffer) > _HEADER.size:
            transaction, protocol, length, unit = _HEADER.unpack_from(buffer)
            if protocol != 0 or not 2 <= length <= _LONGEST_FRAME - 2:
                raise DriverLoss(f"what comes is not Modbus TCP: 0x{buffer[: _HEADER.size].hex()}")
            if len(buffer) < 6 + length:
                break
            pdu = bytes(buffer[_HEADER.size : 6 + length])
            del buffer[: 6 + length]
            if self._waits and (transaction, unit) == (self._transaction, self._waits.unit):
                found = _answer(self._waits, pdu)
                if found is not None:
                    self._waits = None
                    continue
            late = "a late one" if transaction != self._transaction else f"{len(pdu)} bytes of function {pdu[0]}"
            self.dropped = f"{late} of unit {unit}"
        return found

    def give_up(self, now_s: float) -> None:
        """Drop the answer when it comes."""
        del now_s
        self._waits = None

    def fence(self, request: ModbusRequest, now_s: float) -> None:
        """Need none."""
        del request, now_s


class RtuFraming:
    """RTU frames with their checksum, on a serial port or over TCP. For reads of registers alone: see above."""

    def __init__(self) -> None:
        self.dropped = ""
        self._waits: ReadRequest | None = None
        self._buffer = bytearray()
        self._owed: dict[int, list[tuple[int, float]]] = {}

    def begin(self) -> None:
        """Keep what is owed: a gateway passes a late answer on to whoever is connected."""
        self._buffer.clear()

    def ask(self, request: ReadRequest) -> bytes:
        """Return the request; what came before it is no answer to it."""
        self._buffer.clear()
        self._waits, self.dropped = request, ""
        return _SERIAL.buildFrame(request.message())

    def receive(self, data: bytes) -> Answer | None:
        """Look for the answer wherever it begins: noise, an echo or another frame may stand before it."""
        if (request := self._waits) is None:
            return None
        self._buffer += data
        # Before the last frame's length, nothing can be the beginning of an answer that is still incomplete.
        del self._buffer[: -2 * _LONGEST_FRAME]
        size = 2 * request.count
        pdu = self._find(bytes([request.unit, request.fc, size]), size + 5)
        if request.unit not in self._owed:
            pdu = pdu or self._find(bytes([request.unit, request.fc | 0x80]), 5)
        answer = None if pdu is None else _answer(request, pdu)
        self.dropped = f"{len(self._buffer)} bytes that are none of unit {request.unit}" if answer is None else ""
        if answer is not None:
            self._waits = None
            if not isinstance(answer, str):
                self._owed.pop(request.unit, None)
        return answer

    def _find(self, head: bytes, size: int) -> bytes | None:
        at = self._buffer.find(head)
        while at >= 0:
            frame = bytes(self._buffer[at : at + size])
            if len(frame) == size and FramerRTU.check_CRC(frame[:-2], int.from_bytes(frame[-2:], "big")):
                return frame[1:-2]
            at = self._buffer.find(head, at + 1)
        return None

    def give_up(self, now_s: float) -> None:
        """Remember what the unit owes."""
        if self._waits is not None:
            self._owed.setdefault(self._waits.unit, []).append((self._waits.count, now_s))
            self._waits = None

    def fence(self, request: ReadRequest, now_s: float) -> ReadRequest | None:
        """Return the shortest read whose answer is not owed, where one of this length is."""
        owed = self._lengths(request.unit, now_s)
        if request.count not in owed:
            return None
        return replace(request, count=next(count for count in range(1, 126) if count not in owed))

    def _lengths(self, unit: int, now_s: float) -> set[int]:
        owed = [(count, since_s) for count, since_s in self._owed.get(unit, ()) if now_s < since_s + LATEST_ANSWER_S]
        if not owed:
            self._owed.pop(unit, None)
        return {count for count, _ in owed}


def _answer(request: ModbusRequest, pdu: bytes) -> Answer | None:
    """Return what `pdu` says, or the exception in it; None where it answers something else."""
    refused = len(pdu) == 2 and pdu[0] == request.fc | 0x80
    if not refused and not request.is_answered(pdu):
        return None
    message = _DECODER.decode(pdu)
    if isinstance(message, ExceptionResponse):
        code = message.exception_code
        name = EXCEPTIONS.get(code, "unknown")
        return Refusal(code, f"exception {code} ({name}) for {request}")
    return None if message is None else request.said(message)
