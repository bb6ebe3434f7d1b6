"""One connection to a bus of Modbus units, with one request at a time on it."""

from __future__ import annotations

import asyncio
import termios
from typing import Final, Generic, cast

from drivers.errors import ConfigError, DriverLoss
from drivers.modbus.answers import Answer, Refusal
from drivers.modbus.frames import Framing, NumberlessFraming, RtuFraming, TcpFraming
from drivers.modbus.place import Place, Serial
from drivers.modbus.requests import Q, ReadRequest

#: Exception codes with which a gateway says that the unit behind it does not answer.
_GATEWAY_SILENCE: Final = (10, 11)
#: Frames on the serial side of a gateway are parted too, by 3.5 characters at its usual 9600 baud.
_GATEWAY_SERIAL: Final = Serial(device="")
#: Small devices need seconds for the handshake of TLS.
_TLS_S: Final = 5.0


class NoAnswer(DriverLoss):
    """There is nothing from one unit. `told`: somebody says so, so that the connection itself is alive."""

    def __init__(self, reason: str, *, told: bool = False) -> None:
        super().__init__(reason)
        self.told = told


class ModbusLine(asyncio.Protocol, Generic[Q]):
    """A connected bus; `ask` raises DriverLoss once the connection is gone.

    `unheard`: what may be wrong where not a byte ever comes. `answers`: how many it has brought. `strange`: in words, what
    came instead of the answer that was waited for when the connection ended.
    """

    def __init__(self, framing: Framing[Q], silence_s: float, unheard: str = "") -> None:
        self._framing = framing
        self._silence_s = silence_s
        self._unheard = unheard
        self.answers, self.strange = 0, ""
        self._heard_s = 0.0
        self._transport: asyncio.WriteTransport | None = None
        self._lost: str | None = None
        self._answer: asyncio.Future[Answer] | None = None
        framing.begin()

    @property
    def ended(self) -> bool:
        """Whether the connection is gone."""
        return self._lost is not None

    async def ask(self, request: Q, within_s: float, *, since_s: float | None = None) -> Answer:
        """Return the registers or bits, or the exception that the unit answered; raises NoAnswer and DriverLoss.

        `since_s`: loop time from which `within_s` counts, where that is not now.
        """
        loop = asyncio.get_running_loop()
        until_s = within_s + (loop.time() if since_s is None else since_s)
        while (fence := self._framing.fence(request, loop.time())) is not None:
            await self._exchange(fence, until_s, within_s)
        return await self._exchange(request, until_s, within_s)

    async def _exchange(self, request: Q, until_s: float, within_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        if self._silence_s:
            await asyncio.sleep(self._heard_s + self._silence_s - loop.time())
        if self._lost is not None or self._transport is None:
            raise DriverLoss(self._lost or "the connection is closed")
        self._answer = loop.create_future()
        timer = loop.call_at(until_s, self._give_up, within_s)
        try:
            self._transport.write(self._framing.ask(request))
            answer = await self._answer
        except BaseException:
            self._framing.give_up(loop.time())
            raise
        finally:
            timer.cancel()
            self._answer = None
        self.answers += 1
        if isinstance(answer, Refusal) and answer.code in _GATEWAY_SILENCE:
            raise NoAnswer(answer, told=True)
        return answer

    def _give_up(self, within_s: float) -> None:
        if self._answer is not None and not self._answer.done():
            dropped = self._framing.dropped
            unheard = f": {self._unheard}" if self._unheard and not self._heard_s else ""
            came = f"only {dropped}" if dropped else f"not a byte{unheard}"
            self._answer.set_exception(NoAnswer(f"no complete answer within {within_s:g} s, {came}"))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write there from now on."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Hand the answer over when it is complete."""
        self._heard_s = asyncio.get_running_loop().time()
        answer = self._framing.receive(data)
        if answer is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fail what waits."""
        self._end(f"the connection broke: {exc}" if exc else "the other side closed the connection")

    def _end(self, reason: str) -> None:
        self._lost = self._lost or reason
        if self._answer is not None and not self._answer.done():
            self.strange = self._framing.dropped
            self._answer.set_exception(DriverLoss(self._lost))
        self.close()

    def close(self) -> None:
        """End the connection, without waiting for anything."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None


async def connect(place: Place, framing: Framing[Q], timeout_s: float) -> ModbusLine[Q]:
    """Return a connected line, which whoever asks for it closes; raises DriverLoss where nobody accepts within `timeout_s`."""
    if place.tls is not None:
        timeout_s = max(timeout_s, _TLS_S)
    try:
        async with asyncio.timeout(timeout_s):
            return await _open(place, framing)
    except TimeoutError as error:
        raise DriverLoss(f"{place} accepts no connection within {timeout_s:g} s") from error
    except (OSError, ConfigError) as error:  # SSLError and SerialException are OSErrors
        raise DriverLoss(f"{place} accepts no connection: {error}") from error


def framing_of(place: Place) -> Framing[ReadRequest]:
    """Return the framing of a bus of meters."""
    if place.transport in {"rtu", "rtu_over_tcp"}:
        return RtuFraming()
    return NumberlessFraming() if place.ignore_transaction else TcpFraming()


async def _open(place: Place, framing: Framing[Q]) -> ModbusLine[Q]:
    loop = asyncio.get_running_loop()
    if place.serial is not None:
        return await _open_serial(place.serial, framing, place.unheard)
    line = ModbusLine(framing, _GATEWAY_SERIAL.silence_s if place.transport == "rtu_over_tcp" else 0.0, place.unheard)
    context = place.tls.context() if place.tls else None
    await loop.create_connection(lambda: line, place.host, place.port, ssl=context)
    return line


async def _open_serial(serial: Serial, framing: Framing[Q], unheard: str) -> ModbusLine[Q]:
    from pymodbus.transport.serialtransport import create_serial_connection  # noqa: PLC0415 (pyserial, for rtu alone)

    line = ModbusLine(framing, serial.silence_s, unheard)
    try:
        transport, _ = await create_serial_connection(
            asyncio.get_running_loop(),
            lambda: line,
            serial.device,
            baudrate=serial.baud,
            bytesize=8,
            parity=serial.parity[0].upper(),
            stopbits=serial.stop_bits,
        )
    except (ValueError, termios.error) as error:  # what pyserial lets through for settings that the port lacks
        raise DriverLoss(
            f"{serial.device} cannot be set to {serial.baud} baud, parity {serial.parity}: {error}"
        ) from error
    line.connection_made(transport)
    return line
