"""The step that decides when the control itself has failed: down, by the ramp, and never up."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.floor import declared_floor_w, watts_below
from controller.core.kernels.columns import PathsUp
from controller.core.kernels.tree import device_watts_below
from controller.core.modes import TRANSITIONS, Mode
from controller.core.reasons import Code
from controller.core.safe import emergency_fall, emergency_setpoints, failsafe_setpoints, safe_step
from controller.core.state import initial_state
from controller.core.step import step
from tests.controller.core.world import World, order, settled, site
from tests.examples import examples

SITE = site(miners=6, stepped=3, gpus=2)
DEVICES = SITE.devices
currents = st.lists(st.floats(0.0, 10_200.0), min_size=11, max_size=11).map(np.array)
FAILSAFE = replace(DEVICES, failsafe_w=np.where(np.arange(11) % 2, DEVICES.off_w, 0.5 * DEVICES.max_w))


@pytest.fixture
def running() -> World:
    return settled(40, site(), surplus_w=90e3)


@given(currents)
def test_failsafe_never_raises(current_w):
    setpoint_w = failsafe_setpoints(FAILSAFE, current_w)
    assert np.all(setpoint_w <= current_w)
    assert np.all(setpoint_w <= FAILSAFE.failsafe_w)


@given(currents, st.floats(0.0, 50e3))
def test_i6_a_tick_of_the_emergency_ramp_falls_by_its_share_and_at_most_one_device_more(current_w, ramp_w):
    setpoint_w = emergency_setpoints(FAILSAFE, current_w, ramp_w)
    goal_w = failsafe_setpoints(FAILSAFE, current_w)
    assert np.all((setpoint_w == current_w) | (setpoint_w == goal_w))
    fall_w = current_w - setpoint_w
    assert fall_w.sum() - fall_w.max(initial=0.0) <= ramp_w
    assert fall_w.sum() >= min(ramp_w, (current_w - goal_w).sum()) - 1e-6


@given(currents, st.floats(20.0, 50e3))
def test_the_emergency_ramp_reaches_failsafe(current_w, ramp_w):
    goal_w, total_w = failsafe_setpoints(FAILSAFE, current_w), current_w.sum()
    for _ in range(len(current_w) + int(total_w // ramp_w) + 1):
        current_w = emergency_setpoints(FAILSAFE, current_w, ramp_w)
    assert np.array_equal(current_w, goal_w)


@pytest.mark.parametrize("ticks_a_second", [1, 10])
def test_i6_the_emergency_ramp_holds_however_often_a_tick_comes(ticks_a_second):
    """A device that falls whole takes the share of several ticks, which the next ones wait for."""
    tick_s, now_s = 1.0 / ticks_a_second, 1000.0
    slow = replace(SITE, rules=replace(SITE.rules, emergency_ramp_w_s=1e3))
    current_w, state = DEVICES.max_w, replace(initial_state(slow, now_s), fall_room_w=np.inf)
    for _ in range(10 * ticks_a_second):
        now_s += tick_s
        current_w, left_w = emergency_fall(slow, state, current_w, now_s)
        state = replace(state, now_s=now_s, fall_room_w=left_w)
    fallen_w = float((DEVICES.max_w - current_w).sum())
    assert 10e3 <= fallen_w <= 10e3 + float(DEVICES.max_w.max())


def test_without_time_nothing_falls():
    assert np.array_equal(emergency_setpoints(FAILSAFE, DEVICES.max_w, 0.0), DEVICES.max_w)


@given(currents)
def test_watts_below_are_those_of_the_kernel(device_w):
    expected = device_watts_below(PathsUp(SITE.tree.parent, DEVICES.node), device_w)
    assert np.array_equal(watts_below(SITE, device_w), expected)


def failing(world: World, seconds: float):
    """Let the control fail for a while; the world goes on."""
    plan_step = step

    def safe(tables, state, snapshot):
        return safe_step(tables.site, state, snapshot)

    import tests.controller.core.world as module

    module.step = safe
    try:
        return [world.cycle() for _ in range(round(seconds / world.tick_s))]
    finally:
        module.step = plan_step


def test_a_failed_control_takes_the_site_to_failsafe_by_the_emergency_ramp(running):
    start_w = running.site_w
    failing(running, 2.0)
    assert running.site_w >= start_w - 2.5 * running.site.rules.emergency_ramp_w_s - running.tables.largest_start_w
    failing(running, 30.0)
    assert np.array_equal(running.applied_w, running.site.devices.failsafe_w)
    assert running.site_w <= running.site.rules.failsafe_w


def test_it_says_what_it_does(running):
    before, (decision, *_) = running.history[-1][3], failing(running, 0.5)
    assert (decision.mode, decision.binding[0]) == (Mode.FAILSAFE, "failsafe")
    assert decision.envelope_w[0] == running.site.rules.failsafe_w
    assert (decision.site_w, decision.surplus_w) == (None, None), "it trusts no reading"
    assert [reason.code for reason in decision.reasons] == [Code.STEP_FAILED]
    assert decision.seq == before.seq + 1
    assert decision.at_s == running.now_s
    assert np.array_equal(decision.planned_w, watts_below(running.site, decision.setpoint_w))
    assert (before.mode, decision.mode) in TRANSITIONS


def test_it_says_since_when_it_does(running):
    failing(running, 0.5)
    begun_s = running.now_s
    failing(running, 3.0)
    assert running.state.mode.since_s == begun_s


@pytest.mark.parametrize("tick_s", [0.1, 1.0])
def test_it_keeps_the_ramp_at_any_tick(tick_s):
    slow = replace(site(), rules=replace(site().rules, emergency_ramp_w_s=1e3))
    world = settled(40, slow, surplus_w=90e3)
    world.tick_s = tick_s
    before_w = world.state.leases.current_w.sum()
    failing(world, 10.0)
    fallen_w = before_w - world.decided.setpoint_w.sum()
    assert 10e3 <= fallen_w <= 10e3 + float(world.site.devices.max_w.max())


def test_it_goes_on_judging_what_the_sources_say(running):
    failing(running, 3.0)
    assert running.state.trust.sources["main"].taken_s == running.now_s
    running.silent = {"main"}
    decision = failing(running, 5.0)[-1]
    assert [reason.code for reason in decision.sources["main"]] == [Code.METER_SILENT]
    assert decision.site_w is None, "it trusts no reading all the same"


def test_blind_it_leaves_aside_what_the_sources_say(running):
    before, snapshot = running.state, replace(running.snapshot(), now_s=running.now_s + 1.0)
    state, decision = safe_step(running.site, before, snapshot, blind=True)
    assert state.trust is before.trust
    assert decision.sources == {}


def test_under_an_order_everything_goes_off_at_once(running):
    running.orders = (order(50e3, running),)
    (decision,) = failing(running, 0.5)
    assert decision.orders_in_force == ("o1",)
    assert np.array_equal(decision.setpoint_w, running.site.devices.off_w)


def test_an_order_that_is_to_come_takes_nothing_off(running):
    running.orders = (replace(order(50e3, running), starts_utc_s=running.now_s + running.utc_offset_s + 3600.0),)
    (decision,) = failing(running, 0.5)
    assert decision.orders_in_force == ()
    assert np.any(decision.setpoint_w > running.site.devices.off_w)


def test_the_control_takes_over_again_only_after_steady_trust(running):
    failing(running, 5.0)
    assert running.cycle().mode is Mode.FAILSAFE
    running.until(lambda d: d.mode is Mode.NORMAL, running.site.rules.recover_s + 1.0)


def test_what_a_failed_control_has_switched_off_stays_off_for_its_minimum_time():
    rested_s = 60.0
    built = site()
    built = replace(built, devices=replace(built.devices, min_down_s=np.full(len(built.devices.ids), rested_s)))
    world = settled(150, built, surplus_w=90e3)
    off_w, off_s = built.devices.off_w, np.where(world.state.leases.current_w > built.devices.off_w, np.inf, -np.inf)
    for decision in failing(world, 15.0):
        off_s = np.where(decision.setpoint_w <= off_w, np.minimum(off_s, decision.at_s), off_s)
    assert np.all(off_s < world.now_s)
    ran, rises = np.isfinite(off_s), False
    while not rises:
        decision = world.cycle()
        on = ran & (decision.setpoint_w > off_w)
        rises = bool(on.any())
        assert world.now_s < off_s[ran].max() + 2 * rested_s
    assert world.now_s >= off_s[on].max() + rested_s
    assert decision.mode is Mode.NORMAL


def test_a_control_that_fails_now_and_then_never_gets_to_normal(running):
    for _ in range(20):
        failing(running, 0.5)
        assert running.run(2.0).mode is Mode.FAILSAFE


@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.sets(st.sampled_from(["agent-a", "agent-b", "link", "main"]), max_size=3)),
        min_size=1,
        max_size=5,
    ),
    st.booleans(),
)
@settings(max_examples=examples(15))
def test_i2_a_failed_control_never_raises_anything(legs, ordered):
    world = settled(30, site(miners=12, stepped=4, gpus=1), surplus_w=60e3)
    if ordered:
        world.orders = (order(20e3, world),)
    before_w = world.history[-1][3].setpoint_w
    for seconds, silent in legs:
        world.silent = set(silent)
        for decision in failing(world, seconds):
            assert np.all(decision.setpoint_w <= before_w)
            before_w = decision.setpoint_w


def test_what_was_never_heard_is_told_its_failsafe_watts():
    world = World(SITE, surplus_w=0.0)
    _, decision = safe_step(SITE, initial_state(SITE, world.now_s), replace(world.snapshot(), now_s=world.now_s + 1))
    assert np.array_equal(decision.setpoint_w, DEVICES.failsafe_w)


def test_a_pause_is_no_step():
    world = settled(40, site(), surplus_w=90e3)
    running_w = world.state.leases.current_w.sum()
    _, decision = safe_step(world.site, world.state, replace(world.snapshot(), now_s=world.now_s + 3600.0))
    fallen_w = running_w - decision.setpoint_w.sum()
    assert 0.0 < fallen_w <= 5.0 * world.site.rules.emergency_ramp_w_s + float(world.site.devices.max_w.max())


@pytest.mark.parametrize(("more_w", "infeasible"), [(-1.0, True), (0.0, False), (1.0, False)])
def test_failsafe_is_infeasible_where_less_is_allowed_than_what_is_off_draws(more_w, infeasible):
    floor_w = float(declared_floor_w(SITE)[0])
    small = replace(SITE, rules=replace(SITE.rules, failsafe_w=floor_w + more_w))
    world = World(small, surplus_w=0.0)
    _, decision = safe_step(small, world.state, world.snapshot())
    assert decision.infeasible[0] == infeasible
