"""The messages of the world link that are about single devices, and what all of its messages have in common."""

from __future__ import annotations

from typing import Literal

import msgspec

from simulators.world.vices import Vice

#: What a device's own watts come from.
MeasuredBy = Literal["nothing", "estimate", "psu", "pdu", "meter"]
StateName = Literal["off", "starting", "running", "stopping"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str.lower):
    """Base of the requests."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=str.lower):
    """Base of the replies; `id` is that of the request, if it had one."""

    id: int | None = None


class DeviceRequest(Request, frozen=True):
    """Base of what one device, or the relay before it, is asked over a wire of its own.

    It is answered with its `id` whenever the device does: later than others, or never. `Failed` for an unknown device.
    """

    id: int
    device: str


class ReadDevice(DeviceRequest, frozen=True, tag="read_device"):
    """Ask a device what it does. Answer: `DeviceAnswer`."""


class CommandDevice(DeviceRequest, frozen=True, tag="command_device"):
    """Tell a device what it may draw, in watts. Answer: `Ok`, `Failed` (an error), or `Cut`."""

    watts: float


class StopDevice(DeviceRequest, frozen=True, tag="stop_device"):
    """Tell a device to sleep, by a command of its own; a setpoint wakes it. Answer: as for `CommandDevice`."""


class SwitchRelay(DeviceRequest, frozen=True, tag="switch_relay"):
    """Switch the relay before a device: open, the device draws nothing and is silent; closed, it boots.

    A relay closed with `hold_s` opens by itself after so long, unless it is told again. Answer: `Ok`, or `Failed`
    where there is no relay.
    """

    closed: bool
    hold_s: float | None = None


class ReadRelay(DeviceRequest, frozen=True, tag="read_relay"):
    """Ask the relay before a device for its contact. Answer: `RelayAnswer`, or `Failed` where there is no relay."""


class RebootDevice(Request, frozen=True, tag="reboot_device"):
    """Have a device reboot now, as by a power cut; it comes up at the setpoint that it has stored. Answer: `Ok`."""

    device: str


class ReplaceDevice(Request, frozen=True, tag="replace_device"):
    """Put other hardware of the same model at a device's address: another serial, and full power. Answer: `Ok`."""

    device: str


class SetVice(Request, frozen=True, tag="set_vice"):
    """Give the devices a vice, or take it; for an unknown device nothing is changed. Answer: `Ok`."""

    devices: list[str]
    vice: Vice
    on: bool


class GetVices(Request, frozen=True, tag="vices"):
    """Ask which devices have which vices. Answer: `Vices`."""


class DeviceAnswer(Reply, frozen=True, tag="device"):
    """What a device says of itself; not always true.

    `setpoint_w`: what it says that it may draw, None where it does not say. `watts`: what it says that it draws, None
    where `measured_by` is nothing. `uptime_s`: since its last boot. `serial`: which hardware answers.
    """

    setpoint_w: int | None
    watts: float | None
    measured_by: MeasuredBy
    state: StateName
    uptime_s: float
    serial: str


class RelayAnswer(Reply, frozen=True, tag="relay"):
    """What a relay says of its contact."""

    closed: bool


class Cut(Reply, frozen=True):
    """The device's answer broke off: whether it did anything is not known."""


class Vices(Reply, frozen=True):
    """The ids of the devices with each vice that somebody has, ascending."""

    devices: dict[Vice, list[str]]
