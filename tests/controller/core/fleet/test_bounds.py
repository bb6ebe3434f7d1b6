import numpy as np

from controller.core.fleet.bounds import nobody_below
from tests.controller.core.world import site


def test_where_no_agent_is_listened_to_anything_may_be_drawn_and_nothing_is_told():
    small = site()
    bounds = nobody_below(small)
    nothing = [0.0] * len(small.tree.ids)
    assert bounds.least_w.tolist() == bounds.told_w.tolist() == bounds.told_least_w.tolist() == nothing
    assert np.all(bounds.most_w == np.inf)
