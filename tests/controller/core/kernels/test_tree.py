from hypothesis import given

from controller.core.floor import watts_below
from controller.core.kernels.tree import device_watts_below
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
