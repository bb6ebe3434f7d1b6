"""A raise has room for what no meter has shown of it yet, or it would wait for ever."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.allocation.allocator import Allotment
from controller.core.allocation.raises import with_room_to_rise
from controller.core.allocation.tables import make_tables
from controller.core.fleet.leases import no_leases
from controller.core.limits.house_load import HOUSE_DRIFT
from tests.controller.core.world import MINER, STEPS, settled, site, with_rules

TABLES = make_tables(site(miners=2, stepped=0, gpus=0))
LEASES = replace(no_leases(TABLES.site.devices, 0.0), high_w=np.array([3500.0, 25.0]))


def allotted(rooms, *answers_w, calm=True):
    """Return what comes of a room at the nodes, where each call is answered by the next of these watts, and the rooms asked for."""
    asked = []

    def solve(*, limit_w):
        watts = np.array(answers_w[len(asked)], dtype=np.float64)
        asked.append(limit_w.tolist())
        worth = float(watts.sum())
        return Allotment(
            watts=watts,
            value_per_h=worth,
            worth_per_h=worth,
            bound_per_h=worth + 1,
            program_per_h=worth + 2,
            released=0,
            price_below=np.zeros(4),
        )

    return with_room_to_rise(
        TABLES, solve, np.array(rooms, dtype=np.float64), TABLES.site.devices.off_w, LEASES, calm=calm
    ), asked


def test_a_raise_that_fits_with_its_tolerance_is_left_as_it_is():
    found, asked = allotted([5000.0] * 4, [3500.0, 1400.0])
    assert found.watts.tolist() == [3500.0, 1400.0]
    assert asked == [[5000.0] * 4]


def test_a_raise_that_does_not_is_allotted_again_with_its_tolerance_left_free_and_the_bound_stays_that_of_all_the_room():
    found, asked = allotted([4900.0, 4900.0, 4900.0, 9e9], [3500.0, 1400.0], [3431.0, 1400.0])
    left_w = 4900.0 - 0.05 * 1375.0
    assert asked[1] == pytest.approx([left_w, left_w, left_w, 9e9])
    assert found.watts.tolist() == [3431.0, 1400.0]
    assert (found.worth_per_h, found.bound_per_h, found.program_per_h) == (4831.0, 4901.0, 4902.0)


def test_while_the_envelope_moves_or_the_ramp_holds_raises_back_none_is_made_room_for():
    found, asked = allotted([4900.0] * 4, [3500.0, 1400.0], calm=False)
    assert len(asked) == 1
    assert found.watts.tolist() == [3500.0, 1400.0]


@pytest.mark.parametrize(
    ("miners", "stepped", "surplus_w"), [(20, 0, 40e3), (20, 0, 47e3), (12, 10, 33e3), (5, 3, 12e3)]
)
@pytest.mark.parametrize("bias", [1.0, 1.05])
def test_a_steady_envelope_is_used_to_the_watt_by_miners(miners, stepped, surplus_w, bias):
    built = site(with_rules(ramp_up_w_s=4e3), miners=miners, stepped=stepped, gpus=0)
    world = settled(240, built, surplus_w=surplus_w, bias=np.full(len(built.devices.ids), bias))
    decision = world.decided
    kept_w = HOUSE_DRIFT * decision.house_w[0]
    assert world.site_w > decision.envelope_w[0] - kept_w - 0.012 * max(MINER[-1][0], STEPS[-1][0])
    assert world.violations() == []


def test_what_runs_is_left_running_for_a_raise():
    """All miners have to stay on for an hour: the room of another's tolerance is taken from what is above their least."""
    built = site(miners=20, stepped=0, gpus=0)
    stays = replace(built, devices=replace(built.devices, min_up_s=np.full(20, 3600.0)))
    world = settled(30, stays, surplus_w=21e3)
    on = world.decided.setpoint_w > 25.0
    world.surplus_w = 40e3
    world.run(120)
    assert all(not entry[-1].overruled for entry in world.history)
    assert np.all(world.decided.setpoint_w[on] > 25.0)
