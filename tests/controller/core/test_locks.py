from dataclasses import replace

import numpy as np
import pytest

from controller.core.locks import held_on_w, locks_after, may_rise
from controller.core.plan import make_plan
from tests.controller.core.world import GPU, MINER, STEPS, World, devices, site

INF = float("inf")
FREE = -INF


def plan_of(*rows):
    columns = devices([{"modes": modes, "lock": lock, "up": 30.0} for modes, lock in rows])
    return make_plan(replace(site(miners=1, stepped=0, gpus=0), devices=columns))


PLAN = plan_of((MINER, 600.0), (STEPS, 120.0), (STEPS, 0.0), (GPU, 600.0))


def test_what_can_be_changed_in_place():
    assert PLAN.in_place.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("why", "before", "after", "ends"),
    [
        ("a start", [25, 25, 25, 150], [1400, 1080, 1080, 3600], [700.0, 220.0, FREE, 700.0]),
        ("in place, and another mode", [1400, 1080, 1080, 3600], [2000, 1916, 1916, 5000], [FREE, 220.0, FREE, FREE]),
        ("switched off", [1400, 1080, 1080, 3600], [25, 25, 25, 150], [130.0, 130.0, FREE, 130.0]),
        ("nothing", [1400, 1080, 1080, 3600], [1400, 1080, 1080, 3600], [FREE] * 4),
    ],
)
def test_locks_begin_with_a_restart(why, before, after, ends):
    until_s = locks_after(PLAN, np.full(4, FREE), np.array(before, float), np.array(after, float), 100.0)
    assert until_s.tolist() == ends, why


def test_a_lock_keeps_what_runs_and_nothing_that_is_still_starting():
    world = World(PLAN.site, surplus_w=0.0)
    full_w = np.array([2000.0, 1916.0, 1916.0, 5000.0])
    belief = replace(world.state.belief, current_w=full_w, low_w=np.array([2000.0, 1916.0, 25.0, 5000.0]))
    locked = np.array([True, True, True, False])
    assert held_on_w(PLAN, belief, locked).tolist() == [1400.0, 1916.0, 0.0, 0.0]
    assert may_rise(PLAN, belief, locked).tolist() == [True, False, False, True]
    off = replace(belief, current_w=PLAN.site.devices.off_w)
    assert may_rise(PLAN, off, locked).tolist() == [False, False, False, True]
