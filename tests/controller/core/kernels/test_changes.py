import numpy as np
import pytest

from controller.core.kernels.changes import ChangeCosts, levels, values_after_changes
from tests.controller.core.kernels.sites import modes_of
from tests.controller.core.world import devices

ROWS = ((0.0, 0.0, False), (1000.0, 1.0, False), (2000.0, 1.5, False), (3000.0, 2.0, True))


@pytest.mark.parametrize(
    ("why", "current_w", "values"),
    [
        ("off: to run is a start", 0.0, [0.0, 0.8, 1.3, 1.8]),
        ("a millionth of a watt is off", 1e-6, [0.0, 0.8, 1.3, 1.8]),
        ("another mode is a change, off a stop", 1000.0, [-0.1, 1.0, 1.45, 1.95]),
        ("inside a continuous range all is free", 2500.0, [-0.1, 0.95, 1.5, 2.0]),
    ],
)
def test_what_modes_are_worth_after_the_change_to_them(why, current_w, values):
    """A start costs 0.1, of which half of its time leaves 0.2 to be counted; another change costs 0.05."""
    columns = devices([{"modes": ROWS}])
    modes, out = modes_of(columns), np.zeros(4)
    each = [np.array([cost]) for cost in (0.1, 0.05, 0.5)]
    costs = ChangeCosts(np.zeros(4, dtype=np.int64), *each)
    levels(modes, costs.level)
    values_after_changes(modes, costs, np.array([current_w]), out)
    assert out == pytest.approx(values), why
