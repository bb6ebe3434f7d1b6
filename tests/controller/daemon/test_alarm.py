"""When ticks are due: every period, and at once where somebody wakes them, but never most of the time."""

import itertools
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.daemon.alarm import SOONEST_S, Alarm
from tests.waiting import DEADLINE_S


class Times:
    """An alarm on a clock that only waiting and the ticks themselves move; `wakes` are times at which somebody wakes it."""

    def __init__(self, period_s: float, wakes: list[float] | None = None) -> None:
        self.now_s, self.worked_s, self.wakes = 100.0, 0.0, sorted(wakes or [])
        self.alarm = Alarm(period_s, lambda: self.now_s, lambda: self.worked_s)
        self.alarm._changed = self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def notify(self):
        pass

    def wait(self, seconds: float) -> None:
        """Wait so long, or until somebody wakes it."""
        self.go_on(seconds, woken=True)

    def go_on(self, seconds: float, *, woken: bool = False) -> None:
        """Let time go by, with all who wake the alarm meanwhile."""
        end_s = self.now_s + seconds
        while self.wakes and self.wakes[0] <= end_s:
            self.now_s = max(self.now_s, self.wakes.pop(0))
            self.alarm.wake()
            if woken:
                return
        self.now_s = end_s

    def ticks(self, count: int, costs_s: float = 0.0, *, works: float = 1.0) -> list[tuple[float, float]]:
        """Return of so many ticks when each was due, and when it began. `works`: the share of a tick's time that it gets a processor."""
        found = []
        for _ in range(count):
            due_s = self.alarm.wait()
            found.append((due_s, self.now_s))
            self.go_on(costs_s)
            self.worked_s += works * costs_s
            self.alarm.done()
        return [(round(due_s, 6), round(begun_s, 6)) for due_s, begun_s in found]


def test_without_being_woken_there_is_a_tick_each_period():
    assert Times(1.0).ticks(3) == [(100.0, 100.0), (101.0, 101.0), (102.0, 102.0)]


def test_what_wakes_it_is_followed_by_a_tick_at_once_and_those_of_the_period_stay_where_they_are():
    found = Times(1.0, [100.3, 102.8]).ticks(6)
    assert found == [(at_s, at_s) for at_s in (100.0, 100.3, 101.0, 102.0, 102.8, 103.0)]


def test_what_wakes_it_during_a_tick_is_followed_by_another_one():
    assert Times(10.0, [100.1]).ticks(2, costs_s=0.2) == [(100.0, 100.0), (100.4, 100.4)]


def test_a_tick_that_the_machine_held_up_does_not_hold_up_the_next_one_too():
    assert Times(10.0, [100.1]).ticks(2, costs_s=0.2, works=0.0) == [(100.0, 100.0), (100.2, 100.2)]


def test_ticks_that_are_woken_do_not_follow_one_another_faster_than_those_of_any_site():
    found = Times(1.0, [100.001 * 1.0 + k / 1000 for k in range(300)]).ticks(4)
    assert [at_s for at_s, _ in found] == [100.0, 100.1, 100.2, 100.3]


def test_a_tick_that_is_woken_after_its_period_was_due_is_one_and_not_two():
    times = Times(1.0)
    times.ticks(1)
    times.now_s = 101.2
    times.alarm.wake()
    assert times.ticks(2) == [(101.0, 101.2), (102.0, 102.0)]


def test_stop_wakes_whoever_waits_and_none_begins_after_it():
    alarm = Alarm(3600.0)
    assert alarm.wait() is not None
    alarm.done()
    ends: list[float | None] = []
    waiting = threading.Thread(target=lambda: ends.append(alarm.wait()))
    waiting.start()
    alarm.stop()
    waiting.join(DEADLINE_S)
    assert ends == [None]
    assert alarm.wait() is None


def test_whoever_waits_is_woken_by_another_thread():
    alarm = Alarm(3600.0)
    alarm.wait()
    alarm.done()
    began: list[float | None] = []
    waiting = threading.Thread(target=lambda: began.append(alarm.wait()))
    waiting.start()
    alarm.wake()
    waiting.join(DEADLINE_S)
    assert began[0] is not None


@given(
    wakes=st.lists(st.floats(100.0, 110.0), max_size=200),
    costs_s=st.floats(0.0, 2.0),
    period_s=st.sampled_from([0.1, 0.25, 1.0, 5.0]),
)
def test_however_often_it_is_woken_ticks_of_the_period_are_there_and_others_take_half_of_the_time(
    wakes, costs_s, period_s
):
    times = Times(period_s, wakes)
    found = times.ticks(40, costs_s)
    for (_, before_s), (due_s, begun_s) in itertools.pairwise(found):
        is_of_period = abs((due_s - 100.0) / period_s - round((due_s - 100.0) / period_s)) < 1e-4
        if not is_of_period:
            assert begun_s - before_s >= max(SOONEST_S, 2 * costs_s) - 1e-5, "it had its time"
        assert begun_s - due_s <= costs_s + 1e-5, "none waits for more than one other"
    last_s = found[-1][1]
    due = {round((due_s - 100.0) / period_s) for due_s, _ in found}
    if costs_s < period_s / 2:
        assert due >= set(range(int((last_s - 100.0) / period_s + 1e-6) + 1)), "none of the period is left out"


@pytest.mark.parametrize(
    ("costs_s", "begun"),
    [
        (0.0, [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]),
        (0.9, [100.0, 101.0, 102.0, 103.0, 104.0, 105.0]),
        (1.1, [100.0, 102.0, 104.0, 106.0, 108.0, 110.0]),
        (2.5, [100.0, 103.0, 106.0, 109.0, 112.0, 115.0]),
    ],
)
def test_a_tick_that_overruns_is_followed_by_the_next_one_due_not_by_a_burst(costs_s, begun):
    assert Times(1.0).ticks(6, costs_s) == [(at_s, at_s) for at_s in begun]


def test_after_a_long_sleep_of_the_machine_there_is_one_tick_and_then_the_usual_ones():
    times = Times(1.0)
    (first,) = times.ticks(1)
    times.ticks(1, costs_s=5000.25)
    assert first == (100.0, 100.0)
    assert times.ticks(2) == [(5102.0, 5102.0), (5103.0, 5103.0)]
