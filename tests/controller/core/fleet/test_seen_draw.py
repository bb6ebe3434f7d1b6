"""What has been seen of a draw that may rise and fall at any time, as a table of seconds."""

import numpy as np
import pytest

from controller.core.fleet.seen_draw import no_rising_draw, seen_draw

TAKES_S = 3.0


@pytest.mark.parametrize(
    ("why", "drawn_w", "seen_w"),
    [
        ("one that rises is seen after as long as the meter takes", [0, 9, 9, 9, 9, 9], [0, 0, 0, 0, 9, 9]),
        ("one that falls, at once", [9] * 5 + [2, 9, 9, 9, 9, 9], [0, 0, 0, 9, 9, 2, 2, 2, 2, 9, 9]),
        ("what was only a peak is not", [0, 9, 2, 9, 9, 9], [0, 0, 0, 0, 2, 2]),
        ("and one that goes on rising, as it was at first", [1, 2, 3, 4, 5, 6, 7, 8], [0, 0, 0, 1, 1, 1, 1, 5]),
    ],
)
def test_what_is_seen_of_a_draw(why, drawn_w, seen_w):
    rising, now_w, found = no_rising_draw(1), np.zeros(1), []
    for now_s, watts in enumerate(drawn_w):
        now_w, rising = seen_draw(rising, now_w, np.array([float(watts)]), np.array([TAKES_S]), float(now_s))
        found.append(int(now_w[0]))
    assert found == seen_w, why
