"""What a controller knows that has just started: nothing of its fleet, and nothing is saved up."""

import numpy as np
import pytest

from controller.core.modes import Mode
from controller.core.state import initial_state
from tests.controller.core.world import site

SITE = site()


def test_at_the_start_nothing_is_known_and_no_ramp_has_anything_left_over():
    state = initial_state(SITE, 1000.0)
    assert (state.seq, state.now_s, state.mode.mode) == (0, 1000.0, Mode.INIT)
    assert (state.rise_room_w, state.fall_room_w, state.failsafe_cap_w) == (0.0, 0.0, np.inf)
    assert state.house.watts.tolist() == SITE.tree.house_w.tolist()
    assert not state.leases.known.any()
    assert state.order_ramps == ()
    assert np.all(state.minimum_times.on_until_s == -np.inf)
    assert np.all(state.minimum_times.off_until_s == -np.inf)
    assert np.all(state.minimum_times.settled_from_s == -np.inf)
    assert {reason.code.value for source in state.trust.sources.values() for reason in source.reasons} == {
        "meter_never_read", "surplus_never_read",
    }  # fmt: skip


def test_a_house_load_that_was_known_before_the_start_goes_on():
    known_w = np.array([5e3, 0.0, 1e3, 0.0])
    assert initial_state(SITE, 1000.0, house_w=known_w).house.watts.tolist() == known_w.tolist()


@pytest.mark.parametrize(
    ("later_s", "elapsed_s"), [(0.0, 0.0), (0.1, 0.1), (5.0, 5.0), (5.1, 5.0), (3600.0, 5.0), (-1.0, 0.0)]
)
def test_a_long_pause_counts_as_a_short_one(later_s, elapsed_s):
    assert initial_state(SITE, 1000.0).elapsed_s(1000.0 + later_s) == pytest.approx(elapsed_s)
