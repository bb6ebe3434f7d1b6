"""The sign test, as a table of steps and in the closed loop."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.modes import Mode
from controller.core.site import SurplusModel
from controller.core.state import initial_state
from controller.core.trust.step_test import fleet_bounds, judged, prove, proven_nodes
from tests.controller.core.world import World, meter_columns, site, with_rules

SITE = (
    site()
)  #: two meters of 300 kW and 0.5 % at the root, 8 kW of other load declared: steps below 10.5 kW tell nothing
START_S = 1000.0


def play(course, *, first_w=8e3, seconds=60.0):
    """Return the proofs after `course`, (power of both meters, least, most) each for `seconds`, from a fleet at rest."""
    proofs, now_s = initial_state(SITE, START_S).proofs, START_S
    for power, least_w, most_w in [((first_w, first_w), 2e3, 2e3), *course]:
        for _ in range(int(seconds)):
            now_s += 1.0
            below = np.full(len(SITE.tree.ids), least_w), np.full(len(SITE.tree.ids), most_w)
            proofs = prove(proofs, SITE, meter_columns(power, (now_s, now_s)), below, now_s)
    return proofs, now_s


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
        ("a middling step does not prove", [(both(28e3), 22e3, 22e3)], False, False),
        ("a step that is not well known does not prove", [(both(50e3), 42e3, 82e3)], False, False),
        ("it stands still", [(both(8e3), 62e3, 62e3)], False, True),
        ("the other way", [(both(-52e3), 62e3, 62e3)], False, True),
        ("a thousandth", [(both(8.06e3), 62e3, 62e3)], False, True),
        ("one phase of three", [(both(28e3), 62e3, 62e3)], False, True),
        ("the square root of three", [(both(118e3), 62e3, 62e3)], False, True),
        ("a fall that it follows", [(both(68e3), 62e3, 62e3), (both(8e3), 2e3, 2e3)], True, False),
        ("a fall that it does not see", [(both(68e3), 62e3, 62e3), (both(68e3), 22e3, 22e3)], False, True),
        ("a middling fall that it does not see", [(both(68e3), 62e3, 62e3), (both(68e3), 40e3, 40e3)], False, True),
        ("dead devices", [(both(8e3), 2e3, 62e3)], False, False),
        ("it follows again", [(both(8e3), 62e3, 62e3), (both(80e3), 132e3, 132e3)], True, False),
        ("a load that nobody knows of comes slowly", [(both(68e3), 62e3, 62e3), (both(99e3), 62e3, 62e3)], True, False),
        ("a step after that", [(both(50e3), 2e3, 2e3)] * 3 + [(both(110e3), 62e3, 62e3)], True, False),
    ],
)  # fmt: skip
def test_a_step_proves_or_refutes(why, course, proven, refuted):
    proofs, _ = play(course)
    assert proofs.proven.tolist() == [proven, proven], why
    assert np.isfinite(proofs.refuted_s).tolist() == [refuted, refuted], why


def test_a_controller_that_starts_beside_a_running_fleet_needs_no_step():
    assert play([(both(104e3), 98e3, 98e3)], first_w=104e3, seconds=1.0)[0].proven.all()


def test_each_meter_is_judged_for_itself():
    proofs, now_s = play([((68e3, 8e3), 62e3, 62e3)])
    assert proofs.proven.tolist() == [True, False]
    meters = judged(meter_columns((68e3, 8e3), (now_s, now_s)), proofs)
    assert meters.doubts[0] == ""
    assert "does not follow the steps of the fleet" in meters.doubts[1]
    assert proven_nodes(SITE, meters, proofs, now_s).tolist() == [True, False, False, False]


def test_what_is_refuted_is_a_reading_of_the_past():
    proofs, now_s = play([(both(8e3), 62e3, 62e3)])
    meters = judged(meter_columns(both(8e3), (now_s, now_s)), proofs)
    assert np.all(meters.taken_s == proofs.refuted_s)
    assert np.all(meters.taken_s < now_s - 10.0)
    assert not proven_nodes(SITE, meters, proofs, now_s).any()


def test_a_meter_has_time_to_show_a_step():
    assert np.isinf(play([(both(8e3), 62e3, 62e3)], seconds=14.0)[0].refuted_s).all()


def test_a_site_at_rest_tries_a_refuted_meter_again_after_an_hour():
    course = [(both(8e3), 62e3, 62e3), (both(8e3), 8e3, 8e3)]
    assert np.isfinite(play(course, seconds=1700.0)[0].refuted_s).all()
    proofs, _ = play([*course, course[-1]], seconds=1900.0)
    assert np.isinf(proofs.refuted_s).all()
    assert not proofs.proven.any()


def test_a_silent_meter_is_not_refuted():
    proofs, now_s = play([])
    below = np.full(4, 62e3), np.full(4, 62e3)
    for k in range(60):
        proofs = prove(proofs, SITE, meter_columns(both(8e3), both(now_s)), below, now_s + 4.0 + k)
    assert np.isinf(proofs.refuted_s).all()


def test_volts_and_amperes_prove_before_the_fleet_has_moved():
    proofs, now_s = play([])
    meters = meter_columns(both(8e3), both(now_s), vouched=True)
    assert proven_nodes(SITE, meters, proofs, now_s)[0]
    assert not proven_nodes(SITE, replace(meters, sane=np.zeros(2, dtype=np.bool_)), proofs, now_s)[0]
    refuted = replace(proofs, refuted_s=np.full(2, now_s))
    assert not proven_nodes(SITE, judged(meters, refuted), refuted, now_s)[0], "nor once the fleet has refuted it"


def test_reports_that_setpoints_do_not_explain_widen_the_bounds():
    world = World(site(), surplus_w=90e3)
    world.run(40)
    snapshot = world.snapshot()
    told_w = snapshot.fleet.measured_w.copy()
    dead, wild = 0, 1
    told_w[dead], told_w[wild] = 0.0, 9e3
    least_w, most_w = fleet_bounds(
        world.site, world.state.belief, replace(snapshot.fleet, measured_w=told_w), world.now_s
    )
    assert least_w[dead] == 0.0
    assert most_w[dead] == world.state.belief.high_w[dead]
    assert most_w[wild] > 9e3
    silent = replace(snapshot.fleet, heard_s=np.full(2, -np.inf))
    assert fleet_bounds(world.site, world.state.belief, silent, world.now_s)[0].max() == 0.0


MODELS = list(SurplusModel)


def commission(scale, *, model=SurplusModel.DIRECT, vouched=False):
    rules = with_rules(surplus_model=model, surplus_rating_w=500e3)
    world = World(site(rules, miners=20, stepped=6, gpus=1), surplus_w=60e3, vouched=vouched)
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
    assert not world.state.proofs.proven.any()


@pytest.mark.parametrize("scale", [-1.0, 1000.0, 0.001])
def test_a_wrong_profile_never_leads_to_normal(scale):
    world = commission(scale)
    assert Mode.NORMAL not in {decision.mode for *_, decision in world.history}
    reasons = {decision.reason for *_, decision in world.history}
    assert all("show" in reason or "starting" in reason for reason in reasons)


@pytest.mark.parametrize("scale", [0.1, 1 / 3, 0.5])
def test_a_meter_that_shows_too_little_is_found_out_by_the_first_step(scale):
    world = commission(scale)
    assert world.state.mode.mode is not Mode.NORMAL
    assert "does not follow the steps of the fleet" in world.state.mode.reason


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("vouched", [True, False])
def test_right_meters_are_proven_and_never_doubted(model, vouched):
    world = commission(1.0, model=model, vouched=vouched)
    assert world.state.proofs.proven.all()
    assert {decision.mode for *_, decision in world.history} == {Mode.INIT, Mode.NORMAL}


def test_a_meter_that_freezes_is_found_out_by_the_fleet():
    world = commission(1.0)
    held = dict(world.meter)
    read = world._meters_read

    def frozen():
        read()
        world.meter["main"] = (world.now_s, held["main"][1])

    world._meters_read = frozen
    world.surplus_w = 20e3
    world.run(45)
    assert "meter main does not follow" in world.state.mode.reason
    assert "meter check" not in world.state.mode.reason
    assert world.violations() == []


def test_until_it_is_proven_a_meter_frees_nothing_of_the_declared_load():
    built = site(with_rules(contract_w=15e3))
    for vouched, expected_w in ((False, 8e3), (True, 6e3)):
        world = World(built, surplus_w=0.0, vouched=vouched)
        assert world.run(60).house_w[0] == pytest.approx(expected_w, abs=200.0)
