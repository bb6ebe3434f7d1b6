"""Many simulated devices asked at once, as single ones over the wire of their agents, from a test that has no loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from drivers.errors import DriverLoss
from simulators.devicewire import DeviceWire


def command_all(world: tuple[str, int], watts: Mapping[str, float]) -> None:
    """Tell each device what it may draw; raises DriverLoss or Refused where one does not say yes."""

    async def tell() -> None:
        wire = DeviceWire(*world)
        try:
            await asyncio.gather(*(wire.command(id_, each_w) for id_, each_w in watts.items()))
        finally:
            await wire.close()

    asyncio.run(tell())


def states_of(world: tuple[str, int], devices: Iterable[str]) -> dict[str, str]:
    """Return what each device says that it does; one that does not answer is left out."""

    async def ask() -> dict[str, str]:
        wire, found = DeviceWire(*world), {}

        async def read(id_: str) -> None:
            try:
                found[id_] = (await wire.read(id_)).state
            except DriverLoss:
                return

        try:
            await asyncio.gather(*(read(id_) for id_ in devices))
        finally:
            await wire.close()
        return found

    return asyncio.run(ask())
