"""How the power went, and what today has brought."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np

from controller.daemon.course import GAP_S, POINTS, PowerCourse
from tests.controller.north import make_decision


def course(day_s: float = 86400.0) -> PowerCourse:
    return PowerCourse(day_of=lambda utc_s: date.fromordinal(1 + int(utc_s // day_s)))


def observe(kept: PowerCourse, *at_s: float, **changed: object) -> None:
    for each in at_s:
        kept.observe(replace(make_decision(), at_s=each, **changed), 1000.0 + each)


def test_a_point_is_kept_each_second_of_ten_ticks_and_no_more_than_a_quarter_of_an_hour():
    kept = course()
    observe(kept, *(tick / 10 for tick in range(10 * POINTS + 500)))
    points = kept.points()
    assert len(points) == POINTS
    assert np.allclose(np.diff([point.utc_s for point in points]), 1.0)


def test_a_wall_clock_that_is_set_back_leaves_no_points_of_later_than_now():
    kept = course()
    observe(kept, *(float(each) for each in range(10)))
    for each in range(10, 13):
        kept.observe(replace(make_decision(), at_s=float(each)), 1000.0 + each - 8.0)
    assert [point.utc_s - 1000.0 for point in kept.points()] == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_energy_and_value_are_those_of_the_time_between_two_ticks():
    kept = course()
    observe(kept, *(float(each) for each in range(0, 3601, 5)))
    today = kept.today()
    assert today is not None
    assert np.isclose(today.energy_wh, 80e3)
    assert np.isclose(today.value, 2.0)
    assert (today.since_utc_s, today.unseen_s) == (1000.0, 0.0)


def test_what_nobody_has_seen_is_left_out_and_told():
    kept = course()
    observe(kept, 0.0, 5.0)
    observe(kept, 10.0, power_w=(None, None))
    observe(kept, 15.0)
    observe(kept, 15.0 + GAP_S + 1.0)
    today = kept.today()
    assert today is not None
    assert np.isclose(today.energy_wh, 80e3 * 10 / 3600), "two steps of five seconds were seen"
    assert np.isclose(today.unseen_s, 5.0 + GAP_S + 1.0)


def test_a_new_day_begins_from_nothing():
    kept = course(day_s=1010.0)
    observe(kept, 0.0, 5.0, 11.0)
    today = kept.today()
    assert today is not None
    assert (today.energy_wh, today.since_utc_s) == (0.0, 1011.0)


def test_no_limit_is_no_watts():
    kept = course()
    observe(kept, 0.0, envelope_w=np.array([np.inf, np.inf]))
    assert kept.points()[0].envelope_w is None
    assert course().today() is None
