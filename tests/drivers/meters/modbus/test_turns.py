"""Whose turn it is, played through in simulated time."""

from __future__ import annotations

from collections import defaultdict
from itertools import pairwise

import pytest

from drivers.meters.modbus.meter import ModbusMeter
from drivers.meters.modbus.reader import Reader
from drivers.meters.modbus.turns import PATIENCE_S, MeterTurns, QueuedMeter
from drivers.meters.profiles import load_profile
from drivers.meters.sessions import Pause, Watched

PROFILE = load_profile("schneider_pm5xxx")


def unit(
    name: str, *, poll_s: float = 1.0, timeout_s: float = 0.5, share: float = 0.0, begin_s: float = 100.0
) -> QueuedMeter:
    meter = ModbusMeter(id=name, host="h", profile=PROFILE, poll_s=poll_s, timeout_s=timeout_s)
    return QueuedMeter(
        reader=Reader(meter), watched=Watched(lambda _: None), pause=Pause(), begin_s=begin_s, share=share
    )


def play(units: list[QueuedMeter], dead: set[str], seconds: float, answer_s: float = 0.02) -> dict[str, list[float]]:
    """Return when each unit was asked."""
    turns, now_s, asked = MeterTurns(units), 100.0, defaultdict(list)
    while now_s < 100.0 + seconds:
        one, due_s = turns.next(now_s)
        now_s = max(now_s, due_s)
        within_s = turns.begin(one, now_s)
        asked[one.meter.id].append(now_s)
        now_s += within_s if one.meter.id in dead else answer_s
        if one.meter.id in dead:
            one.unanswered(now_s)
        else:
            one.answered(now_s, full=one.slow_s <= due_s)
    return asked


def gaps(times: list[float]) -> list[float]:
    return [later - earlier for earlier, later in pairwise(times)]


def test_units_are_asked_one_right_after_the_other_at_their_period():
    asked = play([unit(f"u{index}") for index in range(10)], set(), 19.5)
    for index in range(10):
        assert gaps(asked[f"u{index}"])[:19] == pytest.approx([1.0] * 19, abs=1e-6)
        assert asked[f"u{index}"][0] == pytest.approx(100.0 + 0.02 * index)


def test_dead_units_delay_nobody_where_the_period_has_room():
    asked = play([unit(f"u{index}") for index in range(10)], {"u3", "u7"}, 120.0)
    living = [f"u{index}" for index in range(10) if index not in {3, 7}]
    settled = {name: [time_s for time_s in asked[name] if time_s > 110.0] for name in living}
    assert max(max(gaps(times)) for times in settled.values()) < 1.0 + 1e-6
    for name in ("u3", "u7"):
        assert 120 / 6.5 < len(asked[name]) < 120 / 2.5, "a dead one is asked seldom, but again and again"


def test_where_there_is_no_room_a_dead_unit_is_still_asked_but_seldom():
    units = [unit(f"u{index}", poll_s=0.1, timeout_s=0.5) for index in range(3)]
    asked = play(units, {"u0", "u1"}, 120.0)
    forced = sorted(time_s for name in ("u0", "u1") for time_s in asked[name] if time_s > 101.0)
    assert min(gaps(forced)) > PATIENCE_S - 1e-6
    assert len(asked["u0"]) > 5
    assert len(asked["u1"]) > 5
    settled = gaps([time_s for time_s in asked["u2"] if time_s > 101.0])
    assert max(settled) < 2 * 0.1 + 0.02
    assert sum(gap_s > 0.101 for gap_s in settled) <= 2 * len(forced)


def test_a_bus_that_cannot_keep_up_reads_all_of_its_units_equally_often():
    asked = play([unit(f"u{index}", poll_s=0.1) for index in range(10)], set(), 20.0, answer_s=0.05)
    counts = [len(times) for times in asked.values()]
    assert max(counts) - min(counts) <= 1
    assert sum(counts) >= 399


def test_dead_units_alone_are_asked_one_after_the_other():
    asked = play([unit(f"u{index}") for index in range(4)], {f"u{index}" for index in range(4)}, 60.0)
    assert min(len(times) for times in asked.values()) > 8


def test_slow_polls_come_first_at_once_and_then_apart_from_each_other():
    units = [unit(f"u{index}", share=index / 4) for index in range(4)]
    turns, now_s, slow = MeterTurns(units), 100.0, defaultdict(list)
    while now_s < 133.5:
        one, due_s = turns.next(now_s)
        now_s = max(now_s, due_s)
        full = one.slow_s <= due_s
        if full:
            slow[one.meter.id].append(round(now_s))
        one.answered(now_s, full=full)
    assert slow["u0"] == [100, 110, 120, 130]
    assert slow["u1"] == [100, 103, 113, 123, 133]
    assert slow["u2"] == [100, 105, 115, 125]


def test_a_unit_that_speaks_again_is_back_on_its_grid():
    one = unit("u")
    one.unanswered(103.2)
    assert one.silent
    assert 103.3 <= one.due_s <= 103.4
    assert one.slow_s <= one.due_s, "it may come back as another meter"
    one.answered(103.35, full=True)
    assert not one.silent
    assert one.due_s == 104.0
