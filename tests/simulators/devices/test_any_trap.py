"""Whatever a device does, in whatever sequence, nothing is said of it for long that is not so, and its pools stay."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.devices.driver import Target
from drivers.devices.families import Instrument, load_families
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.fleet.agent.device import Ports
from drivers.fleet.agent.driving import Driving
from drivers.fleet.agent.keeping import Keeper
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.proof import most_w
from drivers.fleet.wire import Follow, MeasuredBy
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS, BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.served import ALL_SERVED, SERVED_BESIDE
from simulators.devices.traps import Trap
from tests.examples import examples

ID = "unit"
#: A device that moves by itself is seen to have moved by the second reading after that.
SEEN_S = 2.5
SAFE = {Follow.PROVEN, Follow.STOPPED}


@dataclass(frozen=True)
class Event:
    """After `wait_s`: the device's trap from now on, what it is granted (a share of its modes), or what happens to it."""

    wait_s: int
    trap: Trap | None = None
    mode: int | None = None
    happens: str | None = None


WAITS = st.integers(1, 20)
EVENTS = st.lists(
    st.builds(Event, wait_s=WAITS, trap=st.sampled_from(Trap))
    | st.builds(Event, wait_s=WAITS, mode=st.integers(0, 9))
    | st.builds(Event, wait_s=WAITS, happens=st.sampled_from(["reboot", "cut", "feed"])),
    min_size=1,
    max_size=8,
)


class Kept:
    """Stored at once."""

    def __init__(self, watts: int) -> None:
        self.stored = Held(epoch=1, applied={ID: watts})

    async def kept(self) -> None:
        return


class Scene:
    """One device of a family, led as an agent leads it, without a relay: what it does by itself is all that there is."""

    def __init__(self, family: str) -> None:
        self.facts, self.model = load_families()[family], model_of(family)
        self.by = MeasuredBy.PSU if self.facts.measured_by is Instrument.PSU else MeasuredBy.METER
        self.lied_s = self.worst_s = 0.0
        self.strange_writes = 0

    async def play(self, family: str, events: list[Event], folder: Path) -> BenchUnit:
        clock, model, served = asyncio.get_running_loop().time, self.model, ALL_SERVED[family]
        unit = BenchUnit(model=model, pace=Pace.of(self.facts), clock=clock, told_w=model.max_w, wakes=self.facts.wakes)
        async with served.serve(unit, clock) as server:
            target = Target(host="127.0.0.1", port=server.port, model=model, login=served.login)
            found = FoundSettings(folder / "found.json")
            has_serial = family not in SERVED_BESIDE or served.by_serial
            expected = unit.serial if has_serial else unit.mac
            guard = Guard(self.facts.driver()(target), device=ID, expected=expected, found=found)
            driving = Driving(
                agent="bench",
                devices={ID: LeasedDevice(model=model, failsafe_w=model.off_w)},
                ports={ID: Ports(device=guard)},
                clock=clock,
                keeper=cast("Keeper", Kept(model.max_w)),
            )
            try:
                for event in [*events, Event(wait_s=30)]:
                    await self.wait(driving, unit, event.wait_s)
                    self.let(event, driving, unit)
            finally:
                await driving.end()
                await guard.close()
        return unit

    def let(self, event: Event, driving: Driving, unit: BenchUnit) -> None:
        if event.trap is not None:
            unit.trap = event.trap
        if event.mode is not None:
            modes = self.model.modes
            driving.grant([int(modes[event.mode % len(modes)].watts)])
        if event.happens is not None:
            getattr(unit, event.happens)()

    async def wait(self, driving: Driving, unit: BenchUnit, for_s: float) -> None:
        for _ in range(round(for_s / 0.1)):
            writes = sum(asked.writes for asked in unit.log)
            driving.begin(may_raise=True)
            await asyncio.sleep(0.1)
            if unit.trap is Trap.WRONG_SERIAL:
                self.strange_writes += sum(asked.writes for asked in unit.log) - writes
            bound_w = most_w(driving.columns().applied_w[0], self.model, self.by)
            lies = Follow(driving.states()) in SAFE and unit.draw_w > bound_w
            self.lied_s = self.lied_s + 0.1 if lies else 0.0
            self.worst_s = max(self.worst_s, self.lied_s)


@pytest.mark.parametrize("family", ALL_SERVED)
@example(events=[Event(wait_s=5, trap=Trap.WRONG_SERIAL), Event(wait_s=1, mode=1)])
@example(events=[Event(wait_s=5, trap=Trap.SAYS_OK), Event(wait_s=1, mode=1)])
@settings(max_examples=examples(5, times=48), deadline=None)
@given(events=EVENTS)
def test_nothing_is_said_for_long_that_is_not_so(family: str, events: list[Event]) -> None:
    scene = Scene(family)
    with TemporaryDirectory() as folder:
        unit = timeless.run(scene.play(family, events, Path(folder)))
    assert scene.worst_s <= SEEN_S
    assert unit.pools == POOLS
    assert scene.strange_writes == 0
