"""Who is blamed for a step that was not done: true meters that were proven, late and coarse as they are, never.

A fleet goes up and proves its meters. Then it is told to come down, its agents say that it did, and a part of it draws on.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.core.fleet.bounds import FleetBelow
from controller.core.site import Site
from controller.core.state import initial_state
from controller.core.trust.step_blame import Missing, agreeing_meters, shows_the_same
from controller.core.trust.step_test import StepTests, defied, proven_nodes, run_step_tests
from tests.controller.core.trust.test_step_test import meter_columns
from tests.controller.core.world import site
from tests.examples import examples

START_S, FULL_W, HOUSE_W = 1000.0, 92e3, 6e3
#: The fleet stands, goes up, stands, comes down, stands.
_UP_S, _DOWN_S, _END_S = 40.0, 110.0, 220.0
#: Meters are late by no more, and what a device was told before counts for as long.
_LATE_S = 6.0


def told_w(after_s: float, rest_w: float, ramp_w_s: float) -> float:
    """Return what the agents say that the fleet draws."""
    up_w = min(FULL_W, rest_w + ramp_w_s * max(0.0, after_s - _UP_S))
    return max(rest_w, up_w - ramp_w_s * max(0.0, after_s - _DOWN_S))


def drawn_w(after_s: float, rest_w: float, ramp_w_s: float, lied: float) -> float:
    """Return what it draws: of what is to go, the share `lied` stays."""
    told = told_w(after_s, rest_w, ramp_w_s)
    return told + lied * max(0.0, told_w(_DOWN_S, rest_w, ramp_w_s) - told) if after_s > _DOWN_S else told


def judged(
    built: Site, late_s: tuple[float, float], rest_w: float, ramp_w_s: float, lied: float
) -> tuple[StepTests, float]:
    """Return what the steps say of the two meters of the site in the end."""
    count, nodes = len(built.meters.ids), len(built.tree.ids)
    tests, now_s = initial_state(built, START_S).trust.steps, START_S
    offset_w = built.meters.accuracy * built.meters.rating_w * np.array([0.5, -0.5])[:count]
    while now_s < START_S + _END_S:
        now_s += 1.0
        after_s = now_s - START_S
        shown = [HOUSE_W + drawn_w(after_s - late, rest_w, ramp_w_s, lied) for late in late_s]
        said_w = [told_w(after_s - late, rest_w, ramp_w_s) for late in range(int(_LATE_S) + 1)]
        least_w, most_w = np.full(nodes, min(said_w)), np.full(nodes, max(said_w))
        fleet = FleetBelow(least_w=least_w, most_w=most_w, told_w=least_w, told_least_w=least_w)
        tests = run_step_tests(tests, built, meter_columns(np.array(shown) + offset_w, (now_s,) * count), fleet, now_s)
    return tests, now_s


def pair(*accuracy: float) -> Site:
    """Return a site whose two meters at its connection are of these classes."""
    built = site()
    return replace(built, meters=replace(built.meters, accuracy=np.array(accuracy)))


@given(
    late_s=st.tuples(st.floats(0.0, _LATE_S), st.floats(0.0, _LATE_S)),
    accuracy=st.tuples(st.sampled_from([0.002, 0.005, 0.01]), st.sampled_from([0.002, 0.005, 0.01])),
    rest_w=st.floats(2e3, 48e3),
    ramp_w_s=st.sampled_from([1e3, 5e3, 30e3, 1e6]),
    lied=st.floats(0.0, 0.15) | st.floats(0.45, 1.0),
)
@example(late_s=(0.0, 3.0), accuracy=(0.005, 0.005), rest_w=22e3, ramp_w_s=1e6, lied=1.0)
@example(late_s=(0.0, 0.0), accuracy=(0.002, 0.01), rest_w=22e3, ramp_w_s=1e3, lied=1.0)
@example(late_s=(0.0, 0.0), accuracy=(0.002, 0.01), rest_w=45e3, ramp_w_s=30e3, lied=1.0)
@settings(max_examples=examples(60))
def test_two_true_meters_are_never_refuted_by_agents_that_lie(late_s, accuracy, rest_w, ramp_w_s, lied):
    """A lie as large as what devices may err by is seen by one meter and not by another: of it nothing is said here."""
    tests, _ = judged(pair(*accuracy), late_s, rest_w, ramp_w_s, lied)
    assert tests.passed.all(), "the way up has proven them"
    assert np.isinf(tests.refuted_s).all()


def test_a_meter_that_is_refuted_speaks_for_no_other_one_whatever_vouches_for_it():
    built, now_s = pair(0.005, 0.005), START_S
    tests, meters = initial_state(built, START_S).trust.steps, meter_columns((68e3, 68e3), (START_S,) * 2, vouched=True)
    for said_w in [62e3] * 20 + [22e3] * 30:
        now_s += 1.0
        meters = meter_columns((68e3, 68e3), (now_s,) * 2, vouched=True)
        said = np.full(len(built.tree.ids), said_w)
        fleet = FleetBelow(least_w=said, most_w=said, told_w=said, told_least_w=said)
        if now_s == START_S + 21.0:
            tests = replace(tests, refuted_s=np.array([now_s, np.inf]))
        tests = run_step_tests(tests, built, meters, fleet, now_s)
    assert np.isfinite(tests.refuted_s).all()


@pytest.mark.parametrize(
    ("why", "lied", "shown", "defied_w"),
    [
        ("both stand still", 0.0, lambda before_w, _: before_w, 7.9e3),
        ("both show what is so, and the devices do not do it", 1.0, lambda _, true_w: true_w, 7.9e3),
        ("both show what is so, and the devices do it", 0.0, lambda _, true_w: true_w, 0.0),
    ],
)
def test_a_meter_that_only_a_coarser_one_speaks_for_is_questioned_and_so_is_that_one(why, lied, shown, defied_w):
    """The step is too small for the coarser one. Both may be right, or wrong alike: until they follow another step they teach no smaller house."""
    built, now_s, house_w = pair(0.002, 0.02), START_S, np.full(2, HOUSE_W)
    tests = initial_state(built, START_S).trust.steps

    def run(said_w, drawn_w, seconds, reads=lambda _, true_w: true_w):
        nonlocal tests, now_s
        said, before_w = np.full(len(built.tree.ids), said_w), tests.power_w
        fleet = FleetBelow(least_w=said, most_w=said, told_w=0 * said, told_least_w=0 * said)
        for _ in range(seconds):
            now_s += 1.0
            meters = meter_columns(reads(before_w, house_w + drawn_w), (now_s, now_s))
            tests = run_step_tests(tests, built, meters, fleet, now_s)
        return proven_nodes(built, meters, tests, now_s)[0]

    assert run(4e3, 4e3, 20) or run(70e3, 70e3, 30)
    proven = run(62.1e3, 62.1e3 + 7.9e3 * lied, 30, shown)
    assert np.isinf(tests.refuted_s).all(), why
    assert tests.defied_w.max() == pytest.approx(defied_w), why
    assert len(defied(built, tests, now_s)) == int(defied_w > 0.0), why
    assert proven == (defied_w == 0.0), why
    assert run(130e3, 130e3 + 7.9e3 * lied, 30), "once they have followed another step"


def hall_site() -> Site:
    """Return a site with a meter at its connection, and one for each of the two feeders below."""
    built = site()
    meters = replace(
        built.meters,
        ids=("a", "b", "pcc"),
        node=np.array([2, 3, 0]),
        rating_w=np.array([100e3, 100e3, 300e3]),
        accuracy=np.full(3, 0.005),
    )
    return replace(built, meters=meters)


def halls(lied: tuple[float, float], late_s: tuple[float, float, float], ramp_w_s: float, shown=lambda k, watts: watts):
    """Return what the steps say of these meters where each feeder has half of the fleet, and its agent lies by a share of its own."""
    built = hall_site()
    tests, now_s = initial_state(built, START_S).trust.steps, START_S
    while now_s < START_S + _END_S:
        now_s += 1.0
        after_s = now_s - START_S
        said_w = np.array([told_w(after_s - late, 4e3, ramp_w_s) for late in range(int(_LATE_S) + 1)])
        share = np.array([1.0, 1.0, 0.5, 0.5])
        fleet = FleetBelow(
            least_w=said_w.min() * share, most_w=said_w.max() * share, told_w=0 * share, told_least_w=0 * share
        )
        a, b, pcc = ([0.5 * drawn_w(after_s - late, 4e3, ramp_w_s, each) for each in lied] for late in late_s)
        true_w = a[0], b[1], HOUSE_W + sum(pcc)
        power = [shown(k, watts) if after_s > _DOWN_S else watts for k, watts in enumerate(true_w)]
        tests = run_step_tests(tests, built, meter_columns(power, (now_s,) * 3), fleet, now_s)
    return tests


@given(
    late_s=st.tuples(*[st.floats(0.0, _LATE_S)] * 3),
    ramp_w_s=st.sampled_from([5e3, 30e3, 1e6]),
    lied=st.floats(0.5, 1.0),
)
@example(late_s=(0.0, 0.0, 3.0), ramp_w_s=1e6, lied=1.0)
@example(late_s=(0.0, 2.0, 0.0), ramp_w_s=1e6, lied=0.6)
@settings(max_examples=examples(40))
def test_where_every_hall_lies_by_its_own_share_no_meter_is_refuted(late_s, ramp_w_s, lied):
    """What the halls miss in all is what the site misses."""
    tests = halls((1.0, lied), late_s, ramp_w_s)
    assert np.isinf(tests.refuted_s).all()
    assert np.isfinite(tests.defied_s).any()


@pytest.mark.parametrize(
    ("why", "lied", "shown", "refuted"),
    [
        (
            "a feeder's meter stands still, and its devices do as they say",
            (0.0, 0.0),
            lambda k, w: 46e3 if k == 0 else w,
            [True, False, False],
        ),
        ("the site's meter stands still", (0.0, 0.0), lambda k, w: 98e3 if k == 2 else w, [False, False, True]),
        (
            "the site's meter shows a third of what goes",
            (0.0, 0.0),
            lambda k, w: 98e3 - (98e3 - w) / 3 if k == 2 else w,
            [False, False, True],
        ),
        (
            "one hall lies: its meter is true, and the site's misses as much",
            (1.0, 0.0),
            lambda k, w: w,
            [False, False, False],
        ),
    ],
)
def test_a_meter_that_is_wrong_is_found_wrong(why, lied, shown, refuted):
    assert np.isfinite(halls(lied, (0.0, 0.0, 0.0), 30e3, shown).refuted_s).tolist() == refuted, why


@pytest.mark.parametrize(
    ("why", "built", "missing_w", "slack_w", "found"),
    [
        ("both miss the same", pair(0.005, 0.005), [30e3, 30e3], [1e3, 500.0], [True, True]),
        ("apart by what both may err", pair(0.005, 0.005), [30e3, 31.5e3], [1e3, 500.0], [True, True]),
        ("further apart", pair(0.005, 0.005), [30e3, 31.6e3], [1e3, 500.0], [False, False]),
        ("above, as much", hall_site(), [30e3, 0.0, 30e3], [500.0, 500.0, 2e3], [True, False, True]),
        ("less, by what both may err", hall_site(), [30e3, 0.0, 27.5e3], [500.0, 500.0, 2e3], [True, False, True]),
        ("less than that", hall_site(), [30e3, 0.0, 27.4e3], [500.0, 500.0, 2e3], [False, False, False]),
        ("more, for it sees more devices", hall_site(), [30e3, 0.0, 60e3], [500.0, 500.0, 2e3], [True, False, False]),
    ],
)
def test_a_meter_speaks_for_another_that_misses_as_much_within_what_both_may_err(why, built, missing_w, slack_w, found):
    watts = np.array(missing_w)
    missing = Missing(now=watts > 0.0, least_w=watts, most_w=watts)
    assert agreeing_meters(built, missing, np.array(slack_w), watts > 0.0).tolist() == found, why


@pytest.mark.parametrize(("off_w", "alike"), [(3e3, False), (3001.0, True)])
def test_a_meter_that_is_off_by_no_more_than_both_may_err_tells_nothing_of_another(off_w, alike):
    shown_w, speaks = np.array([50e3, 50e3]), np.array([False, True])
    assert shows_the_same(pair(0.005, 0.005), shown_w, np.full(2, off_w), speaks).tolist() == [alike, False]
