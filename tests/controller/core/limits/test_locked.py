"""Locks in the closed loop: off whatever else is decided, proven or said not to be, and raised by nothing."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.locked import hold_locked
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.safe import safe_step
from controller.core.snapshot import Lock
from tests.controller.core.world import World, settled, site, with_rules

HALL = Lock(id="lock-1", node=3, device=None)
ONE = Lock(id="lock-2", node=2, device=4)


def told_w(world: World) -> np.ndarray:
    return world.state.leases.setpoint_w


def off(world: World, devices) -> bool:
    return bool((told_w(world)[devices] <= world.site.devices.off_w[devices]).all())


def hall(world: World) -> np.ndarray:
    return world.site.devices.node == 3


def codes(decision) -> dict[Code, Reason]:
    return {reason.code: reason for reason in decision.warnings}


@pytest.fixture
def running() -> World:
    world = settled(60, site(), surplus_w=150e3, tick_s=1.0)
    assert told_w(world)[hall(world)].sum() > 30e3
    return world


def test_a_locked_node_is_off_at_once_and_proven_and_the_limit_is_named(running):
    running.locks = (HALL,)
    decision = running.cycle()
    assert off(running, hall(running))
    assert decision.binding[3] == "lock"
    assert not decision.locks[0].proven
    assert codes(decision)[Code.LOCK_UNPROVEN].parameters["most_w"] > 30e3
    decision = running.run(30)
    assert (decision.locks[0].devices, decision.locks[0].proven, decision.locks[0].most_w) == (12, True, 0.0)
    assert (decision.mode, codes(decision).keys() & {Code.LOCKED, Code.LOCK_UNPROVEN}) == (Mode.NORMAL, {Code.LOCKED})
    assert not decision.infeasible[3]


def test_without_a_lock_nothing_is_held(running):
    assert hold_locked(running.site, running.snapshot(), running.state.leases) is None


def test_a_locked_device_is_off_and_all_others_run_on(running):
    others = np.arange(len(told_w(running))) != ONE.device
    before_w = told_w(running)[others].sum()
    running.locks = (ONE,)
    running.run(60)
    assert off(running, ONE.device)
    assert told_w(running)[others].sum() >= before_w
    assert codes(running.run(1))[Code.LOCKED].subject == "a"


@pytest.mark.parametrize(
    "given", [{"protected": True}, {"min_up_s": 1e6}, {"failsafe_w": 1e6}], ids=lambda given: next(iter(given))
)
def test_nothing_comes_before_a_lock(given):
    built = site()
    count = len(built.devices.ids)
    columns = {name: np.full(count, value) for name, value in given.items()}
    if "failsafe_w" in columns:
        columns["failsafe_w"] = built.devices.max_w.copy()
    world = settled(60, replace(built, devices=replace(built.devices, **columns)), surplus_w=150e3, tick_s=1.0)
    world.locks = (HALL,)
    world.cycle()
    assert off(world, hall(world))


@pytest.mark.parametrize("cause", ["hold", "failsafe", "restart", "plenty", "stop"])
def test_a_lock_holds_in_every_mode_and_over_restarts(running, cause):
    running.locks = (HALL,)
    running.run(30)
    match cause:
        case "hold":
            running.silent.add("surplus")
        case "failsafe":
            running.silent |= {"main", "check"}
        case "restart":
            running.reboot()
        case "plenty":
            running.surplus_w *= 2
        case "stop":
            running.stopped = Reason(Code.SITE_STOPPED, "pcc", {"by": "op", "why": "fire drill"})
    for _ in range(100):
        running.cycle()
        assert off(running, hall(running))
    running.silent.clear()
    running.run(60)
    assert off(running, hall(running))


def test_a_lock_holds_in_the_safe_step(running):
    snapshot = replace(running.snapshot(), locks=(HALL,))
    _, decision = safe_step(running.site, running.state, snapshot)
    assert (decision.setpoint_w[hall(running)] <= running.site.devices.off_w[hall(running)]).all()
    assert Code.LOCK_UNPROVEN in codes(decision)


def test_a_device_that_draws_on_is_never_said_to_be_off(running):
    running.deaf = hall(running)
    running.locks = (HALL,)
    for _ in range(60):
        (lock,) = running.cycle().locks
        assert not lock.proven
        assert lock.most_w >= running.draw_w[hall(running)].sum() * 0.9


def test_of_a_silent_agent_nothing_is_proven(running):
    running.locks = (HALL,)
    running.run(30)
    running.silent.add("agent-b")
    (lock,) = running.run(10).locks
    assert not lock.proven


def test_after_the_lock_all_comes_up_by_the_ramp(running):
    before_w = told_w(running).sum()
    running.locks = (HALL,)
    running.run(60)
    running.locks = ()
    least_w = told_w(running).sum()
    running.cycle()
    ramp_w = running.site.rules.ramp_up_w_s * running.tick_s
    assert told_w(running).sum() - least_w <= max(ramp_w, running.site.devices.max_w.max())
    running.run(200)
    assert told_w(running).sum() >= 0.97 * before_w


def test_a_stopped_site_goes_to_failsafe_and_stays_there_until_it_is_resumed(running):
    running.stopped = Reason(Code.SITE_STOPPED, "pcc", {"by": "op", "why": "fire drill"})
    decision = running.run(120)
    assert (decision.mode, [reason.code for reason in decision.reasons]) == (Mode.FAILSAFE, [Code.SITE_STOPPED])
    assert (told_w(running) <= np.maximum(running.site.devices.failsafe_w, 0)).all()
    running.stopped = None
    running.until(lambda decision: decision.mode is Mode.NORMAL, 60)


def test_a_lock_waits_for_no_ramp():
    world = settled(60, site(with_rules(ramp_down_w_s=100.0)), surplus_w=150e3, tick_s=1.0)
    world.locks = (HALL,)
    world.cycle()
    assert off(world, hall(world))
