"""From the site file's Modbus meters to the buses that they share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from controller.daemon.meters.supervision import Driver
from controller.site.meter_profile import bound
from controller.site.sources import ModbusSource
from drivers.meters.modbus import MeterTls, ModbusMeter, Serial, buses, read_bus
from drivers.meters.profiles import REQUIRED
from drivers.readings import Publish

#: Of meters of which power and frequency are enough.
NOTHING_ELSE: Final[Mapping[str, tuple[str, ...]]] = {}


def bus_drivers(
    sources: Mapping[str, ModbusSource],
    quantities: Mapping[str, str],
    publish: Publish,
    each_poll: Mapping[str, tuple[str, ...]] = NOTHING_ELSE,
) -> tuple[Driver, ...]:
    """Return a driver for each bus; their polls are spread evenly over the period.

    See `bus_meters`. Raises ConfigError also for certificates that cannot be used.
    """
    shared = buses(bus_meters(sources, quantities, each_poll))
    for place in shared:
        if place.tls is not None:
            place.tls.context()
    return tuple(
        Driver(
            sources=tuple(meter.id for meter in bus),
            run=partial(read_bus, bus, publish, share=index / len(shared)),
            reads=tuple(bus),
        )
        for index, bus in enumerate(shared.values())
    )


def bus_meters(
    sources: Mapping[str, ModbusSource],
    quantities: Mapping[str, str],
    each_poll: Mapping[str, tuple[str, ...]] = NOTHING_ELSE,
) -> list[ModbusMeter]:
    """Return the meters as the drivers know them; raises ConfigError for a profile that cannot be used.

    `sources`: by the meter's name. `quantities`: name to what its power is published as, where that is not its active
    power. `each_poll`: name to what is read at every poll beside power and frequency.
    """
    return [
        _meter(name, source, quantities.get(name, REQUIRED), each_poll.get(name, ()))
        for name, source in sources.items()
    ]


def _meter(name: str, source: ModbusSource, quantity: str, each_poll: tuple[str, ...]) -> ModbusMeter:
    serial, tls, profile = source.serial, source.tls, bound(source)
    return ModbusMeter(
        id=name,
        transport=source.transport,
        host=source.host or "",
        port=source.port if serial is None else 0,
        serial=None if serial is None else Serial(**dict(serial)),
        tls=None if tls is None else MeterTls(**dict(tls)),
        unit=profile.unit_id if source.unit == "any" else source.unit,
        any_unit=source.unit == "any",
        ignore_transaction=source.ignore_transaction,
        model=source.model,
        nth=source.nth,
        profile=profile,
        poll_s=source.poll_s,
        poll_slow_s=source.poll_slow_s,
        timeout_s=source.timeout_s,
        sign=source.sign,
        swap_counters=source.swap_counters,
        ct_ratio=source.ct_ratio,
        quantity=quantity,
        each_poll=each_poll,
    )
