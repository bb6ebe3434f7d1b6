"""Modbus units behind a gateway, or one alone, small enough that every misbehaviour of the field can be switched on.

Source: Modbus application protocol 1.1b3.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import struct
import tty
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, runtime_checkable

from simulators.substation.frames import RtuFrames, ServedRequest, TcpFrames, crc

_REQUEST: Final = struct.Struct(">BHH")
#: How many requests a unit remembers.
_REMEMBERED: Final = 4096

ILLEGAL_FUNCTION: Final = 1
ILLEGAL_ADDRESS: Final = 2
ILLEGAL_VALUE: Final = 3
DEVICE_FAILURE: Final = 4
NO_TARGET: Final = 11

#: What the meter shows now: (function code, address) to word; None while it has no reading.
Image = Callable[[], Mapping[tuple[int, int], int] | None]

#: One read request: function code, address, count.
Asked = tuple[int, int, int]


@dataclass(slots=True, kw_only=True)
class Faults:
    """Misbehaviour of a unit on the wire, switchable while the server runs.

    `exception`: code that answers every request. `mute`: requests are read and never answered. `dead`: the unit is not
    there; its gateway waits for it in vain, and then answers exception 11 or nothing. `delay_s`: the unit is slow, and
    holds up what is asked after it. `late_s`: the answer is under way for so long while others pass it. `unit_shift`,
    `transaction_shift`: added to the ids of each answer. `crossed`: each request is answered with the answer to the one
    before it on the bus, of whatever unit (the first with none). `cut_to`: so many bytes of each answer are sent. `split_s`:
    pause in the middle of an answer. `extra`: bytes after each answer; `leading`: before it. `spoilt`: wrong checksum (RTU),
    wrong length (TCP). `number`: stands in every answer instead of the transaction. `checksum`: stands behind each frame of
    Modbus TCP, ``counted`` in its length or not. `refused`: so many requests are refused with `exception`, the next ones not.
    """

    exception: int | None = None
    mute: bool = False
    dead: Literal["exception", "silence"] | None = None
    delay_s: float = 0.0
    late_s: float = 0.0
    unit_shift: int = 0
    transaction_shift: int = 0
    crossed: bool = False
    cut_to: int | None = None
    split_s: float = 0.0
    extra: bytes = b""
    leading: bytes = b""
    spoilt: bool = False
    number: int | None = None
    checksum: Literal["counted", "uncounted"] | None = None
    refused: int | None = None

    def exception_now(self) -> int | None:
        """Return the exception that answers this request."""
        if self.refused is None or self.exception is None:
            return self.exception
        self.refused -= 1
        return self.exception if self.refused >= 0 else None


class HangUp(Exception):
    """The unit has the connection closed instead of answering."""


@dataclass(slots=True)
class Unit:
    """One meter on the bus.

    `largest_block`: registers that a request may ask for. `unmapped`: what registers that the image lacks read as: a
    request that touches one is refused (``exception``), is refused if it begins or ends with one and else shows 0
    (``gaps``), or shows 0 (``zero``). `refusal`: the exception by which it is refused; None where nothing is answered, ``close`` where the connection is closed.
    `alone`: requests that are answered with these words when they ask for exactly
    this, as for a model code that shares its address with a measurement. `alike`: function codes 3 and 4 read the same.
    `asked`: the newest requests.
    """

    image: Image
    faults: Faults = field(default_factory=Faults)
    largest_block: int = 125
    unmapped: Literal["exception", "gaps", "zero"] = "gaps"
    refusal: int | Literal["close"] | None = ILLEGAL_ADDRESS
    alone: Mapping[Asked, tuple[int, ...]] = field(default_factory=dict)
    alike: bool = False
    asked: deque[Asked] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))

    def answer(self, pdu: bytes) -> bytes | None:
        """Return what the unit answers to `pdu`, None for nothing; raises HangUp where it answers by that."""
        if len(pdu) != _REQUEST.size or pdu[0] not in {3, 4}:
            return failed(pdu, ILLEGAL_FUNCTION)
        fc, address, count = asked = _REQUEST.unpack(pdu)
        self.asked.append(asked)
        if (exception := self.faults.exception_now()) is not None:
            return failed(pdu, exception)
        if not 1 <= count <= self.largest_block:
            return failed(pdu, ILLEGAL_VALUE)
        image = self.image()
        if image is None:
            return failed(pdu, DEVICE_FAILURE)
        words = self.alone.get(asked) or (self.alone.get((7 - fc, address, count)) if self.alike else None)
        words = words or self._words(image, fc, range(address, address + count))
        if words:
            return struct.pack(f">BB{count}H", fc, 2 * count, *words)
        if self.refusal == "close":
            raise HangUp
        return None if self.refusal is None else failed(pdu, self.refusal)

    def _words(self, image: Mapping[tuple[int, int], int], fc: int, wanted: range) -> tuple[int, ...] | None:
        """Return the words at these addresses; None where the unit refuses to tell."""
        words = [image.get((fc, each), image.get((7 - fc, each)) if self.alike else None) for each in wanted]
        needed = {"exception": words, "gaps": (words[0], words[-1]), "zero": ()}[self.unmapped]
        return None if wanted[-1] > 0xFFFF or None in needed else tuple(word or 0 for word in words)


@runtime_checkable
class WaitingUnit(Protocol):
    """A unit of another kind, whose answers may have to wait for something."""

    faults: Faults

    async def respond(self, pdu: bytes) -> bytes | None:
        """Return what the unit answers to `pdu`, None for nothing."""


#: Stands for every unit that the gateway does not know.
_NOBODY: Final = Unit(lambda: None, Faults(exception=NO_TARGET), asked=deque(maxlen=0))

#: Writes bytes towards the client.
Send = Callable[[bytes], None]


@dataclass(slots=True, kw_only=True)
class Bus:
    """The serial side of a gateway: one request at a time, of all connections together.

    `answers`: the frames of the answers, where they are not those of the requests. `turn_s`: what each request takes on it. `timeout_s`: how long the gateway waits for a dead unit.
    """

    units: Mapping[int, Unit | WaitingUnit]
    framing: type[TcpFrames | RtuFrames]
    answers: type[TcpFrames | RtuFrames] | None = None
    turn_s: float = 0.0
    timeout_s: float = 1.0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    _before: bytes | None = None

    async def converse(
        self, reader: asyncio.StreamReader, send: Send, *, most: int | None = None, idle_s: float | None = None
    ) -> None:
        """Answer the requests of one connection until it ends, after `most` of them, or `idle_s` without any."""
        asked = 0
        async with asyncio.TaskGroup() as late:
            requests = self.framing.requests(reader)
            while asked != most and (request := await _next(requests, idle_s)) is not None:
                asked += 1
                unit = self.units.get(request.unit, _NOBODY)
                try:
                    frame = await self._frame(request, unit)
                except HangUp:
                    return
                self._before, sent = frame, self._before if unit.faults.crossed else frame
                if sent is not None and unit.faults.late_s:
                    late.create_task(_send(send, sent, unit.faults))
                elif sent is not None:
                    await _send(send, sent, unit.faults)

    async def _frame(self, request: ServedRequest, unit: Unit | WaitingUnit) -> bytes | None:
        """Ask the unit in its turn; returns the bytes of the answer, or None where there is none."""
        faults = unit.faults
        async with self._lock:
            await asyncio.sleep(self.timeout_s if faults.dead else self.turn_s + faults.delay_s)
            if faults.mute or faults.dead == "silence":
                return None
            pdu = failed(request.pdu, NO_TARGET) if faults.dead else await _answer(unit, request.pdu)
        if pdu is None:
            return None
        number = request.transaction + faults.transaction_shift if faults.number is None else faults.number
        ids = number % 65536, (request.unit + faults.unit_shift) % 256
        frames = self.answers or self.framing
        behind = crc(bytes([ids[1]]) + pdu) if faults.checksum and frames is TcpFrames else b""
        if faults.checksum == "counted" and behind:
            return frames.frame(*ids, pdu + behind, spoilt=faults.spoilt)
        return frames.frame(*ids, pdu, spoilt=faults.spoilt) + behind


_FRAMES: Final[Mapping[str, type[TcpFrames | RtuFrames]]] = {"tcp": TcpFrames, "rtu": RtuFrames}


@dataclass(slots=True, kw_only=True)
class Habits:
    """What a server does with connections.

    `close_after`: so many answers it closes one. `idle_s`: after so long without a request, too. `connections`: so many it
    has at a time; what it does with another: it is ``closed`` at once, or ``left`` without an answer. `banner`: what it
    greets with. `there`: how many it has now.
    """

    close_after: int | None = None
    idle_s: float | None = None
    connections: int | None = None
    another: Literal["closed", "left"] = "closed"
    banner: bytes = b""
    there: int = field(default=0, init=False)

    async def serve(self, bus: Bus, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection for as long as it lasts."""
        if self.connections is not None and self.there >= self.connections:
            if self.another == "left":
                await reader.read()
            return
        self.there += 1
        try:
            writer.write(self.banner)
            await bus.converse(reader, writer.write, most=self.close_after, idle_s=self.idle_s)
        finally:
            self.there -= 1


async def serve_gateway(
    host: str,
    port: int,
    *,
    units: Mapping[int, Unit | WaitingUnit],
    framing: Literal["tcp", "rtu"] = "tcp",
    answers: Literal["tcp", "rtu"] | None = None,
    tls: ssl.SSLContext | None = None,
    turn_s: float = 0.0,
    timeout_s: float = 1.0,
    habits: Habits | None = None,
) -> asyncio.Server:
    """Listen on host:port (0: any free one) and answer for `units`; others are answered with exception 11 at once.

    See `Bus` for `answers`, `turn_s` and `timeout_s`. `framing`: ``rtu`` is RTU over TCP.
    """
    bus = Bus(
        units=units,
        framing=_FRAMES[framing],
        answers=_FRAMES[answers] if answers else None,
        turn_s=turn_s,
        timeout_s=timeout_s,
    )
    habits = habits or Habits()

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await habits.serve(bus, reader, writer)
        writer.close()

    return await asyncio.start_server(converse, host, port, ssl=tls)


@contextlib.asynccontextmanager
async def serve_serial(
    *, units: Mapping[int, Unit | WaitingUnit], turn_s: float = 0.0, timeout_s: float = 1.0
) -> AsyncIterator[str]:
    """Answer for `units` with RTU frames on a pseudo terminal; yields the path of the device that a client opens."""
    ours, theirs = os.openpty()  # theirs stays open here too: without it, ours would end whenever a client leaves
    tty.setraw(theirs)
    bus = Bus(units=units, framing=RtuFrames, turn_s=turn_s, timeout_s=timeout_s)
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(ours, "rb", buffering=0)
    )

    def send(data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a line has no memory
            os.write(ours, data)

    task = asyncio.ensure_future(bus.converse(reader, send))
    try:
        yield os.ttyname(theirs)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        transport.close()
        os.close(theirs)


async def _next(requests: AsyncIterator[ServedRequest], within_s: float | None) -> ServedRequest | None:
    try:
        async with asyncio.timeout(within_s):
            return await anext(requests, None)
    except TimeoutError:
        return None


async def _answer(unit: Unit | WaitingUnit, pdu: bytes) -> bytes | None:
    return await unit.respond(pdu) if isinstance(unit, WaitingUnit) else unit.answer(pdu)


async def _send(send: Send, frame: bytes, faults: Faults) -> None:
    await asyncio.sleep(faults.late_s)
    shown = faults.leading + frame[: faults.cut_to] + faults.extra
    half = len(shown) // 2 if faults.split_s else len(shown)
    send(shown[:half])
    if half < len(shown):
        await asyncio.sleep(faults.split_s)
        send(shown[half:])


def failed(pdu: bytes, code: int) -> bytes:
    """Return the answer with an exception."""
    return bytes([pdu[0] | 0x80, code])
