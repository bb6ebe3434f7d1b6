"""A connection that is made again where the other side has closed it after an answer, as many meters do.

Some close after each answer, some after every second, some when nothing was asked for a while. A read that is lost so is
asked again, once: reading changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from drivers.errors import DriverLoss
from drivers.modbus.answers import Answer
from drivers.modbus.frames import Framing
from drivers.modbus.line import ModbusLine, NoAnswer, connect
from drivers.modbus.place import Place
from drivers.modbus.requests import ReadRequest

#: A meter with one connection only may need a moment before it listens again.
_LISTENS_AGAIN_S: Final = 0.3
_RETRY_S: Final = 0.02
_HUNG_UP: Final = (
    "the other side closed the connection without an answer: is another client connected? Many have room for one only"
)


class Connection:
    """A bus that is connected whenever it is asked; raises DriverLoss where it cannot be, and NoAnswer as the line does."""

    def __init__(self, place: Place, framing: Framing[ReadRequest], timeout_s: float) -> None:
        self._place, self._framing, self._timeout_s = place, framing, timeout_s
        self._line: ModbusLine[ReadRequest] | None = None

    async def open(self) -> ModbusLine[ReadRequest]:
        """Connect, and return the line; raises DriverLoss."""
        self.close()
        self._line = await connect(self._place, self._framing, self._timeout_s)
        return self._line

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        """Return the registers, or the exception that the unit answered.

        `since_s`: loop time from which `within_s` counts, where that is not now.
        """
        if self._line is not None and not self._line.ended:
            asked = self._line
            try:
                return await asked.ask(request, within_s, since_s=since_s)
            except NoAnswer:
                raise
            except DriverLoss as loss:
                if not asked.answers:
                    raise NoAnswer(_hung_up(asked)) from loss
        asked = await self._opened_again()
        try:
            return await asked.ask(request, within_s, since_s=since_s)
        except NoAnswer:
            raise
        except DriverLoss as loss:
            raise NoAnswer(_hung_up(asked)) from loss

    async def _opened_again(self) -> ModbusLine[ReadRequest]:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + min(_LISTENS_AGAIN_S, self._timeout_s)
        while True:
            try:
                return await self.open()
            except DriverLoss:
                if loop.time() + _RETRY_S > until_s:
                    raise
            await asyncio.sleep(_RETRY_S)

    def close(self) -> None:
        """End the connection, without waiting for anything."""
        if self._line is not None:
            self._line.close()
            self._line = None


def _hung_up(line: ModbusLine[ReadRequest]) -> str:
    return f"the other side closed the connection after {line.strange}" if line.strange else _HUNG_UP


@asynccontextmanager
async def connected(place: Place, framing: Framing[ReadRequest], timeout_s: float) -> AsyncIterator[Connection]:
    """Connect for a while; raises DriverLoss where nobody accepts within `timeout_s`."""
    connection = Connection(place, framing, timeout_s)
    await connection.open()
    try:
        yield connection
    finally:
        connection.close()
