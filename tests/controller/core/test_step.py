"""The control as tables of cycles: input, let time pass, expect."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core import step as steps
from controller.core.allocation.tables import make_tables
from controller.core.limits.orders import Compliance
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.core.self_check import Invariant, InvariantBroken
from controller.core.site import SurplusModel
from controller.core.snapshot import Lock
from controller.texts.english import texts
from tests.controller.core.world import World, order, said, settled, site, with_rules

#: Of one device.
LOCK = Lock(id="lock-1", node=2, device=4)
DAMAGED = Reason(Code.ORDERS_MAY_BE_MISSING, "pcc", {"why": "a row", "who": "grid"})


@pytest.fixture
def running() -> World:
    """A site of about 200 kW that has settled on an envelope of 100 kW."""
    world = settled(60, site(), surplus_w=90e3)
    assert world.history[-1][3].mode is Mode.NORMAL
    return world


def test_uses_what_is_offered_but_what_idle_gpus_may_still_take(running):
    running.run(190)  # until what was kept free while the site came up is forgotten
    idle_w = 2 * 10_200 * (1 - running.gpu_use)
    unsure_w = 0.05 * 2 * 10_200
    assert 100e3 - idle_w - unsure_w - 1000 <= running.site_w <= 100e3


def test_what_the_meters_show_is_said_of_their_nodes_alone(running):
    decision = running.cycle()
    assert decision.power_w[0] == pytest.approx(running.site_w, rel=1e-3)
    assert decision.power_w[1:] == (None, None, None)


def test_the_house_may_draw_a_little_more_before_any_meter_has_shown_it():
    """A house that is most of the site: 3 % of it are more than the 1 % of the envelope that I1 allows."""
    world = settled(60, site(), surplus_w=90e3, house_w=60e3, gpu_use=1.0)
    assert world.site_w > 0.95 * 100e3
    world.house_w *= 1.03
    assert world.site_w <= 100e3


@pytest.mark.parametrize(
    ("why", "act", "binding", "envelope_w"),
    [
        ("contract", lambda w: setattr(w, "surplus_w", 900e3), "contract", 200e3),
        ("surplus", lambda w: setattr(w, "surplus_w", 30e3), "surplus", 40e3),
        ("no surplus leaves the firm power", lambda w: setattr(w, "surplus_w", 0.0), "surplus", 10e3),
        ("a surplus below zero takes nothing from it", lambda w: setattr(w, "surplus_w", -50e3), "surplus", 10e3),
        ("order", lambda w: setattr(w, "orders", (order(50e3, w),)), "order:o1", 50e3),
    ],
)
def test_smallest_limit_wins_and_is_named(running, why, act, binding, envelope_w):
    act(running)
    decision = running.run(20)
    assert (decision.binding[0], decision.envelope_w[0]) == (binding, pytest.approx(envelope_w)), why
    assert running.site_w <= max(envelope_w, decision.floor_w[0]) * 1.01


def test_rating_of_a_node_binds_below_the_site():
    world = settled(60, site(miners=40, stepped=0, gpus=0), surplus_w=190e3)
    decision = world.decided
    assert decision.binding[1] == "rating:tx"
    assert decision.planned_w[2] <= 150e3 / 1.05
    assert decision.planned_w[2] > 0.95 * min(150e3 / 1.05, 40 * 3500)


def test_an_order_is_met_within_twelve_seconds(running):
    running.orders = (order(50e3, running),)
    assert running.until(lambda _: running.site_w <= 52.5e3, 12.0) <= 12.0
    assert running.run(30).mode is Mode.NORMAL
    assert running.site_w <= 50e3 * 1.005


def test_an_order_with_a_ramp_is_followed_at_its_ramp(running):
    start_w = running.site_w
    running.orders = (order(50e3, running, ramp_w_s=1000.0),)
    running.run(20)
    assert start_w - 28e3 < running.site_w < start_w - 18e3
    running.run(40)
    assert running.site_w <= 50.5e3


def test_release_of_an_order_is_followed_at_the_up_ramp(running):
    running.orders = (order(30e3, running),)
    running.run(30)
    before_w, running.orders = running.site_w, ()
    running.run(2)
    assert running.site_w <= before_w + 2.5 * running.site.rules.ramp_up_w_s
    running.run(40)
    assert running.site_w > 92e3


def test_order_under_the_floor_is_infeasible_and_everything_goes_off(running):
    running.orders = (order(0.0, running),)
    decision = running.run(20)
    assert decision.infeasible[0]
    assert np.all(decision.setpoint_w == running.site.devices.off_w)
    assert running.site_w <= decision.floor_w[0] * 1.01


def test_a_scheduled_end_needs_trusted_utc(running):
    running.utc_trusted = False
    running.orders = (order(50e3, running, lasts_s=20.0),)
    assert running.run(40).orders_in_force == ("o1",)
    running.utc_trusted = True
    assert running.run(1).orders_in_force == ()


def test_a_clock_set_back_does_not_suspend_a_begun_order(running):
    running.orders = (order(50e3, running, begun=True),)
    running.run(5)
    running.utc_offset_s -= 3600.0
    assert running.run(5).orders_in_force == ("o1",)


@pytest.mark.parametrize(
    ("what", "mode"),
    [("main", Mode.HOLD), ("surplus", Mode.HOLD), ("link", Mode.HOLD)],
)
def test_losing_any_source_shows_in_the_mode_and_ends_with_its_return(running, what, mode):
    running.silent.add(what)
    running.until(lambda d: d.mode is mode, 8.0)
    decision = running.history[-1][3]
    assert what in said(decision) or "broker" in said(decision)
    running.silent.clear()
    running.until(lambda d: d.mode is Mode.NORMAL, 8.0)


def test_losing_every_meter_of_the_site_ends_in_failsafe_by_the_emergency_ramp(running):
    running.silent |= {"main", "check"}
    assert running.run(5).mode is Mode.HOLD
    running.until(lambda d: d.mode is Mode.FAILSAFE, 7.0)
    start_w = running.site_w
    running.run(2)
    assert running.site_w >= start_w - 2.5 * running.site.rules.emergency_ramp_w_s - 4000
    running.run(30)
    assert running.site_w <= running.site.rules.failsafe_w
    running.silent.clear()
    running.until(lambda d: d.mode is Mode.NORMAL, 8.0)
    running.run(60)
    assert running.site_w > 92e3


def test_i6_the_emergency_ramp_holds_where_nobody_sees_what_each_device_takes_of_it():
    """Each device that falls takes the share of several ticks; the failsafe limit waits for it as the ramp of the devices does."""
    ramp_w_s = 500.0
    world = settled(60, site(with_rules(emergency_ramp_w_s=ramp_w_s)), surplus_w=150e3).fork()
    world.silent = {"main", "check"}
    world.until(lambda decision: decision.mode is Mode.FAILSAFE, 12.0)
    before_w, seconds = world.decided.planned_w[0], np.arange(1, 101) * world.tick_s
    fallen_w = before_w - np.array([world.cycle().planned_w[0] for _ in seconds])
    assert np.max(fallen_w - ramp_w_s * seconds) <= 2 * world.site.devices.max_w.max()
    assert fallen_w[-1] >= 0.9 * ramp_w_s * seconds[-1]


def test_what_is_first_heard_of_in_failsafe_comes_down_and_is_not_told_to_rise_again():
    """Reports come later than ticks: what was told to come down is still said to run on what it did."""
    world = World(site(with_rules(emergency_ramp_w_s=2e3, failsafe_w=190e3), gpus=0), surplus_w=150e3, tick_s=0.05)
    world.applied_w[:40] = world.draw_w[:40] = 3500.0
    world.silent = {"agent-a", "main", "check"}
    assert world.run(12).mode is Mode.FAILSAFE
    world.silent = {"main", "check"}
    world.pending.clear()
    told_w = np.array([world.cycle().setpoint_w for _ in range(200)])
    assert told_w[-1].sum() < told_w[0].sum() - 10e3
    assert np.max(np.diff(told_w, axis=0)) <= 0.0


def start_without(world, late, seconds):
    """Start the controller anew, hear nothing of an agent for a while, and hear it again; nothing that was sent meanwhile reaches it."""
    world.reboot(house_w=world.decided.sure_house_w)
    world.silent, world.heard_s[world.site.agents.index(late)] = {late}, -np.inf
    decision = world.run(seconds)
    world.silent = set()
    world.pending.clear()
    return decision


@pytest.mark.parametrize(("seconds", "mode"), [(1.0, Mode.INIT), (3.0, Mode.NORMAL), (15.0, Mode.NORMAL)])
@pytest.mark.parametrize("late", ["agent-a", "agent-b"])
def test_a_start_that_hears_an_agent_after_the_meters_lowers_nothing(running, late, seconds, mode):
    """Until then what its devices draw may be house load; once it is heard, it does not count twice."""
    before_w = running.decided.planned_w[0]
    assert start_without(running, late, seconds).mode is mode
    assert min(float(running.cycle().planned_w[0]) for _ in range(60)) > 0.97 * before_w
    assert running.violations() == []


def test_a_start_after_a_start_that_has_not_heard_an_agent_takes_nothing_of_it_for_house_load(running):
    """What is written down for the next start is what no device may be drawing."""
    before_w = running.decided.planned_w[0]
    start_without(running, "agent-a", 3.0)
    running.cycle()
    start_without(running, "agent-a", 3.0)
    assert min(float(running.cycle().planned_w[0]) for _ in range(60)) > 0.97 * before_w


def test_an_order_with_a_ramp_is_no_step_where_the_controller_starts_before_it_has_heard_of_anything(running):
    running.orders = (order(40e3, running, ramp_w_s=500.0),)
    running.run(20)
    before_w = running.decided.planned_w[0]
    running.reboot(house_w=running.decided.house_w)
    heard_s, running.silent = running.heard_s.copy(), {"main", "check", "agent-a", "agent-b"}
    running.heard_s[:] = -np.inf
    running.cycle(2)
    running.silent, running.heard_s = set(), heard_s
    running.pending.clear()
    least_w = min(float(running.cycle().planned_w[0]) for _ in range(20))
    assert least_w >= before_w - 12.0 * 500.0 - 5e3


def test_stale_surplus_leaves_the_firm_power_only(running):
    running.silent.add("surplus")
    decision = running.run(75)
    assert decision.envelope_w[0] == pytest.approx(10e3)
    assert running.site_w <= max(10e3, decision.floor_w[0]) * 1.01


def test_lost_orders_keep_the_site_in_failsafe():
    world = settled(30, site(), surplus_w=90e3, orders_unsure=DAMAGED)
    decision = world.decided
    doubt = "orders may be missing: a row; it ends when all orders in force are stated by grid"
    assert (decision.mode, said(decision)) == (Mode.FAILSAFE, doubt)


def test_where_locks_may_be_missing_nothing_rises_until_they_are_stated_and_all_goes_to_failsafe(running):
    running.locks_unsure = Reason(Code.LOCKS_MAY_BE_MISSING, "pcc", {"why": "a row"})
    off = running.state.leases.setpoint_w <= running.site.devices.off_w
    running.surplus_w *= 2
    for _ in range(40):
        decision = running.cycle()
        assert np.all(decision.setpoint_w[off] <= running.site.devices.off_w[off]), "one of them may be what was locked"
    assert (decision.mode, [reason.code for reason in decision.reasons]) == (Mode.FAILSAFE, [Code.LOCKS_MAY_BE_MISSING])
    assert np.all(decision.setpoint_w <= running.site.devices.failsafe_w)
    running.locks_unsure = None
    running.until(lambda decision: decision.mode is Mode.NORMAL, 20)


def test_while_a_second_controller_leads_nothing_rises(running):
    before_w = running.site_w
    running.surplus_w *= 2
    running.second_controller = Reason(Code.SECOND_CONTROLLER, "pcc", {"agent": "agent-a"})
    decision = running.run(20)
    assert decision.mode is Mode.HOLD
    assert running.site_w <= before_w * 1.01
    running.second_controller = None
    running.until(lambda decision: decision.mode is Mode.NORMAL, 20)


@pytest.mark.parametrize("meters", [("main",), ("main", "check")])
@pytest.mark.parametrize("factor", [1000.0, -1.0, 0.001])
def test_a_wrong_profile_never_reaches_normal(meters, factor):
    world = settled(60, site(), surplus_w=90e3, scale=dict.fromkeys(meters, factor))
    assert Mode.NORMAL not in {entry[3].mode for entry in world.history}
    assert world.history[15][3].reasons


def test_a_meter_that_turns_wrong_holds_the_site(running):
    running.scale = {"main": 0.5, "check": 0.5}
    running.run(4)
    running.until(lambda d: d.mode is Mode.HOLD, 4.0)
    assert said(running.history[-1][3]) == "the meters of pcc show less than the devices below it draw"


def test_a_meter_that_shows_less_than_is_drawn_makes_no_room(running):
    before_w = running.run(1).house_w[0]
    running.scale = {"main": 0.8, "check": 0.8}
    assert running.run(60).house_w[0] >= before_w - 1.0


def test_an_agent_out_of_contact_is_not_raised_and_the_others_take_its_share(running):
    running.silent.add("agent-b")
    running.run(6)
    before = running.history[-1][3].setpoint_w.copy()
    running.surplus_w = 140e3
    decision = running.run(30)
    theirs = running.site.devices.agent == 1
    assert np.all(decision.setpoint_w[theirs] <= before[theirs])
    assert decision.setpoint_w[~theirs].sum() > before[~theirs].sum() + 30e3


def test_cut_is_made_by_the_others_when_an_agent_is_gone(running):
    running.silent.add("agent-b")
    running.run(2)
    running.surplus_w = 50e3
    running.run(15)
    assert running.site_w <= 60e3 * 1.01


def test_a_restarted_controller_takes_over_what_runs(running):
    before_w = running.site_w
    running.reboot()
    lowest_w = before_w
    for _ in range(20):
        running.cycle()
        lowest_w = min(lowest_w, running.site_w)
    assert lowest_w > 0.97 * before_w
    assert running.history[-1][3].mode is Mode.NORMAL


def test_restart_on_change_devices_are_left_alone_while_they_settle():
    base = site(miners=10, stepped=0, gpus=0)
    kept = replace(base, devices=replace(base.devices, min_up_s=np.full(10, 600.0)))
    world = settled(30, kept, surplus_w=50e3)
    running_w = world.history[-1][3].setpoint_w
    assert np.all(running_w >= 1400.0)
    world.surplus_w = 22e3
    decision = world.run(20)
    assert np.all(decision.setpoint_w >= 1400.0), "in-place reductions come before a restart"
    world.surplus_w = 0.0
    decision = world.run(20)
    assert np.sum(decision.setpoint_w >= 1400.0) < 10, "a limit comes before a minimum time"
    world.surplus_w = 50e3
    assert np.all(world.run(30).setpoint_w >= 1400.0), "what went off starts again when there is power"


@pytest.mark.parametrize("model", [SurplusModel.EXPORT, SurplusModel.HEADROOM])
@pytest.mark.parametrize("skew", [{"meter_delay_s": 2.0}, {"reading_delay_s": 2.0}])
def test_skewed_meters_do_not_make_the_site_oscillate(model, skew):
    rules = with_rules(surplus_model=model, surplus_rating_w=500e3)
    world = settled(40, site(rules), surplus_w=60e3, **skew)
    world.surplus_w = 120e3
    world.run(60)
    envelopes = [entry[3].envelope_w[0] for entry in world.history[-60:]]
    powers = [entry[1] for entry in world.history[-60:]]
    assert max(envelopes) - min(envelopes) < 500.0
    assert max(powers) - min(powers) < 2000.0
    assert not world.violations()


def test_what_costs_more_than_it_earns_goes_off_but_for_what_is_protected():
    base = site(miners=6, stepped=0, gpus=2)
    guarded = np.isin(np.arange(8), [0, 7])
    world = settled(40, replace(base, devices=replace(base.devices, protected=guarded)), surplus_w=90e3)
    running_w = world.history[-1][3].setpoint_w
    assert np.all(running_w > base.devices.off_w)
    dear = replace(world.site.devices, mode_value=-0.1 * world.site.devices.mode_w)
    dear.mode_value[dear.mode_start[:-1]] = 0.0
    world.tables = make_tables(replace(world.site, devices=dear))
    decision = world.run(40)
    assert (decision.setpoint_w > base.devices.off_w).tolist() == guarded.tolist()
    assert decision.overruled == ()
    assert decision.worth_per_h <= decision.bound_per_h
    world.orders = (order(8e3, world, begun=True),)
    decision = world.cycle()
    assert texts(decision.overruled) == "order:o1 before the protected d0000, d0007"
    assert np.all(world.run(5).setpoint_w <= base.devices.off_w)


def test_an_order_sends_off_what_starts_before_what_runs():
    """Of equal devices with a minimum up time, those that do not draw yet have the least to lose."""
    base = site(miners=10, stepped=0, gpus=0)
    slow = replace(base.devices, min_up_s=np.full(10, 600.0), up_s=np.full(10, 20.0))
    world = settled(60, replace(base, devices=slow), surplus_w=3e3)
    early = world.history[-1][3].setpoint_w > slow.off_w
    assert 0 < early.sum() < 10
    world.surplus_w = 60e3
    world.run(8)
    assert np.all(world.history[-1][3].setpoint_w > slow.off_w)
    world.orders = (order(8e3 + 1400.0 * early.sum(), world, begun=True),)
    decision = world.cycle()
    assert texts(decision.overruled).startswith("order:o1 before the minimum and settle times of ")
    assert np.all((decision.setpoint_w > slow.off_w) <= early)


def test_what_is_to_be_said_of_the_surplus_stands_with_its_source(running):
    running.silent.add("surplus")
    decision = running.run(8)
    assert [reason.code for reason in decision.sources["surplus"]] == [Code.SURPLUS_SILENT]
    decision = running.run(60)
    assert [reason.code for reason in decision.sources["surplus"]] == [Code.SURPLUS_STALE]
    running.silent.clear()
    assert running.run(5).sources["surplus"] == ()


def test_an_order_is_told_to_be_kept_since_it_was_first_seen_to_be():
    world = settled(40, site(), surplus_w=150e3)
    world.orders = (order(60e3, world),)
    assert world.cycle().orders[0].compliance is Compliance.NOT_MET
    world.until(lambda decision: decision.orders[0].compliance is Compliance.MET, 40)
    met_s = world.now_s
    assert world.run(10).orders[0].since_s == met_s
    world.orders = (replace(world.orders[0], limit_w=59e3, revision=2),)
    (changed,) = world.cycle().orders
    assert (changed.revision, changed.since_s) == (2, world.now_s), "of the next revision nothing was seen before"


def test_a_step_that_would_raise_a_locked_device_breaks_an_invariant(running, monkeypatch):
    real = steps.allot

    def forgetful(tables, state, snapshot, sensed, limited):
        nothing = replace(sensed.locked, devices=np.zeros_like(sensed.locked.devices))
        return real(tables, state, snapshot, replace(sensed, locked=nothing), limited)

    monkeypatch.setattr(steps, "allot", forgetful)
    running.locks = (LOCK,)
    with pytest.raises(InvariantBroken, match=Invariant.LOCKED_STAYS_OFF):
        running.cycle()


def test_while_a_lock_holds_what_is_off_the_others_come_down_by_the_ramp():
    world = settled(60, site(with_rules(ramp_down_w_s=100.0)), surplus_w=150e3)
    world.locks = (LOCK,)
    before_w = world.run(30).planned_w[0]
    world.inventory_w = world.site.devices.off_w.copy()
    after_w = world.cycle().planned_w[0]
    assert before_w - after_w <= world.tables.largest_start_w + 50.0
