"""From the site file's meters to running drivers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from controller.core.limits.carrying import phase_quantities
from controller.core.site import SURPLUS
from controller.daemon.meters.modbus import bus_drivers
from controller.daemon.meters.payloads import http_drivers, mqtt_drivers
from controller.daemon.meters.supervision import Driver
from controller.site.model import WAYS, MeterEntry, SiteFile, SurplusSection
from drivers.errors import ConfigError
from drivers.readings import Publish


def drivers(site_file: SiteFile, publish: Publish, only: Collection[str] | None = None) -> tuple[Driver, ...]:
    """Return the drivers of all meters and of the surplus.

    Meters on one bus share a driver, and so do those behind one OPC UA server, and those of one broker. `only`: the names of those that are wanted.
    Raises ConfigError, before anything is started, for a profile, certificate or password that cannot be used.
    """
    surplus = site_file.surplus
    entries: dict[str, MeterEntry | SurplusSection] = {meter.id: meter for meter in site_file.meters}
    entries[SURPLUS] = surplus
    wanted = {name: entry for name, entry in entries.items() if only is None or name in only}
    of_modbus = {name: entry.modbus for name, entry in wanted.items() if entry.modbus is not None}
    of_opcua = {name: entry.opcua for name, entry in wanted.items() if entry.opcua is not None}
    of_dlms = {name: entry.dlms for name, entry in wanted.items() if entry.dlms is not None}
    of_http = {name: entry.http for name, entry in wanted.items() if entry.http is not None}
    of_mqtt = {name: entry.mqtt for name, entry in wanted.items() if entry.mqtt is not None}
    for name in wanted.keys() - of_modbus.keys() - of_opcua.keys() - of_dlms.keys() - of_http.keys() - of_mqtt.keys():
        raise ConfigError(f"{name}: found none of {', '.join(WAYS)}, allowed is exactly one of them")
    quantities, each_poll = {SURPLUS: "surplus_w"}, _each_poll(site_file)
    suspect_after_s = dict.fromkeys(wanted, site_file.control.suspect_after_s)
    suspect_after_s[SURPLUS] = surplus.suspect_after_s
    made = (
        *bus_drivers(of_modbus, quantities, publish, each_poll),
        *http_drivers(of_http, quantities, publish),
        *mqtt_drivers(of_mqtt, quantities, publish),
    )
    if of_dlms:
        from controller.daemon.meters.dlms import line_drivers  # noqa: PLC0415 (for a site with such a meter alone)

        made += line_drivers(of_dlms, quantities, publish, each_poll)
    if not of_opcua:
        return made
    # Only a site with such a server pays for what speaks to it: 60 MB, and a second of the start.
    from controller.daemon.meters.opcua import server_drivers  # noqa: PLC0415

    return (*made, *server_drivers(of_opcua, quantities, suspect_after_s, publish))


def _each_poll(site_file: SiteFile) -> Mapping[str, tuple[str, ...]]:
    """Return, by meter, the volts and amperes that a limit of its node in A or VA follows."""
    carries = {node.id: node.carries for node in site_file.nodes if node.carries is not None}
    return {
        meter.id: phase_quantities(carries[meter.node].phases) for meter in site_file.meters if meter.node in carries
    }
