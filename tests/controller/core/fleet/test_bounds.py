from dataclasses import replace

import numpy as np
import pytest

from controller.core.fleet.bounds import fleet_below, nobody_below
from controller.core.fleet.leases import CONTACT_S
from controller.core.floor import NodeSums
from tests.controller.core.world import World, site


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
