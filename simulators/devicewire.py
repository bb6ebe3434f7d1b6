"""The wire to single simulated devices and contactors, as a driver sees it: any number of requests under way at once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from typing import TypeVar

from drivers.errors import DriverLoss
from simulators.messages import (
    CommandDevice,
    ContactorAnswer,
    DeviceAnswer,
    ReadContactor,
    ReadDevice,
    ReadRelay,
    RelayAnswer,
    Reply,
    StopDevice,
    SwitchContactor,
    SwitchRelay,
)
from simulators.worldlink import AnyContactorRequest, AnyDeviceRequest, AnyReply, Lines, Ok, decode_reply, expect

R = TypeVar("R", bound=Reply)


class DeviceWire:
    """Client of the world link for single devices: one connection, opened by the first call and by the next after a loss.

    Every method raises Refused where the device or contactor answers with an error, and DriverLoss where it does not answer within
    `timeout_s`, where its answer breaks off and where the connection does: then it is not known what the device did.
    One device that is silent or slow delays no other. For the tasks of one loop.
    """

    def __init__(self, host: str, port: int, *, timeout_s: float = 2.0) -> None:
        self._address = (host, port)
        self._peer = f"{host}:{port}"
        self._timeout_s = timeout_s
        self._numbers = itertools.count(1)
        self._opening = asyncio.Lock()
        self._line: _Line | None = None

    async def read(self, device: str) -> DeviceAnswer:
        """Return what a device says of itself."""
        return await self._ask(lambda number: ReadDevice(id=number, device=device), DeviceAnswer)

    async def command(self, device: str, watts: float) -> None:
        """Tell a device what it may draw, in watts."""
        await self._ask(lambda number: CommandDevice(id=number, device=device, watts=watts), Ok)

    async def stop(self, device: str) -> None:
        """Tell a device to sleep."""
        await self._ask(lambda number: StopDevice(id=number, device=device), Ok)

    async def relay(self, device: str, closed: bool, hold_s: float | None = None) -> None:
        """Switch the relay before a device; closed with `hold_s`, it opens by itself unless it is told again in time."""
        await self._ask(lambda number: SwitchRelay(id=number, device=device, closed=closed, hold_s=hold_s), Ok)

    async def contact(self, device: str) -> bool:
        """Return whether the relay before a device is closed."""
        answer = await self._ask(lambda number: ReadRelay(id=number, device=device), RelayAnswer)
        return answer.closed

    async def switch_contactor(self, node: str, *, closed: bool) -> None:
        """Have the contactor of a node closed or open."""
        await self._ask(lambda number: SwitchContactor(id=number, node=node, closed=closed), Ok)

    async def contactor(self, node: str) -> bool:
        """Return whether the contactor of a node says that it is closed."""
        answer = await self._ask(lambda number: ReadContactor(id=number, node=node), ContactorAnswer)
        return answer.closed

    async def close(self) -> None:
        """Close the connection: what is under way is lost. The next call opens another."""
        async with self._opening:
            if self._line is not None:
                self._line.transport.close()
            self._line = None

    async def _ask(self, request: Callable[[int], AnyDeviceRequest | AnyContactorRequest], wanted: type[R]) -> R:
        question = request(next(self._numbers))
        try:
            async with asyncio.timeout(self._timeout_s):
                line = await self._opened()
                reply = await line.ask(question)
        except TimeoutError as error:
            raise DriverLoss(f"{question.asked} did not answer within {self._timeout_s:g} s") from error
        except OSError as error:
            raise DriverLoss(f"the world at {self._peer} does not answer: {error}") from error
        return expect(reply, wanted, self._peer)

    async def _opened(self) -> _Line:
        async with self._opening:
            if self._line is None or self._line.transport.is_closing():
                loop = asyncio.get_running_loop()
                _, self._line = await loop.create_connection(lambda: _Line(self._peer), *self._address)
            return self._line


class _Line(Lines):
    """One connection, and who waits for what on it."""

    def __init__(self, peer: str) -> None:
        super().__init__()
        self._peer = peer
        self._waiting: dict[int, asyncio.Future[AnyReply]] = {}

    async def ask(self, request: AnyDeviceRequest | AnyContactorRequest) -> AnyReply:
        """Return the reply; raises DriverLoss when the connection breaks before it."""
        waiting: asyncio.Future[AnyReply] = asyncio.get_running_loop().create_future()
        self._waiting[request.id] = waiting
        try:
            self.send(request)
            return await waiting
        finally:
            del self._waiting[request.id]

    def take(self, line: bytes) -> None:
        try:
            reply = decode_reply(line, self._peer)
        except DriverLoss:
            self.transport.abort()  # who is answered by nonsense cannot be told: all are lost
            return
        waiting = None if reply.id is None else self._waiting.get(reply.id)
        if waiting is not None and not waiting.done():  # else nobody waits for it any longer
            waiting.set_result(reply)

    def connection_lost(self, _error: Exception | None) -> None:
        for waiting in self._waiting.values():
            if not waiting.done():
                waiting.set_exception(DriverLoss(f"the world at {self._peer} closed the connection"))
