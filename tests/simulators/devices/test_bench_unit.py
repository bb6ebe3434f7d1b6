from __future__ import annotations

import pytest

from drivers.devices.families import Wakes
from drivers.fleet.catalogue import load_catalogue
from drivers.fleet.wire import Activity
from simulators.devices.bench_unit import BenchUnit, Pace
from simulators.devices.traps import MOVES_BACK_S, Trap

MODEL = load_catalogue()["antminer-s19k-pro"]
FULL_W = MODEL.max_w


class Time:
    def __init__(self) -> None:
        self.s = 100.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def time() -> Time:
    return Time()


def unit_on(time: Time, wakes: Wakes = Wakes.AS_SET) -> BenchUnit:
    return BenchUnit(model=MODEL, pace=Pace(down_s=4.0, up_s=10.0, boot_s=60.0), clock=time, told_w=FULL_W, wakes=wakes)


def test_it_goes_down_in_a_line_over_its_time(time: Time) -> None:
    unit = unit_on(time)
    unit.tell(MODEL.off_w)
    time.s += 2
    assert unit.draw_w == pytest.approx((FULL_W + MODEL.off_w) / 2)
    assert unit.activity is Activity.STOPPING
    time.s += 2
    assert unit.draw_w == MODEL.off_w
    assert unit.activity is Activity.OFF


def test_a_restart_falls_to_little_and_comes_up_at_the_end_of_its_time(time: Time) -> None:
    unit = unit_on(time)
    unit.tell(1414, restarts=True)
    time.s += 5
    assert unit.draw_w < 0.2 * 1414
    time.s += 5
    assert unit.draw_w == pytest.approx(1414)


def test_what_tunes_draws_more_than_it_is_told_for_a_while(time: Time) -> None:
    unit = unit_on(time)
    unit.tell(1414, tunes_s=30.0)
    time.s += 20
    assert unit.draw_w == pytest.approx(1.1 * 1414)
    time.s += 20
    assert unit.draw_w == 1414


@pytest.mark.parametrize(("wakes", "watts"), [(Wakes.AS_SET, 1414), (Wakes.FULL, FULL_W), (Wakes.ASLEEP, MODEL.off_w)])
def test_a_start_is_away_for_its_time_and_comes_up_as_its_kind_does(time: Time, wakes: Wakes, watts: int) -> None:
    unit = unit_on(time, wakes)
    unit.tell(1414)
    time.s += 20
    unit.reboot()
    assert not unit.answers
    assert unit.draw_w == MODEL.off_w
    time.s += 60
    assert unit.answers
    assert unit.boots == 1
    time.s += 10
    assert unit.draw_w == watts


def test_without_power_it_draws_nothing_and_is_away(time: Time) -> None:
    unit = unit_on(time)
    unit.cut()
    assert (unit.draw_w, unit.answers) == (0.0, False)
    unit.feed()
    time.s += 71
    assert (unit.draw_w, unit.answers) == (FULL_W, True)


def test_what_moves_back_does_so_once_and_after_its_time(time: Time) -> None:
    unit = unit_on(time)
    unit.trap = Trap.MOVES_BACK
    unit.tell(784)
    unit.wrote(FULL_W)
    assert unit.told_w == 784
    time.s += MOVES_BACK_S
    assert unit.told_w == FULL_W


def test_another_device_at_the_address_has_another_serial_and_mac(time: Time) -> None:
    unit = unit_on(time)
    mine = unit.serial, unit.mac
    unit.trap = Trap.WRONG_SERIAL
    assert unit.serial != mine[0]
    assert unit.mac != mine[1]
