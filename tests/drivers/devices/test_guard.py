"""The guard before any driver: the right device, as it was found, and its pools."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.devices.driver import DeviceIdentity, DeviceSettings, Pool
from drivers.devices.found import FoundSettings
from drivers.devices.guard import Guard
from drivers.errors import DriverLoss
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.wire import Activity, DeviceAlarm, MeasuredBy

POOL = Pool(url="stratum+tcp://pool.example.org:3333", user="site.one")
OTHER = replace(POOL, url="stratum+tcp://elsewhere.example.org:3333")
FOUND = DeviceSettings(mode="590MHz", asleep=False, moves_itself=("atm",), pools=(POOL,))


class Driver:
    """A device that can be made to lie."""

    def __init__(self) -> None:
        self.serial: str | None = "S1"
        self.set = FOUND
        self.silent = self.mute = False
        self.takes_pools_away = self.refuses = False
        self.writes: list[str] = []

    async def read(self) -> DeviceReading:
        self._hear()
        return DeviceReading(
            setpoint_w=1414, watts=None, measured_by=MeasuredBy.NOTHING, activity=Activity.RUNNING, serial=self.serial
        )

    async def identity(self) -> DeviceIdentity:
        self._hear()
        return DeviceIdentity(family="mock", model=None, firmware=None, serial=self.serial, mac="02:00:00:00:00:01")

    async def settings(self) -> DeviceSettings:
        self._hear()
        if self.mute:
            raise DriverLoss("does not tell its settings")
        return self.set

    async def command(self, watts: int) -> CommandOutcome:
        return self._write(f"command {watts}", replace(self.set, mode=f"{watts}"))

    async def stop(self) -> CommandOutcome:
        return self._write("stop", replace(self.set, asleep=True))

    async def restore(self, found: DeviceSettings) -> CommandOutcome:
        return self._write("restore", found)

    async def findings(self) -> Sequence[str]:
        return []

    async def close(self) -> None:
        self.writes.append("closed")

    def _hear(self) -> None:
        if self.silent:
            raise DriverLoss("silent")

    def _write(self, what: str, settings: DeviceSettings) -> CommandOutcome:
        self._hear()
        if self.refuses:
            return CommandOutcome.REFUSED
        self.writes.append(what)
        self.set = replace(settings, pools=(OTHER,)) if self.takes_pools_away else settings
        return CommandOutcome.ACCEPTED


@pytest.fixture
def driver() -> Driver:
    return Driver()


@pytest.fixture
def found(tmp_path: Path) -> FoundSettings:
    return FoundSettings(tmp_path / "hall.found.json")


@pytest.fixture
def guard(driver: Driver, found: FoundSettings) -> Guard:
    return Guard(driver, device="unit-001", expected="S1", found=found)


def test_another_device_at_the_address_is_neither_told_anything_nor_believed(
    guard: Guard, driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.serial = "S2"
    for _ in range(3):
        with pytest.raises(DriverLoss, match="another device"):
            asyncio.run(guard.read())
    assert asyncio.run(guard.command(25)) is CommandOutcome.UNKNOWN
    assert asyncio.run(guard.stop()) is CommandOutcome.UNKNOWN
    assert driver.writes == []
    assert [record.event for record in caplog.records] == ["wrong_device"]  # type: ignore[attr-defined]


def test_a_device_that_changes_between_two_readings_is_found_out(guard: Guard, driver: Driver) -> None:
    asyncio.run(guard.read())
    driver.serial = "S2"
    with pytest.raises(DriverLoss, match="another device"):
        asyncio.run(guard.read())


def test_a_device_that_does_not_say_who_it_is_in_a_reading_is_asked_after_a_silence(
    guard: Guard, driver: Driver
) -> None:
    asyncio.run(guard.read())
    driver.silent = True
    with pytest.raises(DriverLoss, match="silent"):
        asyncio.run(guard.read())
    driver.silent, driver.serial = False, None
    with pytest.raises(DriverLoss, match="another device"):
        asyncio.run(guard.read())


def test_a_mac_will_do(driver: Driver, found: FoundSettings) -> None:
    guard = Guard(driver, device="unit-001", expected="02-00-00-00-00-01", found=found)
    assert asyncio.run(guard.command(25)) is CommandOutcome.ACCEPTED


def test_what_a_device_was_set_to_first_is_what_is_kept(
    guard: Guard, driver: Driver, found: FoundSettings, tmp_path: Path
) -> None:
    asyncio.run(guard.read())
    asyncio.run(guard.command(784))
    asyncio.run(guard.read())
    assert found.all == {"unit-001": FOUND}
    assert FoundSettings(tmp_path / "hall.found.json").all == {"unit-001": FOUND}
    again = Guard(driver, device="unit-001", expected="S1", found=FoundSettings(tmp_path / "hall.found.json"))
    asyncio.run(again.read())
    assert FoundSettings(tmp_path / "hall.found.json").all == {"unit-001": FOUND}


def test_pools_that_change_by_a_write_are_an_error_and_the_last_write(
    guard: Guard, driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    asyncio.run(guard.read())
    driver.takes_pools_away = True
    assert asyncio.run(guard.command(784)) is CommandOutcome.ACCEPTED
    assert list(guard.alarms()) == []
    asyncio.run(guard.read())
    assert list(guard.alarms()) == [DeviceAlarm.POOLS_CHANGED]
    assert [record.event for record in caplog.records if record.levelno == logging.ERROR] == ["pools_changed"]  # type: ignore[attr-defined]
    assert asyncio.run(guard.command(25)) is CommandOutcome.REFUSED
    assert asyncio.run(guard.stop()) is CommandOutcome.REFUSED
    assert driver.writes == ["command 784"]


def test_pools_that_a_write_has_changed_are_noticed_before_the_next_one(guard: Guard, driver: Driver) -> None:
    driver.takes_pools_away = True
    asyncio.run(guard.command(784))
    assert asyncio.run(guard.command(25)) is CommandOutcome.REFUSED
    assert driver.writes == ["command 784"]


def test_pools_that_a_person_changes_are_no_fault_of_a_write(guard: Guard, driver: Driver) -> None:
    asyncio.run(guard.command(784))
    asyncio.run(guard.read())
    driver.set = replace(driver.set, pools=(OTHER,))
    asyncio.run(guard.read())
    assert asyncio.run(guard.command(25)) is CommandOutcome.ACCEPTED


def test_a_device_that_does_not_tell_its_settings_is_lowered_all_the_same(guard: Guard, driver: Driver) -> None:
    driver.mute = True
    asyncio.run(guard.read())
    assert asyncio.run(guard.command(25)) is CommandOutcome.ACCEPTED
    assert driver.writes == ["command 25"]


def test_a_silent_device_is_told_nothing(guard: Guard, driver: Driver) -> None:
    driver.silent = True
    assert asyncio.run(guard.command(25)) is CommandOutcome.UNKNOWN
    assert driver.writes == []


def test_a_device_that_refuses_is_named_once_until_it_takes_something(
    guard: Guard, driver: Driver, caplog: pytest.LogCaptureFixture
) -> None:
    driver.refuses = True
    assert [asyncio.run(guard.command(25)) for _ in range(3)] == [CommandOutcome.REFUSED] * 3
    assert [record.event for record in caplog.records] == ["device_refuses"]  # type: ignore[attr-defined]
    driver.refuses = False
    asyncio.run(guard.command(25))
    driver.refuses = True
    asyncio.run(guard.command(25))
    assert len(caplog.records) == 2


def test_one_that_refuses_to_be_handed_back_is_said_to_stand_as_it_was_found(guard: Guard, driver: Driver) -> None:
    driver.refuses = True
    said = asyncio.run(guard.hand_back(FOUND))
    assert said == "nothing differs, but it answered refused when it was told so: is its login right?"
