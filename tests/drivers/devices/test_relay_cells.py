"""A miner that says OK and does nothing, before it a relay with a trap of its own: it is said to be down only where it is."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from drivers.devices.driver import Target
from drivers.devices.families import load_families
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.devices.login import Login
from drivers.devices.switched import GuardedOutlet
from drivers.fleet.agent.device import Ports
from drivers.fleet.agent.driving import Driving
from drivers.fleet.agent.keeping import Keeper
from drivers.fleet.agent.lease import Held, LeasedDevice
from drivers.fleet.agent.proof import most_w
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Follow, MeasuredBy
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.luxos import LuxOsServer
from simulators.devices.shelly import ShellyServer
from simulators.devices.snmp_outlet import SnmpOutletServer
from simulators.devices.tasmota import TasmotaServer
from simulators.devices.traps import Trap
from tests.drivers.devices.plugs import PlugUnit

MINER, LUXOS = load_catalogue()["antminer-s19k-pro"], load_families()["luxos"]
FULL_W, LOWER_W = MINER.max_w, 784
SERVERS: dict[str, Any] = {"shelly": ShellyServer, "tasmota": TasmotaServer, "snmp-outlet": SnmpOutletServer}
TURN_S = 0.1
#: A relay that was asked to open has, and the first rest of its device is not over yet.
ENDS_S = 60.0
SAYS_DOWN = {Follow.PROVEN, Follow.STOPPED}
#: A relay that moves back by itself is seen to have done so when it, or the device, is read again.
SEEN_S = 11.0


class Kept:
    """Stored at once."""

    def __init__(self) -> None:
        self.stored = Held(epoch=1, applied={"miner": FULL_W})

    async def kept(self) -> None:
        """Wait for no disk."""


@dataclass
class RelayCell:
    draw_w: float = 0.0
    state: str = ""
    late_s: float = 0.0
    states: set[str] = field(default_factory=set)


async def played(family: str, trap: Trap, *, welded: bool, hold_s: float | None, folder: Path) -> RelayCell:
    clock, cell, late_s = asyncio.get_running_loop().time, RelayCell(), 0.0
    miner = BenchUnit(model=MINER, pace=Pace.of(LUXOS), clock=clock, told_w=FULL_W)
    plug = PlugUnit(miner, clock=clock)
    async with LuxOsServer(miner, clock=clock) as server, SERVERS[family](plug) as relay_server:
        found = FoundSettings(folder / "found.json")
        driver = LUXOS.driver()(Target(host="127.0.0.1", port=server.port, model=MINER))
        guard = Guard(driver, device="miner", expected=miner.serial, found=found)
        login = Login(password="private") if family == "snmp-outlet" else None
        place = Target(host="127.0.0.1", port=relay_server.port, model=MINER, login=login, outlet=3 if login else None)
        expected = plug.serial if login else plug.mac
        relay = GuardedOutlet(load_families()[family].outlet()(place), relay="relay", expected=expected)
        driving = Driving(
            agent="hall",
            devices={"miner": LeasedDevice(model=MINER, failsafe_w=0)},
            ports={"miner": Ports(device=guard, relay=relay, hold_s=hold_s)},
            clock=clock,
            keeper=cast("Keeper", Kept()),
        )
        driving.grant([FULL_W])
        while clock() < 15:
            driving.begin(may_raise=True)
            await asyncio.sleep(TURN_S)
        assert driving.states() == Follow.PROVEN
        assert miner.draw_w == FULL_W
        miner.trap, plug.trap, relay_server.contact.welded = Trap.SAYS_OK, trap, welded
        driving.grant([LOWER_W])
        while clock() < 15 + ENDS_S:
            driving.begin(may_raise=True)
            cell.state, cell.draw_w = driving.states(), miner.draw_w
            lies = cell.state in SAYS_DOWN and miner.draw_w > most_w(LOWER_W, MINER, MeasuredBy.METER)
            late_s = late_s + TURN_S if lies else 0.0
            cell.late_s = max(cell.late_s, late_s)
            cell.states.add(cell.state)
            await asyncio.sleep(TURN_S)
        await driving.end()
        await guard.close()
        await relay.close()
    return cell


@pytest.mark.parametrize(
    "trap",
    [Trap.OK, Trap.SAYS_OK, Trap.REFUSES, Trap.HALF_ANSWER, Trap.HTML, Trap.HTTP_500, Trap.CLOSES, Trap.HANGS,
     Trap.WRONG_SERIAL, Trap.MOVES_BACK],
)  # fmt: skip
@pytest.mark.parametrize("family", SERVERS)
def test_a_device_is_said_to_be_down_only_where_its_relay_has_opened(family: str, trap: Trap, tmp_path: Path) -> None:
    cell = timeless.run(played(family, trap, welded=False, hold_s=None, folder=tmp_path))
    assert cell.late_s <= (SEEN_S if trap is Trap.MOVES_BACK else 0.0)
    if trap in {Trap.OK, Trap.HALF_ANSWER}:
        assert (cell.state, cell.draw_w) == (Follow.STOPPED, 0.0)
    elif trap is not Trap.MOVES_BACK:
        assert cell.draw_w == FULL_W
        assert cell.state == Follow.DEFIANT


@pytest.mark.parametrize("family", ["shelly", "tasmota"])
def test_behind_a_welded_contact_it_is_never_said_to_be_down(family: str, tmp_path: Path) -> None:
    cell = timeless.run(played(family, Trap.OK, welded=True, hold_s=None, folder=tmp_path))
    assert (cell.late_s, cell.draw_w, cell.state) == (0.0, FULL_W, Follow.DEFIANT)


@pytest.mark.parametrize("trap", [Trap.SAYS_OK, Trap.REFUSES, Trap.HANGS, Trap.CLOSES])
@pytest.mark.parametrize("family", ["shelly", "tasmota"])
def test_a_relay_that_no_longer_does_as_it_is_told_opens_by_itself_when_its_hold_ends(
    family: str, trap: Trap, tmp_path: Path
) -> None:
    cell = timeless.run(played(family, trap, welded=False, hold_s=30.0, folder=tmp_path))
    assert cell.late_s == 0.0
    assert (cell.state, cell.draw_w) == (Follow.STOPPED, 0.0)
