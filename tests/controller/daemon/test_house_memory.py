"""What the house load was, over restarts: kept while the site is NORMAL, and believed only where it is whole and of this site."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.modes import Mode
from controller.daemon.house_memory import HouseMemory
from tests.controller.north import make_decision, make_site

SITE = make_site()
LOAD_W = np.array([1800.0, 420.0])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "house.load"


def decision(house_w=LOAD_W, mode=Mode.NORMAL):
    """Return a decision of which more counts as house load than is sure: what devices draw that nobody has heard of."""
    return replace(make_decision(), house_w=house_w + 5e3, sure_house_w=house_w, mode=mode)


def kept(path, site=SITE):
    return HouseMemory(path, site).read()


def test_what_was_known_is_known_after_a_restart(path):
    HouseMemory(path, SITE).store(decision())
    assert kept(path).tolist() == LOAD_W.tolist()


def test_nothing_is_known_where_nothing_was_kept_and_nothing_is_kept_in_doubt(path):
    assert kept(path) is None
    memory = HouseMemory(path, SITE)
    for mode in (Mode.INIT, Mode.HOLD, Mode.FAILSAFE):
        memory.store(decision(mode=mode))
    memory.store(None)
    assert kept(path) is None


def test_a_node_that_is_new_or_declared_otherwise_begins_as_it_is_declared(path):
    HouseMemory(path, SITE).store(decision())
    declared = replace(SITE, tree=replace(SITE.tree, house_w=np.array([2500.0, 500.0])))
    assert kept(path, declared).tolist() == [2500.0, 420.0]
    renamed = replace(SITE, tree=replace(SITE.tree, ids=("pcc", "hall")))
    assert kept(path, renamed).tolist() == [1800.0, 500.0]


def test_what_was_learnt_under_a_site_file_that_was_taken_over_is_known_after_a_restart(path):
    times = iter((0.0, 20.0, 40.0))
    memory = HouseMemory(path, SITE, clock=lambda: next(times))
    memory.store(decision())
    declared = replace(SITE, tree=replace(SITE.tree, house_w=np.array([2500.0, 500.0])))
    memory.take_over(declared)
    memory.store(decision())
    assert kept(path, declared).tolist() == LOAD_W.tolist()
    assert kept(path).tolist() == [2000.0, 420.0], "of another declaration it says nothing"


def test_every_bit_that_flips_is_noticed_and_told(path, caplog):
    HouseMemory(path, SITE).store(decision())
    whole = path.read_bytes()
    for place in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert kept(path) is None
    path.write_bytes(whole[: len(whole) // 2])
    assert kept(path) is None
    assert caplog.records[-1].event == "house_lost"


def test_it_is_written_seldom_and_only_where_it_has_changed(path):
    times = iter((0.0, 5.0, 15.0, 30.0))
    memory = HouseMemory(path, SITE, clock=lambda: next(times))
    memory.store(decision())
    for house_w, expected in (
        (LOAD_W + 900.0, LOAD_W),
        (LOAD_W + 900.0, LOAD_W + 900.0),
        (LOAD_W + 940.0, LOAD_W + 900.0),
    ):
        memory.store(decision(house_w))
        assert kept(path).tolist() == expected.tolist()


def test_a_disk_that_fails_is_told_once_and_stops_nothing(tmp_path, caplog):
    times = iter((0.0, 20.0, 40.0))
    memory = HouseMemory(tmp_path / "gone" / "house.load", SITE, clock=lambda: next(times))
    for _ in range(3):
        memory.store(decision())
    assert [record.event for record in caplog.records] == ["house_not_kept"]
