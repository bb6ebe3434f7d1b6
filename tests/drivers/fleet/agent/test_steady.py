"""A clock that is moved back goes on all the same, and it is known that it was moved."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.fleet.agent.steady import SteadyClock
from tests.examples import examples


class Machine:
    """Two clocks of a machine; `pass_` lets time go by, asleep or awake, and `move` sets the first."""

    def __init__(self) -> None:
        self.clock_s, self.count_s = 5000.0, 100.0

    def pass_(self, seconds: float, *, asleep: bool = False) -> None:
        self.clock_s += seconds
        self.count_s += 0.0 if asleep else seconds

    def move(self, seconds: float) -> None:
        self.clock_s += seconds

    def steady(self) -> SteadyClock:
        return SteadyClock(lambda: self.clock_s, lambda: self.count_s)


def test_it_shows_what_the_clock_shows_as_long_as_that_goes_on() -> None:
    machine = Machine()
    clock = machine.steady()
    machine.pass_(10.0)
    assert clock() == machine.clock_s
    machine.pass_(3600.0, asleep=True)
    assert clock() == machine.clock_s
    for _ in range(1000):  # 500 ppm slow, as a time server may have it
        machine.pass_(1.0)
        machine.move(-0.0005)
        clock()
    assert clock() == machine.clock_s
    assert clock.steps == 0


def test_one_that_goes_back_goes_on_and_is_counted() -> None:
    machine = Machine()
    clock = machine.steady()
    machine.move(3600.0)
    ahead_s = clock()
    assert (ahead_s, clock.steps) == (machine.clock_s, 0), "it could have slept"
    machine.pass_(2.0)
    machine.move(-3600.0)
    assert (clock(), clock.steps) == (ahead_s + 2.0, 1)
    machine.pass_(5.0)
    assert (clock(), clock.steps) == (ahead_s + 7.0, 1)


def test_one_that_goes_back_by_less_than_was_waited_is_found_too() -> None:
    machine = Machine()
    clock = machine.steady()
    before_s = clock()
    machine.pass_(60.0)
    machine.move(-30.0)
    assert (clock(), clock.steps) == (before_s + 60.0, 1)


@settings(max_examples=examples(100))
@given(st.lists(st.tuples(st.floats(0.0, 100.0), st.floats(-1e4, 1e4)), max_size=20))
def test_it_never_goes_back_and_never_loses_more_than_it_cannot_see(steps: list[tuple[float, float]]) -> None:
    machine = Machine()
    clock = machine.steady()
    shown_s = clock()
    for waited_s, moved_s in steps:
        machine.pass_(waited_s)
        machine.move(moved_s)
        now_s = clock()
        assert now_s >= shown_s
        assert now_s - shown_s >= waited_s * 0.999 - 0.5 - 1e-6
        shown_s = now_s
