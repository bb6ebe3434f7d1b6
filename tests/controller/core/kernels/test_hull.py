import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.core.kernels.columns import MeritOrder
from controller.core.kernels.hull import (
    BASED,
    CLIPPED,
    ROWS,
    Corners,
    density_of,
    device_of,
    hulls,
    rank_of,
    row_at,
    value_at,
    worth_at,
)
from tests.controller.core.kernels import twins_allocator as twins
from tests.controller.core.kernels.sites import a_mode, choices_of, fleets, points

ON_OFF = ((20.0, 0.0, False), (900.0, 7.0, False))


def hull(columns, base, upper, held, bonus=0.05, share=None):
    """Return per device its corners as rows, its densities, and whether the hull is clipped."""
    count, rows = len(columns.ids), columns.mode_w.size
    climb, items = np.zeros(rows, np.uint8), np.zeros(rows, np.uint64)
    choices = choices_of(columns, base, upper, share=share, bonus=bonus)
    order = MeritOrder(items, climb, np.zeros(rows), np.zeros(rows), 0, 0, 0.0, low_bits=23, rank_bits=3)
    corners = Corners(np.zeros(ROWS + 1, np.int64), np.zeros((2, ROWS + 1)))
    found = hulls(choices, held, 0, count, order, corners)
    densities, starts = [[] for _ in range(count)], [[] for _ in range(count)]
    for item in items[:found]:
        i = device_of(item, 23, 3)
        densities[i].append(density_of(item, 23))
        starts[i].append(int(columns.mode_start[i]) + rank_of(item, 3))
    corners, clipped = [], []
    for i in range(count):
        bottom = row_at(columns.mode_start, columns.mode_w, i, base[i])
        chain, cut = [bottom], False
        while climb[chain[-1]] & ROWS:
            assert bool(climb[chain[-1]] & BASED) == (chain == [bottom] and base[i] != columns.mode_w[bottom])
            cut = bool(climb[chain[-1]] & CLIPPED)
            chain.append(chain[-1] + int(climb[chain[-1]] & ROWS))
        assert starts[i] == chain[:-1]
        corners.append(chain)
        clipped.append(cut)
    return corners, densities, clipped


@given(fleets(), st.data())
def test_hull_equals_the_twin(fleet, data):
    _, columns = fleet
    count = len(columns.ids)
    held = np.array([a_mode(data.draw, columns, i) for i in range(count)])
    base = np.array([a_mode(data.draw, columns, i) for i in range(count)])
    upper = np.array([data.draw(st.floats(0.0, 1.0)) * float(w) for w in columns.max_w])
    share = np.array([data.draw(st.floats(0.0, 1.0)) for _ in range(count)])
    corners, densities, _ = hull(columns, base, upper, held, share=share)
    for i in range(count):
        kept = (
            max(value_at(choices_of(columns, base, upper), i, held[i]), 0.0)
            if held[i] > columns.off_w[i] + 1e-6
            else 0.0
        )
        where = points(columns, i, base[i], upper[i], lambda value: twins.worth(value, kept, share[i], 0.05))  # noqa: B023
        curve = [(watts, gain) for _, watts, gain in where]
        expected = twins.edges(curve)
        assert np.allclose(densities[i], [density for *_, density in expected], rtol=1e-6)
        # Three points on a line may round either way, then the corner between is one more or one less.
        if len(corners[i]) == len(expected) + 1:
            assert corners[i] == [where[0][0], *(where[to][0] for _, to, _ in expected)]


def test_clipped_continuous_row_ends_at_the_upper_limit():
    from tests.controller.core.world import devices

    columns = devices([{"modes": ((10.0, 0.0, False), (1000.0, 1.0, False), (3000.0, 2.0, True))}])
    corners, densities, clipped = hull(columns, np.array([10.0]), np.array([2000.0]), np.array([10.0]))
    assert corners == [[0, 1, 2]]
    assert clipped == [True]
    assert np.allclose(densities[0], [1.0 / 990.0, 0.0005])


def test_modes_that_earn_nothing_are_left_out():
    from tests.controller.core.world import devices

    columns = devices(
        [{"modes": ((10.0, 0.0, False), (1000.0, -1.0, False), (3000.0, 2.0, False), (4000.0, 1.0, False))}]
    )
    corners, *_ = hull(columns, np.array([10.0]), np.array([4000.0]), np.array([10.0]))
    assert corners == [[0, 2]]


def hull_of(*rows):
    """Return per device its corners and densities, free from off up, while all are off."""
    from tests.controller.core.world import devices

    columns = devices([{"modes": tuple((float(watts), value, False) for watts, value in row)} for row in rows])
    corners, densities, _ = hull(columns, columns.off_w, columns.max_w, columns.off_w)
    return corners, densities


def test_every_hull_begins_at_what_its_own_device_draws_when_off():
    corners, densities = hull_of([(10, 0.0), (1000, 1.0)], [(500, 0.0), (1000, 0.1), (3000, 2.0)])
    assert corners == [[0, 1], [2, 4]]
    assert np.allclose(densities[1], [2.0 / 2500.0])


def test_what_a_later_mode_makes_needless_is_left_out_and_nothing_else():
    corners, densities = hull_of([(900, 0.0), (1000, 1.0), (2000, 1.1), (3000, 2.2)])
    assert corners == [[0, 1, 3]]
    assert np.allclose(densities[0], [1.0 / 100.0, 1.2 / 2000.0])


RAMP = ((10.0, 0.0, False), (1000.0, 1.0, False), (3000.0, 2.0, True), (4000.0, 5.0, True), (6000.0, 6.0, False))


@pytest.mark.parametrize(
    ("watts", "value"),
    [(5.0, 0.0), (10.0, 0.0), (500.0, 0.0), (1000.0, 1.0), (2000.0, 1.5), (3000.0, 2.0), (3500.0, 3.5), (5000.0, 5.0), (7000.0, 6.0)],
)  # fmt: skip
def test_between_continuous_modes_a_device_earns_on_the_line_between_them_else_what_its_lower_mode_earns(watts, value):
    from tests.controller.core.world import devices

    columns = devices([{"modes": ON_OFF}, {"modes": RAMP}, {"modes": ON_OFF}])
    starts = choices_of(columns, columns.off_w, columns.max_w, share=np.full(3, 0.5))
    runs = choices_of(columns, columns.off_w, columns.max_w, kept=np.full(3, 1.0), bonus=0.1)
    assert value_at(starts, 1, watts) == pytest.approx(value)
    assert worth_at(starts, 1, watts) == pytest.approx(0.5 * value)
    assert worth_at(runs, 1, watts) == pytest.approx(value + 0.1 * min(value, 1.0))
