"""Bytes to and from a line, whatever carries them."""

from __future__ import annotations

import asyncio
import termios
from collections.abc import Mapping
from typing import Final, cast

from drivers.errors import DriverLoss
from drivers.meters.dlms.place import DlmsPlace, Transport
from drivers.modbus.place import Serial

#: More than any message that is waited for, with all that may stand before it: looking for frames in noise takes time.
_MOST_BYTES: Final[Mapping[Transport, int]] = {"wrapper": 1 << 17, "hdlc_over_tcp": 1 << 14, "hdlc": 1 << 14}


class Closed(DriverLoss):
    """The other side has ended the connection."""


class Silent(DriverLoss):
    """Nothing came in time that could be used. `heard`: whether anything came at all."""

    def __init__(self, reason: str, *, heard: bool) -> None:
        super().__init__(reason)
        self.heard = heard


class ByteStream(asyncio.Protocol):
    """A connected line. `received`: what has come and was not taken yet."""

    def __init__(self, place: DlmsPlace) -> None:
        self.received = bytearray()
        self._unheard, self._most_bytes = place.unheard, _MOST_BYTES[place.transport]
        self._ever = False
        self._news = asyncio.Event()
        self._lost = ""
        self._transport: asyncio.WriteTransport | None = None

    def write(self, content: bytes) -> None:
        """Send; raises Closed where the connection is gone."""
        if self._transport is None:
            raise Closed(self._lost or "the connection is closed")
        self._transport.write(content)

    async def more(self, until_s: float, within_s: float) -> None:
        """Wait until something has come that was not there before; raises Silent at the loop time `until_s`, and Closed."""
        self._news.clear()
        if self._lost:
            raise Closed(self._lost)
        try:
            async with asyncio.timeout_at(until_s):
                await self._news.wait()
        except TimeoutError as error:
            raise Silent(f"no answer within {within_s:g} s, {self._came()}", heard=self._ever) from error

    def _came(self) -> str:
        if not self._ever:
            return f"not a byte: {self._unheard}"
        if not self.received.strip(b"\x7e"):  # between two frames a flag may be left
            return "only what is no answer to the question"
        return f"only a part of one: 0x{bytes(self.received[:8]).hex()}"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Write there from now on."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """Keep what has come."""
        self._ever = True
        self.received += data
        if len(self.received) > self._most_bytes:
            self._end("it sends without an end")
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell who waits."""
        self._end(f"the connection broke: {exc}" if exc else "the other side closed the connection")

    def _end(self, reason: str) -> None:
        self._lost = self._lost or reason
        self._news.set()
        self.close()

    def close(self) -> None:
        """End the connection after what was sent, without waiting for anything."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


async def connect(place: DlmsPlace, timeout_s: float) -> ByteStream:
    """Return a connected line, which whoever asks for it closes; raises DriverLoss where nobody accepts in time."""
    try:
        async with asyncio.timeout(timeout_s):
            if place.serial is not None:
                return await _open_serial(place, place.serial)
            loop = asyncio.get_running_loop()
            _, stream = await loop.create_connection(lambda: ByteStream(place), place.host, place.port)
            return stream
    except TimeoutError as error:
        raise DriverLoss(f"{place} accepts no connection within {timeout_s:g} s") from error
    except OSError as error:  # SerialException is one
        raise DriverLoss(f"{place} accepts no connection: {error}") from error


async def _open_serial(place: DlmsPlace, serial: Serial) -> ByteStream:
    from pymodbus.transport.serialtransport import create_serial_connection  # noqa: PLC0415 (pyserial, for hdlc alone)

    stream = ByteStream(place)
    try:
        transport, _ = await create_serial_connection(
            asyncio.get_running_loop(),
            lambda: stream,
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
    stream.connection_made(transport)
    return stream
