from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given

from controller.core.floor import watts_below
from controller.core.kernels.tree import PathSums, device_watts_below
from tests.controller.core.kernels import twins
from tests.controller.core.kernels.sites import fleets, paths_of
from tests.controller.core.world import site


@given(fleets())
def test_sums_equal_the_twin(fleet):
    tree, columns = fleet
    expected = twins.sums_below(list(tree.parent), list(columns.node), list(columns.max_w))
    got = device_watts_below(paths_of(tree, columns), columns.max_w)
    assert max(abs(a - b) for a, b in zip(got, expected, strict=True)) < 1e-6


def test_the_safe_path_sums_alike_without_numba():
    small = site()
    kernel = device_watts_below(paths_of(small.tree, small.devices), small.devices.max_w)
    assert list(watts_below(small, small.devices.max_w)) == list(kernel)


def moves(small, current_w, setpoint_w):
    return PathSums(paths_of(small.tree, small.devices)).moves(current_w, setpoint_w, small.devices.max_w)


@pytest.mark.parametrize(
    ("watts", "legal"),
    [(0.0, True), (0.5, True), (3500.0, True), (-0.5, False), (3500.5, False), (float("nan"), False)],
)
def test_a_setpoint_is_legal_between_nothing_and_the_maximum_of_its_device(watts, legal):
    small = site()
    setpoint_w = small.devices.off_w.copy()
    setpoint_w[0] = watts
    assert bool(moves(small, small.devices.off_w, setpoint_w).legal) is legal


def test_moves_are_summed_by_their_direction_and_name_the_nodes_above_what_rises():
    small = site()
    current_w = np.full(len(small.devices.ids), 1400.0)
    setpoint_w = current_w.copy()
    of_a, of_b = np.flatnonzero(small.devices.node == 2)[:2], np.flatnonzero(small.devices.node == 3)[:3]
    setpoint_w[of_a] += (100.0, 20.0)
    setpoint_w[of_b] -= (7.0, 50.0, 0.5)
    found = moves(small, current_w, setpoint_w)
    assert (found.raised_w, found.lowered_w, found.largest_fall_w) == (120.0, 57.5, 50.0)
    assert found.raising.tolist() == [True, True, True, False]
    still = moves(small, current_w, current_w)
    assert (still.raised_w, still.lowered_w, still.largest_fall_w) == (0.0, 0.0, 0.0)
    assert not still.raising.any()


def test_four_columns_are_summed_each_by_itself_also_where_the_devices_of_a_node_do_not_follow_each_other():
    small = site()
    count = len(small.devices.ids)
    mixed = replace(small, devices=replace(small.devices, node=2 + np.arange(count, dtype=np.int64) % 2))
    columns = [np.arange(count, dtype=np.float64) ** power for power in range(4)]
    sums = PathSums(paths_of(mixed.tree, mixed.devices)).each(*columns)
    assert [row.tolist() for row in sums] == [watts_below(mixed, column).tolist() for column in columns]
