"""One meter on Modbus, for a person who is finding out what it is: slowly on purpose, and reading only.

A request is sent when the last one is answered and a pause has passed; every request and its answer is noted.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from controller.commands.meter.capture import HEADER, SILENCE, read_line
from drivers.meters.modbus import NoAnswer, Place, connected, framing_of
from drivers.modbus.answers import Answer
from drivers.modbus.connection import Connection
from drivers.modbus.requests import ReadRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the meter is: `unit` on the bus at `place`, answering as `any_unit`. `timeout_s`: to connect, for each answer."""

    place: Place
    unit: int = 1
    any_unit: bool = False
    timeout_s: float = 1.0

    def __str__(self) -> str:
        """Return how a person calls it."""
        return f"{self.place} unit {'any' if self.any_unit else self.unit}"

    def read(self, fc: int, address: int, count: int) -> ReadRequest:
        """Return the request that reads these registers of it."""
        return ReadRequest(self.unit, fc, address, count, self.any_unit)


class MeterLine:
    """A connected meter. `log`: every request with its answer, as the lines of a capture; `requests`, `answers`: how many."""

    def __init__(self, address: Address, connection: Connection, pause_s: float) -> None:
        self.address = address
        self.requests = self.answers = 0
        self.log: list[str] = [HEADER, f"# {address}, {time.strftime('%Y-%m-%d %H:%M:%S %z')}"]
        self._connection = connection
        self._pause_s = pause_s
        self._begun_s = time.monotonic()

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        """Return the registers, or in words why there are none; raises NoAnswer, and DriverLoss where nobody listens.

        Whoever asks slowly on purpose waits for each answer for as long as the address says.
        """
        del within_s, since_s
        if self.requests:
            await asyncio.sleep(self._pause_s)
        self.requests += 1
        asked = dataclasses.replace(request, unit=self.address.unit, any_unit=self.address.any_unit)
        try:
            answer = await self._connection.ask(asked, self.address.timeout_s)
        except NoAnswer as silence:
            self._note(request, f"{SILENCE}: {silence}")
            raise
        self.answers += 1
        self._note(request, answer)
        return answer

    def _note(self, request: ReadRequest, answer: Answer) -> None:
        line = read_line(request.fc, request.address, request.count, answer)
        self.log.append(f"{time.monotonic() - self._begun_s:.3f} {line}")


@asynccontextmanager
async def opened(address: Address, pause_s: float = 0.0) -> AsyncIterator[MeterLine]:
    """Connect to the meter; raises DriverLoss where nobody listens, ConfigError where the address cannot be used."""
    async with connected(address.place, framing_of(address.place), address.timeout_s) as connection:
        yield MeterLine(address, connection, pause_s)
