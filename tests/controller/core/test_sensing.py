"""What of the first half of a tick no single stage of it decides."""

import pytest

from controller.core.site import SurplusModel
from tests.controller.core.world import settled, site, with_rules

RULES = with_rules(surplus_model=SurplusModel.EXPORT)


@pytest.mark.parametrize(("scale", "apart"), [(1.0, 0.0), (1.05, 0.0), (1.5, 1 / 3)])
def test_of_the_surplus_as_much_is_taken_off_as_the_sites_meters_are_apart_and_else_nothing(scale, apart):
    world = settled(25, site(RULES, miners=20, stepped=6, gpus=1), surplus_w=60e3)
    world.scale = {"main": scale}
    decision = world.run(5.5)
    surplus = world.state.surplus
    assert surplus.estimate_w - decision.surplus_w == pytest.approx(apart * decision.power_w[0])
