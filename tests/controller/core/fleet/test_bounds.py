from dataclasses import replace

import numpy as np
import pytest

from controller.core.fleet.bounds import fleet_below, nobody_below
from controller.core.fleet.leases import CONTACT_S, no_leases
from controller.core.floor import NodeSums
from tests.controller.core.world import GPU, MINER, World, devices, site


def test_where_no_agent_is_listened_to_anything_may_be_drawn_and_nothing_is_told():
    small = site()
    bounds = nobody_below(small)
    nothing = [0.0] * len(small.tree.ids)
    assert bounds.least_w.tolist() == bounds.told_w.tolist() == bounds.told_least_w.tolist() == nothing
    assert np.all(bounds.most_w == np.inf)


@pytest.mark.parametrize(("ago_s", "told"), [(0.0, True), (CONTACT_S, True), (CONTACT_S + 0.5, False)])
def test_what_an_agent_has_told_counts_for_as_long_as_it_is_in_contact(ago_s, told):
    world = World(site(), surplus_w=0.0)
    fleet = world.snapshot().fleet
    fleet = replace(fleet, heard_s=np.full_like(fleet.heard_s, world.now_s - ago_s))
    bounds = fleet_below(world.site, world.state.leases, fleet, world.now_s, NodeSums(world.site))
    assert (bounds.told_w[0] > 0.0) == told


@pytest.mark.parametrize(
    ("why", "model", "told_w", "least_w", "most_w"),
    [
        ("one that follows its setpoint draws what it was set to", {"modes": MINER}, 2e3, 1.5e3, 3.5e3),
        (
            "one that it only caps, what is measured, with its error",
            {"modes": GPU, "steady": False},
            2e3,
            1.5e3,
            2.16e3,
        ),
        ("one that idles, less than it was set to", {"modes": GPU, "steady": False}, 1e3, 0.92e3, 1.5e3),
        ("and where nothing is measured, up to its cap", {"modes": GPU, "steady": False}, np.nan, 0.0, 3.5e3),
    ],
)
def test_what_a_device_draws_lies_between_its_setpoints_or_around_its_report(why, model, told_w, least_w, most_w):
    """It was brought from 1.5 to 3.5 kW, and no meter has shown that it has come up."""
    built = replace(site(), devices=devices([model]))
    world, known = World(built, surplus_w=0.0), np.ones(1, dtype=np.bool_)
    leases = replace(no_leases(built.devices, 0.0), known=known, low_w=np.array([1.5e3]), high_w=np.array([3.5e3]))
    fleet = replace(world.snapshot().fleet, heard_s=np.full(2, world.now_s), measured_w=np.array([told_w]))
    bounds = fleet_below(built, leases, fleet, world.now_s, NodeSums(built))
    assert (bounds.least_w[0], bounds.most_w[0]) == (pytest.approx(least_w), pytest.approx(most_w)), why
