"""One simulated device of a family with its driver, in a loop where time passes by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from drivers.devices.driver import DeviceDriver, Target
from drivers.devices.families import load_families
from drivers.devices.login import Login
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.served import SERVED
from simulators.devices.server import UnitServer


@dataclass(frozen=True)
class Bench:
    unit: BenchUnit
    server: UnitServer
    driver: DeviceDriver

    @property
    def sim(self) -> Any:
        """The server as what it is."""
        return self.server

    def wrote(self) -> list[str]:
        return [asked.verb for asked in self.unit.log if asked.writes]


def with_bench(
    family: str,
    scene: Callable[[Bench], Awaitable[None]],
    *,
    told_w: int | None = None,
    login: Login | None = None,
    untuned: bool = False,
    serve: Callable[[BenchUnit, Callable[[], float]], UnitServer] | None = None,
) -> None:
    async def play() -> None:
        clock = asyncio.get_running_loop().time
        facts, model, served = load_families()[family], model_of(family), SERVED[family]
        on_w = model.max_w if told_w is None else told_w
        unit = BenchUnit(model=model, pace=Pace.of(facts), clock=clock, told_w=on_w, wakes=facts.wakes)
        async with (serve or served.serve)(unit, clock) as server:
            target = Target(
                host="127.0.0.1", port=server.port, model=model, login=login or served.login, untuned=untuned
            )
            driver = facts.driver()(target)
            await scene(Bench(unit, server, driver))
            await driver.close()

    timeless.run(play())
