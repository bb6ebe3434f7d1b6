"""A simulated meter on a real socket, and what the driver makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from drivers.meters.modbus import ModbusMeter, read_forever
from drivers.meters.profiles import Profile
from drivers.readings import Loss, Quality, Sample
from simulators.substation.modbus_server import Unit, serve_gateway
from tests.drivers.meters.watching import Seen, running
from tests.waiting import DEADLINE_S


@dataclass
class Read:
    """What the driver published of all quantities: values, reasons, the worst quality; `loss` where there was one."""

    values: dict[str, float] = field(default_factory=dict)
    invalid: dict[str, str] = field(default_factory=dict)
    quality: Quality = Quality.GOOD
    loss: str = ""

    @property
    def believed(self) -> bool:
        """Whether the control would take the power of this read for good."""
        return not self.loss and self.quality is Quality.GOOD and "active_power_w" in self.values


class Prompt(Seen):
    """Wakes whoever waits for the next thing that is seen."""

    def __init__(self) -> None:
        self._news = asyncio.Event()

    def __call__(self, seen: Sample | Loss) -> None:
        super().__call__(seen)
        self._news.set()

    async def at(self, index: int) -> Sample | Loss:
        """Return what is seen as the one of this index."""
        async with asyncio.timeout(DEADLINE_S):
            while len(self) <= index:
                self._news.clear()
                await self._news.wait()
        return self[index]


class Wire:
    """The driver reading a unit for as long as `on_the_wire` lasts."""

    def __init__(self, names: Mapping[str, object], seen: Prompt) -> None:
        self.names, self.seen = set(names), seen

    async def read(self) -> Read:
        """Return what polls saw that began after the call: of every quantity, or a loss."""
        read, after = Read(), len(self.seen) + 1
        while read.values.keys() | read.invalid.keys() != self.names:
            seen = await self.seen.at(after)
            after += 1
            if isinstance(seen, Loss):
                return Read(loss=seen.reason)
            read.values |= seen.values
            read.invalid |= seen.invalid
            read.quality = max(read.quality, seen.quality)
        return read


@asynccontextmanager
async def on_the_wire(unit: Unit, profile: Profile, **changes) -> AsyncIterator[Wire]:
    """Serve `unit` and read it with `profile`; `changes` are those of the ModbusMeter."""
    server = await serve_gateway("127.0.0.1", 0, units={1: unit})
    point = {"poll_s": 0.001, "poll_slow_s": 0.001, "timeout_s": 3.0} | changes
    port = server.sockets[0].getsockname()[1]
    seen = Prompt()
    try:
        async with running(
            read_forever(ModbusMeter(id="m", host="127.0.0.1", port=port, profile=profile, **point), seen)
        ):
            yield Wire(profile.registers, seen)
    finally:
        server.close()
