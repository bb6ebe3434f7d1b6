"""Whatever was done with a device of any family, a drill and a release leave it as it was found; over real sockets, by the verbs' own way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from controller.agent import drilling
from controller.agent.drilled import drill_of
from controller.agent.equipment import equipment_of, found_file, open_driver
from controller.agent.handing_back import hand_back
from controller.agent.load import load_agent
from controller.agent.model import AgentFile
from drivers.devices.driver import DeviceSettings
from drivers.devices.families import load_families
from drivers.devices.found import FoundSettings
from drivers.fleet.keys import CONTROLLER, make_keys
from simulators.devices import timeless
from simulators.devices.bench_unit import POOLS, BenchUnit, Pace
from simulators.devices.cells import model_of
from simulators.devices.nvml_library import COMPILER
from simulators.devices.served import EVERY_SERVED, Served
from tests.drivers.devices.gpu_bench import SERVED_NVML, run_with_nvml

ID = "one"
#: What an outlet feeds draws for a moment longer, and so it is not seen to be open yet.
SHOWS_S = 3.0
FAMILIES = [
    pytest.param(family, marks=pytest.mark.skipif(family == "nvml" and COMPILER is None, reason="cc is not installed"))
    for family in EVERY_SERVED
]
#: What has a device move by itself, of the families that can.
MOVING: dict[str, Callable[[Any], None]] = {
    "luxos": lambda server: setattr(server, "atm", True),
    "braiins": lambda server: setattr(server, "scales", True),
    "vnish": lambda server: server.switcher.update(enabled=True),
}


@dataclass
class Stand:
    """One device that is served, the agent's file that has it, and a look at it by nobody who has led it."""

    unit: BenchUnit
    server: Any
    file: AgentFile

    async def look(self) -> DeviceSettings:
        driver = open_driver(self.file, self.file.devices[0])
        try:
            return await driver.settings()
        finally:
            await driver.close()

    async def tell(self, watts: int) -> None:
        """Have it run on so many watts, as somebody has who was there before."""
        driver = open_driver(self.file, self.file.devices[0])
        try:
            await driver.command(watts)
        finally:
            await driver.close()
        await asyncio.sleep(SHOWS_S)


def served_as(family: str) -> Served:
    return SERVED_NVML if family == "nvml" else EVERY_SERVED[family]


def written(folder: Path, family: str, unit: BenchUnit, server: Any) -> AgentFile:
    facts, served = load_families()[family], served_as(family)
    device: dict[str, Any] = {
        "id": ID,
        "family": family,
        "model": served.model,
        "failsafe": f"{unit.model.modes[1].watts:g} W",
    }
    if facts.is_local:
        device["gpus"] = list(server.uuids)
    else:
        who = {"serial": unit.serial} if served.by_serial else {"mac": unit.mac}
        device |= {"host": "127.0.0.1", "port": server.port, **who}
    if served.login is not None:
        user = f"username: {served.login.username}\n" if served.login.username else ""
        (folder / "login").write_text(f"{user}password: {served.login.password}\n")
        (folder / "login").chmod(0o600)
        device["login"] = "login"
    device |= {} if served.outlet is None else {"outlet": served.outlet}
    device |= {"tls": {"plain": True}} if facts.tls else {}
    make_keys(folder / "keys", (CONTROLLER, "hall"))
    mqtt = {"host": "127.0.0.1", "port": 1, "protocol": "5", "keys": "keys", "tls": "none"}
    raw = {"version": 1, "site": "yard", "agent": "hall", "mqtt": mqtt, "state": "state", "devices": [device]}
    (folder / "agent.yaml").write_text(yaml.safe_dump(raw))
    return load_agent(folder / "agent.yaml")


def with_stand(family: str, folder: Path, scene: Callable[[Stand], Awaitable[None]]) -> None:
    async def play() -> None:
        clock, facts, served = asyncio.get_running_loop().time, load_families()[family], served_as(family)
        model = model_of(family, served)
        unit = BenchUnit(model=model, pace=Pace.of(facts), clock=clock, told_w=model.max_w, wakes=facts.wakes)
        async with served.serve(unit, clock) as server:
            await scene(Stand(unit, server, written(folder, family, unit, server)))

    (run_with_nvml if family == "nvml" else timeless.run)(play())


async def was_led(stand: Stand, watts: int) -> None:
    """Do what an agent does: hear of the device, have it run on so many watts, and end."""
    equipment = equipment_of(stand.file, FoundSettings(found_file(stand.file)))
    try:
        await equipment.guards[ID].read()
        await equipment.guards[ID].command(watts)
        await asyncio.sleep(SHOWS_S)
    finally:
        await equipment.close()


@pytest.mark.parametrize("found", ["full", "least", "off"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_released_device_is_set_as_it_was_found(family: str, found: str, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        model = stand.unit.model
        found_w = {"full": model.max_w, "least": int(model.modes[1].watts), "off": model.off_w}[found]
        await stand.tell(found_w)
        before = await stand.look()
        await was_led(stand, model.off_w if found_w == model.max_w else model.max_w)
        assert await hand_back(stand.file) == {ID: ""}
        assert await stand.look() == before
        assert stand.unit.pools == POOLS
        assert FoundSettings(found_file(stand.file)).all == {}, "it is led no more"

    with_stand(family, tmp_path, scene)


@pytest.fixture
def seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a drill look at a device as seldom as it can, for its steps are what this is about."""
    monkeypatch.setattr(drilling, "LOOK_S", 10.0)


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize("family", FAMILIES)
def test_a_drilled_device_that_was_off_is_off_again(family: str, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        await stand.tell(stand.unit.model.off_w)
        before = await stand.look()
        evidence = await drill_of(stand.file, ID, asyncio.get_running_loop().time)
        assert evidence["wrong"] == []
        assert await stand.look() == before
        assert stand.unit.pools == POOLS
        assert FoundSettings(found_file(stand.file)).all == {}, "nobody leads it"

    with_stand(family, tmp_path, scene)


@pytest.mark.usefixtures("seldom")
@pytest.mark.parametrize("family", MOVING)
def test_what_moved_by_itself_does_so_again_after_a_drill_and_after_a_release(family: str, tmp_path: Path) -> None:
    async def scene(stand: Stand) -> None:
        MOVING[family](stand.server)
        before = await stand.look()
        assert before.moves_itself
        await was_led(stand, int(stand.unit.model.modes[1].watts))
        assert (await stand.look()).moves_itself == ()
        assert await hand_back(stand.file) == {ID: ""}
        assert await stand.look() == before
        assert (await drill_of(stand.file, ID, asyncio.get_running_loop().time))["wrong"] == []
        assert await stand.look() == before

    with_stand(family, tmp_path, scene)
