"""Machines with simulated GPUs, the library of NVML over them, and the driver before it; time is virtual."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self, TypeVar

from drivers.devices import nvml
from drivers.devices.driver import Target
from drivers.devices.families import load_families
from drivers.devices.gpu_machine import GpuMachine
from drivers.devices.job_hook import JobCommands
from drivers.fleet.catalogue import Model, load_catalogue
from simulators.devices import nvml_library
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.nvml import NvmlServer
from simulators.devices.served import Served
from tests.drivers.devices.waiting_loop import run_waiting

T = TypeVar("T")

FAMILY = load_families()["nvml"]
CARD = load_catalogue()["h100-sxm"]
NODE = load_catalogue()["hgx-h100"]


@lru_cache(maxsize=1)
def library() -> Path:
    """Return the simulated library, which this process has from now on."""
    built = nvml_library.build(Path(mkdtemp(prefix="nvml-")))
    nvml_library.load(built)
    return built


def run_with_nvml(scene: Coroutine[Any, Any, T]) -> T:
    """Return what a scene returns, with NVML as a process that begins has it."""
    library()
    nvml.library = nvml.NvmlLibrary()
    return run_waiting(scene, lambda: nvml.library.thread.under_way)


class PointedServer(NvmlServer):
    """The machine that NVML of this process is of."""

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        nvml_library.point_at("127.0.0.1", self.port)
        return self


class GpuBench:
    def __init__(self, unit: BenchUnit, server: NvmlServer, driver: GpuMachine) -> None:
        self.unit, self.server, self.driver = unit, server, driver

    def told(self) -> list[str]:
        return [asked.verb for asked in self.unit.log if asked.writes]


def with_gpus(
    scene: Callable[[GpuBench], Awaitable[None]],
    *,
    model: Model = CARD,
    gpus: int = 1,
    jobs: JobCommands | None = None,
    run: Callable[[Coroutine[Any, Any, None]], None] = run_with_nvml,
) -> None:
    async def play() -> None:
        clock = asyncio.get_running_loop().time
        unit = BenchUnit(model=model, pace=Pace.of(FAMILY), clock=clock, told_w=model.max_w, wakes=FAMILY.wakes)
        async with PointedServer(unit, gpus=gpus) as server:
            target = Target(host="", port=0, model=model, gpus=server.uuids, jobs=jobs)
            driver = nvml.open_device(target)
            try:
                await scene(GpuBench(unit, server, driver))
            finally:
                await driver.close()

    run(play())


SERVED_NVML = Served(
    model=CARD.id,
    login=None,
    serve=lambda unit, clock, port=0: PointedServer(unit, port=port),
    gpus=lambda server: server.uuids,
)
