"""A person confirms one of two meters that disagreed: what that ends, for how long, and what it does not end."""

from dataclasses import replace

import pytest

from controller.core.modes import Mode
from controller.core.reasons import Code
from controller.core.snapshot import ConfirmedMeter
from controller.core.trust.confirmed import Confirmations, look_at
from tests.controller.core.trust.test_redundancy import RESTS_S, codes, falls_silent, is_normal, of_source, pair
from tests.controller.core.world import played_once

CHECK = 0


def word(world, meter="check"):
    """Return what the daemon makes of a person's word for a meter."""
    under_w = dict(zip(world.site.meters.ids, world.state.trust.redundancy.under_w.tolist(), strict=True))
    k = world.site.meters.ids.index(meter)
    return ConfirmedMeter(id=f"word for {meter}", meter=k, by="Ali", under_w=under_w)


def _12_kw_more(power_w):
    return power_w + 12e3


@played_once
def waits_for_a_person(apart_s=600.0):
    """Return a site whose main meter showed 12 kW more than the other one, and fell silent."""
    world = pair()
    world.shown_as = {"main": _12_kw_more}
    world.run(apart_s)
    falls_silent(world)
    assert codes(world.run(10.0)) == {Code.METER_SILENT, Code.METER_UNCONFIRMED}
    return world


def test_the_word_for_a_meter_ends_the_wait_and_it_still_has_to_follow_a_step():
    world = waits_for_a_person(apart_s=RESTS_S)
    world.confirmed = (word(world),)
    assert codes(world.cycle()) == {Code.METER_SILENT, Code.METER_UNPROVEN}
    world.until(is_normal, 120.0)
    assert any(entry[3].binding[0] == "step_test:pcc" for entry in world.history)
    decision = world.run(600.0)
    assert is_normal(decision)
    assert of_source(decision, "check", Code.METER_ALONE).parameters["added_w"] == pytest.approx(12e3, rel=0.2)
    assert of_source(decision, "check", Code.METER_CONFIRMED).parameters == {"by": "Ali"}
    assert world.violations() == []


def test_the_word_for_the_silent_meter_ends_nothing():
    world = waits_for_a_person()
    world.confirmed = (word(world, "main"),)
    assert codes(world.run(300.0)) == {Code.METER_SILENT, Code.METER_UNCONFIRMED}


def test_a_confirmed_meter_that_does_not_follow_the_step_leads_nothing():
    world = waits_for_a_person(apart_s=RESTS_S)
    power_w = world.site_w
    world.shown_as = {"check": lambda _: power_w}
    world.confirmed = (word(world),)
    world.run(200.0)
    assert Mode.NORMAL not in {entry[3].mode for entry in world.history[-200:]}
    assert world.confirmed == (), "the steps have shown otherwise"


def test_it_is_over_once_both_speak_and_agree_and_the_next_disagreement_needs_a_person_anew():
    world = waits_for_a_person()
    world.confirmed = (word(world),)
    world.until(is_normal, 120.0)
    world.silent.clear()
    world.run(60.0)
    assert world.confirmed, "main is back and still shows 12 kW more"
    world.shown_as = {}
    decision = world.run(900.0)
    assert world.confirmed == ()
    assert of_source(decision, "check", Code.METER_CONFIRMED) is None
    falls_silent(world)
    assert Code.METER_UNCONFIRMED in codes(world.run(30.0)), "they disagreed within the hour"


def test_the_word_for_another_meter_of_the_node_ends_it():
    """Whoever says that main is right, which check contradicts, says that check is wrong."""
    world = waits_for_a_person()
    world.confirmed = (word(world),)
    world.until(is_normal, 120.0)
    world.silent = {"check"}
    assert Code.METER_UNCONFIRMED in codes(world.run(10.0))
    world.confirmed = (*world.confirmed, word(world, "main"))
    world.run(10.0)
    assert [each.id for each in world.confirmed] == ["word for main"]
    world.silent = {"main"}
    assert Code.METER_UNCONFIRMED in codes(world.run(10.0)), "check waits for a person anew"


def test_one_good_sample_of_a_meter_that_is_far_off_ends_no_word():
    world = waits_for_a_person()
    world.confirmed = (word(world),)
    world.until(is_normal, 120.0)
    world.shown_as = {"main": lambda power_w: 1.6 * power_w}
    world.silent.clear()
    world.cycle()
    world.silent.add("main")
    world.run(10.0)
    assert world.confirmed


def test_without_a_word_nothing_is_confirmed():
    world = pair()
    record = world.state.trust.redundancy
    assert look_at((), world.site, record, {}) == Confirmations()


def test_another_doubt_stays():
    world = waits_for_a_person()
    world.silent.add("surplus")
    world.confirmed = (word(world),)
    world.run(60.0)
    assert {Code.SURPLUS_STALE} <= codes(world.cycle())


def test_it_outlives_a_restart_with_the_difference_that_is_added():
    world = waits_for_a_person()
    world.confirmed = (word(world),)
    world.until(is_normal, 120.0)
    world.reboot()
    world.until(is_normal, 200.0)
    decision = world.run(120.0)
    assert is_normal(decision)
    assert of_source(decision, "check", Code.METER_ALONE).parameters["added_w"] == pytest.approx(12e3, rel=0.2)
    assert world.violations(world.now_s - 100.0) == []
    world.shown_as = {}
    world.silent.clear()
    world.run(900.0)
    assert world.confirmed == ()


def test_without_it_a_restart_leaves_the_site_down():
    world = waits_for_a_person()
    world.reboot()
    world.run(200.0)
    assert Mode.NORMAL not in {entry[3].mode for entry in world.history[-200:]}


def test_a_meter_that_is_read_otherwise_is_confirmed_no_longer():
    world = waits_for_a_person()
    world.confirmed = (word(world),)
    world.until(is_normal, 120.0)
    trust = world.state.trust
    under_w = trust.redundancy.under_w.copy()
    under_w[CHECK] = float("nan")
    world.state = replace(world.state, trust=replace(trust, redundancy=replace(trust.redundancy, under_w=under_w)))
    world.cycle()
    assert world.confirmed == ()
