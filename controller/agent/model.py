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
from controller.site.texts import (
    Flag,
    Host,
    Id,
    ModbusAddress,
    ModbusUnit,
    Port,
    ShellyChannel,
    TasmotaChannel,
    matching,
)
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


class RelayShelly(Part):
    """A relay or plug of Shelly's second generation or later."""

    host: Host = key("host", "address of the device")
    port: Port = key("port", "TCP port", 80)
    channel: ShellyChannel = key("channel", "which of its outputs, from 0", 0)
    login: FilePath | None = key("login", "file with its password, where it asks for one", None)
    hold_s: HoldSeconds | None = key("hold", "it opens by itself when it has not been told for so long", None)
    timeout_s: Seconds = key("timeout", "how long an answer may take", "1 s")


class RelayTasmota(Part):
    """A relay or plug with Tasmota."""

    host: Host = key("host", "address of the device")
    port: Port = key("port", "TCP port", 80)
    channel: TasmotaChannel = key("channel", "which of its outputs, from 1", 1)
    login: FilePath | None = key("login", "file with its password, where it asks for one", None)
    hold_s: HoldSeconds | None = key("hold", "it opens by itself when it has not been told for so long", None)
    timeout_s: Seconds = key("timeout", "how long an answer may take", "1 s")


class RelayEntry(Part):
    """What cuts one device off its power when nothing else helps; exactly one of `modbus`, `shelly` and `tasmota`."""

    id: Id = key("id", "name of the relay")
    modbus: RelayCoil | None = key("modbus", "a coil of a Modbus device", None)
    shelly: RelayShelly | None = key("shelly", "a relay or plug of Shelly, second generation or later", None)
    tasmota: RelayTasmota | None = key("tasmota", "a relay or plug with Tasmota", None)


class AgentDevice(Part):
    """One device; exactly one of `serial` and `mac`, which the device at the address has to have before it is told anything."""

    id: Id = key("id", "name of the device, as in the site file")
    family: FamilyName = key("family", "what it speaks")
    host: Host = key("host", "its address")
    port: Port | None = key("port", "its port; default: that of the family", None)
    serial: Serial | None = key("serial", "its serial number", None)
    mac: MacAddress | None = key("mac", "its MAC address", None)
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
    models: ModelsFile | None = key("models", "file of models of the site's own, as in the site file", None)
    devices: tuple[AgentDevice, ...] = Field(description="the devices", strict=False)
    relays: tuple[RelayEntry, ...] = Field((), description="the relays before devices", strict=False)
