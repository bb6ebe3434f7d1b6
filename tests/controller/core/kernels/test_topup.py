"""A leaf is filled already; the merit order goes on with what is at the site itself."""

import numpy as np
import pytest

from controller.core.kernels.columns import OPEN, Closings, Draft, FixedLeaves
from controller.core.kernels.topup import top_up
from tests.controller.core.kernels.admitted import Admitted
from tests.controller.core.world import devices, tree

ROWS = [((0.0, 0.0, False), (60.0, value, False)) for value in (600.0, 540.0, 300.0)]


@pytest.mark.parametrize(
    ("room_w", "third_w", "closed", "part_w"),
    [(61.0, 60.0, False, 0.0), (60.0, 60.0, False, 0.0), (59.0, 0.0, True, 59.0), (0.0, 0.0, True, 0.0)],
)
def test_the_next_edge_is_taken_where_it_fits_to_the_watt_else_it_closes_the_node(room_w, third_w, closed, part_w):
    """Two devices are in a leaf of 100 W that holds the first; the third one is at the site."""
    columns = devices([{"modes": modes, "node": node} for modes, node in zip(ROWS, (1, 1, 0), strict=True)])
    limits = tree(("pcc", -1, 60.0 + room_w, 0.0), ("n", 0, 100.0, 0.0))
    case = Admitted(limits, columns, columns.off_w, columns.max_w)
    fixed = FixedLeaves(np.array([-1.0, 5.0]), np.array([0.0, 40.0]), np.zeros(2))
    draft = Draft(np.array([60.0, 0.0, 0.0]), np.array([room_w, 40.0]))
    now = Closings(np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(2))
    added = top_up(case.branches, case.choices, case.order, np.array([2, 1]), fixed, draft, now)
    assert draft.watts.tolist() == [60.0, 0.0, third_w]
    assert draft.room_w.tolist() == [room_w - third_w, 40.0]
    assert now.closed_at.tolist() == [2 if closed else OPEN, 1]
    assert now.cut_device[0] == (2 if closed else -1)
    assert now.cut_w[0] == part_w
    assert added == (pytest.approx(5.0 * third_w), pytest.approx(5.0 * third_w))
