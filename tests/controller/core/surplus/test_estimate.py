from itertools import pairwise

import numpy as np
import pytest

from controller.core.reasons import Code
from controller.core.site import SurplusModel
from controller.core.surplus.estimate import SurplusState, _likely, estimate_surplus, surplus_doubts
from controller.core.surplus.frozen import SurplusReading
from tests.controller.core.world import settled, site, with_rules

DIRECT = with_rules()
EXPORT = with_rules(surplus_model=SurplusModel.EXPORT)
HEADROOM = with_rules(surplus_model=SurplusModel.HEADROOM, surplus_rating_w=100.0)


def after(rules, cycles, tick_s=1.0):
    """Return the estimate after each cycle of (reading or None, site power or None), so many seconds apart."""
    state, seen = SurplusState(), []
    for k, (reading, power) in enumerate(cycles):
        now_s = k * tick_s
        given = None if reading is None else SurplusReading(value_w=float(reading), taken_s=now_s)
        state = estimate_surplus(state, rules, given, None if power is None else (now_s, float(power)), now_s)
        seen.append(state.estimate_w)
    return seen


@pytest.mark.parametrize(
    ("why", "readings", "expected"),
    [
        ("what was never read is not known", [None, None], [None, None]),
        ("the first reading counts", [50], [50]),
        ("a fall counts after two readings", [50, 20, 20], [50, 50, 20]),
        ("a rise counts after three readings", [50, 80, 80, 80], [50, 50, 50, 80]),
        ("a spike down moves nothing", [50, 0, 50, 50], [50, 50, 50, 50]),
        ("a spike up moves nothing", [50, 900, 50, 50], [50, 50, 50, 50]),
        ("a falling curve is followed", [50, 40, 30, 20, 20], [50, 50, 40, 30, 20]),
    ],
)
def test_direct(why, readings, expected):
    assert after(DIRECT, [(value, 0) for value in readings]) == expected, why


@pytest.mark.parametrize("rules", [EXPORT, HEADROOM])
def test_export_and_headroom_see_through_the_sites_own_power(rules):
    powers = [10, 10, 10, 30, 50, 60, 60, 60, 60, 60, 60]
    readings = [70 - p if rules is EXPORT else 100 - 70 + p for p in powers]
    assert set(after(rules, list(zip(readings, powers, strict=True)))) - {None} == {70}


@pytest.mark.parametrize("rules", [EXPORT, HEADROOM])
@pytest.mark.parametrize("late_s", [-2, -1, 1, 2])
def test_meters_skewed_by_two_seconds_do_not_oscillate(rules, late_s):
    """Readings whose site power is up to 2 s earlier or later than stamped: S never moves away from the truth."""
    powers = [10] * 6 + [40] * 6 + [20] * 6 + [55] * 8
    truth = 70
    shifted = [powers[min(max(k - late_s, 0), len(powers) - 1)] for k in range(len(powers))]
    readings = [truth - p if rules is EXPORT else 100 - truth + p for p in shifted]
    seen = [value for value in after(rules, list(zip(readings, powers, strict=True))) if value is not None]
    assert set(seen) == {truth}


def test_export_waits_until_the_sites_power_is_known_around_the_reading():
    assert after(EXPORT, [(60, None), (60, 10), (60, 10)])[:2] == [None, None]


def test_stale_surplus_counts_as_zero_and_never_as_the_last_value():
    rules = with_rules(surplus_stale_s=3.0)
    assert after(rules, [(50, 0), (None, 0), (None, 0), (None, 0), (None, 0), (None, 0)])[-1] == 0.0


def test_after_staleness_a_single_reading_is_enough_to_know_but_only_its_lowest_counts():
    rules = with_rules(surplus_stale_s=1.0)
    assert after(rules, [(50, 0), (None, 0), (None, 0), (40, 0), (60, 0)])[2:] == [0.0, 40.0, 40.0]


@pytest.mark.parametrize("rules", [EXPORT, HEADROOM])
def test_within_noise_the_estimate_sinks_to_the_middle_and_never_rises_to_it(rules):
    def course(start, noisy):
        readings = [start] * 4 + [40.2, 39.8] * 60 if noisy else [start] * 124
        return [(x if rules is EXPORT else 100.0 - x, 60.0) for x in readings]

    above = [value for value in after(rules, course(40.2, noisy=True)) if value is not None]
    assert above[0] == pytest.approx(100.2)
    assert above[-1] == pytest.approx(100.0, abs=0.001)
    assert all(was - now < 0.1 for was, now in pairwise(above)), "calmly"
    below = [value for value in after(rules, course(39.8, noisy=True)) if value is not None]
    assert below == pytest.approx([99.8] * len(below))


def test_it_sinks_as_calmly_however_often_it_is_made():
    """Ten seconds of noise, looked at once a second and ten times a second, once the estimate is known."""
    noise = [(40.2, 60.0)] * 4 + [(40.2, 60.0), (39.8, 60.0)] * 4
    seldom = after(EXPORT, noise)
    often = after(EXPORT, [pair for pair in noise for _ in range(10)], tick_s=0.1)
    assert 100.0 < seldom[-1] < 100.2
    assert often[-1] == pytest.approx(seldom[-1], abs=0.03)


@pytest.mark.parametrize("rules", [EXPORT, HEADROOM])
def test_what_is_more_than_noise_is_no_reason_to_sink(rules):
    readings = [45.0] * 4 + [45.0, 35.0] * 30
    given = [(x if rules is EXPORT else 100.0 - x, 60.0) for x in readings]
    assert set(after(rules, given)) - {None} == {105.0}


def test_a_direct_surplus_is_what_is_read():
    assert after(DIRECT, [(value, 0) for value in [100.2] * 3 + [99.8, 100.2] * 20])[-1] == 100.2


def test_a_shift_is_judged_by_what_all_of_them_cover():
    """One course reaches further back than the others and moved there: within what all cover it is as steady as any."""
    calm = (np.array([6.0, 5.0, 4.0, 3.0]), np.full(4, 50.0))
    longer = (np.array([9.0, 8.0, 6.0, 5.0, 4.0, 3.0]), np.array([0.0, 50.0, 50.0, 50.0, 50.0, 50.0]))
    restless = (np.array([6.0, 5.0, 4.0, 3.0]), np.array([50.0, 90.0, 50.0, 90.0]))
    kept = _likely([*[calm] * 4, longer, *[restless] * 4], 2.0)
    assert any(course is longer for course in kept)
    assert not any(course is restless for course in kept)


def test_a_course_that_moves_once_is_steadier_than_one_that_wobbles_by_less():
    once = (np.array([6.0, 5.0, 4.0, 3.0]), np.array([50.0, 90.0, 90.0, 90.0]))
    wobbles = (np.array([6.0, 5.0, 4.0, 3.0]), np.array([50.0, 75.0, 50.0, 75.0]))
    assert all(course is once for course in _likely([*[once] * 5, *[wobbles] * 4], 2.0))


def test_readings_of_the_last_ten_seconds_are_kept():
    state = SurplusState()
    for k in range(30):
        state = estimate_surplus(state, DIRECT, SurplusReading(value_w=50.0, taken_s=float(k)), None, float(k))
    assert [taken_s for taken_s, _ in state.readings] == [float(k) for k in range(19, 30)]


@pytest.mark.parametrize(("readings", "codes"), [([None], [Code.SURPLUS_NEVER_READ]), ([50], [])])
def test_what_was_read_is_not_called_never_read(readings, codes):
    state = SurplusState()
    for k, value in enumerate(readings):
        given = None if value is None else SurplusReading(value_w=float(value), taken_s=float(k))
        state = estimate_surplus(state, DIRECT, given, None, float(k))
    assert [reason.code for reason in surplus_doubts(state, DIRECT, 1.0).doubts] == codes


@pytest.mark.parametrize(("rules", "expected"), [(EXPORT, 85.0), (HEADROOM, 85.0), (DIRECT, 50.0)])
def test_where_the_sites_meters_contradict_each_other_the_smaller_surplus_counts(rules, expected):
    """One shows 60, the other 35: what the grid can spare is worked out from the smaller, where it hangs on it at all."""
    state = SurplusState()
    for k in range(5):
        reading = SurplusReading(value_w=50.0, taken_s=float(k))
        state = estimate_surplus(state, rules, reading, (float(k), 60.0), float(k), 25.0)
    assert state.surplus_w == expected
    again = estimate_surplus(state, rules, SurplusReading(value_w=50.0, taken_s=5.0), (5.0, 60.0), 5.0)
    assert again.surplus_w == again.estimate_w == state.estimate_w, "nothing is left of it"


@pytest.mark.parametrize(
    ("why", "model", "scale", "shown"),
    [
        ("the other one, which shows two thirds as much", SurplusModel.EXPORT, 1.5, 1.0),
        ("the one that shows half as much", SurplusModel.HEADROOM, 0.5, 0.5),
        ("the one with the wrong sign", SurplusModel.EXPORT, -1.0, -1.0),
        ("no disagreement yet: the larger counts for both, so that it cancels out", SurplusModel.HEADROOM, 1.1, 1.1),
    ],
)
def test_a_site_whose_meters_disagree_takes_the_surplus_from_the_smaller(why, model, scale, shown):
    rules = with_rules(surplus_model=model, surplus_rating_w=500e3)
    world = settled(25, site(rules, miners=20, stepped=6, gpus=1), surplus_w=60e3)
    world.scale = {"main": scale}
    decision = world.run(5.5)
    assert decision.surplus_w == pytest.approx(60e3 + (shown - 1.0) * world.site_w, rel=0.1), why
