"""One meter on Modbus, for a person who is finding out what it is: slowly on purpose, and reading only.

A request is sent when the last one is answered and a pause has passed; every request and its answer is noted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from controller.commands.meter.capture import HEADER, read_line
from drivers.errors import DriverLoss
from drivers.meters.modbus import NoAnswer, Place, connected, framing_of
from drivers.modbus import line as bus
from drivers.modbus.answers import Answer
from drivers.modbus.requests import ReadRequest

#: What a read brought where the meter said nothing at all.
SILENCE: Final = "no answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the meter is: `unit` on the bus at `place`. `timeout_s`: to connect, and for each answer."""

    place: Place
    unit: int = 1
    timeout_s: float = 1.0

    def __str__(self) -> str:
        """Return how a person calls it."""
        return f"{self.place} unit {self.unit}"


class MeterLine:
    """A connected meter. `log`: every request with its answer, as the lines of a capture."""

    def __init__(self, address: Address, pause_s: float) -> None:
        self.requests = 0
        self.log: list[str] = [HEADER, f"# {address}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}"]
        self._address = address
        self._framing = framing_of(address.place)
        self._pause_s = pause_s
        self._begun_s = time.monotonic()
        self._stack = AsyncExitStack()
        self._bus: bus.ModbusLine[ReadRequest] | None = None

    async def read(self, fc: int, address: int, count: int) -> Answer:
        """Return the registers, or in words why there are none; raises DriverLoss where nobody listens any more."""
        if self.requests:
            await asyncio.sleep(self._pause_s)
        self.requests += 1
        answer = await self._ask(ReadRequest(self._address.unit, fc, address, count))
        self.log.append(f"{time.monotonic() - self._begun_s:.3f} {read_line(fc, address, count, answer)}")
        return answer

    async def _ask(self, request: ReadRequest) -> Answer:
        connection = self._bus or await self.connect()
        try:
            return await connection.ask(request, self._address.timeout_s)
        except NoAnswer as silence:
            return f"{SILENCE}: {silence}"
        except DriverLoss as loss:
            # Some meters hang up on a question that they do not like: the next one goes over a new connection.
            await self.close()
            return f"{SILENCE}: {loss}"

    async def connect(self) -> bus.ModbusLine[ReadRequest]:
        """Connect; raises DriverLoss where nobody listens, ConfigError where the address cannot be used."""
        made = connected(self._address.place, self._framing, self._address.timeout_s)
        self._bus = await self._stack.enter_async_context(made)
        return self._bus

    async def close(self) -> None:
        """End the connection."""
        self._bus = None
        await self._stack.aclose()


@asynccontextmanager
async def opened(address: Address, pause_s: float = 0.0) -> AsyncIterator[MeterLine]:
    """Connect to the meter; raises DriverLoss where nobody listens, ConfigError where the address cannot be used."""
    line = MeterLine(address, pause_s)
    try:
        await line.connect()
        yield line
    finally:
        await line.close()
