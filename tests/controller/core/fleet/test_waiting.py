"""Which devices come up when they are asked to, by what their agents say of them."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.fleet.waiting import Waiting, nobody_waits, reported, sent
from controller.core.snapshot import Followed

OFF_W, MORE_W = 150.0, 10_200.0


class Asked:
    """One device that is asked for more in every tick of half a second in which it is not said to run on that."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waiting: Waiting = nobody_waits(1)
        self.asks = 0

    def tick(self, applied_w: float, follow: Followed, *, confirmed: bool = True, rests: bool = False) -> None:
        applied = self.hear(applied_w, follow, confirmed=confirmed, rests=rests)
        setpoint_w = np.where((self.waiting.again_s < self.now_s) & (not rests), MORE_W, applied)
        self.asks += int(setpoint_w[0] > applied_w)
        self.waiting = sent(self.waiting, applied, setpoint_w, self.now_s)

    def hear(self, applied_w: float, follow: Followed, *, confirmed: bool = True, rests: bool = False) -> np.ndarray:
        """Let a tick pass in which it is not asked, and return what it runs on."""
        self.now_s += 0.5
        applied, says = np.array([applied_w]), np.array([follow], dtype=np.int8)
        self.waiting = reported(
            self.waiting, applied, says, self.now_s, confirmed=np.array([confirmed]), rests=np.array([rests])
        )
        return applied

    @property
    def late(self) -> bool:
        return bool(self.waiting.late[0])

    @property
    def reluctant(self) -> bool:
        return bool(self.waiting.reluctant[0])


@pytest.mark.parametrize("says", [Followed.COMMANDED, Followed.REFUSED, Followed.UNKNOWN, Followed.ACCEPTED])
def test_what_is_said_for_a_moment_of_a_command_under_way_is_no_rise(says):
    device = Asked()
    for k in range(40):
        device.tick(MORE_W if k % 3 == 1 else OFF_W, says if k % 3 == 1 else Followed.GRANTED)
    assert device.reluctant


@pytest.mark.parametrize("says", [Followed.PROVEN, Followed.SETTLING])
def test_one_that_runs_on_more_has_come_up_at_once_with_a_proof_and_else_after_a_while(says):
    device = Asked()
    device.tick(OFF_W, Followed.PROVEN)
    for _ in range(24):
        device.tick(OFF_W, Followed.GRANTED)
    assert (device.late, device.reluctant) == (True, False)
    device.tick(MORE_W, says)
    assert not device.late
    assert (device.waiting.asks[0] == 0) == (says is Followed.PROVEN)
    for _ in range(12):
        device.tick(MORE_W, says)
    assert device.waiting.asks[0] == 0


def test_one_that_rises_step_by_step_is_never_late():
    device = Asked()
    for k in range(60):
        device.tick(OFF_W + 150.0 * k, Followed.SETTLING)
        assert not device.late
        assert not device.reluctant


def test_one_that_refuses_is_asked_last_from_the_first_no_on_and_another_after_two_seconds():
    refuses, silent = Asked(), Asked()
    for device in (refuses, silent):
        device.tick(OFF_W, Followed.PROVEN)
    for k in range(5):
        refuses.tick(OFF_W, Followed.REFUSED)
        silent.tick(OFF_W, Followed.GRANTED)
        assert (refuses.late, silent.late) == (True, k == 4)


def test_one_that_had_to_be_brought_down_is_asked_last_and_once():
    device = Asked()
    device.hear(OFF_W, Followed.STOPPED)
    assert device.late
    assert not device.reluctant
    for _ in range(100):
        device.tick(OFF_W, Followed.STOPPED)
    assert (device.asks, device.reluctant) == (1, True)


def test_those_that_do_not_come_up_are_not_asked_again_all_at_once():
    waiting, now_s, off_w = nobody_waits(20), 1000.0, np.full(20, OFF_W)
    waiting = sent(waiting, off_w, np.full(20, MORE_W), now_s)
    stopped = np.full(20, Followed.STOPPED, dtype=np.int8)
    all_, nobody = np.ones(20, dtype=np.bool_), np.zeros(20, dtype=np.bool_)
    waiting = reported(waiting, off_w, stopped, now_s, confirmed=all_, rests=nobody)
    again_s = np.sort(waiting.again_s - now_s)
    assert (again_s[0], again_s[-1]) >= (120.0, 230.0)
    assert np.diff(again_s).max() < 12.0


def test_it_is_asked_again_ever_more_seldom_and_from_the_start_once_it_has_come_up():
    device, asked_s = Asked(), []
    for _ in range(2 * 4000):
        before = device.asks
        device.tick(OFF_W, Followed.STOPPED)
        if device.asks > before:
            asked_s.append(device.now_s)
    assert [round(rest_s) for rest_s in np.diff(asked_s)[:5]] == pytest.approx([120, 240, 480, 480, 480], abs=2)
    while device.asks == before:
        device.tick(OFF_W, Followed.STOPPED)
    device.tick(MORE_W, Followed.PROVEN)
    assert (device.late, device.reluctant) == (False, False)
    assert device.waiting.pause_s[0] == 120.0


@pytest.mark.parametrize(("more_w", "late"), [(30.0, True), (31.0, False)])
def test_a_few_watts_more_are_no_rise(more_w, late):
    device = Asked()
    device.tick(OFF_W, Followed.PROVEN)
    for _ in range(6):
        device.tick(OFF_W, Followed.GRANTED)
    device.tick(OFF_W + more_w, Followed.PROVEN)
    assert device.late == late


def test_what_it_ran_on_before_it_was_asked_is_no_rise_however_long_it_did():
    """Another device is late all the while, so that of this one everything is looked at too."""
    half_w = np.array([5e3, OFF_W])
    waiting, now_s, says = nobody_waits(2), 1000.0, {"confirmed": np.ones(2, np.bool_), "rests": np.zeros(2, np.bool_)}
    waiting = sent(waiting, half_w, np.array([5e3, MORE_W]), now_s)
    proven, settling = (
        np.array([says, Followed.GRANTED], dtype=np.int8) for says in (Followed.PROVEN, Followed.SETTLING)
    )
    for now_s in np.arange(1000.5, 1008.0, 0.5):
        waiting = reported(waiting, half_w, proven, now_s, **says)
    waiting = sent(waiting, half_w, np.array([MORE_W, MORE_W]), now_s)
    waiting = reported(waiting, np.array([MORE_W, OFF_W]), settling, now_s + 0.5, **says)
    assert waiting.asks[0] == 1.0, "it has not held it yet"


def test_one_that_refused_is_named_after_a_while_though_nobody_asks_it_again_until_it_has_come_up():
    """Minimum times, an order or a surplus that is gone may keep it from being asked for hours."""
    device = Asked()
    device.tick(OFF_W, Followed.PROVEN)
    device.tick(OFF_W, Followed.REFUSED)
    asked_s = device.now_s
    while device.now_s < asked_s + 1000.0:
        device.hear(OFF_W, Followed.PROVEN)
        assert device.reluctant == (device.now_s > asked_s + 12.0)
    assert device.waiting.wanted_w[0] == MORE_W
    assert device.waiting.again_s[0] < device.now_s, "it was not asked in vain so often that it has to rest"
    device.tick(OFF_W, Followed.PROVEN)
    device.tick(MORE_W, Followed.PROVEN)
    assert not device.reluctant


def test_one_that_was_asked_and_did_not_refuse_is_not_named_because_nobody_asks_it_any_more():
    device = Asked()
    device.tick(OFF_W, Followed.PROVEN)
    for _ in range(400):
        device.hear(OFF_W, Followed.PROVEN)
        assert not device.reluctant


def test_one_that_refuses_to_be_lowered_refuses_no_raise():
    device = Asked()
    for _ in range(400):
        device.hear(MORE_W, Followed.REFUSED)
        assert (device.late, device.reluctant) == (False, False)


def test_one_that_rests_refuses_nothing_is_waited_for_by_nobody_and_asked_at_once_when_it_has_rested():
    device = Asked()
    for _ in range(200):
        device.tick(OFF_W, Followed.STOPPED, rests=True)
        assert (device.asks, device.reluctant) == (0, False)
    device.tick(OFF_W, Followed.STOPPED)
    assert device.asks == 1
    device.tick(MORE_W, Followed.PROVEN)
    assert (device.late, device.reluctant) == (False, False)


def test_one_that_was_asked_before_anybody_knew_that_it_rests_has_not_refused_that():
    """What it did before it was brought down is over, too."""
    device = Asked()
    device.tick(OFF_W, Followed.PROVEN)
    device.tick(OFF_W, Followed.STOPPED)
    device.tick(OFF_W, Followed.STOPPED)
    assert device.reluctant
    for _ in range(60):
        device.tick(OFF_W, Followed.STOPPED, rests=True)
        assert not device.reluctant
    assert device.waiting.pause_s[0] == 120.0
    before = device.asks
    device.tick(OFF_W, Followed.STOPPED)
    assert device.asks == before + 1
