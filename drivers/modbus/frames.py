"""Which bytes ask a Modbus request, and what of the bytes that come back is its answer. Pure: no socket, no clock.

Frames, checksums and messages are pymodbus's; what is the answer is decided here. The answer is looked for wherever it
begins, for anything may stand before it: a banner, zero bytes, noise, an echo, another frame. Whatever is not the answer to
the request that waits is dropped: another unit's, another function's, one of another length, one that comes too late. With
Modbus TCP the transaction number tells a late answer; where there is none, or a server does not echo it, `drivers.modbus.owed`
does.

Sources: Modbus application protocol 1.1b3; Modbus messaging on TCP/IP 1.0b; Modbus over serial line 1.02.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, Protocol

from pymodbus.framer import FramerRTU, FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse

from drivers.modbus.answers import EXCEPTIONS, Answer, Refusal
from drivers.modbus.diagnosis import MBAP, RTU, strange
from drivers.modbus.owed import Owed
from drivers.modbus.pieces import has_form, rtu_frames, tcp_frames
from drivers.modbus.requests import ModbusRequest, Q, ReadRequest

_LONGEST_FRAME: Final = 260
#: How many requests that nobody waits for any longer are remembered, to tell a late answer by its number.
_REMEMBERED: Final = 64

_DECODER: Final = DecodePDU(is_server=False)
_SOCKET: Final = FramerSocket(_DECODER)
_SERIAL: Final = FramerRTU(_DECODER)


class Framing(Protocol[Q]):
    """One line's frames. It outlives connections: an answer may come over the next one."""

    @property
    def dropped(self) -> str:
        """In words, what has come that is not the answer to the request that waits; empty where nothing has."""

    def begin(self) -> None:
        """Start with a new connection."""

    def ask(self, request: Q) -> bytes:
        """Return the bytes that ask `request`, which waits for its answer from now on."""

    def receive(self, data: bytes) -> Answer | None:
        """Return the answer to the request that waits, if it is complete."""

    def give_up(self, now_s: float) -> None:
        """Wait no longer."""

    def fence(self, request: Q, now_s: float) -> Q | None:
        """Return what must be asked and answered before `request` can be asked, or None."""


class TcpFraming:
    """Frames behind the header of Modbus TCP."""

    def __init__(self) -> None:
        self._transaction, self._head = 0, b""
        self._waits: ModbusRequest | None = None
        self._buffer = bytearray()
        self._late: deque[int] = deque(maxlen=_REMEMBERED)

    @property
    def dropped(self) -> str:
        """In words, what has come that is not the answer to the request that waits."""
        return strange(bytes(self._buffer), self._waits, MBAP, transaction=self._transaction, late=self._late)

    def begin(self) -> None:
        """Forget half a frame."""
        self._buffer.clear()

    def ask(self, request: ModbusRequest) -> bytes:
        """Return the request behind a transaction number of its own; what came before it is no answer to it."""
        self._buffer.clear()
        self._transaction = self._transaction % 0xFFFF + 1
        self._waits = request
        asked = _SOCKET.buildFrame(request.message(self._transaction))
        self._head = asked[:4]
        return asked

    def receive(self, data: bytes) -> Answer | None:
        """Look for the frame with the number of the request."""
        if (request := self._waits) is None:
            return None
        self._buffer += data
        at = self._buffer.find(self._head)
        while at >= 0:
            for pdu in tcp_frames(self._buffer, at, request):
                if (answer := _answer(request, pdu)) is not None:
                    self._waits = None
                    return answer
            at = self._buffer.find(self._head, at + 1)
        # Before the last frame's length, nothing can be the beginning of an answer that is still incomplete.
        del self._buffer[: -2 * _LONGEST_FRAME]
        return None

    def give_up(self, now_s: float) -> None:
        """Drop the answer when it comes."""
        del now_s
        if self._waits is not None:
            self._late.append(self._transaction)
        self._waits = None

    def fence(self, request: ModbusRequest, now_s: float) -> None:
        """Need none."""
        del request, now_s


class _OwingFraming:
    """Frames that do not say which request they answer, so that what units owe is remembered. For reads of registers alone."""

    form = RTU

    def __init__(self) -> None:
        self._waits: ReadRequest | None = None
        self._buffer = bytearray()
        self._owed = Owed()

    @property
    def dropped(self) -> str:
        """In words, what has come that is not the answer to the request that waits."""
        return strange(bytes(self._buffer), self._waits, self.form)

    def begin(self) -> None:
        """Keep what is owed: a gateway passes a late answer on to whoever is connected."""
        self._buffer.clear()

    def ask(self, request: ReadRequest) -> bytes:
        """Return the request; what came before it is no answer to it."""
        self._buffer.clear()
        self._waits = request
        return self._bytes(request)

    def receive(self, data: bytes) -> Answer | None:
        """Look for what has the form of the answer."""
        if (request := self._waits) is None:
            return None
        self._buffer += data
        for pdu in self._candidates(request):
            answer = _answer(request, pdu)
            if isinstance(answer, str) and request.unit in self._owed:
                continue
            if answer is not None:
                return self._taken(request, answer)
        # Before the last frame's length, nothing can be the beginning of an answer that is still incomplete.
        del self._buffer[: -2 * _LONGEST_FRAME]
        return None

    def _taken(self, request: ReadRequest, answer: Answer) -> Answer:
        self._waits = None
        if not isinstance(answer, str):
            self._owed.settle(request.unit)
        return answer

    def give_up(self, now_s: float) -> None:
        """Remember what the unit owes."""
        if self._waits is not None:
            self._owed.add(self._waits, now_s)
            self._waits = None

    def fence(self, request: ReadRequest, now_s: float) -> ReadRequest | None:
        """Return the shortest read whose answer is not owed, where one of this length is."""
        return self._owed.fence(request, now_s)

    def _bytes(self, request: ReadRequest) -> bytes:
        raise NotImplementedError

    def _candidates(self, request: ReadRequest) -> Iterator[bytes]:
        raise NotImplementedError


class RtuFraming(_OwingFraming):
    """RTU frames with their checksum, on a serial port or over TCP."""

    def _bytes(self, request: ReadRequest) -> bytes:
        return _SERIAL.buildFrame(request.message())

    def _candidates(self, request: ReadRequest) -> Iterator[bytes]:
        size = 2 * request.count
        yield from rtu_frames(self._buffer, bytes([request.unit, request.fc, size]), size + 5)
        yield from rtu_frames(self._buffer, bytes([request.unit, request.fc | 0x80]), 5)


class NumberlessFraming(_OwingFraming):
    """Frames behind the header of Modbus TCP, of a server that does not echo the transaction number."""

    form = MBAP

    def __init__(self) -> None:
        super().__init__()
        self._transaction = 0

    def _bytes(self, request: ReadRequest) -> bytes:
        self._transaction = self._transaction % 0xFFFF + 1
        return _SOCKET.buildFrame(request.message(self._transaction))

    def _candidates(self, request: ReadRequest) -> Iterator[bytes]:
        for at in range(len(self._buffer)):
            yield from tcp_frames(self._buffer, at, request)


def _answer(request: ModbusRequest, pdu: bytes) -> Answer | None:
    """Return what `pdu` says, or the exception in it; None where it answers something else."""
    if not has_form(request, pdu):
        return None
    message = _DECODER.decode(pdu)
    if isinstance(message, ExceptionResponse):
        code = message.exception_code
        name = EXCEPTIONS.get(code, "unknown")
        return Refusal(code, f"exception {code} ({name}) for {request}")
    return None if message is None else request.said(message)
