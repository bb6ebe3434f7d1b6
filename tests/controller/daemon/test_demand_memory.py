"""What a billed window has had, over restarts: known only where what was written is whole, and of meters that mean the same."""

from dataclasses import replace

import pytest

from controller.core.limits.demand import NO_DEMAND_USE, CountedImport, DemandNow, DemandUse
from controller.daemon.demand_memory import DemandMemory
from tests.controller.north import make_decision

COUNTED = CountedImport(meter="main", import_wh=5e6, used_ws=4e6, guessed_ws=1e5)
USE = DemandUse(begins_utc_s=1.7e9, at_utc_s=1.7e9 + 100.0, used_ws=5e6, guessed_ws=1e5, counted=COUNTED, at_s=77.0)
READ_AS = {"main": "as-it-was"}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "demand.used"


def decision(use=USE):
    return replace(make_decision(), demand=DemandNow(use=use, limit_w=1e5, cap_w=9e4, ends_in_s=200.0, sure=True))


def memory(path, read_as=READ_AS, clock=lambda: 0.0):
    return DemandMemory(path, lambda: read_as, clock)


def test_what_was_known_is_known_after_a_restart_but_for_what_the_clocks_of_the_machine_said(path):
    memory(path).store(decision())
    assert memory(path).read() == replace(USE, at_s=NO_DEMAND_USE.at_s)


def test_a_counter_that_is_read_otherwise_now_counts_for_nothing(path):
    memory(path).store(decision())
    assert memory(path, {"main": "otherwise"}).read().counted is None
    assert memory(path, {}).read().counted is None


def test_nothing_is_known_where_nothing_was_written(path):
    kept = memory(path)
    kept.store(None)
    kept.store(make_decision())
    assert not path.exists()
    assert kept.read() == NO_DEMAND_USE


def test_it_is_written_now_and_then_and_at_the_end(path):
    now_s = 0.0
    kept = memory(path, clock=lambda: now_s)
    kept.store(decision())
    later = replace(USE, used_ws=6e6)
    now_s = 1.0
    kept.store(decision(later))
    assert kept.read().used_ws == 5e6
    kept.store(decision(later), at_once=True)
    assert kept.read().used_ws == 6e6
    now_s = 17.0
    kept.store(decision(replace(USE, used_ws=7e6)))
    assert kept.read().used_ws == 7e6


def test_every_bit_that_flips_is_noticed_and_told(path, caplog):
    memory(path).store(decision())
    whole = path.read_bytes()
    for place in range(0, len(whole) - 1, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        assert memory(path).read() == NO_DEMAND_USE
    assert caplog.records[-1].event == "demand_lost"


@pytest.mark.parametrize("use", [replace(USE, used_ws=-1.0), replace(USE, guessed_ws=6e6)])
def test_what_cannot_be_is_not_believed(path, use):
    memory(path).store(decision(use))
    assert memory(path).read() == NO_DEMAND_USE


def test_a_disk_that_fails_is_told_once(path, caplog):
    kept = memory(path / "no" / "folder")
    kept.store(decision())
    kept.store(decision(), at_once=True)
    assert [each.event for each in caplog.records] == ["demand_not_kept"]
