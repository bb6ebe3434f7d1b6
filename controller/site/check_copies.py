"""A meter that is another one's copy: two meters that agree have to be two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.site.model import MeterEntry
from controller.site.payload_meter import known_profile
from controller.site.payload_sources import HttpSource, MqttSource
from controller.site.problems import Problem
from controller.site.unknown import UNKNOWN
from drivers.meters.http.address import Url
from drivers.meters.profiles import REQUIRED


def copy_problems(meters: Sequence[MeterEntry]) -> Iterator[Problem]:
    """Report each meter that is read where an earlier one is read."""
    first: dict[tuple[object, ...], int] = {}
    for index, meter in enumerate(meters):
        for key, same, place in _places(meter):
            if UNKNOWN in place:
                continue
            before = first.setdefault((key, *place), index)
            if before != index:
                yield Problem(
                    loc=("meters", index, key),
                    found=f"{same} of {meters[before].id!r}",
                    allowed="every meter once",
                    at_key=True,
                )


def _places(meter: MeterEntry) -> Iterator[tuple[str, str, tuple[object, ...]]]:
    """Return the key of each source, and what two of them have in common only if they are the same meter: in words, and as it is."""
    modbus, opcua, dlms, http, mqtt = meter.modbus, meter.opcua, meter.dlms, meter.http, meter.mqtt
    if modbus is not None and modbus is not UNKNOWN:
        place = (modbus.host, modbus.port, modbus.serial, modbus.unit, modbus.profile, modbus.model, modbus.nth)
        yield "modbus", "the host, port, unit and profile", place
    if opcua is not None and opcua is not UNKNOWN:
        yield "opcua", "the endpoint and the node", (opcua.endpoint, opcua.node)
    if dlms is not None and dlms is not UNKNOWN:
        yield "dlms", "the place and the address", (dlms.host, dlms.port, dlms.serial, dlms.server, dlms.physical)
    if http is not None and http is not UNKNOWN:
        yield "http", "the url and the place", _asked(http)
    if mqtt is not None and mqtt is not UNKNOWN:
        yield "mqtt", "the broker, the topic and the place", _heard(mqtt)


def _asked(source: HttpSource) -> tuple[object, ...]:
    profile = known_profile(source)
    if source.url is UNKNOWN or profile is None:
        return (UNKNOWN,)
    url = Url.parse(source.url)
    return (url.scheme, url.host.lower(), url.port, url.path or profile.path or "/", *profile.fields[REQUIRED].spots)


def _heard(source: MqttSource) -> tuple[object, ...]:
    profile = known_profile(source)
    if source.topic is UNKNOWN or profile is None:
        return (UNKNOWN,)
    spots = profile.fields[REQUIRED].spots
    topics = ((f"{source.topic}/{spot.topic}" if spot.topic else source.topic, spot.pointer) for spot in spots)
    return (source.host, source.port, *topics)
