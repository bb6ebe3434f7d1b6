"""The wire to single devices, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Final, TypeVar

import pytest

from drivers.errors import DriverLoss, Refused
from simulators import messages
from simulators import worldlink as link
from simulators.devicewire import DeviceWire
from tests.waiting import DEADLINE_S

T = TypeVar("T")
ANSWER: Final = messages.DeviceAnswer(
    setpoint_w=3500, watts=3480.0, measured_by="psu", state="running", uptime_s=60.0, serial="A"
)


class Hall:
    """Devices that answer by their names: `silent` never, `later` when told to, the others at once."""

    def __init__(self) -> None:
        self.asked: list[link.AnyRequest] = []
        self.later: Future[link.AnyReply] = Future()
        self.server: asyncio.Server | None = None

    def answer(self, request: link.AnyRequest) -> link.AnyReply | Future[link.AnyReply]:
        self.asked.append(request)
        assert isinstance(request, messages.DeviceRequest)
        match request.device:
            case "silent":
                return Future()
            case "later":
                return self.later
            case "cut":
                return messages.Cut()
            case "nobody":
                raise Refused("no such device: nobody")
        return ANSWER if isinstance(request, messages.ReadDevice) else link.Ok()


@asynccontextmanager
async def wired(hall: Hall, timeout_s: float = DEADLINE_S) -> AsyncIterator[DeviceWire]:
    async with await link.serve("127.0.0.1", 0, hall.answer) as hall.server:
        wire = DeviceWire("127.0.0.1", hall.server.sockets[0].getsockname()[1], timeout_s=timeout_s)
        yield wire
        await wire.close()


def play(scene: Callable[[DeviceWire, Hall], Awaitable[T]], timeout_s: float = DEADLINE_S) -> T:
    hall = Hall()

    async def run() -> T:
        async with asyncio.timeout(DEADLINE_S), wired(hall, timeout_s) as wire:
            return await scene(wire, hall)

    return asyncio.run(run())


def test_a_device_is_read_commanded_stopped_and_its_relay_switched() -> None:
    async def scene(wire: DeviceWire, hall: Hall) -> None:
        answer = await wire.read("a")
        assert (answer.setpoint_w, answer.watts, answer.measured_by, answer.state) == (3500, 3480.0, "psu", "running")
        await wire.command("a", 2000.0)
        await wire.stop("a")
        await wire.relay("a", closed=True, hold_s=30.0)
        assert hall.asked == [
            messages.ReadDevice(id=1, device="a"),
            messages.CommandDevice(id=2, device="a", watts=2000.0),
            messages.StopDevice(id=3, device="a"),
            messages.SwitchRelay(id=4, device="a", closed=True, hold_s=30.0),
        ]

    play(scene)


def test_a_device_that_answers_late_or_never_delays_no_other_on_the_same_connection() -> None:
    async def scene(wire: DeviceWire, hall: Hall) -> None:
        silent, late = asyncio.create_task(wire.read("silent")), asyncio.create_task(wire.command("later", 1.0))
        for _ in range(10):
            await wire.read("a")
        assert not silent.done()
        assert not late.done()
        hall.later.set_result(link.Ok())
        await late
        silent.cancel()

    play(scene)


def test_silence_is_a_loss_after_the_callers_patience_and_the_connection_stays() -> None:
    async def scene(wire: DeviceWire, hall: Hall) -> None:
        with pytest.raises(DriverLoss, match=r"silent did not answer within 0\.2 s"):
            await wire.read("silent")
        late = asyncio.create_task(wire.command("later", 1.0))
        with pytest.raises(DriverLoss, match="later"):
            await late
        hall.later.set_result(link.Ok())  # nobody waits for it, and nobody else gets it
        for _ in range(3):
            assert await wire.read("a") != link.Ok()

    play(scene, timeout_s=0.2)


def test_an_error_is_a_refusal_and_an_answer_that_breaks_off_is_a_loss() -> None:
    async def scene(wire: DeviceWire, _hall: Hall) -> None:
        with pytest.raises(Refused, match="nobody"):
            await wire.command("nobody", 1.0)
        with pytest.raises(DriverLoss, match="Cut"):
            await wire.command("cut", 1.0)

    play(scene)


def test_a_connection_that_breaks_loses_what_is_under_way_and_the_next_call_opens_another() -> None:
    async def scene() -> None:
        connections: list[asyncio.StreamWriter] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connections.append(writer)
            line = await reader.readline()
            if len(connections) == 1:
                writer.close()
                return
            writer.write(link.encode(link.Ok(id=int(line.split(b'"id":')[1].split(b",")[0]))) + b"\n")
            await reader.read()
            writer.close()

        async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            wire = DeviceWire("127.0.0.1", server.sockets[0].getsockname()[1], timeout_s=DEADLINE_S)
            with pytest.raises(DriverLoss, match="closed the connection"):
                await wire.stop("a")
            await wire.stop("a")
            await wire.close()
        with pytest.raises(DriverLoss, match="does not answer"):
            await wire.stop("a")

    asyncio.run(scene())


def test_nonsense_ends_the_connection_and_all_that_waits_on_it() -> None:
    async def scene() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"<html>\n")
            await reader.read()
            writer.close()

        async with asyncio.timeout(DEADLINE_S), await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            wire = DeviceWire("127.0.0.1", server.sockets[0].getsockname()[1], timeout_s=DEADLINE_S)
            with pytest.raises(DriverLoss, match="closed the connection"):
                await wire.read("a")

    asyncio.run(scene())
