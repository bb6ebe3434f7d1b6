"""Random faults on disk and random kills, some for every day; `make verify ARGS=journal` runs them all."""

import pytest

from tests.controller.daemon.orders.faults import story
from tests.controller.daemon.orders.kills import kill_once

#: Seeds of one test, so that a failure names a few.
EACH = 10


@pytest.mark.parametrize("first", range(0, 100, EACH))
def test_i3_no_acknowledged_order_is_lost_silently_by_a_fault_on_disk(first, tmp_path):
    for seed in range(first, first + EACH):
        tale = story(seed, tmp_path / str(seed))
        assert not tale.broken, (seed, tale.told)


@pytest.mark.parametrize("first", range(0, 20, EACH))
def test_i3_f56_kill_9_under_a_flood_loses_nothing_and_brings_nothing_back(first, tmp_path):
    for seed in range(first, first + EACH):
        assert kill_once(seed, tmp_path / str(seed)) == [], seed
