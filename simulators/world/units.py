"""A device of the world as a simulated server takes it, so that an agent speaks to it by its own protocol."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from drivers.devices.driver import Pool
from drivers.fleet.wire import Activity
from simulators.devices.traps import MANNERS, OTHER_MAC, OTHER_SERIAL, Manner, Trap
from simulators.devices.unit import UnitRequest
from simulators.world.devices import WorldDevices, mac_of
from simulators.world.physics import Physics, WorldState

_ACTIVITY: Final = {
    WorldState.OFF: Activity.OFF,
    WorldState.STARTING: Activity.STARTING,
    WorldState.RUNNING: Activity.RUNNING,
    WorldState.STOPPING: Activity.STOPPING,
}
#: A world lives for long: it remembers so many requests of a device.
_MOST_REQUESTS: Final = 1000


class WorldUnit:
    """A `DeviceUnit` over the physics; its clock is the world's. It restarts as its model does; nothing tunes."""

    def __init__(self, physics: Physics, devices: WorldDevices, name: str) -> None:
        """Take the device of that name; raises Refused for an unknown one."""
        self._i = physics.device_index(name)
        self._physics, self._devices, self._name = physics, devices, name
        self.model, self.trap = physics.site.devices[self._i].model, Trap.OK
        self.pools: tuple[Pool, ...] = (Pool(url="stratum+tcp://pool.example.org:3333", user=f"site.{name}"),)
        self._log: deque[UnitRequest] = deque(maxlen=_MOST_REQUESTS)

    @property
    def log(self) -> Sequence[UnitRequest]:
        """The newest requests."""
        return tuple(self._log)

    @property
    def serial(self) -> str:
        """Its serial number."""
        return OTHER_SERIAL if self.trap is Trap.WRONG_SERIAL else self._devices.serial(self._i)

    @property
    def mac(self) -> str:
        """Its MAC."""
        return OTHER_MAC if self.trap is Trap.WRONG_SERIAL else mac_of(self._name)

    @property
    def told_w(self) -> int:
        """The setpoint that it runs on by its settings."""
        return self._devices.told_w(self._i)

    @property
    def draw_w(self) -> float:
        """What it draws."""
        return float(self._physics.draw_w[self._i])

    @property
    def said_w(self) -> float:
        """What it says that it draws."""
        return self._devices.reported_w(slice(self._i, self._i + 1))[0]

    @property
    def activity(self) -> Activity:
        """What it is doing."""
        return _ACTIVITY[WorldState(self._physics.states(slice(self._i, self._i + 1))[0])]

    @property
    def uptime_s(self) -> float:
        """Time since its last start."""
        return self._devices.uptime_s(self._i)

    @property
    def boots(self) -> int:
        """A number that is another one after each start."""
        return round(10 * (self._physics.now_s - self.uptime_s))

    @property
    def answers(self) -> bool:
        """Whether it is heard."""
        return self._devices.is_heard(self._i)

    def tell(self, watts: int, *, restarts: bool = False, tunes_s: float = 0.0) -> None:  # noqa: ARG002
        """Run on `watts` from now on."""
        self._devices.tell(self._i, watts)

    def reboot(self) -> None:
        """Start anew."""
        self._devices.reboot(self._name)

    def asked(self, verb: str, *, writes: bool) -> None:
        """Note a request."""
        self._log.append(UnitRequest(at_s=self._physics.now_s, verb=verb, writes=writes))

    def manner(self) -> Manner:
        """Return what becomes of a write that moves power."""
        return MANNERS[self.trap]

    def wrote(self, before_w: int) -> None:  # noqa: ARG002
        """Note that such a write is done and answered."""
        if self.manner().then is Trap.REBOOTS:
            self.reboot()
