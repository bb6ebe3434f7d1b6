"""What becomes of a lowering, family by family and trap by trap: each cell is a scene over sockets with the real follower.

A device that runs on its most and is proven to is told its least, and answers as its trap has it. It has a relay before it. The
draw is the machine's own; what the agent says of it is held against that at every turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, cast

from drivers.devices.driver import Pool, Target
from drivers.devices.families import Instrument, Wakes, load_families
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.fleet.agent.device import CommandOutcome, Device, DeviceReading, Ports
from drivers.fleet.agent.driving import Driving
from drivers.fleet.agent.keeping import Keeper
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.proof import most_w
from drivers.fleet.catalogue import DeviceKind, Model, load_catalogue
from drivers.fleet.wire import Follow, MeasuredBy
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.served import ALL_SERVED, Served
from simulators.devices.traps import Trap

#: How often an agent has a turn; how long it has to prove what it finds; how long a scene goes on after the lowering.
TURN_S: Final = 0.1
PROVE_S: Final = 60.0
SCENE_S: Final = 60.0
_ID: Final = "unit"
_SAYS_DOWN: Final = frozenset({Follow.PROVEN, Follow.STOPPED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """How a scene ended. Of the draw, `down_s` is when it came under what it was told, for good; None: it did not.

    `outcome`: of the first command. `relayed`: its relay had to be opened. `late_s`: for how long at a stretch the agent called it proven while it
    drew more than it was said to run on, and more than the error of what measures it explains; an estimate explains nothing.
    """

    outcome: CommandOutcome | None
    down_s: float | None
    end_w: float
    state: Follow
    relayed: bool
    late_s: float
    pools: tuple[Pool, ...]


def model_of(family: str, served: Served | None = None) -> Model:
    """Return the model that a family is simulated with, at the pace of the family."""
    facts, model = load_families()[family], load_catalogue()[(served or ALL_SERVED[family]).model]
    return replace(model, down_s=facts.down_s, up_s=facts.up_s, restarts=facts.restarts or model.restarts)


async def play(family: str, trap: Trap, *, relay: bool = True, served: Served | None = None) -> Cell:
    """Return what becomes of a lowering; for a `TimelessLoop`. `served`: how the family is simulated, if not by `ALL_SERVED`."""
    async with _scene_of(family, relay=relay, served=served) as scene:
        least_w = int(scene.model.modes[1].watts)
        return await scene.lower(trap, scene.model.off_w if least_w == scene.model.max_w else least_w)


async def restart(family: str, wakes: Wakes, *, served: Served | None = None) -> Cell:
    """Return what becomes of a device without a relay that was told to be off, and then reboots; times count from there.

    `wakes`: what its start comes up with. GPUs, which no limit switches off, were told their least.
    """
    facts = load_families()[family]
    async with _scene_of(family, relay=False, served=served, wakes=wakes) as scene:
        is_gpu = facts.kind is DeviceKind.GPU
        aim_w = int(scene.model.modes[1].watts) if is_gpu else scene.model.off_w
        await scene.lower(Trap.OK, aim_w)
        scene.unit.reboot()
        return await scene.watch(aim_w, facts.boot_s + SCENE_S)


@asynccontextmanager
async def _scene_of(
    family: str, *, relay: bool, served: Served | None = None, wakes: Wakes | None = None
) -> AsyncIterator[_Scene]:
    """Give a device that runs on its most, and is proven to; `wakes`: None for as its family says."""
    clock = asyncio.get_running_loop().time
    served = served or ALL_SERVED[family]
    facts, model = load_families()[family], model_of(family, served)
    wakes = wakes or facts.wakes
    unit = BenchUnit(model=model, pace=Pace.of(facts), clock=clock, told_w=model.max_w, wakes=wakes)
    by = MeasuredBy.PSU if facts.measured_by is Instrument.PSU else MeasuredBy.METER
    async with served.serve(unit, clock) as server:
        names = served.gpus(server)
        target = Target(
            host="127.0.0.1", port=server.port, model=model, login=served.login, gpus=names, outlet=served.outlet
        )
        with TemporaryDirectory() as folder:
            found = FoundSettings(Path(folder) / "found.json")
            expected = next(iter(names), unit.serial if served.by_serial else unit.mac)
            guard = Guard(facts.driver()(target), device=_ID, expected=expected, found=found)
            scene = _Scene(unit, guard, by, relay=relay)
            try:
                await scene.prove()
                yield scene
            finally:
                await scene.driving.end()
                await guard.close()


class _Scene:
    def __init__(self, unit: BenchUnit, driver: Device, by: MeasuredBy, *, relay: bool) -> None:
        self._by = by
        self.unit, self.model, self._clock = unit, unit.model, asyncio.get_running_loop().time
        self._noted, self._relay = _Noted(driver), _BenchRelay(unit)
        max_w = unit.model.max_w
        leased = LeasedDevice(model=unit.model, failsafe_w=unit.model.off_w)
        self.driving = Driving(
            agent="bench",
            devices={_ID: leased},
            ports={_ID: Ports(device=self._noted, relay=self._relay if relay else None)},
            clock=self._clock,
            keeper=cast("Keeper", _Kept(max_w)),
        )
        self.driving.grant([max_w])

    async def prove(self) -> None:
        """Wait until it is proven to run on its most."""
        while self._state is not Follow.PROVEN:
            if self._clock() > PROVE_S:
                raise RuntimeError(f"not proven, but {self._state!r}")
            await self._turn()

    async def lower(self, trap: Trap, aim_w: int) -> Cell:
        """Tell it to draw less, and see what becomes of that."""
        self.unit.trap, self._noted.outcomes = trap, []
        self.driving.grant([aim_w])
        return await self.watch(aim_w, SCENE_S)

    async def watch(self, aim_w: int, for_s: float) -> Cell:
        """See what it does that has been told to draw no more than `aim_w`."""
        unit, began_s = self.unit, self._clock()
        down_s, late_s, stretch_s = None, 0.0, 0.0
        while self._clock() < began_s + for_s:
            await self._turn()
            if unit.draw_w > self._bound_w(aim_w):
                down_s = None
            elif down_s is None:
                down_s = self._clock() - began_s
            applied_w = self.driving.columns().applied_w[0]
            lies = self._state in _SAYS_DOWN and unit.draw_w > self._bound_w(applied_w)
            stretch_s = stretch_s + TURN_S if lies else 0.0
            late_s = max(late_s, stretch_s)
        return Cell(
            outcome=next(iter(self._noted.outcomes), None),
            down_s=down_s,
            end_w=unit.draw_w,
            state=self._state,
            relayed=self._relay.opened,
            late_s=late_s,
            pools=unit.pools,
        )

    @property
    def _state(self) -> Follow:
        return Follow(self.driving.states())

    def _bound_w(self, setpoint_w: int) -> float:
        return most_w(setpoint_w, self.model, self._by)

    async def _turn(self) -> None:
        self.driving.begin(may_raise=True)
        await asyncio.sleep(TURN_S)


class _Noted:
    """A device whose outcomes are noted."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self.outcomes: list[CommandOutcome] = []

    async def read(self) -> DeviceReading:
        return await self._device.read()

    async def command(self, watts: int) -> CommandOutcome:
        self.outcomes.append(await self._device.command(watts))
        return self.outcomes[-1]

    async def stop(self) -> CommandOutcome:
        return await self._device.stop()


class _BenchRelay:
    def __init__(self, unit: BenchUnit) -> None:
        self._unit = unit
        self._closed, self.opened = True, False

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        if hold_s is not None:
            return CommandOutcome.REFUSED
        self._closed, self.opened = closed, self.opened or not closed
        (self._unit.feed if closed else self._unit.cut)()
        return CommandOutcome.ACCEPTED

    async def read(self) -> bool | None:
        return self._closed


class _Kept:
    def __init__(self, stored_w: int) -> None:
        self.stored = Held(epoch=1, applied={_ID: stored_w})

    async def kept(self) -> None:
        """Wait for no disk."""
