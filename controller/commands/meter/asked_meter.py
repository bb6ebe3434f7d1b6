"""The meter that is asked what it is, with a memory: a question is asked once."""

from __future__ import annotations

from typing import Final

from controller.commands.meter.capture import NOT_CAPTURED, SILENCE, CapturedMeter
from drivers.errors import DriverLoss
from drivers.meters.modbus.poll import Asks
from drivers.modbus.answers import Answer
from drivers.modbus.line import NoAnswer
from drivers.modbus.requests import ReadRequest

#: How many questions in a row may stay without any answer before the meter is given up.
_MOST_SILENT: Final = 4


class AskedMeter:
    """A meter behind `asks`. `patient`: it may be silent wherever it has no register."""

    def __init__(self, asks: Asks, *, patient: bool) -> None:
        self._asks = asks
        self._patient = patient
        self._known = CapturedMeter()
        self._silent = 0

    async def ask(self, request: ReadRequest, within_s: float, *, since_s: float | None = None) -> Answer:
        """Return the registers, or the exception that was answered.

        Raises NoAnswer, and DriverLoss where the meter has fallen silent.
        """
        del since_s
        known = await self._known.ask(request, within_s)
        if not (isinstance(known, str) and known.startswith(NOT_CAPTURED)):
            return known
        return await self._alone(request, within_s)

    async def read(self, fc: int, address: int, count: int) -> Answer:
        """Return the same for these registers."""
        return await self.ask(ReadRequest(1, fc, address, count), 0.0)

    async def alone(self, fc: int, address: int, count: int) -> Answer:
        """Return the answer to exactly this request."""
        if (known := self._known.exact(fc, address, count)) is not None:
            return known
        return await self._alone(ReadRequest(1, fc, address, count), 0.0)

    async def _alone(self, request: ReadRequest, within_s: float) -> Answer:
        try:
            answer = await self._asks.ask(request, within_s)
        except NoAnswer as silence:
            self._known.take(request.fc, request.address, request.count, f"{SILENCE}: {silence}")
            self._silent += 1
            if self._silent >= _MOST_SILENT and not self._patient:
                raise DriverLoss(_given_up(silence)) from silence
            raise
        self._known.take(request.fc, request.address, request.count, answer)
        self._silent = 0
        return answer


def _given_up(silence: NoAnswer) -> str:
    return (
        f"{_MOST_SILENT} questions in a row without an answer (the last: {silence}): is the unit id right, "
        "is the meter behind the gateway on, are baud rate and parity those of the meter? Some meters are silent "
        "where they have no register: --patient goes on"
    )
