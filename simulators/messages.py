"""The messages of the world link that are about single devices and contactors, and what all of its messages have in common."""

from __future__ import annotations

from typing import Literal

import msgspec

from simulators.world.vices import ContactorVice, Vice

#: What a device's own watts come from.
MeasuredBy = Literal["nothing", "estimate", "psu", "pdu", "meter"]
StateName = Literal["off", "starting", "running", "stopping"]


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag=str.lower):
    """Base of the requests."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag=str.lower):
    """Base of the replies; `id` is that of the request, if it had one."""

    id: int | None = None


class NumberedRequest(Request, frozen=True):
    """Base of what is asked over a wire of its own: it is answered with its `id`, later than others, or never."""

    id: int

    @property
    def asked(self) -> str:
        """The id of what is asked."""
        raise NotImplementedError


class DeviceRequest(NumberedRequest, frozen=True):
    """Base of what one device, or the relay before it, is asked. Answer: when the device does; `Failed` for an unknown one."""

    device: str

    @property
    def asked(self) -> str:
        """The id of the device."""
        return self.device


class ContactorRequest(NumberedRequest, frozen=True):
    """Base of what the contactor of a node is asked. `Failed` for a node without one."""

    node: str

    @property
    def asked(self) -> str:
        """What the contactor is called."""
        return f"the contactor of {self.node}"


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


class SwitchContactor(ContactorRequest, frozen=True, tag="switch_contactor"):
    """Have the contactor of a node closed or open. Answer: `Ok`.

    Open, nothing below it draws anything and its devices are silent; closed, they boot.
    """

    closed: bool


class ReadContactor(ContactorRequest, frozen=True, tag="read_contactor"):
    """Ask the contactor of a node for its position. Answer: `ContactorAnswer`."""


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


class SetContactorVice(Request, frozen=True, tag="set_contactor_vice"):
    """Give the contactors of nodes a vice, or take it; for a node without one nothing is changed. Answer: `Ok`."""

    nodes: list[str]
    vice: ContactorVice
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


class ContactorAnswer(Reply, frozen=True, tag="contactor"):
    """What a contactor says of itself; not always true."""

    closed: bool


class Cut(Reply, frozen=True):
    """The device's answer broke off: whether it did anything is not known."""


class Vices(Reply, frozen=True):
    """The ids of the devices with each vice that somebody has, ascending."""

    devices: dict[Vice, list[str]]
