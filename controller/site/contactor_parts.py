"""The contactor of a node, in the site file."""

from __future__ import annotations

from typing import Literal

from controller.site.measures import Seconds
from controller.site.part import Part, key
from controller.site.texts import Host, Id, ModbusAddress, ModbusUnit, Port


class PositionInput(Part):
    """The auxiliary contact of a contactor, where its unit reads it."""

    input: ModbusAddress = key("input", "address of the discrete input that is 1 while the contactor is closed, from 0")


class ContactorCoil(Part):
    """A contactor that a coil of a Modbus device opens and closes."""

    transport: Literal["tcp"] = key("transport", "Modbus TCP", "tcp")
    host: Host = key("host", "address of the device")
    port: Port = key("port", "TCP port", 502)
    unit: ModbusUnit = key("unit", "unit id behind the address", 1)
    coil: ModbusAddress = key("coil", "address of the coil, from 0")
    closed: Literal["on", "off"] = key("closed", "state of the coil that keeps the contactor closed")
    position: PositionInput | None = key("position", "its auxiliary contact; without one the meter alone proves", None)
    timeout_s: Seconds = key("timeout", "how long an answer may take", "1 s")
    fed_from: Id = key("fed_from", "the node that feeds the device, or `elsewhere`")


class ContactorRelay(Part):
    """A contactor that an agent opens and closes."""

    agent: Id = key("agent", "the agent that has it")
    device: Id = key("device", "its id in the inventory of that agent; none of the fleet's devices")


class ContactorEntry(Part):
    """What cuts the node off, with all below it; exactly one of `modbus` and `relay`."""

    trip_after_s: Seconds = key(
        "trip_after",
        "the node is cut off when its trusted meter has shown more than it may draw for so long; at least the settle time "
        "and what an agent needs to bring its slowest device below the node down",
    )
    modbus: ContactorCoil | None = key("modbus", "a coil of a Modbus device", None)
    relay: ContactorRelay | None = key("relay", "a device of an agent", None)
