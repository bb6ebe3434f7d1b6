"""No order ends earlier than is stated, whatever becomes of the clocks; by a clock that is sound it ends in time."""

from __future__ import annotations

import pytest

from tests.controller.daemon.clock.lives import life
from tests.controller.daemon.clock.machine import NOW_S, Machine

LIVES = 100


def test_no_order_ends_earlier_than_the_tolerance_that_is_stated(tmp_path):
    alone, broken = 0, []
    for seed in range(LIVES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        one = life(seed, folder)
        broken += [f"seed {seed}: {each}" for each in one.broken]
        alone += not any("all comes right" in each for each in one.told)
    assert not broken
    assert alone > LIVES // 3, "in many lives it ends in the midst of all"


@pytest.mark.parametrize("days", [0.02, 1.0, 30.0])
def test_by_a_sound_clock_it_ends_within_two_seconds(tmp_path, days):
    machine = Machine(tmp_path)
    machine.rate = 1.0 + 50e-6
    ends_s = NOW_S + 86_400.0 * days + 0.3
    for passed in (machine.start, lambda: machine.reboot(20.0), machine.start, lambda: machine.reboot(30.0)):
        machine.go((ends_s - machine.wall_s) / 3.0)
        passed()
    machine.go(ends_s - machine.wall_s - 0.7)
    while not (machine.go(1.0).trusted and machine.clock.utc.utc_s >= ends_s):
        assert machine.true_s < ends_s + 2.0
    assert ends_s <= machine.true_s <= ends_s + 2.0
