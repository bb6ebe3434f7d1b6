"""What an economic cap leaves of the site's room, by hand."""

import math

import numpy as np
import pytest

from controller.core.allocation.economic import fitting_economic_w, on_the_way_w
from controller.core.allocation.minimum_times import Kept
from controller.core.allocation.tables import make_tables
from tests.controller.core.world import site

TABLES = make_tables(site(miners=2, stepped=0, gpus=0))
OFF_W, MAX_W = TABLES.site.devices.off_w, TABLES.site.devices.max_w


@pytest.mark.parametrize(
    ("why", "reached_w", "economic_w", "current_w", "allowed_w", "next_w"),
    [
        ("nothing is billed", math.inf, math.inf, 90e3, math.inf, math.inf),
        ("below it there is no way to go", math.inf, 100e3, 90e3, 100e3, math.inf),
        ("a ramp's share from what runs", math.inf, 50e3, 90e3, 89e3, 89e3),
        ("and from there on, whatever has fallen meanwhile", 89e3, 50e3, 70e3, 88e3, 88e3),
        ("once there it is over", 50.5e3, 50e3, 70e3, 50e3, math.inf),
        ("and where more may be drawn again", 70e3, 80e3, 70e3, 80e3, math.inf),
    ],
)
def test_the_way_down_to_what_is_billed(why, reached_w, economic_w, current_w, allowed_w, next_w):
    assert on_the_way_w(reached_w, economic_w, current_w, 1e3) == (allowed_w, next_w), why


@pytest.mark.parametrize(("room_w", "most_w", "left_w"), [(9e3, 5e3, 5e3), (9e3, 20e3, 9e3), (-5e3, -8e3, -5e3)])
def test_it_never_makes_room(room_w, most_w, left_w):
    """What cannot be freed draws 7 kW, whatever a limit leaves."""
    kept = Kept(low_w=np.zeros(2), high_w=MAX_W, on_w=MAX_W, starting=np.zeros(2, dtype=np.bool_))
    stuck_w = OFF_W if left_w > 0.0 else MAX_W
    rooms_w = np.full(4, room_w)
    left, base_w, _ = fitting_economic_w(TABLES, kept, (stuck_w, MAX_W), rooms_w, ("contract",) * 4, most_w)
    assert left[0] == left_w
    assert base_w.tolist() == stuck_w.tolist()
