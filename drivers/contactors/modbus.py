"""A contactor whose control circuit hangs on a Modbus coil, with or without an auxiliary contact on a discrete input.

Over Modbus TCP, where a late answer cannot be taken for another: `drivers.modbus.frames`. What an outcome means:

- ``ACCEPTED``: the unit has echoed the write, to the bit. That the contact has moved is not said.
- ``REFUSED``: the unit has said that it does not do it (`_NOT_DONE`).
- ``UNKNOWN``: everything else: no connection, no answer in time after the request was written, an exception that does not
  say whether anything was done.
"""

from __future__ import annotations

import asyncio
from typing import Final

from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.modbus.answers import Answer, Refusal
from drivers.modbus.frames import TcpFraming
from drivers.modbus.line import ModbusLine, NoAnswer, connect
from drivers.modbus.place import Place
from drivers.modbus.requests import ModbusRequest, ReadBit, WriteCoil

#: Exceptions after which nothing was done: no such function, address or value; the unit is busy.
_NOT_DONE: Final = frozenset({1, 2, 3, 6})


class CoilContactor:
    """One contactor; a `Relay` of an agent, too. For the tasks of one loop, one request at a time.

    `unit`: unit id. `coil`: its address, counted from 0, as are all. `closed_on`: the state of the coil that keeps the
    contactor closed. `position_input`: address of the discrete input of an auxiliary contact that is 1 while the contactor
    is closed; None where there is none: then what is read is the coil, which is the order that the unit holds and no proof
    of the contact. `timeout_s`: for connecting, and for each answer. The connection is opened by the first request, kept,
    and opened again by the next one after a loss.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int = 502,
        unit: int = 1,
        coil: int,
        closed_on: bool,
        position_input: int | None = None,
        timeout_s: float,
    ) -> None:
        self._place = Place(host=host, port=port)
        self._unit, self._coil, self._closed_on = unit, coil, closed_on
        self._position_input = position_input
        self._timeout_s = timeout_s
        self._framing = TcpFraming()
        self._one = asyncio.Lock()
        self._line: ModbusLine[ModbusRequest] | None = None

    async def switch(self, *, closed: bool, hold_s: float | None = None) -> CommandOutcome:
        """Close or open it; a coil has nothing that opens it by itself, so that one with `hold_s` is refused."""
        if hold_s is not None:
            return CommandOutcome.REFUSED
        try:
            answer = await self._ask(WriteCoil(self._unit, self._coil, on=closed is self._closed_on))
        except DriverLoss:
            return CommandOutcome.UNKNOWN
        if not isinstance(answer, Refusal):
            return CommandOutcome.ACCEPTED
        return CommandOutcome.REFUSED if answer.code in _NOT_DONE else CommandOutcome.UNKNOWN

    async def read(self) -> bool:
        """Return whether it is closed; raises DriverLoss where that cannot be read, with the reason."""
        if self._position_input is not None:
            return await self._bit(ReadBit(self._unit, 2, self._position_input))
        return await self._bit(ReadBit(self._unit, 1, self._coil)) is self._closed_on

    async def close(self) -> None:
        """End the connection; the next request opens another."""
        async with self._one:
            self._drop()

    async def _bit(self, request: ReadBit) -> bool:
        answer = await self._ask(request)
        if isinstance(answer, str):
            raise DriverLoss(f"unit {self._unit} at {self._place}: {answer}")
        return bool(answer[0])

    async def _ask(self, request: ModbusRequest) -> Answer:
        """Return the answer; raises DriverLoss where there is none."""
        async with self._one:
            try:
                if self._line is None or self._line.ended:
                    self._line = await connect(self._place, self._framing, self._timeout_s)
                return await self._line.ask(request, self._timeout_s)
            except DriverLoss as loss:
                if not (isinstance(loss, NoAnswer) and loss.told):  # perhaps nobody is at the other end any longer
                    self._drop()
                raise DriverLoss(f"unit {self._unit} at {self._place}: {loss}") from loss

    def _drop(self) -> None:
        if self._line is not None:
            self._line.close()
        self._line = None
