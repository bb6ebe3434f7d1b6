"""One cell of the table of families and traps: a device at full power that is told to come down, led as an agent leads it.

Both ends are real, over a socket; time is virtual. Whatever the trap, no cell may say that a device is proven while it draws
more than it was told, and none may leave other pools.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from drivers.clock import Clock
from drivers.devices.driver import Target
from drivers.devices.families import Family
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.fleet.agent.device import CommandOutcome, DeviceReading, Ports
from drivers.fleet.agent.driving import Driving
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.proof import most_w
from drivers.fleet.catalogue import Model
from drivers.fleet.wire import Follow, MeasuredBy
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.traps import Trap
from simulators.devices.unit import DeviceUnit
from tests.virtual_time import now_s, run_virtually

TURN_S = 0.1
DEVICE = "unit-001"
SERIAL = "BENCH0UNIT000001"
#: States of a device that is said to draw no more than it was told.
SAFE = {Follow.PROVEN, Follow.STOPPED}


class ServerOf(Protocol):
    """Makes the simulated server of a family before a unit."""

    def __call__(self, unit: DeviceUnit, *, clock: Clock) -> AbstractAsyncContextManager[ServerWithPort]: ...


class ServerWithPort(Protocol):
    @property
    def port(self) -> int: ...


@dataclass(kw_only=True)
class Cell:
    """What came of a trap. `down_s`: when its draw was no more than told and stayed so, None if never."""

    outcome: CommandOutcome | None = None
    state: str = ""
    down_s: float | None = None
    watts: float = 0.0
    lies: list[str] = field(default_factory=list)
    lie_s: float = 0.0
    longest_lie_s: float = 0.0
    pools_same: bool = True
    relay_open: bool = False
    told: list[str] = field(default_factory=list)


class _KeptKeeper:
    """Stored at once."""

    def __init__(self, full_w: int) -> None:
        self.stored = Held(applied={DEVICE: full_w})

    async def kept(self) -> None:
        return


class _CuttingRelay:
    def __init__(self, unit: BenchUnit) -> None:
        self._unit, self.closed = unit, True

    async def switch(self, *, closed: bool, hold_s: float | None) -> CommandOutcome:
        if closed is not self.closed:
            (self._unit.feed if closed else self._unit.cut)()
        self.closed = closed
        return CommandOutcome.ACCEPTED

    async def read(self) -> bool:
        return self.closed


class _Heard:
    """A device whose first answer is remembered."""

    def __init__(self, guard: Guard, cell: Cell) -> None:
        self._guard, self._cell = guard, cell

    async def read(self) -> DeviceReading:
        return await self._guard.read()

    async def command(self, watts: int) -> CommandOutcome:
        outcome = await self._guard.command(watts)
        self._cell.outcome = self._cell.outcome or outcome
        return outcome

    async def stop(self) -> CommandOutcome:
        return await self._guard.stop()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A family's device of `model` at full power is told `told_w`; `server`: its simulated server. `after_s`: how long it is watched.

    `measured_by`: what the device's watts are, whose error is no lie; an estimate proves nothing, and excuses nothing.
    """

    family: Family
    model: Model
    server: ServerOf
    told_w: int
    login: object = None
    untuned: bool = False
    relay: bool = False
    after_s: float = 60.0
    measured_by: MeasuredBy = MeasuredBy.METER
    prepare: Callable[[BenchUnit, ServerWithPort], None] = lambda _unit, _server: None
    gpus: Callable[[Any], tuple[str, ...]] = lambda _server: ()
    run: Callable[[Coroutine[Any, Any, Cell]], Cell] = run_virtually

    def play(self, trap: Trap, folder: Path) -> Cell:
        """Return what came of the trap."""
        return self.run(self._play(trap, folder))

    async def _play(self, trap: Trap, folder: Path) -> Cell:
        unit = BenchUnit(
            model=self.model, pace=Pace.of(self.family), clock=now_s, told_w=self.model.max_w, wakes=self.family.wakes
        )
        cell, pools = Cell(), unit.pools
        async with self.server(unit, clock=now_s) as server:
            self.prepare(unit, server)
            await self._lead(unit, server, trap, cell, folder)
        cell.pools_same = unit.pools == pools
        cell.told = [asked.verb for asked in unit.log if asked.writes]
        return cell

    async def _lead(self, unit: BenchUnit, server: ServerWithPort, trap: Trap, cell: Cell, folder: Path) -> None:
        target = Target(
            host="127.0.0.1",
            port=server.port,
            model=self.model,
            login=self.login,  # type: ignore[arg-type]
            untuned=self.untuned,
            gpus=self.gpus(server),
        )
        driver = self.family.driver()(target)
        expected = next(iter(target.gpus), SERIAL)
        guard = Guard(driver, device=DEVICE, expected=expected, found=FoundSettings(folder / "found.json"))
        relay = _CuttingRelay(unit) if self.relay else None
        leased = LeasedDevice(model=self.model, failsafe_w=0)
        driving = Driving(
            agent="hall",
            devices={DEVICE: leased},
            ports={DEVICE: Ports(device=_Heard(guard, cell), relay=relay)},
            clock=now_s,
            keeper=_KeptKeeper(self.model.max_w),  # type: ignore[arg-type]
        )
        try:
            await self._turns(driving, unit, 15.0, None)
            cell.outcome = None
            unit.trap = trap
            driving.grant([self.told_w])
            await self._turns(driving, unit, self.after_s, cell)
        finally:
            await driving.end()
            await guard.close()
        cell.relay_open = relay is not None and not relay.closed

    async def _turns(self, driving: Driving, unit: BenchUnit, for_s: float, cell: Cell | None) -> None:
        begin_s = now_s()
        while now_s() < begin_s + for_s:
            driving.begin(may_raise=True)
            if cell is not None:
                self._note(cell, driving, unit, now_s() - begin_s)
            await asyncio.sleep(TURN_S)

    def _note(self, cell: Cell, driving: Driving, unit: BenchUnit, since_s: float) -> None:
        cell.state, cell.watts = driving.states(), unit.draw_w
        lies_before = len(cell.lies)
        most = most_w(self.told_w, self.model, self.measured_by)
        if unit.draw_w > most:
            cell.down_s = None
            if cell.state in SAFE:
                cell.lies.append(f"{since_s:.1f} s: {cell.state} at {unit.draw_w:.0f} W, told {self.told_w} W")
        elif cell.down_s is None:
            cell.down_s = since_s
        cell.lie_s = cell.lie_s + TURN_S if len(cell.lies) > lies_before else 0.0
        cell.longest_lie_s = max(cell.longest_lie_s, cell.lie_s)
