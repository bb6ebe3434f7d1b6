"""The step test, as a table of steps and in the closed loop."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.fleet.bounds import FleetBelow, _device_bounds
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.site import SurplusModel
from controller.core.state import initial_state
from controller.core.trust.columns import MeterColumns
from controller.core.trust.judge import judge
from controller.core.trust.step_test import (
    after_steps,
    defied,
    proven_nodes,
    run_step_tests,
    without_lies,
    without_switched,
)
from tests.controller.core.world import World, played_once, said, settled, site, with_rules

SITE = (
    site()
)  #: two meters of 300 kW and 0.5 % at the root, 8 kW of other load declared: steps below 10.5 kW tell nothing
START_S = 1000.0


def meter_columns(power, taken, *, vouched=False) -> MeterColumns:
    """Return columns of meters that nothing speaks against."""
    count = len(power)
    return MeterColumns(
        power_w=np.array(power, dtype=np.float64),
        taken_s=np.array(taken, dtype=np.float64),
        sane=np.ones(count, dtype=np.bool_),
        vouched=np.full(count, vouched),
    )


def below(least_w, most_w) -> FleetBelow:
    """Return the same bounds for every node; no device tells anything."""
    least, most = np.full(len(SITE.tree.ids), least_w), np.full(len(SITE.tree.ids), most_w)
    return FleetBelow(least_w=least, most_w=most, told_w=0 * least, told_least_w=0 * least)


def play(course, *, first_w=8e3, seconds=60.0):
    """Return the tests after `course`, (power of both meters, least, most) each for `seconds`, from a fleet at rest."""
    tests, now_s = initial_state(SITE, START_S).trust.steps, START_S
    for power, least_w, most_w in [((first_w, first_w), 2e3, 2e3), *course]:
        for _ in range(int(seconds)):
            now_s += 1.0
            tests = run_step_tests(tests, SITE, meter_columns(power, (now_s, now_s)), below(least_w, most_w), now_s)
    return tests, now_s


def both(watts):
    return watts, watts


@pytest.mark.parametrize(
    ("why", "course", "proven", "refuted"),
    [
        ("nothing has moved", [], False, False),
        ("a step that it follows", [(both(68e3), 62e3, 62e3)], True, False),
        ("a step that it follows with 20 % of cooling", [(both(80e3), 62e3, 62e3)], True, False),
        ("devices that draw less than they are set to", [(both(63e3), 62e3, 62e3)], True, False),
        ("a small step tells nothing", [(both(8e3), 11e3, 11e3)], False, False),
        ("a step of three times what may be said of it otherwise", [(both(8e3), 12.5e3, 12.5e3)], False, False),
        ("a little more", [(both(8e3), 12.6e3, 12.6e3)], False, True),
        ("as much more than the step as there may be", [(both(103.5e3), 62e3, 62e3)], True, False),
        ("a middling step does not prove", [(both(28e3), 22e3, 22e3)], False, False),
        ("a step that is not well known does not prove", [(both(50e3), 42e3, 82e3)], False, False),
        ("it stands still", [(both(8e3), 62e3, 62e3)], False, True),
        ("the other way", [(both(-52e3), 62e3, 62e3)], False, True),
        ("a thousandth", [(both(8.06e3), 62e3, 62e3)], False, True),
        ("one phase of three", [(both(28e3), 62e3, 62e3)], False, True),
        ("the square root of three", [(both(118e3), 62e3, 62e3)], False, True),
        ("a fall that it follows", [(both(68e3), 62e3, 62e3), (both(8e3), 2e3, 2e3)], True, False),
        ("a fall that none sees: they agree", [(both(68e3), 62e3, 62e3), (both(68e3), 22e3, 22e3)], True, False),
        ("a middling one that none sees", [(both(68e3), 62e3, 62e3), (both(68e3), 40e3, 40e3)], True, False),
        ("a small fall tells nothing", [(both(68e3), 62e3, 62e3), (both(68e3), 53e3, 53e3)], True, False),
        ("dead devices", [(both(8e3), 2e3, 62e3)], False, False),
        ("it follows again", [(both(8e3), 62e3, 62e3), (both(80e3), 132e3, 132e3)], True, False),
        ("a load that nobody knows of comes slowly", [(both(68e3), 62e3, 62e3), (both(99e3), 62e3, 62e3)], True, False),
        ("a step after that", [(both(50e3), 2e3, 2e3)] * 3 + [(both(110e3), 62e3, 62e3)], True, False),
    ],
)  # fmt: skip
def test_a_step_proves_or_refutes(why, course, proven, refuted):
    tests, _ = play(course)
    assert tests.passed.tolist() == [proven, proven], why
    assert np.isfinite(tests.refuted_s).tolist() == [refuted, refuted], why


@pytest.mark.parametrize(
    ("why", "course", "refuted", "named_w"),
    [
        ("both miss the same", [(both(68e3), 62e3, 62e3), (both(58e3), 22e3, 22e3)], [False, False], 30e3),
        ("one follows: the other is wrong", [(both(68e3), 62e3, 62e3), ((28e3, 68e3), 22e3, 22e3)], [False, True], 0.0),
        ("both are wrong, each in its way", [(both(68e3), 62e3, 62e3), ((68e3, 50e3), 22e3, 22e3)], [True, True], 0.0),
        ("they were never proven", [(both(8e3), 62e3, 62e3)], [True, True], 0.0),
        (
            "one misses alone what both have missed before",
            [(both(68e3), 62e3, 62e3), (both(58e3), 22e3, 22e3), (both(98e3), 62e3, 62e3), ((58e3, 88e3), 22e3, 22e3)],
            [False, True],
            0.0,
        ),
        ("a rise that none sees", [(both(68e3), 62e3, 62e3), (both(68e3), 102e3, 102e3)], [False, False], 40e3),
    ],
)
def test_devices_are_blamed_where_proven_meters_agree_on_what_is_missing(why, course, refuted, named_w):
    tests, now_s = play(course)
    assert np.isfinite(tests.refuted_s).tolist() == refuted, why
    found = [(reason.subject, reason.parameters["missing_w"]) for reason in defied(SITE, tests, now_s)]
    assert found == ([("pcc", pytest.approx(named_w))] if named_w else []), why
    assert defied(SITE, tests, now_s + 121.0) == (), "it is not held against them for ever"


def test_a_controller_that_starts_beside_a_running_fleet_needs_no_step():
    assert play([(both(104e3), 98e3, 98e3)], first_w=104e3, seconds=1.0)[0].passed.all()


@pytest.mark.parametrize(("seconds", "since_s"), [(121.0, START_S + 1.0), (122.0, START_S + 122.0)])
def test_an_instant_is_compared_with_for_two_minutes(seconds, since_s):
    assert play([], seconds=seconds)[0].since_s.tolist() == [since_s] * 2


def test_each_meter_is_judged_for_itself():
    tests, now_s = play([((68e3, 8e3), 62e3, 62e3)])
    assert tests.passed.tolist() == [True, False]
    trust = replace(initial_state(SITE, START_S).trust, steps=tests)
    _, judgement = judge(trust, SITE, (), below(62e3, 62e3), now_s, starting=False)
    assert Reason(Code.STEPS_NOT_FOLLOWED, "main") in judgement.doubts.doubts
    assert Reason(Code.STEPS_NOT_FOLLOWED, "check") not in judgement.doubts.doubts
    meters = after_steps(meter_columns((68e3, 8e3), (now_s, now_s)), tests)
    assert proven_nodes(SITE, meters, tests, now_s).tolist() == [True, False, False, False]


def test_what_is_refuted_is_a_reading_of_the_past():
    tests, now_s = play([(both(8e3), 62e3, 62e3)])
    meters = after_steps(meter_columns(both(8e3), (now_s, now_s)), tests)
    assert np.all(meters.taken_s == tests.refuted_s)
    assert np.all(meters.taken_s < now_s - 10.0)
    assert not proven_nodes(SITE, meters, tests, now_s).any()


def test_a_meter_has_time_to_show_a_step():
    assert np.isinf(play([(both(8e3), 62e3, 62e3)], seconds=14.0)[0].refuted_s).all()


def test_a_site_at_rest_tries_a_refuted_meter_again_after_an_hour():
    course = [(both(8e3), 62e3, 62e3), (both(8e3), 8e3, 8e3)]
    assert np.isfinite(play(course, seconds=1700.0)[0].refuted_s).all()
    tests, _ = play([*course, course[-1]], seconds=1900.0)
    assert np.isinf(tests.refuted_s).all()
    assert not tests.passed.any()


def test_a_silent_meter_is_not_refuted():
    tests, now_s = play([])
    for k in range(60):
        columns = meter_columns(both(8e3), both(now_s))
        tests = run_step_tests(tests, SITE, columns, below(62e3, 62e3), now_s + 4.0 + k)
    assert np.isinf(tests.refuted_s).all()


@pytest.mark.parametrize(
    ("speaks_s", "silent_s", "within_s"), [(4, 8, 39), (4, 20, 75), (4, 200, 615), (1, 5, 60), (1, 7, 75), (1, 9, 90)]
)
def test_a_meter_that_is_wrong_and_silent_by_turns_is_refuted_once_it_has_been_wrong_for_long_enough(
    speaks_s, silent_s, within_s
):
    """Also one that never speaks for as long as it has to be wrong after a silence."""
    tests, now_s = play([])
    taken_s = begun_s = now_s
    while np.isinf(tests.refuted_s[0]):
        now_s += 1.0
        speaks = (now_s - begun_s - 1.0) % (speaks_s + silent_s) < speaks_s
        taken_s = now_s if speaks else taken_s
        columns = meter_columns(both(8e3), (taken_s, now_s))
        tests = run_step_tests(tests, SITE, columns, below(62e3, 62e3), now_s)
        assert now_s - begun_s < within_s, "it is not found out"
    assert now_s - taken_s <= SITE.rules.suspect_s, "and not by what it showed before it fell silent"
    assert np.isfinite(tests.refuted_s[1])


def test_a_right_meter_that_is_silent_while_it_shows_a_step_late_is_not_refuted():
    """It is refreshed once in ten seconds, and has shown the old watts for a moment before it fell silent and after."""
    tests, now_s = play([])
    for power_w, speaks, seconds in ((8e3, True, 4), (8e3, False, 60), (8e3, True, 4), (68e3, True, 30)):
        taken_s = now_s
        for _ in range(seconds):
            now_s += 1.0
            taken_s = now_s if speaks else taken_s
            columns = meter_columns(both(power_w), (taken_s, taken_s))
            tests = run_step_tests(tests, SITE, columns, below(62e3, 62e3), now_s)
    assert np.isinf(tests.refuted_s).all()
    assert tests.passed.all()


def test_volts_and_amperes_prove_before_the_fleet_has_moved():
    tests, now_s = play([])
    meters = meter_columns(both(8e3), both(now_s), vouched=True)
    assert proven_nodes(SITE, meters, tests, now_s)[0]
    assert not proven_nodes(SITE, replace(meters, sane=np.zeros(2, dtype=np.bool_)), tests, now_s)[0]
    refuted = replace(tests, refuted_s=np.full(2, now_s))
    assert not proven_nodes(SITE, after_steps(meters, refuted), refuted, now_s)[0], "nor once the fleet has refuted it"


def test_reports_that_setpoints_do_not_explain_widen_the_bounds():
    world = settled(40, site(), surplus_w=90e3, tick_s=1.0)
    snapshot = world.snapshot()
    told_w = snapshot.fleet.measured_w.copy()
    dead, wild = 0, 1
    told_w[dead], told_w[wild] = 0.0, 9e3
    least_w, most_w = _device_bounds(world.site, world.state.leases, told_w, np.ones(told_w.size, dtype=np.bool_))
    assert least_w[dead] == 0.0
    assert most_w[dead] == world.state.leases.high_w[dead]
    assert most_w[wild] > 9e3
    silent = np.zeros(told_w.size, dtype=np.bool_)
    assert _device_bounds(world.site, world.state.leases, told_w, silent)[0].max() == 0.0


MODELS = list(SurplusModel)


@played_once
def commission(scale, *, model=SurplusModel.DIRECT, vouched=False):
    rules = with_rules(surplus_model=model, surplus_rating_w=500e3)
    world = World(site(rules, miners=20, stepped=6, gpus=1), surplus_w=60e3, tick_s=1.0, vouched=vouched)
    world.scale = {"main": scale, "check": scale}
    for surplus_w in (60e3, 30e3, 70e3):
        world.surplus_w = surplus_w
        world.run(40)
    return world


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("scale", [-1.0, 1000.0, 0.001, 0.1, 1 / 3, 0.5, 2.0, 10.0])
def test_no_wrong_scale_of_all_meters_takes_the_site_out_of_its_envelope(model, scale):
    world = commission(scale, model=model)
    assert world.violations() == []
    assert not world.state.trust.steps.passed.any()


@pytest.mark.parametrize("scale", [-1.0, 1000.0, 0.001])
def test_a_wrong_profile_never_leads_to_normal(scale):
    world = commission(scale)
    assert Mode.NORMAL not in {decision.mode for *_, decision in world.history}
    reasons = {said(decision) for *_, decision in world.history}
    assert all("show" in reason or "starting" in reason for reason in reasons)


@pytest.mark.parametrize("scale", [0.1, 1 / 3, 0.5])
def test_a_meter_that_shows_too_little_is_found_out_by_the_first_step(scale):
    world = commission(scale)
    assert world.state.mode.mode is not Mode.NORMAL
    assert "does not follow the steps of the fleet" in said(world.state)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("vouched", [True, False])
def test_right_meters_are_proven_and_never_doubted(model, vouched):
    world = commission(1.0, model=model, vouched=vouched)
    assert world.state.trust.steps.passed.all()
    assert {decision.mode for *_, decision in world.history} == {Mode.INIT, Mode.NORMAL}


def test_a_meter_that_freezes_is_found_out_by_the_fleet():
    world = commission(1.0)
    held_w = world.state.trust.sources["main"].value_w
    sample = world._sample

    def frozen(source, values):
        return sample(source, values | ({"active_power_w": held_w} if source == "main" else {}))

    world._sample = frozen
    world.surplus_w = 20e3
    world.run(45)
    assert "meter main does not follow" in said(world.state)
    assert "meter check" not in said(world.state)
    assert world.violations() == []


def test_until_it_is_proven_a_meter_frees_nothing_of_the_declared_load():
    built = site(with_rules(contract_w=15e3))
    for vouched, expected_w in ((False, 8e3), (True, 6e3)):
        world = World(built, surplus_w=0.0, tick_s=1.0, vouched=vouched)
        assert world.run(200).house_w[0] == pytest.approx(expected_w, abs=200.0)


@pytest.mark.parametrize(
    ("why", "taken_s", "begun_s", "passed", "kept"),
    [
        ("an instant of long before stays", -60.0, 0.0, True, True),
        ("one of shortly before does not", -20.0, 0.0, True, False),
        ("but of a meter that no step has proven", -20.0, 0.0, False, True),
        ("nor one that was taken meanwhile, once it is right again", 10.0, 0.0, False, False),
    ],
)
def test_what_a_false_meter_showed_is_nothing_to_compare_with(why, taken_s, begun_s, passed, kept):
    tests = replace(play([])[0], since_s=np.full(2, START_S + taken_s), passed=np.full(2, passed))
    if taken_s > begun_s:
        tests = replace(tests, false_s=np.full(2, START_S + begun_s))
    false = np.full(2, taken_s <= begun_s)
    after = without_lies(tests, false, START_S + max(taken_s + 20.0, begun_s))
    assert np.isfinite(after.since_s).tolist() == [kept, kept], why
    assert np.isfinite(after.low_w).tolist() == [kept, kept]


def test_a_meter_that_lied_while_the_site_rested_is_not_refuted_by_that_when_it_is_right_again():
    """An instant to compare with is taken while both show a third; the next step of the fleet must not refute them."""
    world = settled(100, site(), surplus_w=90e3, tick_s=1.0)
    world.scale = {"main": 1 / 3, "check": 1 / 3}
    world.run(90)
    world.scale = {}
    world.run(20)
    world.surplus_w = 30e3
    world.run(40)
    assert np.isinf(world.state.trust.steps.refuted_s).all()
    assert Mode.FAILSAFE not in {decision.mode for *_, decision in world.history}


def test_where_power_is_switched_what_a_meter_showed_before_is_nothing_to_compare_with():
    after = without_switched(play([])[0], np.array([True, False]))
    assert np.isfinite(after.since_s).tolist() == np.isfinite(after.low_w).tolist() == [False, True]
