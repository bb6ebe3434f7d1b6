from __future__ import annotations

import pytest

from drivers.devices.driver import DeviceIdentity, least_mode_over
from drivers.fleet.catalogue import load_catalogue

XP = load_catalogue()["antminer-s19-xp"]
S21 = load_catalogue()["antminer-s21"]


@pytest.mark.parametrize(
    "written", ["62:f7:5e:b7:10:46", "62F75EB71046", "62-F7-5E-B7-10-46", "JYZZB0UBDJABF06RB", "jyzzb0ubdjabf06rb "]
)
def test_a_device_is_known_by_its_serial_or_its_mac_however_written(written: str) -> None:
    identity = DeviceIdentity(
        family="luxos", model="S19k Pro", firmware="1", serial="JYZZB0UBDJABF06RB", mac="62:f7:5e:b7:10:46"
    )
    assert identity.is_named(written)


def test_a_device_that_does_not_say_who_it_is_is_nobody() -> None:
    nobody = DeviceIdentity(family="luxos", model=None, firmware=None, serial=None, mac="")
    assert not nobody.is_named("")
    assert not nobody.is_named("62f75eb71046")


@pytest.mark.parametrize(
    ("watts", "mode_w"), [(0, 25), (25, 25), (26, 1700), (1700, 1700), (1700.2, 2200), (2200, 2200), (9000.5, 9001)]
)
def test_a_device_between_two_modes_is_said_to_run_on_the_upper_one(watts: float, mode_w: int) -> None:
    assert XP.off_w == 25
    assert least_mode_over(XP, watts) == mode_w


@pytest.mark.parametrize(
    ("watts", "mode_w"), [(25, 25), (1000, 1400), (1400, 1400), (2000.2, 2001), (3500, 3500), (3600, 3600)]
)
def test_a_continuous_device_is_said_to_run_on_its_watts_rounded_up(watts: float, mode_w: int) -> None:
    assert least_mode_over(S21, watts) == mode_w
