"""The devices of one simulated agent: their physics lives in the world, and goes on when the agent is gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from drivers.errors import DriverLoss, Refused
from drivers.fleet.agent.hardware import DeviceReading
from drivers.fleet.wire import DeviceState
from simulators.worldlink import WorldClient


class SimulatedHardware:
    """A `Hardware` over the world link."""

    def __init__(self, world: WorldClient, devices: Iterable[str]) -> None:
        self._world = world
        self._devices = tuple(devices)

    def apply(self, watts: Mapping[str, int]) -> None:
        """Tell the world what the devices may draw."""
        try:
            self._world.apply(watts)
        except Refused as error:
            raise DriverLoss(f"the world refuses setpoints: {error}") from error

    def measure(self) -> Mapping[str, DeviceReading]:
        """Return what the devices report, off by their estimate error."""
        try:
            answer = self._world.measure(self._devices)
        except Refused as error:
            raise DriverLoss(f"the world refuses to measure: {error}") from error
        return {
            id_: DeviceReading(watts=watts, state=DeviceState(answer.state[id_])) for id_, watts in answer.watts.items()
        }
