"""Every device as a thing of its own, with its vices and the relay before it, over the one physics.

A device keeps the last setpoint that it took, also over a reboot, and says it when it is read. What it is told goes
through its vices before it becomes a deed of the physics; what it answers does, too. The stop command is another path
than the setpoint: it goes through only where the vice is not one of setpoints. A relay stands before the device and
has no vices.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Final

import numpy as np

from drivers.errors import Refused
from drivers.fleet.catalogue import DeviceKind, Model
from simulators import messages
from simulators.messages import MeasuredBy, StateName
from simulators.world.physics import EVERY, Physics, WorldState
from simulators.world.vices import Vice
from simulators.worldlink import AnyDeviceRequest, AnyRelayRequest, AnyReply, Failed, Ok

#: How long a slow device takes to answer.
SLOW_S: Final = 3.0
#: What a device that jumps up draws when it is lowered, as a factor, and for how long.
JUMP: Final = 1.25
JUMP_S: Final = 10.0
#: What a device that understates says of what it draws, as a factor.
UNDERSTATED: Final = 0.6
#: Above this error (a share), what a miner says of its power is a figure of its firmware's model, not of its PSU: that
#: is so for the LuxOS capture with `PSU: false` behind the catalogue's 12 %.
PSU_ERROR: Final = 0.1
_STATES: Final[dict[WorldState, StateName]] = {
    WorldState.OFF: "off",
    WorldState.STARTING: "starting",
    WorldState.RUNNING: "running",
    WorldState.STOPPING: "stopping",
}


def measured_by(model: Model) -> MeasuredBy:
    """Return what the watts come from that a device of the model reports."""
    if model.kind is DeviceKind.RELAY:
        return "pdu"
    return "estimate" if model.estimate_error > PSU_ERROR else "psu"


def serial_of(device: str, replaced: int = 0) -> str:
    """Return the serial number of a device that has been replaced so often."""
    return f"SN{zlib.crc32(device.encode()):08X}-{replaced}"


def mac_of(device: str) -> str:
    """Return the MAC of a device."""
    return "02:01:" + ":".join(f"{octet:02x}" for octet in zlib.crc32(device.encode()).to_bytes(4))


class WorldDevices:
    """The devices of a physics, one by one. Call `step` after each step of the physics, `feed` after a change of what is fed.

    `relays`: the ids of those with a relay before them; all are closed at first.
    """

    def __init__(self, physics: Physics, relays: Iterable[str] = ()) -> None:
        self._physics = physics
        self._relays = frozenset(physics.device_index(name) for name in relays)
        self._open_relays: set[int] = set()
        self._devices = physics.site.devices
        self._replaced = [0] * len(self._devices)
        self._vices: dict[Vice, set[int]] = {vice: set() for vice in Vice}
        self._said = np.ones(len(self._devices))  # the share of its draw that a device owns up to
        self._told_w = [device.model.off_w for device in self._devices]
        self._booted_s = [0.0] * len(self._devices)
        self._jumping: dict[int, tuple[float, int]] = {}  # until when, and what it then goes to
        self._opens_s: dict[int, float] = {}
        self._held: list[tuple[float, Future[AnyReply], AnyReply]] = []

    def step(self) -> None:
        """Do what is due by now."""
        now_s = self._physics.now_s
        for i, (until_s, watts) in list(self._jumping.items()):
            if now_s >= until_s:
                self._settle(i, watts)
        for i in [i for i, due_s in self._opens_s.items() if now_s >= due_s]:
            self._open(i)
        due = [held for held in self._held if now_s >= held[0]]
        self._held = [held for held in self._held if now_s < held[0]]
        for _, later, reply in due:
            later.set_result(reply)

    def answer(self, request: AnyDeviceRequest) -> AnyReply | Future[AnyReply]:
        """Answer one device's request, perhaps later or never; raises Refused for an unknown device or relay."""
        i = self._physics.device_index(request.device)
        if isinstance(request, messages.SwitchRelay | messages.ReadRelay):
            return self._answer_relay(i, request)
        later: Future[AnyReply] = Future()
        if not self.is_heard(i):
            return later
        reply = self._read(i) if isinstance(request, messages.ReadDevice) else self._obey(i, request)
        if not self._has(i, Vice.SLOW):
            return reply
        self._held.append((self._physics.now_s + SLOW_S, later, reply))
        return later

    def reported_w(self, of: slice = EVERY) -> list[float]:
        """Return what the devices in these columns say that they draw."""
        said_w = self._physics.reported_w(of) * self._said[of]
        return [float(watts) for watts in said_w]

    def states(self, of: slice = EVERY) -> list[StateName]:
        """Return what the devices in these columns do."""
        return [_STATES[WorldState(state)] for state in self._physics.states(of)]

    def set_vice(self, names: Iterable[str], vice: Vice, *, on: bool) -> None:
        """Give devices a vice or take it; raises Refused, and changes nothing, for an unknown device."""
        columns = self._physics.indices(names)
        (self._vices[vice].update if on else self._vices[vice].difference_update)(columns)
        if vice is Vice.UNDERSTATES:
            self._said[columns] = UNDERSTATED if on else 1.0

    def vices(self) -> dict[Vice, list[str]]:
        """Return the devices with each vice that somebody has."""
        return {vice: [self._devices[i].id for i in sorted(who)] for vice, who in self._vices.items() if who}

    def feed(self) -> None:
        """Cut the devices of nodes that have no power now, and boot those that have it again."""
        for i, fed in enumerate(self._physics.fed[self._physics.node].tolist()):
            powered = bool(self._physics.powered[i])
            if powered and not fed:
                self._lose_power(i)
            elif fed and not powered and i not in self._open_relays:
                self._boot(i)

    def reboot(self, name: str) -> None:
        """Have a device reboot; raises Refused for an unknown one."""
        i = self._physics.device_index(name)
        if self._physics.powered[i]:
            self._boot(i)

    def replace(self, name: str) -> None:
        """Put other hardware of the same model at an address; it comes up at full power. Refused for an unknown one."""
        i = self._physics.device_index(name)
        self._replaced[i] += 1
        self._told_w[i] = self._devices[i].model.max_w
        self.reboot(name)

    def serial(self, i: int) -> str:
        """Return the serial number of the hardware in a column."""
        return serial_of(self._devices[i].id, self._replaced[i])

    def told_w(self, i: int) -> int:
        """Return the setpoint that the device in a column says it runs on."""
        return self._told_w[i]

    def uptime_s(self, i: int) -> float:
        """Return how long ago the device in a column has started."""
        return self._physics.now_s - self._booted_s[i]

    def is_heard(self, i: int) -> bool:
        """Return whether the device in a column has power and answers."""
        return bool(self._physics.powered[i]) and not self._has(i, Vice.SILENT)

    def tell(self, i: int, watts: float) -> None:
        """Have the device in a column run on `watts`, as its vices allow; a deaf one does nothing."""
        if not self._has(i, Vice.DEAF):
            self._take(i, self._devices[i].model.at_most(watts))

    def _has(self, i: int, vice: Vice) -> bool:
        return i in self._vices[vice]

    def _read(self, i: int) -> messages.DeviceAnswer:
        source, here = measured_by(self._devices[i].model), slice(i, i + 1)
        return messages.DeviceAnswer(
            setpoint_w=self._told_w[i],
            watts=None if source == "nothing" else self.reported_w(here)[0],
            measured_by=source,
            state=self.states(here)[0],
            uptime_s=self.uptime_s(i),
            serial=self.serial(i),
        )

    def _obey(self, i: int, request: messages.CommandDevice | messages.StopDevice) -> AnyReply:
        if isinstance(request, messages.StopDevice):
            return self._answered(i, self._stop(i))
        return self._answered(i, self._command(i, request.watts))

    def _answered(self, i: int, reply: AnyReply) -> AnyReply:
        """Return what the device makes of its own answer."""
        if self._has(i, Vice.HALF_ANSWER):
            return messages.Cut()
        if self._has(i, Vice.DENIES):
            return Failed(reason=f"{self._devices[i].id}: error")
        return reply

    def _command(self, i: int, watts: float) -> AnyReply:
        if self._has(i, Vice.REFUSES):
            return Failed(reason=f"{self._devices[i].id}: not allowed")
        self.tell(i, watts)
        return Ok()

    def _stop(self, i: int) -> AnyReply:
        if self._has(i, Vice.REFUSES):
            return Failed(reason=f"{self._devices[i].id}: not allowed")
        if not self._has(i, Vice.DEAF):
            self._told_w[i] = self._devices[i].model.off_w
            self._settle(i, self._told_w[i])
        return Ok()

    def _take(self, i: int, watts: int) -> None:
        """Do what the vices make of a setpoint in whole watts."""
        before_w = int(self._physics.setpoint_w[i])
        if self._has(i, Vice.HALF):
            watts = self._half(i, before_w, watts)
        self._told_w[i] = watts
        if self._has(i, Vice.IGNORES_LOWERING) and watts < before_w:
            return
        if self._has(i, Vice.RESTARTS_FULL) and watts != before_w:
            self._told_w[i] = self._devices[i].model.max_w
            self._boot(i)
        elif self._has(i, Vice.JUMPS_UP) and watts < before_w:
            self._jump(i, watts)
        else:
            self._settle(i, watts)

    def _half(self, i: int, before_w: int, watts: int) -> int:
        """Return where half of a change ends; one that has no mode half way down is not done at all."""
        halfway_w = self._devices[i].model.at_most((before_w + watts) / 2)
        return before_w if halfway_w == watts < before_w else halfway_w

    def _jump(self, i: int, watts: int) -> None:
        until_s, _ = self._jumping.get(i, (self._physics.now_s + JUMP_S, watts))
        self._jumping[i] = until_s, watts
        self._physics.surge[i] = JUMP

    def _settle(self, i: int, watts: int) -> None:
        self._jumping.pop(i, None)
        self._physics.surge[i] = 1.0
        self._physics.move(i, watts)

    def _boot(self, i: int) -> None:
        if self._has(i, Vice.FORGETS):
            self._told_w[i] = self._devices[i].model.max_w
        self._booted_s[i] = self._physics.now_s
        self._physics.cut(i)
        self._physics.powered[i] = True
        self._settle(i, self._told_w[i])

    def _answer_relay(self, i: int, request: AnyRelayRequest) -> AnyReply:
        if i not in self._relays:
            raise Refused(f"{request.device} has no relay")
        if isinstance(request, messages.SwitchRelay):
            return self._switch(i, request)
        return messages.RelayAnswer(closed=i not in self._open_relays)

    def _switch(self, i: int, request: messages.SwitchRelay) -> AnyReply:
        if request.hold_s is not None and not (request.closed and request.hold_s > 0.0):
            raise Refused(f"found hold_s {request.hold_s:g}, allowed is a time above zero for a relay that is closed")
        if not request.closed:
            self._open(i)
            return Ok()
        self._open_relays.discard(i)
        if not self._physics.powered[i] and self._physics.fed[self._physics.node[i]]:
            self._boot(i)
        self._opens_s.pop(i, None)
        if request.hold_s is not None:
            self._opens_s[i] = self._physics.now_s + request.hold_s
        return Ok()

    def _open(self, i: int) -> None:
        self._opens_s.pop(i, None)
        self._open_relays.add(i)
        self._lose_power(i)

    def _lose_power(self, i: int) -> None:
        self._jumping.pop(i, None)
        self._physics.cut(i)
