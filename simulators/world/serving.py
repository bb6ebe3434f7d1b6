"""Devices of the world that are spoken to by their own protocols, each on a port of loopback."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

from drivers.clock import boottime_s
from drivers.errors import ConfigError
from simulators.devices.nvml import NvmlServer
from simulators.devices.nvml_rack import NvmlRack
from simulators.devices.served import EVERY_SERVED
from simulators.world.site import WorldSite
from simulators.world.world import World

#: The family whose devices are in one machine with their agent, and behind one library.
_OF_A_MACHINE: Final = "nvml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedDevice:
    """One device, its family and its port."""

    device: str
    family: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the device of ``ID=FAMILY:PORT``; a type for argparse, and raises its ArgumentTypeError."""
        match = re.fullmatch(r"([a-z0-9-]+)=([a-z0-9-]+):([0-9]{1,5})", text)
        if match is None or match[2] not in EVERY_SERVED:
            raise argparse.ArgumentTypeError(
                f"found {text!r}, allowed is ID=FAMILY:PORT, families: {', '.join(EVERY_SERVED)}"
            )
        return cls(device=match[1], family=match[2], port=int(match[3]))


def refuse_strangers(devices: Sequence[ServedDevice], site: WorldSite) -> None:
    """Raise ConfigError for devices that are not of the site."""
    if strange := sorted({one.device for one in devices} - {device.id for device in site.devices}):
        raise ConfigError(f"--serve: found {', '.join(strange)}, allowed are devices of the site")


@asynccontextmanager
async def serve_devices(world: World, devices: Sequence[ServedDevice]) -> AsyncIterator[None]:
    """Let these devices of the world be spoken to; GPUs of one port are those of one machine."""
    async with AsyncExitStack() as stack:
        for one in devices:
            if one.family != _OF_A_MACHINE:
                server = EVERY_SERVED[one.family].serve(world.unit(one.device), boottime_s, one.port)
                await stack.enter_async_context(server)
        for port in {one.port for one in devices if one.family == _OF_A_MACHINE}:
            here = [
                NvmlServer(world.unit(one.device)) for one in devices if (one.family, one.port) == (_OF_A_MACHINE, port)
            ]
            await stack.enter_async_context(NvmlRack(here, port=port))
        yield
