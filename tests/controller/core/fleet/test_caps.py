"""Caps that follow what their jobs draw: what they free, what they hold back, and that nothing of it puts the site above its limit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.allocation.tables import make_tables
from controller.core.fleet.cap_memory import caps_under, no_caps
from controller.core.fleet.cap_turns import turns, without_slack
from controller.core.site import CapGroup, DemandTerms
from controller.core.takeover import taken_over
from tests.controller.core.world import World, devices, played_once, site, with_rules
from tests.examples import examples

MINERS, GPUS, LIMIT_W = 26, 4, 80e3
CAPPED = slice(MINERS, MINERS + GPUS)


def hall(headroom_w, gpu_value=20.0, miners=MINERS):
    built = site(with_rules(contract_w=LIMIT_W), miners=miners, stepped=0, gpus=GPUS)
    values = built.devices.mode_value.copy()
    values[-3 * GPUS :] *= gpu_value / 20.0
    group = CapGroup(id="gpu", devices=np.arange(miners, miners + GPUS), headroom_w=headroom_w)
    return replace(built, devices=replace(built.devices, mode_value=values), caps=(group,))


HALL = hall(None)


def jobs(watts_at, miners=MINERS):
    def demand_w(now_s):
        wanted_w = np.zeros(miners + GPUS)
        wanted_w[miners:] = watts_at(now_s - 1000.0)
        return wanted_w

    return demand_w


def in_hall(headroom_w, watts_at, gpu_value=20.0, **given):
    given = {"surplus_w": LIMIT_W, "tick_s": 1.0, "demand_w": jobs(watts_at)} | given
    return World(hall(headroom_w, gpu_value), **given)


def plateau(_):
    return 5_000.0


@played_once
def settled_by_worth():
    world = in_hall(None, plateau)
    world.run(110)
    return world


def test_watts_that_caps_do_not_use_go_to_miners():
    full = in_hall(float("inf"), plateau)
    full.run(60)
    world = settled_by_worth()
    assert full.site_w < 0.80 * LIMIT_W
    # Agents say 7 % more than is drawn, and may say 8 % less: so far their caps stay above.
    assert world.site_w > 0.9 * LIMIT_W
    assert world.draw_w[CAPPED] == pytest.approx(5_000.0)
    assert max(site_w for _, site_w, *_ in world.history) <= LIMIT_W


def test_until_a_group_has_been_watched_its_caps_are_full():
    world = in_hall(None, plateau)
    decided = world.run(50)
    assert decided.setpoint_w[CAPPED] == pytest.approx(10_200.0)


def test_a_fixed_headroom_is_kept_above_the_draw():
    world = in_hall(1_500.0, plateau)
    decided = world.run(40)
    # Reports may say 8 % less than is drawn, and here they say 7 % more.
    assert np.all(decided.setpoint_w[CAPPED] >= 5_000.0 + 1_500.0)
    assert np.all(decided.setpoint_w[CAPPED] <= 5_000.0 * 1.07 * 1.08 * 1.03 + 1_500.0 + 160.0)


def test_a_job_that_reaches_its_cap_gets_more_while_miners_make_room():
    world = in_hall(200.0, lambda t_s: 4_500.0 if t_s < 60.0 else 9_500.0)
    world.run(59)
    assert world.applied_w[CAPPED].max() < 6_500.0
    assert world.site_w > 0.88 * LIMIT_W
    world.run(25)
    assert world.draw_w[CAPPED] == pytest.approx(9_500.0)
    assert max(site_w for _, site_w, *_ in world.history) <= LIMIT_W
    now = world.decided.caps[0]
    assert now.group == "gpu"
    assert 0.0 < now.held_ws < 0.2 * now.drawn_ws


def test_a_device_that_is_not_measured_keeps_all_of_its_range():
    world = in_hall(200.0, plateau)
    told = world._told_w
    world._told_w = lambda: np.where(np.arange(MINERS + GPUS) >= MINERS, np.nan, told())
    decided = world.run(60)
    assert decided.setpoint_w[CAPPED] == pytest.approx(10_200.0)


def test_a_device_whose_own_limit_is_below_its_cap_is_not_followed_down():
    """It draws 95 % of what it is capped at, and says a little less: by that alone its job would never reach its cap."""
    world = in_hall(200.0, plateau)
    demand_w = world.demand_w
    world.demand_w = lambda now_s: np.minimum(demand_w(now_s), 0.95 * world.applied_w)
    world._told_w = lambda: 0.98 * world.draw_w
    lows = []
    for _ in range(300):
        world.cycle()
        lows.append(world.draw_w[CAPPED].min())
    assert min(lows[20:]) > 0.93 * 5_000.0


def test_where_miners_have_all_they_want_caps_stay_full():
    world = World(hall(None, miners=4), surplus_w=LIMIT_W, tick_s=1.0, demand_w=jobs(plateau, 4))
    decided = world.run(100)
    assert decided.setpoint_w[4:] == pytest.approx(10_200.0)


def test_what_a_cap_is_lowered_by_above_its_job_is_no_fall():
    caps = replace(no_caps(hall(None)), wanted_w=np.full((80, GPUS), 5_000.0))
    current_w = np.full(MINERS + GPUS, 10_200.0)
    less_w, idle = without_slack(caps, HALL.devices, current_w, np.full(MINERS + GPUS, 4_000.0))
    assert less_w[CAPPED] == pytest.approx(5_000.0)
    assert less_w[:MINERS] == pytest.approx(10_200.0)
    assert not idle.any()


@pytest.mark.parametrize(
    ("why", "modes", "wanted_w", "less_w"),
    [
        ("a range is set to whole watts", (3600.0, 10200.0), 5_000.3, 5_001.0),
        ("no job runs below the lowest mode", (3600.0, 10200.0), 900.0, 3_600.0),
        ("between modes the upper one lets it draw that", (3600.0, 7000.0, 10200.0), 5_000.3, 7_000.0),
    ],
)
def test_the_rest_of_a_cap_is_a_setpoint_that_lets_its_job_draw_what_it_does(why, modes, wanted_w, less_w):
    """Where the ramp has no room for more the device is left on it, and not on the mode below."""
    whole = len(modes) == 2
    rows = [(150.0, 0.0, False), *((watts, watts, whole and watts == modes[-1]) for watts in modes)]
    built = replace(hall(None), devices=devices([{"modes": tuple(rows), "steady": False}] * 2))
    built = replace(built, caps=(replace(built.caps[0], devices=np.arange(2)),))
    caps = replace(no_caps(built), wanted_w=np.full((80, 2), wanted_w))
    left_w, _ = without_slack(caps, built.devices, np.full(2, 10_200.0), np.full(2, 150.0))
    assert left_w.tolist() == [less_w] * 2, why


def test_jobs_that_rest_go_off_for_the_demand_by_the_ramp():
    ramp_w_s, world = 100.0, in_hall(300.0, lambda _: 1_000.0)
    world.run(60)
    terms = DemandTerms(window_s=300.0, limit_w=9e3)
    world.site = replace(world.site, demand=terms, rules=replace(world.site.rules, ramp_down_w_s=ramp_w_s))
    world.tables, world.state = make_tables(world.site), taken_over(world.state, world.site, ())
    before_w = world.decided.setpoint_w.sum()
    world.run(30)
    assert before_w - world.decided.setpoint_w.sum() <= 30 * ramp_w_s + world.tables.max_below_w.max() / 20
    assert (world.decided.setpoint_w[CAPPED] > 150.0).all()


def test_a_cap_that_is_raised_above_its_job_is_known():
    caps = replace(no_caps(hall(None)), wanted_w=np.full((80, GPUS), 5_000.0), loose=np.ones(GPUS, dtype=np.bool_))
    current_w, target_w = np.full(MINERS + GPUS, 6_000.0), np.full(MINERS + GPUS, 8_000.0)
    _, idle = without_slack(caps, HALL.devices, current_w, target_w)
    assert idle.tolist() == [False] * MINERS + [True] * GPUS
    unsure = replace(caps, loose=np.zeros(GPUS, dtype=np.bool_))
    assert not without_slack(unsure, HALL.devices, current_w, target_w)[1].any()


@pytest.mark.parametrize(("late_s", "use"), [(1, 1.0), (2, 1.0), (0, 0.92)])
def test_jobs_at_their_caps_rise_by_the_ramp_however_late_and_little_their_draw_is_told(late_s, use):
    """What agents tell of a draw lags behind its cap, and it may stay a little below: that is no cap which nobody uses."""
    built, ramp_w_s = hall(float("inf"), miners=0), 1e3
    built = replace(built, rules=replace(built.rules, ramp_up_w_s=ramp_w_s))
    world, drawn = World(built, surplus_w=18e3, tick_s=1.0), []
    world.demand_w = lambda _: use * np.minimum(9_500.0, world.applied_w)
    world._told_w = lambda: (drawn.append(world.draw_w), drawn[-1 - min(late_s, len(drawn) - 1)])[1]
    world.run(35)
    assert world.site_w > 20e3
    world.surplus_w = LIMIT_W
    world.run(25)
    site_w = np.array([watts for _, watts, *_ in world.history[-26:]])
    assert site_w[-1] > site_w[0] + 12e3
    assert np.max(site_w[5:] - site_w[:-5]) <= 5 * ramp_w_s + world.tables.largest_start_w


def idle_hall(ramp_w_s):
    """Return a hall whose jobs rest under low caps, and whose caps may rise to the full from now on, by that ramp."""
    world = in_hall(300.0, lambda _: 1_000.0)
    world.run(60)
    group = replace(world.site.caps[0], headroom_w=float("inf"))
    world.site = replace(world.site, caps=(group,), rules=replace(world.site.rules, ramp_up_w_s=ramp_w_s))
    world.tables, world.state = make_tables(world.site), taken_over(world.state, world.site, ())
    return world


def test_caps_of_jobs_that_rest_rise_by_the_ramp_too():
    """All of them may use their caps at the same moment."""
    ramp_w_s = 500.0
    world = idle_hall(ramp_w_s)
    before_w = world.decided.setpoint_w[CAPPED].sum()
    assert GPUS * 3_000.0 < before_w < GPUS * 4_000.0
    caps_w = np.array([world.cycle().setpoint_w[CAPPED].sum() for _ in range(20)])
    assert caps_w[-1] > before_w + 5 * ramp_w_s
    assert np.max(caps_w - before_w - ramp_w_s * np.arange(1, 21)) <= world.tables.largest_start_w


def test_caps_of_jobs_that_rest_rise_by_what_others_leave_of_the_ramp():
    caps, order = no_caps(hall(300.0)), np.arange(MINERS + GPUS)[::-1]
    idle = np.isin(order[::-1], [MINERS, MINERS + 2])
    ((everybody, kept_w),) = turns(caps, order, np.zeros_like(idle), 0.0)
    assert (everybody.tolist(), kept_w) == (order.tolist(), 0.0)
    others, last = turns(caps, order, idle, 0.0)
    assert others[0].tolist() == [d for d in order.tolist() if not idle[d]]
    assert last[0].tolist() == [MINERS + 2, MINERS]
    kept = [(who.tolist(), kept_w) for who, kept_w in turns(caps, order, idle, 700.0)]
    assert kept == [([MINERS + 3, MINERS + 1], 0.0), (list(range(MINERS))[::-1], 700.0), ([MINERS + 2, MINERS], 0.0)]


def test_what_agents_narrow_is_given_to_others_once_it_is_proven():
    """Caps that follow their jobs are above what their devices may draw then: less than nothing is kept free for them."""
    levels_w = np.random.default_rng(1).choice([2_000.0, 4_500.0, 7_000.0, 9_000.0], (10, GPUS))
    world = in_hall(None, lambda t_s: levels_w[int(t_s / 20.0)], 2.5)
    world.run(100)
    assert world.state.caps.cap_w.sum() > GPUS * 4_000.0
    narrow_w = world.site.devices.max_w.copy()
    narrow_w[CAPPED] = 4_000.0
    world.inventory_w = narrow_w
    decided = world.cycle()
    assert decided.setpoint_w[CAPPED].max() <= 4_000.0
    assert decided.caps[0].reserve_w == 0.0
    assert decided.committed_w[0] + decided.house_w[0] <= decided.envelope_w[0]


def test_what_was_learned_goes_on_under_other_prices_and_begins_anew_with_other_groups():
    world = settled_by_worth()
    caps, dearer = world.state.caps, hall(500.0, 40.0)
    after = caps_under(caps, dearer)
    assert after.groups == dearer.caps
    assert after.last_per_wh[-1] == pytest.approx(2.0 * caps.last_per_wh[-1])
    assert np.array_equal(after.wanted_w, caps.wanted_w)
    other = CapGroup(id="other", devices=dearer.caps[0].devices, headroom_w=None)
    assert not caps_under(caps, replace(dearer, caps=(other,))).wanted_w.any()


@st.composite
def bursts(draw):
    """Return jobs that go from level to level, each node by itself."""
    seed, lasts_s = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([2, 5, 20]))
    levels_w = np.random.default_rng(seed).choice([2_000.0, 4_500.0, 7_000.0, 10_200.0], (400, GPUS))
    return lambda t_s: levels_w[int(t_s / lasts_s) % 400]


@given(
    bursts(), st.sampled_from([None, 0.0, 300.0, 2_000.0]), st.sampled_from([0.5, 2.5, 20.0]), st.integers(0, 2**32 - 1)
)
@settings(max_examples=examples(6))
def test_the_site_is_never_above_its_limit_however_jobs_burst(watts_at, headroom_w, gpu_value, seed):
    bias = np.append(np.random.default_rng(seed).uniform(0.95, 1.05, MINERS), np.ones(GPUS))
    world = in_hall(headroom_w, watts_at, gpu_value, bias=bias)
    world.run(130)
    assert world.violations() == []
    assert max(site_w for now_s, site_w, *_ in world.history if now_s > 1_030.0) <= 1.005 * LIMIT_W
