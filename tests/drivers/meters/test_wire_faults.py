"""Two units behind a gateway, and everything that may go wrong on the wire: no value is ever another than was shown.

Every quantity of both units tells by its number which unit it is of and which quantity it is, and is never shown twice.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Mapping

from drivers.meters.modbus import ModbusMeter, read_bus
from drivers.meters.profiles import load_profile
from drivers.readings import Loss, Sample
from simulators.substation.encoder import encode, read_data
from simulators.substation.modbus_server import Faults, Unit, serve_gateway
from tests.drivers.meters.watching import Seen, running, until

PROFILE_ID = "wago_879"
NAMES = tuple(read_data(PROFILE_ID)["registers"])

FAULTS = (
    {"spoilt": True},
    {"extra": b"\x02\x03\x02\x00\x05"},
    {"extra": b"\xff"},
    {"leading": bytes(5)},
    {"leading": b"\x00\x01\x00\x00\x00\x06\x02\x03"},
    {"number": 0},
    {"checksum": "counted"},
    {"checksum": "uncounted"},
    {"cut_to": 7},
    {"split_s": 0.03},
    {"split_s": 0.3},
    {"unit_shift": 1},
    {"unit_shift": -1},
    {"transaction_shift": 1},
    {"transaction_shift": -1},
    {"crossed": True},
    {"late_s": 0.03},
    {"late_s": 0.25},
    {"late_s": 0.5},
    {"delay_s": 0.3},
    {"dead": "exception"},
    {"dead": "silence"},
    {"mute": True},
    {"exception": 6},
)

#: What a reader gets over: slowness within its time-out, bytes that fit nowhere, and in RTU ids that it has none of.
HARMLESS = ({"split_s": 0.03}, {"late_s": 0.03})
NONE_IN = {
    "tcp": {"extra", "leading", "checksum"},
    "rtu": {"extra", "leading", "transaction_shift", "number", "checksum"},
}
#: How often the unit with the fault is asked at least.
POLLS = 3


def shown_by(unit: int, moment: int) -> dict[str, float]:
    """Return values that say whose they are: frequency near 50 Hz, all others in the range of their quantity and unit."""
    values = {name: unit * 1e6 + index * 1e4 + moment for index, name in enumerate(NAMES)}
    return {**values, "frequency_hz": 48.0 + unit + moment / 256}


@functools.cache
def images(unit: int) -> tuple[Mapping[tuple[int, int], int], ...]:
    data = read_data(PROFILE_ID)
    return tuple(encode(data, shown_by(unit, moment)) for moment in range(64))


def is_of(unit: int, sample: Sample) -> bool:
    ranges = {name: (low, shown_by(unit, 63)[name]) for name, low in shown_by(unit, 0).items()}
    return all(ranges[name][0] <= value <= ranges[name][1] for name, value in sample.values.items())


class Gateway:
    """Two units, the second with faults, read by one bus worker."""

    def __init__(self, framing: str, faults: Mapping[str, object]) -> None:
        self.framing, self.told = framing, faults
        self.faults = Faults(**faults)
        self.seen = Seen()

    def of(self, unit: int, kind: type = object) -> list[Sample | Loss]:
        return [each for each in self.seen if each.meter == f"m{unit}" and isinstance(each, kind)]

    @property
    def bites(self) -> bool:
        """Whether the fault costs the unit that has it a reading."""
        harmless = not self.told or self.told in HARMLESS
        return not (harmless or {*self.told} & NONE_IN[self.framing])

    @property
    def bitten(self) -> bool:
        return bool(self.of(2, Loss))

    @property
    def neighbour_read(self) -> bool:
        """Whether the neighbour was read after the unit with the fault had been asked."""
        later = itertools.dropwhile(lambda each: each.meter == "m1", self.seen)
        return any(each.meter == "m1" and isinstance(each, Sample) for each in later)

    def felt(self) -> bool:
        """Whether the fault has done all that it may, and the unit that has it was asked a few times."""
        asked = len(self.of(2)) >= POLLS
        return asked and (self.bitten or not self.bites) and self.neighbour_read

    async def watch(self) -> None:
        """Read with the fault, and then without."""
        shows = {unit: itertools.cycle(images(unit)) for unit in (1, 2)}
        units = {
            unit: Unit(lambda unit=unit: next(shows[unit]), self.faults if unit == 2 else Faults()) for unit in (1, 2)
        }
        server = await serve_gateway("127.0.0.1", 0, units=units, framing=self.framing, turn_s=0.002, timeout_s=0.25)
        meters = [
            ModbusMeter(
                id=f"m{unit}",
                host="127.0.0.1",
                port=server.sockets[0].getsockname()[1],
                transport="tcp" if self.framing == "tcp" else "rtu_over_tcp",
                unit=unit,
                profile=load_profile(PROFILE_ID),
                poll_s=0.3,
                poll_slow_s=0.6,
                timeout_s=0.2,
            )
            for unit in (1, 2)
        ]
        async with running(read_bus(meters, self.seen)):
            await until(self.felt, tell=lambda: (self.framing, self.told, self.bitten, self.neighbour_read))
            after = len(self.seen)
            for name in self.told:
                setattr(self.faults, name, getattr(Faults(), name))
            for unit in (1, 2):
                await self.seen.until(
                    lambda each, unit=unit: each.meter == f"m{unit}" and isinstance(each, Sample),
                    after=after,
                )
        server.close()


def test_no_fault_of_a_unit_makes_a_wrong_value_or_costs_its_neighbour():
    gateways = [Gateway(framing, faults) for framing in ("tcp", "rtu") for faults in ({}, *FAULTS)]

    async def scenario() -> None:
        async with asyncio.TaskGroup() as group:
            for gateway in gateways:
                group.create_task(gateway.watch())

    asyncio.run(scenario())
    for gateway in gateways:
        told = gateway.framing, gateway.told
        assert all(is_of(unit, sample) for unit in (1, 2) for sample in gateway.of(unit, Sample)), told
