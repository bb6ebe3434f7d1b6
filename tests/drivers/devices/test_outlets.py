"""Outlets and relays with an address, over real sockets: what they are told, what they say, and what they do by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import pytest

from drivers.devices.driver import Target
from drivers.devices.families import load_families
from drivers.devices.login import Login
from drivers.devices.switched import GuardedOutlet, Outlet
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.catalogue import load_catalogue
from simulators.devices import timeless
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.shelly import ShellyServer
from simulators.devices.snmp_outlet import SnmpOutletServer
from simulators.devices.tasmota import TasmotaServer
from simulators.devices.traps import Trap

HEATER = load_catalogue()["heater-2kw"]
ON_W, OFF_W = HEATER.max_w, HEATER.off_w
SERVERS: dict[str, Callable[[BenchUnit], AbstractAsyncContextManager[Any]]] = {
    "shelly": ShellyServer,
    "tasmota": TasmotaServer,
    "snmp-outlet": SnmpOutletServer,
}
HOLDING = ["shelly", "tasmota"]
LOGINS = {"snmp-outlet": Login(password="private")}
OUTLETS = {"snmp-outlet": 3}


@dataclass
class OutletBench:
    unit: BenchUnit
    server: Any
    outlet: Outlet
    target: Target

    def told(self) -> list[str]:
        return [asked.verb for asked in self.unit.log if asked.writes]


def with_outlet(
    family: str, scene: Callable[[OutletBench], Awaitable[None]], *, login: Login | None = None, told_w: int = ON_W
) -> None:
    async def play() -> None:
        facts = load_families()[family]
        clock = asyncio.get_running_loop().time
        unit = BenchUnit(model=HEATER, pace=Pace.of(facts), clock=clock, told_w=told_w, wakes=facts.wakes)
        async with SERVERS[family](unit) as server:
            target = Target(
                host="127.0.0.1",
                port=server.port,
                model=HEATER,
                login=login or LOGINS.get(family),
                outlet=OUTLETS.get(family),
            )
            outlet = facts.outlet()(target)
            try:
                await scene(OutletBench(unit, server, outlet, target))
            finally:
                await outlet.close()

    timeless.run(play())


@pytest.mark.parametrize("family", SERVERS)
def test_it_opens_and_closes_and_says_so(family: str) -> None:
    async def scene(bench: OutletBench) -> None:
        assert await bench.outlet.read() is True
        assert await bench.outlet.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED
        await asyncio.sleep(2)
        assert await bench.outlet.read() is False
        assert bench.unit.draw_w == OFF_W
        assert await bench.outlet.switch(closed=True, hold_s=None) is CommandOutcome.ACCEPTED
        assert await bench.outlet.read() is True

    with_outlet(family, scene)


@pytest.mark.parametrize("family", HOLDING)
def test_closed_for_a_while_it_opens_by_itself_unless_it_is_told_again(family: str) -> None:
    async def scene(bench: OutletBench) -> None:
        for _ in range(5):
            assert await bench.outlet.switch(closed=True, hold_s=30.0) is CommandOutcome.ACCEPTED
            await asyncio.sleep(10)
            assert bench.unit.told_w == ON_W
        await asyncio.sleep(22)  # what flows falls within a second
        assert bench.unit.told_w == OFF_W
        assert await bench.outlet.read() is False

    with_outlet(family, scene)


def test_what_cannot_open_by_itself_refuses_to_be_closed_for_a_while() -> None:
    async def scene(bench: OutletBench) -> None:
        assert await bench.outlet.switch(closed=True, hold_s=30.0) is CommandOutcome.REFUSED
        assert bench.told() == []

    with_outlet("snmp-outlet", scene)


@pytest.mark.parametrize("old", [False, True])
def test_a_pulse_time_is_written_only_where_it_is_another_one(old: bool) -> None:
    async def scene(bench: OutletBench) -> None:
        bench.server.old = old
        for _ in range(3):
            await bench.outlet.switch(closed=True, hold_s=30.0)
        assert bench.server.pulse_time == 130
        assert len([verb for verb in bench.told() if "PulseTime" in verb]) == 1

    with_outlet("tasmota", scene)


@pytest.mark.parametrize("family", HOLDING)
def test_a_contact_that_is_welded_says_that_it_is_open_and_is_not_believed(family: str) -> None:
    async def scene(bench: OutletBench) -> None:
        bench.server.contact.welded = True
        assert await bench.outlet.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED
        await asyncio.sleep(2)
        assert bench.unit.draw_w == ON_W
        assert await bench.outlet.read() is True

    with_outlet(family, scene)


def test_one_that_is_open_until_a_timer_closes_it_is_not_said_to_be_open() -> None:
    async def scene(bench: OutletBench) -> None:
        bench.server.contact.is_closed = False
        bench.server.contact.opens_s = asyncio.get_running_loop().time() + 10
        assert await bench.outlet.read() is None

    with_outlet("shelly", scene, told_w=OFF_W)


#: What is answered to a switch by each trap; over UDP half an answer, a page and nothing are the same.
OUTCOMES = {
    Trap.OK: CommandOutcome.ACCEPTED,
    Trap.SAYS_OK: CommandOutcome.ACCEPTED,
    Trap.REFUSES: CommandOutcome.REFUSED,
    Trap.HALF_ANSWER: CommandOutcome.UNKNOWN,
    Trap.HTML: CommandOutcome.UNKNOWN,
    Trap.HTTP_500: CommandOutcome.UNKNOWN,
    Trap.CLOSES: CommandOutcome.UNKNOWN,
    Trap.HANGS: CommandOutcome.UNKNOWN,
}


@pytest.mark.parametrize("trap", OUTCOMES)
@pytest.mark.parametrize("family", SERVERS)
def test_what_it_answers_is_what_came_of_it_and_what_it_says_is_where_it_is(family: str, trap: Trap) -> None:
    async def scene(bench: OutletBench) -> None:
        bench.unit.trap = trap
        assert await bench.outlet.switch(closed=False, hold_s=None) is OUTCOMES[trap]
        bench.unit.trap = Trap.OK
        await asyncio.sleep(2)
        assert await bench.outlet.read() is (bench.unit.told_w == ON_W)

    with_outlet(family, scene)


@pytest.mark.parametrize("family", SERVERS)
def test_one_that_is_away_is_a_loss_and_nothing_is_known_of_a_switch(family: str) -> None:
    async def scene(bench: OutletBench) -> None:
        bench.unit.cut()
        with pytest.raises(DriverLoss):
            await bench.outlet.read()
        assert await bench.outlet.switch(closed=False, hold_s=None) is CommandOutcome.UNKNOWN

    with_outlet(family, scene)


@pytest.mark.parametrize(
    ("family", "habit", "words"),
    [
        ("shelly", {"initial_state": "on"}, "`initial_state: on`"),
        ("shelly", {"initial_state": "restore_last"}, "`initial_state: restore_last`"),
        ("tasmota", {"power_on_state": 3}, "`PowerOnState 3"),
        ("snmp-outlet", {}, "the community"),
    ],
)
def test_what_it_would_do_by_itself_is_said_by_reading_alone(family: str, habit: dict[str, Any], words: str) -> None:
    async def scene(bench: OutletBench) -> None:
        assert words not in " | ".join(await bench.outlet.findings()) or not habit
        for name, value in habit.items():
            setattr(bench.server, name, value)
        assert words in " | ".join(await bench.outlet.findings())
        await bench.outlet.identity()
        assert bench.told() == []

    with_outlet(family, scene)


def test_one_that_comes_back_closed_after_a_power_cut_is_read_to_be_closed() -> None:
    async def scene(bench: OutletBench) -> None:
        bench.server.initial_state = "on"
        await bench.outlet.switch(closed=False, hold_s=None)
        bench.unit.cut()
        bench.unit.feed()
        await asyncio.sleep(load_families()["shelly"].boot_s + 2)
        assert await bench.outlet.read() is True

    with_outlet("shelly", scene)


@pytest.mark.parametrize("family", SERVERS)
def test_another_one_at_its_address_is_told_nothing_and_not_believed(family: str) -> None:
    async def scene(bench: OutletBench) -> None:
        expected = bench.unit.serial if family == "snmp-outlet" else bench.unit.mac
        guarded = GuardedOutlet(bench.outlet, relay="relay", expected=expected)
        assert await guarded.read() is True
        assert await guarded.switch(closed=False, hold_s=None) is CommandOutcome.ACCEPTED
        strange = GuardedOutlet(bench.outlet, relay="relay", expected="02:00:00:00:00:99")
        count = len(bench.told())
        assert await strange.switch(closed=True, hold_s=None) is CommandOutcome.UNKNOWN
        with pytest.raises(DriverLoss, match="another relay"):
            await strange.read()
        assert len(bench.told()) == count

    with_outlet(family, scene)


def test_a_password_of_tasmota_is_needed_and_not_shown() -> None:
    async def scene(bench: OutletBench) -> None:
        bench.server.password = "right-word"
        with pytest.raises(DriverLoss) as lost:
            await bench.outlet.read()
        assert "wrong-word" not in str(lost.value)
        assert await bench.outlet.switch(closed=False, hold_s=None) is CommandOutcome.UNKNOWN
        assert bench.unit.told_w == ON_W
        bench.server.password = "wrong-word"
        assert await bench.outlet.read() is True

    with_outlet("tasmota", scene, login=Login(password="wrong-word"))


def test_a_write_that_is_not_echoed_is_no_yes() -> None:
    async def scene(bench: OutletBench) -> None:
        bench.server.echoes = False
        bench.server._number = 4  # so that it knows no such outlet
        bench.server._write = lambda _bound: 0
        assert await bench.outlet.switch(closed=False, hold_s=None) is CommandOutcome.UNKNOWN

    with_outlet("snmp-outlet", scene)


def test_a_wrong_community_is_silence() -> None:
    async def scene(bench: OutletBench) -> None:
        with pytest.raises(DriverLoss):
            await bench.outlet.read()

    with_outlet("snmp-outlet", scene, login=Login(password="public"))


def test_an_outlet_of_a_pdu_is_named_by_its_number_and_has_a_community() -> None:
    opens = load_families()["snmp-outlet"].outlet()
    with pytest.raises(ConfigError, match="its number on the PDU"):
        opens(Target(host="127.0.0.1", port=1, model=HEATER, login=Login(password="x")))
    with pytest.raises(ConfigError, match="community"):
        opens(Target(host="127.0.0.1", port=1, model=HEATER, outlet=3))
