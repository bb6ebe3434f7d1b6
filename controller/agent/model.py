"""The file of an agent as typed values: watts and seconds inside, quantities with units in the file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from controller.site.measures import Failsafe, HoldSeconds, PositivePower, Seconds
from controller.site.model import MqttSection
from controller.site.own_models import ModelsFile
from controller.site.part import Part, key
from controller.site.paths import FilePath
from controller.site.problems import one_of
from controller.site.texts import Flag, Host, Id, ModbusAddress, ModbusUnit, Port, Sha256, Text, matching, whole
from controller.site.value_type import NotAllowedError, ValueType, text_schema
from drivers.devices.families import load_families


def _family(value: object) -> str:
    if not isinstance(value, str) or value not in load_families():
        raise NotAllowedError(f"one of {one_of(load_families(), value)}")
    return value


FamilyName = Annotated[
    str,
    ValueType(parse=_family, allowed="the name of a family", json=text_schema("^[a-z0-9][a-z0-9-]*$")),
]


OutletNumber = Annotated[int, whole(0, 255)]
Serial = Annotated[str, matching(r"\S(?:.*\S)?", "a serial number, in quotes")]
MacAddress = Annotated[
    str, matching(r"[0-9A-Fa-f]{2}(?:[:-]?[0-9A-Fa-f]{2}){5}", 'a MAC address, in quotes, as in "02:00:00:00:00:01"')
]


class BrokerSection(MqttSection):
    """The way to the controller."""

    keys: FilePath = key(
        "keys", "folder with `controller.pub`, and the `AGENT.key` that never leaves this machine", "keys"
    )


class RelayCoil(Part):
    """A relay that a coil of a Modbus device opens and closes."""

    host: Host = key("host", "address of the device")
    port: Port = key("port", "TCP port", 502)
    unit: ModbusUnit = key("unit", "unit id behind the address", 1)
    coil: ModbusAddress = key("coil", "address of the coil, from 0")
    closed: Literal["on", "off"] = key("closed", "state of the coil that keeps the relay closed")
    position: ModbusAddress | None = key(
        "position",
        "address of the discrete input that is 1 while it is closed, from 0; without one the coil is read",
        None,
    )
    timeout_s: Seconds = key("timeout", "how long an answer may take", "1 s")


class RelayOutlet(Part):
    """An outlet or relay with an address of its own; exactly one of `serial` and `mac`."""

    family: FamilyName = key("family", "what it speaks: a family that only switches")
    host: Host = key("host", "its address")
    port: Port | None = key("port", "its port; default: that of the family", None)
    outlet: OutletNumber | None = key(
        "outlet", "which of its outlets, as the family counts them; default: its first", None
    )
    serial: Serial | None = key("serial", "its serial number", None)
    mac: MacAddress | None = key("mac", "its MAC address", None)
    login: FilePath | None = key("login", "file with its login, where it asks for one", None)
    hold_s: HoldSeconds | None = key(
        "hold", "it opens by itself so long after the agent has gone, for families that can", None
    )


class RelayEntry(Part):
    """What cuts one device off its power when nothing else helps; exactly one of `modbus` and `outlet`."""

    id: Id = key("id", "name of the relay")
    modbus: RelayCoil | None = key("modbus", "a coil of a Modbus device", None)
    outlet: RelayOutlet | None = key("outlet", "an outlet or relay with an address of its own", None)


class JobsPart(Part):
    """Programs that take the jobs off the GPUs and give them back; each may be run again for the same end."""

    drain: tuple[Text, ...] = Field(
        description="takes them away in good order: a program and its arguments", strict=False
    )
    resume: tuple[Text, ...] = Field(description="lets them come again", strict=False)
    stop: tuple[Text, ...] | None = Field(None, description="takes them away at once; default: `drain`", strict=False)
    timeout_s: Seconds = key("timeout", "how long each may take before it is killed", "60 s")


class DeviceTls(Part):
    """How a device is known over TLS: exactly one of the three."""

    ca: FilePath | None = key("ca", "certificate that signed the device's, for its address (PEM)", None)
    sha256: Sha256 | None = key("sha256", "SHA-256 of its certificate, in quotes if it is all digits", None)
    plain: Literal[True] | None = key(
        "plain", "`true`: without TLS, so that whoever is on its network can read its login", None
    )


class AgentDevice(Part):
    """One device; exactly one of `serial`, `mac` and `gpus`, which the device has to have before it is told anything."""

    id: Id = key("id", "name of the device, as in the site file")
    family: FamilyName = key("family", "what it speaks")
    host: Host | None = key("host", "its address, for all families but those of the agent's own machine", None)
    port: Port | None = key("port", "its port; default: that of the family", None)
    outlet: OutletNumber | None = key(
        "outlet", "which of its outlets, for families that switch; default: its first", None
    )
    gpus: tuple[Text, ...] = Field(
        (), description="UUIDs of the GPUs in the agent's own machine that are this device", strict=False
    )
    jobs: JobsPart | None = Field(None, description="what takes jobs off its GPUs, for families of GPUs")
    serial: Serial | None = key("serial", "its serial number", None)
    mac: MacAddress | None = key("mac", "its MAC address", None)
    tls: DeviceTls | None = key("tls", "how it is known, for families that are spoken to over TLS", None)
    login: FilePath | None = key("login", "file with its login, for families that ask for one", None)
    model: Id = key("model", "a bundled model, or one of `models`, as in the site file")
    failsafe: Failsafe = key("failsafe", "most that it may draw when nobody leads it, as in the site file", "off")
    max_w: PositivePower | None = key("max", "most that it may ever be told here; default: the model's", None)
    untuned: Flag = key(
        "untuned", "`true`: profiles that its firmware has not tuned may be used; they may overshoot", False
    )
    relay: Id | None = key("relay", "one of `relays`", None)


class AgentFile(Part):
    """One agent."""

    version: Literal[1] = key("version", "version of this format")
    site: Id = key("site", "name of the site, as in the site file")
    agent: Id = key("agent", "name of this agent, as in the site file")
    settle_s: Seconds = key("settle", "the site's `grid.settle`", "15 s")
    report_s: Seconds = key("report", "time from one report to the next", "1 s")
    mqtt: BrokerSection = key("mqtt", "the broker")
    state: FilePath = key("state", "folder of what it keeps over a restart", "state")
    models: ModelsFile | None = key(
        "models", "models of the site's own, or the file that has them, as in the site file", None
    )
    devices: tuple[AgentDevice, ...] = Field(description="the devices", strict=False)
    relays: tuple[RelayEntry, ...] = Field((), description="the relays before devices", strict=False)
