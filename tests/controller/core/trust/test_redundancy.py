"""One of two meters of the site falls silent, in the closed loop: what the other may lead, and when."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.fleet.bounds import FleetBelow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.trust.columns import MeterColumns
from controller.core.trust.redundancy import no_redundancy, stand_in
from controller.core.trust.step_test import no_step_tests
from tests.controller.core.world import settled, site, with_rules

#: Longer than a step is good for.
RESTS_S = 920.0


def pair(*, accuracy=0.005, rests_s=60.0, rules=None, **given):
    """Return a site whose two meters have agreed for a while, and whose fleet has not moved for most of it."""
    built = site(rules or with_rules(), miners=24, stepped=4, gpus=0)
    built = replace(built, meters=replace(built.meters, accuracy=np.full(2, accuracy)))
    world = settled(rests_s, built, tick_s=1.0, **{"surplus_w": 90e3} | given)
    assert world.state.mode.mode is Mode.NORMAL
    return world


def falls_silent(world, meter="main"):
    """Let a meter fall silent and return the seconds until the site is in HOLD for it."""
    world.silent.add(meter)
    return world.until(lambda decision: decision.mode is Mode.HOLD, 6.0)


def codes(decision):
    return {reason.code for reason in decision.reasons}


def of_source(decision, name, code):
    return next((reason for reason in decision.sources[name] if reason.code is code), None)


def is_normal(decision):
    return decision.mode is Mode.NORMAL


def test_a_partner_that_has_followed_a_step_of_late_stands_in():
    world = pair(surplus_w=60e3)
    assert falls_silent(world) <= 5.0
    assert codes(world.history[-1][3]) == {Code.METER_SILENT}
    world.until(is_normal, 8.0)
    decision = world.run(1200.0)
    assert is_normal(decision), "it is as good as a single meter, for as long as it takes"
    assert of_source(decision, "check", Code.METER_ALONE).parameters["other"] == "main"
    assert of_source(decision, "main", Code.METER_SILENT)
    world.surplus_w = 85e3
    world.run(30)
    assert world.site_w > 85e3, "the site may be raised"
    world.silent.clear()
    decision = world.run(10)
    assert is_normal(decision)
    assert of_source(decision, "check", Code.METER_ALONE) is None
    assert world.violations() == []


def test_a_partner_that_missed_a_step_together_with_the_silent_one_does_not_stand_in_by_an_earlier_step():
    world = pair(surplus_w=45e3, vouched=False)
    power_w, unmeasured_w = world.site_w, np.full(len(world.site.devices.ids), np.nan)
    world._told_w = lambda: unmeasured_w
    world.shown_as = dict.fromkeys(("main", "check"), lambda _: power_w)
    world.surplus_w = 90e3
    world.until(lambda decision: Code.STEP_DEFIED in codes(decision), 60.0)
    world.silent.add("main")
    world.run(20.0)
    assert Code.METER_UNPROVEN in codes(world.decided)


def test_a_site_at_rest_proves_the_partner_by_one_small_step_down():
    world = pair(rests_s=RESTS_S)
    before_w = world.history[-1][3].planned_w[0]
    falls_silent(world)
    assert Code.METER_UNPROVEN in codes(world.history[-1][3])
    planned = []
    world.until(lambda decision: planned.append(decision.planned_w[0]) or is_normal(decision), 60.0)
    assert before_w - min(planned) == pytest.approx(28e3, rel=0.2), "8 times class and a quarter of the house load"
    assert any(entry[3].binding[0] == "step_test:pcc" for entry in world.history)
    decision = world.run(60.0)
    assert is_normal(decision)
    assert decision.planned_w[0] == pytest.approx(before_w, rel=0.03), "and goes back"
    assert min(entry[3].planned_w[0] for entry in world.history[-60:]) > before_w - 30e3, "once"


def test_a_short_silence_costs_no_step():
    world = pair(rests_s=RESTS_S)
    before_w = world.history[-1][3].planned_w[0]
    falls_silent(world)
    world.run(20.0)
    world.silent.clear()
    decision = world.run(10.0)
    assert is_normal(decision)
    assert decision.planned_w[0] == pytest.approx(before_w)


@pytest.mark.parametrize("surplus_w", [0.0, 18e3])
def test_a_site_at_rest_that_draws_too_little_for_a_step_gets_out_of_hold(surplus_w):
    world = pair(rests_s=RESTS_S, surplus_w=surplus_w)
    before_w = world.history[-1][3].planned_w[0]
    falls_silent(world)
    world.until(is_normal, 8.0)
    assert of_source(world.history[-1][3], "check", Code.METER_ALONE)
    decision = world.run(60.0)
    assert decision.planned_w[0] == pytest.approx(before_w), "and nothing is switched off for it"
    world.surplus_w = 85e3
    world.run(60.0)
    assert world.site_w > 80e3, "the site may be raised"
    assert world.violations() == []


def test_a_partner_that_the_first_steps_up_refute_leads_nothing():
    world = pair(rests_s=RESTS_S, surplus_w=0.0)
    world.shown_as = {"check": lambda watts: watts / 3.0}
    falls_silent(world)
    world.until(is_normal, 8.0)
    world.surplus_w = 85e3
    world.until(lambda decision: decision.mode is not Mode.NORMAL, 60.0)
    world.run(60.0)
    assert Code.STEPS_NOT_FOLLOWED in {reason.code for reason in world.history[-1][3].sources["check"]}


def test_a_partner_that_does_not_follow_the_step_leads_nothing():
    world = pair(rests_s=RESTS_S)
    power_w = world.site_w
    world.shown_as = {"check": lambda _: power_w}
    falls_silent(world)
    world.run(120.0)
    assert Mode.NORMAL not in {entry[3].mode for entry in world.history[-110:]}
    assert Code.STEPS_NOT_FOLLOWED in {reason.code for reason in world.history[-1][3].sources["check"]}


@pytest.mark.parametrize("gone", ["main", "check"])
def test_a_pair_with_an_offset_within_its_class_gets_no_looser(gone):
    """Main shows 4 % of the rating more than check; whichever falls silent, the site is held by what main showed."""
    world = pair(accuracy=0.025)
    world.shown_as = {"main": lambda power_w: power_w + 12e3}
    world.run(900.0)
    before_w = world.history[-1][3].power_w[0]
    assert before_w == pytest.approx(world.site_w + 12e3, abs=1.0)
    falls_silent(world, gone)
    assert world.history[-1][3].power_w[0] >= before_w - 1e3
    world.until(is_normal, 200.0)
    decision = world.run(60.0)
    assert decision.power_w[0] == pytest.approx(world.site_w + 12e3, abs=1e3)
    other = "check" if gone == "main" else "main"
    added_w = of_source(decision, other, Code.METER_ALONE).parameters["added_w"]
    assert added_w == pytest.approx(12e3 if other == "check" else 0.0, abs=1e3)


def test_a_pair_with_an_offset_beyond_its_class_waits_for_a_person():
    world = pair()
    world.shown_as = {"main": lambda power_w: power_w + 12e3}
    world.run(120.0)
    falls_silent(world)
    decision = world.run(300.0)
    assert codes(decision) == {Code.METER_SILENT, Code.METER_UNCONFIRMED}


def test_a_disagreement_of_a_while_ago_still_needs_a_person():
    world = pair()
    world.shown_as = {"main": lambda power_w: power_w - 15e3}
    world.run(120.0)
    world.shown_as = {}
    world.run(600.0)
    falls_silent(world)
    decision = world.run(60.0)
    assert codes(decision) == {Code.METER_SILENT, Code.METER_UNCONFIRMED}


@pytest.mark.parametrize(("ago_s", "waits"), [(3590.0, True), (3610.0, False)])
def test_for_an_hour(ago_s, waits):
    world = pair()
    trust = world.state.trust
    apart = replace(trust.redundancy, apart_s=np.full(4, world.now_s - ago_s))
    world.state = replace(world.state, trust=replace(trust, redundancy=apart))
    falls_silent(world)
    assert is_normal(world.run(20.0)) != waits


def test_meters_whose_clocks_differ_agree_while_the_site_goes_up_and_down():
    world = pair()
    late = world._sample

    def two_seconds_late(name, values):
        if name == "main":
            then_w = world.powers[-3][1][0] if len(world.powers) > 2 else world.powers[0][1][0]
            values = values | {"active_power_w": float(then_w)}
        return late(name, values)

    world._sample = two_seconds_late
    for surplus_w in [30e3, 120e3] * 6:
        world.surplus_w = surplus_w
        world.run(30)
    falls_silent(world)
    world.until(is_normal, 8.0)


def test_the_only_meter_of_a_site_has_nobody_to_stand_in_for_it():
    built = site(miners=8, stepped=0, gpus=0)
    one = replace(built.meters, ids=("main",), node=built.meters.node[:1], rating_w=built.meters.rating_w[:1])
    world = settled(
        60, replace(built, meters=replace(one, accuracy=built.meters.accuracy[:1])), surplus_w=30e3, tick_s=1.0
    )
    world.silent.add("main")
    assert world.run(15).mode is Mode.FAILSAFE


@pytest.mark.parametrize(("ago_s", "begins"), [(899.5, False), (900.0, False), (900.5, True)])
def test_a_step_that_proved_nothing_is_tried_again_once_a_quarter_of_an_hour_is_over(ago_s, begins):
    built, now_s, nodes = site(), 5000.0, np.array([True, False, False, False])
    stepped = replace(
        no_redundancy(2, 4), under_w=np.zeros(2), missing=nodes, begun_s=np.where(nodes, now_s - ago_s, -np.inf)
    )
    true = np.ones(2, dtype=np.bool_)
    meters = MeterColumns(power_w=np.full(2, 90e3), taken_s=np.array([now_s, now_s - 60.0]), sane=true, vouched=true)
    drawn_w = np.full(4, 84e3)
    fleet = FleetBelow(least_w=drawn_w, most_w=drawn_w, told_w=drawn_w, told_least_w=drawn_w)
    against = {"check": (), "main": (Reason(Code.METER_SILENT, "main"),)}
    record, _ = stand_in(stepped, built, meters, against, no_step_tests(2), fleet, now_s)
    assert np.isfinite(record.step_to_w[0]) == begins
