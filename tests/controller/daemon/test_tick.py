"""The tick's thread: never late in a burst, never ended by a mistake in the control."""

import logging
import threading
from dataclasses import replace

import pytest

from controller.core.modes import Mode
from controller.core.self_check import Invariant, InvariantBroken
from controller.daemon.alarm import Alarm
from controller.daemon.tick import Control as Decides
from controller.daemon.tick import Tick, Ticker
from tests.controller.north import make_decision
from tests.waiting import DEADLINE_S


class Named(str):
    """A state that shows through which steps it went."""

    __slots__ = ()
    trust = None


class Control:
    """Everything around a ticker; `failing`: the step raises. `costs_s`: what a tick takes by the clock."""

    def __init__(self, period_s: float = 0.02, clock=None) -> None:
        self.failing, self.poisoned = False, False
        self.now_s, self.costs_s = 100.0, 0.0
        self.calls: list[str] = []
        self.ticks: list[Tick] = []
        self.states: list[object] = []
        self.changed = threading.Condition()
        self.alarm = Alarm(period_s)
        self.ticker = Ticker(
            alarm=self.alarm,
            state=Named("s0"),
            step=self.step,
            safe_step=self.safe_step,
            take=self.take,
            act=self.act,
            **({"clock": clock} if clock else {}),
        )

    def take(self):
        self.calls.append("take")
        return "snapshot"

    def step(self, state, snapshot):
        self.calls.append("step")
        self.states.append(state)
        assert snapshot == "snapshot"
        if self.failing:
            raise ZeroDivisionError("a mistake of ours")
        self.now_s += self.costs_s
        return Named(f"{state}+"), make_decision()

    def safe_step(self, state, _snapshot, *, blind=False):
        self.calls.append("blind" if blind else "safe")
        if self.poisoned and not blind:
            raise ValueError("a sample that cannot be judged")
        self.states.append(state)
        return Named(f"{state}!"), replace(make_decision(), mode=Mode.FAILSAFE)

    def act(self, tick):
        with self.changed:
            self.calls.append("act")
            self.ticks.append(tick)
            self.changed.notify_all()

    def wait(self, count: int) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.ticks) >= count, DEADLINE_S), f"{len(self.ticks)} of {count}"


def test_a_tick_looks_decides_and_hands_over_in_this_order():
    control = Control()
    done = control.ticker.tick(100.0)
    assert control.calls == ["take", "step", "act"]
    assert control.ticks == [done]


def test_state_goes_from_tick_to_tick():
    control = Control()
    for _ in range(3):
        control.ticker.tick(0.0)
    assert control.states == ["s0", "s0+", "s0++"]


def test_a_step_that_raises_is_decided_by_the_safe_step_and_the_next_tick_is_tried(caplog):
    control = Control()
    control.ticker.tick(0.0)
    control.failing = True
    done = control.ticker.tick(0.0)
    assert done.decision.mode is Mode.FAILSAFE
    assert control.calls == ["take", "step", "act", "take", "step", "safe", "act"]
    control.failing = False
    assert control.ticker.tick(0.0).decision.mode is Mode.NORMAL
    assert control.states == ["s0", "s0+", "s0+", "s0+!"], "the safe step goes on from the last good state"
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.event == "step_failed"
    assert record.exc_info[0] is ZeroDivisionError


def test_a_step_that_goes_on_failing_is_logged_once_with_all_that_replays_it_and_its_return_once(caplog):
    caplog.set_level(logging.INFO)
    control = Control()
    for failing in (False, True, True, True, False, False):
        control.failing = failing
        control.ticker.tick(0.0)
    assert [record.event for record in caplog.records] == ["step_failed", "step_succeeds"]
    record = caplog.records[0]
    assert (record.failure, record.snapshot, record.state) == ("ZeroDivisionError", "snapshot", "s0+")
    assert [tick.failure for tick in control.ticks] == ["", *["ZeroDivisionError"] * 3, "", ""]


def test_leases_are_handed_over_before_a_failure_is_written_down(caplog):
    control = Control()
    control.failing = True
    written = []
    control.ticker._act = lambda _tick: written.append(len(caplog.records))
    control.ticker.tick(0.0)
    assert written == [0]
    assert [record.event for record in caplog.records] == ["step_failed"]


def test_a_failure_that_cannot_be_handed_over_is_written_down_all_the_same(caplog):
    control = Control()
    control.failing = True

    def broken(_tick):
        raise RuntimeError("another mistake of ours")

    control.ticker._act = broken
    with pytest.raises(RuntimeError):
        control.ticker.tick(0.0)
    assert [record.event for record in caplog.records] == ["step_failed"]


def test_a_step_that_fails_now_so_now_so_writes_what_replays_it_once(caplog):
    control = Control()
    errors = iter([KeyError("a"), ValueError("b"), KeyError("a")])

    def failing(_state, _snapshot):
        raise next(errors)

    control.ticker._step = failing
    for _ in range(3):
        control.ticker.tick(0.0)
    assert [record.failure for record in caplog.records] == ["KeyError", "ValueError", "KeyError"]
    assert [hasattr(record, "snapshot") for record in caplog.records] == [True, False, False]


def test_where_what_the_sources_say_fails_the_safe_step_too_it_decides_without_it(caplog):
    control = Control()
    control.failing = control.poisoned = True
    for _ in range(3):
        assert control.ticker.tick(0.0).decision.mode is Mode.FAILSAFE
    assert control.calls == ["take", "step", "safe", "blind", "act"] * 3
    assert [record.event for record in caplog.records] == ["judging_failed", "step_failed"], "each is said once"


def test_a_decision_that_breaks_an_invariant_is_never_handed_over_and_is_named():
    control = Control()

    def broken(_state, _snapshot):
        raise InvariantBroken((Invariant.RAMP, Invariant.SIGNED_MAXIMUM))

    control.ticker._step = broken
    done = control.ticker.tick(0.0)
    assert done.decision.mode is Mode.FAILSAFE
    assert done.failure == "i6_ramp, i5_signed_maximum"


def test_figures_of_a_tick_are_by_the_clock():
    clock = iter([10.0, 10.25])
    control = Control(clock=lambda: next(clock))
    done = control.ticker.tick(9.5)
    assert (done.late_s, done.duration_s) == (0.5, 0.25)


def test_ticks_come_until_stop_and_none_after_it():
    control = Control()
    control.ticker.start()
    control.wait(5)
    control.ticker.stop()
    count = len(control.ticks)
    assert not control.ticker._thread.is_alive()
    assert not threading.Event().wait(0.1)
    assert len(control.ticks) == count


def test_stop_ends_what_never_began():
    control = Control()
    control.ticker.stop()
    assert control.ticks == []


def test_stop_does_not_wait_for_the_period():
    control = Control(period_s=3600.0)
    control.ticker.start()
    control.wait(1)
    control.ticker.stop()
    assert len(control.ticks) == 1


def test_whoever_wakes_the_ticker_has_a_tick_long_before_the_period_is_over():
    control = Control(period_s=3600.0)
    control.ticker.start()
    control.wait(1)
    control.alarm.wake()
    control.wait(2)
    control.ticker.stop()
    assert control.ticks[1].late_s < 3600.0


def test_other_control_is_taken_over_long_before_the_period_is_over():
    control = Control(period_s=3600.0)
    control.ticker.start()
    control.wait(1)
    given = Decides(step=control.step, safe_step=control.safe_step, state=renamed)
    assert control.ticker.take_over(given).result(DEADLINE_S) is None
    control.ticker.stop()


def test_other_control_decides_from_the_next_tick_on_by_the_state_of_the_one_before():
    control = Control()
    control.ticker.tick(0.0)
    taken = control.ticker.take_over(
        Decides(step=lambda state, _: (Named(f"{state}*"), make_decision()), safe_step=control.safe_step, state=renamed)
    )
    assert not taken.done()
    control.ticker.tick(0.0)
    assert taken.result(0) is None
    assert control.ticker._state == "s0+~*"


def renamed(state):
    return Named(f"{state}~")


def test_control_that_cannot_take_over_leaves_everything_as_it_is_and_who_asked_is_told():
    control = Control()
    taken = control.ticker.take_over(Decides(step=None, safe_step=None, state=lambda _: 1 / 0))
    control.ticker.tick(0.0)
    control.ticker.tick(0.0)
    assert control.states == ["s0", "s0+"]
    assert isinstance(taken.exception(0), ZeroDivisionError)
