import pytest

from controller.core.allocation.program import Program
from controller.core.kernels.crossing import Edges
from tests.controller.core.world import devices, tree


@pytest.mark.parametrize(("modes", "bits"), [(1, 1), (2, 2), (3, 2), (4, 3)])
def test_items_have_as_many_bits_for_a_row_as_the_most_modes_of_a_device_need(modes, bits):
    rows = [{"modes": tuple((100.0 * k, 1.0 * k, False) for k in range(count))} for count in (1, modes)]
    edges = Edges(*Program(tree(("n", -1, 9e3, 0.0)), devices(rows)).bare[1])
    assert edges.rank_bits == bits
