from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from drivers.devices import antminer_power
from drivers.devices.antminer_stock import open_device
from drivers.devices.driver import DeviceSettings, Target
from drivers.devices.login import Login
from drivers.errors import ConfigError, DriverLoss
from drivers.fleet.agent.device import CommandOutcome
from drivers.fleet.catalogue import DeviceMode, load_catalogue
from drivers.fleet.wire import Activity, MeasuredBy
from simulators.devices.bench_unit import POOLS
from tests.drivers.devices.bench import Bench, with_bench

STOCK = "antminer-stock"
S21_PRO = load_catalogue()["antminer-s21-pro"]
WRITE = ["POST /cgi-bin/set_miner_conf.cgi"]


def test_it_says_what_it_is_and_what_it_is_set_to() -> None:
    async def scene(bench: Bench) -> None:
        identity = await bench.driver.identity()
        assert identity.model == "Antminer S21 Pro"
        assert identity.is_named(bench.unit.serial)
        assert await bench.driver.settings() == DeviceSettings(mode="0", asleep=False, pools=POOLS)
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.watts) == (3510, 3510.0)
        assert reading.measured_by is MeasuredBy.ESTIMATE
        assert bench.wrote() == []

    with_bench(STOCK, scene)


def test_it_sleeps_and_wakes_and_all_else_of_its_configuration_stays() -> None:
    async def scene(bench: Bench) -> None:
        before = bench.sim._conf()
        assert await bench.driver.command(25) is CommandOutcome.ACCEPTED
        reading = await bench.driver.read()
        assert (reading.setpoint_w, reading.activity) == (25, Activity.OFF)
        assert await bench.driver.command(3510) is CommandOutcome.ACCEPTED
        assert bench.sim._conf() == before
        assert bench.wrote() == 2 * WRITE

    with_bench(STOCK, scene)


def test_a_firmware_that_does_not_tell_its_watts_draws_an_unknown_power() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.tells_watts = False
        reading = await bench.driver.read()
        assert (reading.watts, reading.measured_by) == (None, MeasuredBy.NOTHING)
        assert any("does not tell its watts" in finding for finding in await bench.driver.findings())

    with_bench(STOCK, scene)


@pytest.mark.parametrize(
    ("page", "watts"),
    [(b"miner_power:3471", 3471.0), (b"power: 3471.5 W\n", 3471.5), (b"<html>", None), (b"x:-1", None), (b"", None)],
)
def test_watts_on_a_page_of_their_own_are_read_where_the_statistics_tell_none(
    page: bytes, watts: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(page) + page)
        writer.close()

    async def scene(bench: Bench) -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            monkeypatch.setattr(antminer_power, "PORT", server.sockets[0].getsockname()[1])
            driver = open_device(
                Target(
                    host="127.0.0.1", port=bench.sim.port, model=S21_PRO, login=Login(username="root", password="root")
                )
            )
            for _ in range(2):
                assert (await driver.read()).watts == 3510.0
            assert asked == [], "the statistics tell them"
            bench.sim.tells_watts = False
            for _ in range(2):
                reading = await driver.read()
                by = MeasuredBy.NOTHING if watts is None else MeasuredBy.ESTIMATE
                assert (reading.watts, reading.measured_by) == (watts, by)
            assert len(asked) == (1 if watts is None else 2), "one without them is seldom asked"
            assert asked[0].startswith(b"GET /miner_power HTTP/1.1\r\n")
            assert b"Authorization" not in asked[0]
            await driver.close()

    with_bench(STOCK, scene)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_configuration_that_cannot_be_read_is_never_written(status: int) -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.conf_fails = status
        for told in (bench.driver.command(25), bench.driver.stop()):
            assert await told is CommandOutcome.REFUSED
        with pytest.raises(DriverLoss):
            await bench.driver.settings()
        assert bench.wrote() == []
        assert bench.unit.pools == POOLS

    with_bench(STOCK, scene)


def test_a_configuration_without_a_pool_is_never_written() -> None:
    async def scene(bench: Bench) -> None:
        bench.unit.pools = ()
        assert await bench.driver.command(25) is CommandOutcome.REFUSED
        assert bench.wrote() == []

    with_bench(STOCK, scene)


def test_a_configuration_that_lacks_a_key_is_never_written() -> None:
    async def scene(bench: Bench) -> None:
        del bench.sim._other["bitmain-fan-pwm"]
        assert await bench.driver.command(25) is CommandOutcome.REFUSED
        assert bench.wrote() == []

    with_bench(STOCK, scene)


def test_pools_that_a_write_has_changed_are_told_and_end_all_writing(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.empties_pools = True
        await bench.driver.command(25)
        with pytest.raises(DriverLoss):
            await bench.driver.read()
        bench.unit.pools = POOLS
        assert await bench.driver.command(3510) is CommandOutcome.REFUSED
        assert bench.wrote() == WRITE

    with_bench(STOCK, scene)
    assert [record.event for record in caplog.records] == ["pools_changed"]  # type: ignore[attr-defined]


def test_pools_that_a_person_changes_are_none_of_its_business() -> None:
    async def scene(bench: Bench) -> None:
        assert await bench.driver.command(25) is CommandOutcome.ACCEPTED
        await bench.driver.read()
        bench.unit.pools = POOLS[:1]
        assert await bench.driver.command(3510) is CommandOutcome.ACCEPTED
        assert bench.unit.pools == POOLS[:1]

    with_bench(STOCK, scene)


def test_a_write_that_takes_long_is_waited_for_and_never_cut_off() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.write_s = 20.0
        assert await bench.driver.command(25) is CommandOutcome.UNKNOWN
        assert await bench.driver.command(3510) is CommandOutcome.UNKNOWN
        assert bench.wrote() == WRITE
        assert (await bench.driver.read()).setpoint_w == 25
        await asyncio.sleep(20.0)
        assert bench.unit.pools == POOLS
        bench.sim.write_s = 0.0
        assert await bench.driver.command(3510) is CommandOutcome.ACCEPTED

    with_bench(STOCK, scene)


def test_an_agent_that_ends_waits_for_a_write() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.write_s = 20.0
        await bench.driver.command(25)
        await bench.driver.close()
        await asyncio.sleep(60.0)
        assert bench.unit.pools == POOLS

    with_bench(STOCK, scene)


def test_a_firmware_that_wants_the_other_key_is_told_by_it_too() -> None:
    async def scene(bench: Bench) -> None:
        bench.sim.write_key = "bitmain-work-mode"
        assert await bench.driver.command(25) is CommandOutcome.ACCEPTED
        assert bench.unit.told_w == 25

    with_bench(STOCK, scene)


def test_a_wrong_password_is_a_silence_that_shows_nothing_of_it() -> None:
    async def scene(bench: Bench) -> None:
        with pytest.raises(DriverLoss) as lost:
            await bench.driver.read()
        assert "wrong-word" not in str(lost.value)
        assert bench.wrote() == []

    with_bench(STOCK, scene, login=Login(username="root", password="wrong-word"))


def test_a_model_with_other_modes_than_the_firmware_has_is_refused() -> None:
    low = DeviceMode(name="low", watts=2600, hashrate_ths=180, continuous=False)
    off, rated = S21_PRO.modes
    target = Target(host="127.0.0.1", port=80, model=replace(S21_PRO, modes=(off, low, rated)))
    assert open_device(target)._modes == {25: "1", 2600: "3", 3510: "0"}
    with pytest.raises(ConfigError, match="sleep, low and normal"):
        open_device(replace(target, model=load_catalogue()["antminer-s21"]))
