"""Other values for a site that runs: what tightens counts at once, what relaxes rises by its ramp, nothing dips."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core.allocation.tables import make_tables
from controller.core.limits.demand import CountedImport, DemandUse
from controller.core.modes import Mode
from controller.core.site import SURPLUS, DemandTerms
from controller.core.takeover import has_same_structure, taken_over
from controller.core.trust.judge import no_trust
from tests.controller.core.world import RULES, World, order, played_once, site

PLENTY_W = 500e3


@played_once
def running(**rules) -> World:
    """A world at rest under its contract."""
    world = World(site(replace(RULES, contract_w=80e3, **rules)), surplus_w=PLENTY_W)
    world.until(lambda decision: decision.mode is Mode.NORMAL and decision.envelope_w[0] == 80e3, 60)
    world.run(60)
    return world


def reload(world: World, *read_otherwise: str, **rules) -> None:
    world.site = replace(world.site, rules=replace(world.site.rules, **rules))
    world.tables = make_tables(world.site)
    world.state = taken_over(world.state, world.site, read_otherwise)


def planned_w(world: World) -> list[float]:
    return [float(entry[3].planned_w[0]) for entry in world.history]


def test_a_lowered_limit_counts_in_the_next_tick():
    world = running()
    reload(world, contract_w=50e3)
    decision = world.cycle()
    assert decision.envelope_w[0] == 50e3
    assert decision.planned_w[0] <= 50e3
    world.run(30)
    assert world.violations(after_s=world.now_s - 10) == []


def test_a_raised_limit_is_risen_to_by_the_ramp_and_nothing_dips():
    world = running()
    before_w, begun = planned_w(world)[-1], len(world.history)
    reload(world, contract_w=140e3)
    world.run(20)
    after_w = [before_w, *planned_w(world)[begun:]]
    steps_w = np.diff(after_w)
    assert world.history[-1][3].envelope_w[0] == 140e3
    assert after_w[-1] > 1.3 * before_w
    assert min(after_w) >= before_w - 1.0
    most_w = max(RULES.ramp_up_w_s * world.tick_s, world.tables.largest_start_w)
    assert steps_w.max() <= most_w
    assert after_w[-1] - before_w <= RULES.ramp_up_w_s * 20 + world.tables.largest_start_w


def test_a_slower_ramp_counts_at_once():
    world = running()
    reload(world, contract_w=140e3, ramp_up_w_s=500.0)
    before_w = planned_w(world)[-1]
    world.run(20)
    assert planned_w(world)[-1] - before_w <= 500.0 * 20 + world.tables.largest_start_w


def test_nothing_changes_where_nothing_is_different():
    world, other = running(), running()
    reload(other)
    for one, two in ((world.cycle(), other.cycle()) for _ in range(20)):
        assert np.array_equal(one.setpoint_w, two.setpoint_w)


def test_orders_and_locks_go_on():
    world = running()
    world.orders = (order(40e3, world),)
    world.run(20)
    reload(world, contract_w=140e3)
    assert [world.cycle().envelope_w[0] for _ in range(10)] == [40e3] * 10


def test_nothing_rises_by_a_meter_that_is_read_otherwise_until_it_is_read_anew():
    world = running()
    reload(world, "main", "check", contract_w=140e3)
    world.silent |= {"main", "check"}
    decision = world.run(RULES.suspect_s + 1)
    assert decision.mode is Mode.HOLD
    held_w = decision.planned_w[0]
    assert world.run(3).planned_w[0] <= held_w
    world.silent.clear()
    world.until(lambda decision: decision.mode is Mode.NORMAL, 30)


def test_what_was_learnt_of_a_source_that_is_read_otherwise_is_forgotten_and_of_no_other():
    world = running()
    before = world.state.trust
    assert before.sources["main"].vouched
    state = taken_over(world.state, world.site, {"main"})
    main, check = state.trust.sources["main"], state.trust.sources["check"]
    assert (main.vouched, main.shown, main.value_w) == (False, {}, before.sources["main"].value_w)
    assert main.taken_s == before.sources["main"].taken_s
    assert check == before.sources["check"]
    k = world.site.meters.ids.index("main")
    assert state.trust.steps.since_s[k] == -np.inf
    assert np.isnan(state.trust.redundancy.under_w[k])
    assert taken_over(world.state, world.site, {SURPLUS}).trust.sources["main"] == before.sources["main"]


def test_what_the_counter_of_a_meter_said_of_a_billed_window_is_forgotten_where_it_is_read_otherwise():
    world = World(site(), surplus_w=PLENTY_W)
    counted = CountedImport(meter="main", import_wh=5e6, used_ws=1e6, guessed_ws=0.0)
    billed = replace(world.state.electrical, demand=DemandUse(begins_utc_s=1.7e9, used_ws=2e6, counted=counted))
    state = replace(world.state, electrical=billed)
    assert taken_over(state, world.site, {"check"}).electrical == billed
    demand = taken_over(state, world.site, {"main"}).electrical.demand
    assert (demand.counted, demand.used_ws) == (None, 2e6)


def test_a_demand_that_is_new_counts_from_the_next_tick_and_knows_nothing_before():
    world = running()
    world.site = replace(world.site, demand=DemandTerms(window_s=300.0, limit_w=60e3))
    world.tables = make_tables(world.site)
    world.state = taken_over(world.state, world.site, ())
    demand = world.cycle().demand
    assert demand.use.guessed_ws == demand.use.used_ws > 0.0


def test_a_source_that_was_never_read_stays_so():
    world = World(site(), surplus_w=PLENTY_W)
    state = taken_over(world.state, world.site, {"main"})
    assert state.trust.sources == no_trust(world.site).sources


def test_the_grid_and_the_class_of_a_meter_count():
    world = running()
    meters = replace(world.site.meters, accuracy=np.array([0.05, 0.05]))
    other = replace(world.site, meters=meters, rules=replace(world.site.rules, frequency_hz=60.0))
    state = taken_over(world.state, other, ())
    assert state.trust.sources["main"].grid_hz == 60.0
    assert state.overrun.class_w[0] == 15e3


@pytest.mark.parametrize("what", ["tree", "devices", "meters", "agents"])
def test_another_structure_is_found(what):
    one = site()
    assert has_same_structure(one, replace(one, rules=replace(RULES, contract_w=1.0)))
    other = {
        "tree": replace(one, tree=replace(one.tree, parent=np.array([-1, 0, 0, 1]))),
        "devices": replace(one, devices=replace(one.devices, mode_w=one.devices.mode_w + 1.0)),
        "meters": replace(one, meters=replace(one.meters, node=np.array([0, 1]))),
        "agents": replace(one, agents=("agent-a", "agent-c")),
    }[what]
    assert not has_same_structure(one, other)


@pytest.mark.parametrize(("declared_w", "kept_free_w"), [(3e3, 3e3), (500.0, 500.0)])
def test_a_house_load_that_no_meter_shows_is_as_it_is_declared_now(declared_w, kept_free_w):
    world = running()
    reload_house(world, "b", 2e3)
    world.run(5)
    reload_house(world, "b", declared_w)
    assert world.cycle().house_w[world.site.tree.ids.index("b")] == kept_free_w


def test_a_house_load_that_meters_show_is_kept_free_as_it_is_declared_now_until_they_have_shown_less_for_long():
    world = running()
    learnt_w = float(world.decided.house_w[0])
    reload_house(world, "pcc", 0.0)
    assert world.cycle().house_w[0] == pytest.approx(learnt_w, rel=0.05), "less is no reason to forget what was seen"
    reload_house(world, "pcc", learnt_w + 20e3)
    assert world.cycle().house_w[0] == pytest.approx(learnt_w + 20e3)
    world.tick_s = 1.0
    assert world.run(600).house_w[0] == pytest.approx(learnt_w, rel=0.2)


def reload_house(world: World, node: str, declared_w: float) -> None:
    house_w = world.site.tree.house_w.copy()
    house_w[world.site.tree.ids.index(node)] = declared_w
    world.site = replace(world.site, tree=replace(world.site.tree, house_w=house_w))
    reload(world)
