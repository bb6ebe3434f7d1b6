"""The demand that is billed: tables of seconds of a window, and closed loops against the true energy of each window."""

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.random import default_rng

from controller.core.limits.demand import NO_DEMAND_USE, DemandUse, demand_now, follow_demand, steady_limit
from controller.core.modes import Mode
from controller.core.reasons import Code
from controller.core.site import DemandTerms
from controller.core.snapshot import Grade, Lock, SourceSample
from controller.core.trust.columns import meter_columns
from controller.core.trust.judge import no_trust
from controller.core.trust.meter_trust import hear
from controller.core.trust.node_power import node_power
from tests.controller.core.world import GPU, RULES, World, devices, order, site

HOUSE_W, LIMIT_W, WINDOW_S, MARGIN_W = 8e3, 100e3, 300.0, 1.5e3
TERMS = DemandTerms(window_s=WINDOW_S, limit_w=LIMIT_W)
BILLED = replace(site(), demand=TERMS)
#: A window begins there.
BEGINS_UTC_S = 1.7e9 + 100.0
MOST_W, CONTRACT_W = 150e3, RULES.contract_w
SILENT, COUNTING = {"silent": True}, {"counter": True}


class Course:
    """A window, second by second."""

    def __init__(self, use=NO_DEMAND_USE, built=BILLED, begins_s=0.0, read_otherwise=False):
        self.site, self.use, self.now_s, self.wh = built, use, 1000.0 + begins_s, 5e6
        self.utc_off_s = BEGINS_UTC_S - 1000.0
        self.trust = no_trust(built)
        self.world = World(built, 0.0)

    def go(self, seconds, watts, *, silent=False, trusted=True, counter=False, step_s=1.0):
        for _ in range(round(seconds / step_s)):
            self.now_s += step_s
            self.wh += watts * step_s / 3600.0
            if not silent:
                values = {"active_power_w": watts, "frequency_hz": 50 + 0.01 * math.sin(self.now_s)}
                values |= {"energy_import_wh": self.wh} if counter else {}
                one = SourceSample(
                    source="main", values=values, grade=Grade.GOOD, taken_s=self.now_s, arrived_s=self.now_s
                )
                heard = hear(self.trust.sources["main"], one, 300e3)
                self.trust = replace(self.trust, sources={**self.trust.sources, "main": heard})
            columns = meter_columns(self.site, self.trust.sources)
            power = node_power(self.site, columns, self.now_s)
            self.use = follow_demand(self.use, self.site, self.snapshot(trusted), power, self.trust, columns, MOST_W)
        return self

    def snapshot(self, trusted=True):
        return replace(self.world.snapshot(), now_s=self.now_s, utc_s=self.now_s + self.utc_off_s, utc_trusted=trusted)

    def cap_w(self, house_w=HOUSE_W, *, trusted=True):
        return demand_now(self.use, self.site, house_w, self.snapshot(trusted)).cap_w

    @property
    def used(self):
        """Ws of the window, and those of it that are guessed."""
        return self.use.used_ws, self.use.guessed_ws


#: A window of which nothing was missed, from its first second.
FRESH = DemandUse(begins_utc_s=BEGINS_UTC_S, at_utc_s=BEGINS_UTC_S)


def fresh(**given):
    course = Course(FRESH, **given)
    course.go(1, 0.0)
    return course


def test_what_is_seen_is_counted():
    course = fresh().go(99, 60e3)
    assert course.used[0] - course.used[1] == pytest.approx(99 * 60e3)
    assert course.cap_w() == pytest.approx(((LIMIT_W - MARGIN_W) * 300 - course.used[0]) / 200)


@pytest.mark.parametrize(
    ("why", "legs", "used_ws"),
    [
        ("of two seconds the larger power counts", [(10, 60e3), (10, 20e3)], 11 * 60e3 + 9 * 20e3),
        ("what nobody sees counts as the most, once the meter is suspect", [(10, 60e3), (13, 0.0, SILENT)], 13 * 60e3 + 10 * MOST_W),
        ("and so does the second after it", [(10, 60e3), (13, 0.0, SILENT), (10, 60e3)], 22 * 60e3 + 11 * MOST_W),
        ("a long pause counts as the contract", [(10, 60e3), (20, 0.0, {"step_s": 20.0}), (10, 60e3)], 20 * 60e3 + 20 * CONTRACT_W),
        ("what goes back to the grid takes nothing away", [(10, 60e3), (10, -60e3)], 11 * 60e3),
    ],
)  # fmt: skip
def test_energy_of_a_window(why, legs, used_ws):
    course = fresh().go(0, 0.0)
    before_ws = course.use.used_ws
    for seconds, watts, *other in legs:
        course.go(seconds, watts, **dict(*other))
    assert course.use.used_ws - before_ws == pytest.approx(used_ws), why


def test_a_window_that_ends_takes_its_energy_along():
    course = fresh().go(299, 90e3).go(10, 50e3)
    assert course.use.begins_utc_s == BEGINS_UTC_S + WINDOW_S
    assert course.used == (pytest.approx(90e3 + 9 * 50e3), 0.0), "of the two seconds at its edge the larger"


def test_windows_begin_when_the_file_says():
    terms = replace(TERMS, window_s=1800.0, begins_s=600.0)
    hour_s = 3600.0 * 480_000
    assert [terms.begins_utc_s(hour_s + at_s) - hour_s for at_s in (0.0, 599.9, 600.0, 2399.9, 2400.0)] == [
        -1200.0, -1200.0, 600.0, 600.0, 2400.0,
    ]  # fmt: skip


def test_a_start_that_knows_nothing_counts_the_contract_since_the_window_began():
    course = Course(begins_s=119.0).go(1, 60e3)
    assert course.used == (pytest.approx(120 * CONTRACT_W), pytest.approx(120 * CONTRACT_W))
    assert course.cap_w() == pytest.approx(((LIMIT_W - MARGIN_W) * 300 - 120 * CONTRACT_W) / 180)


def test_a_start_goes_on_with_what_was_written_down():
    known = replace(FRESH, at_utc_s=BEGINS_UTC_S + 100.0, used_ws=5e6)
    course = Course(known, begins_s=119.0).go(1, 60e3)
    assert course.used == (pytest.approx(5e6 + 20 * CONTRACT_W), pytest.approx(20 * CONTRACT_W))


@pytest.mark.parametrize(
    "known",
    [
        replace(FRESH, begins_utc_s=BEGINS_UTC_S - WINDOW_S, at_utc_s=BEGINS_UTC_S - 10.0, used_ws=5e6),
        replace(FRESH, at_utc_s=BEGINS_UTC_S + 290.0, used_ws=5e6),
    ],
    ids=["another window", "the future"],
)
def test_what_was_written_down_of_another_time_says_nothing(known):
    course = Course(known, begins_s=119.0).go(1, 60e3)
    assert course.used[0] == pytest.approx(120 * CONTRACT_W)


def test_a_counter_says_afterwards_what_nobody_saw():
    course = fresh().go(60, 60e3, counter=True)
    before_ws = course.use.used_ws
    course.go(30, 60e3, silent=True)
    assert course.use.guessed_ws > 0
    course.go(10, 60e3, counter=True)
    drawn_ws = 40 * 60e3
    assert course.use.guessed_ws == MOST_W, "of the first second"
    assert drawn_ws <= course.use.used_ws - before_ws <= 1.02 * drawn_ws + 60e3


def test_a_counter_that_runs_backwards_or_too_little_takes_nothing_of_what_was_seen_away():
    course = fresh().go(60, 60e3, counter=True).go(30, 60e3, silent=True)
    guessed, seen_ws = course.use, course.use.used_ws - course.use.guessed_ws
    course.wh -= 2e3
    course.go(1, 60e3, counter=True)
    assert course.use.used_ws >= guessed.used_ws
    stands = fresh().go(60, 60e3, counter=True)
    wh = stands.wh
    stands.go(30, 60e3, silent=True)
    for _ in range(5):
        stands.wh = wh - 60e3 / 3600.0
        stands.go(1, 60e3, counter=True)
    assert stands.use.used_ws >= seen_ws + 4 * 60e3


def test_while_the_clock_is_not_trusted_the_limit_holds_at_each_moment():
    course = fresh().go(150, 20e3)
    assert course.cap_w() > LIMIT_W
    course.go(1, 20e3, trusted=False)
    assert course.cap_w(trusted=False) == pytest.approx(LIMIT_W - MARGIN_W)
    course.utc_off_s += 400.0
    course.go(10, 20e3, trusted=False)
    assert course.use.begins_utc_s == BEGINS_UTC_S, "a clock that jumps ends no window"


def test_a_wall_clock_that_is_set_back_takes_no_energy_away():
    course = fresh().go(100, 60e3)
    before_ws = course.use.used_ws
    course.utc_off_s -= 1.5
    course.go(1, 60e3)
    assert course.use.used_ws - before_ws >= 60e3


def test_house_load_that_is_declared_and_does_not_run_is_kept_free():
    course = fresh().go(100, 60e3)
    assert course.cap_w(house_w=HOUSE_W) - course.cap_w(house_w=5e3) == pytest.approx(3e3)


def test_what_is_left_at_the_end_is_not_spent_in_its_last_seconds():
    course = fresh().go(269, 20e3)
    at_first_w = course.cap_w()
    assert course.go(25, 20e3).cap_w() == pytest.approx(at_first_w)
    assert course.go(6, 20e3).cap_w() < at_first_w, "another window"


def test_a_start_in_the_last_seconds_of_a_window_draws_no_more_than_the_limit():
    known = replace(FRESH, at_utc_s=BEGINS_UTC_S + 284.0, used_ws=1e6)
    assert Course(known, begins_s=284.0).go(1, 20e3).cap_w() == LIMIT_W


def test_nothing_is_billed_where_the_file_names_no_demand():
    built = site()
    assert demand_now(NO_DEMAND_USE, built, 0.0, World(built, 0.0).snapshot()) is None
    assert steady_limit(built) == []
    [steady] = steady_limit(BILLED)
    assert (steady.node, steady.limit_w, steady.name) == (0, LIMIT_W - MARGIN_W, "demand")


# -- closed loops: energy by the world alone


def windows(world) -> dict[float, tuple[float, int]]:
    """The mean true power of each window that has run whole, by when it began."""
    found: dict[float, list[float]] = {}
    for now_s, site_w, *_ in world.history:
        found.setdefault(TERMS.begins_utc_s(now_s + world.utc_offset_s - world.tick_s), []).append(site_w)
    whole = round(WINDOW_S / world.tick_s)
    return {begins_s: float(np.mean(watts)) for begins_s, watts in found.items() if len(watts) == whole}


@pytest.mark.parametrize("seed", range(3))
def test_no_window_is_above_whatever_the_surplus_and_the_house_load_do(seed):
    random = default_rng(seed)
    world = World(BILLED, 150e3, tick_s=1.0, house_w=5e3)
    for _ in range(60):
        world.surplus_w = float(random.choice([0.0, 60e3, 150e3, 250e3]))
        world.house_w = float(random.uniform(1e3, HOUSE_W))
        world.run(25)
    means_w = list(windows(world).values())
    assert len(means_w) >= 4
    assert max(means_w) <= LIMIT_W
    assert world.decided.mode is Mode.NORMAL


def test_what_is_allowed_is_used():
    world = World(BILLED, 250e3, tick_s=1.0)
    world.run(1200)
    assert min(list(windows(world).values())[1:]) > 0.95 * LIMIT_W
    demand = world.decided.demand
    assert demand.held_back_w > 10e3
    assert demand.cost_per_h > 0.0


def test_a_window_in_which_little_was_there_lets_more_be_drawn_later():
    world = World(BILLED, 30e3, tick_s=1.0)
    world.run(450)
    world.surplus_w = 250e3
    world.run(150)
    assert max(site_w for now_s, site_w, *_ in world.history if now_s > 1450) > 1.2 * LIMIT_W
    world.run(300)
    assert max(windows(world).values()) <= LIMIT_W


def test_it_is_no_limit_of_the_envelope_and_no_reason_for_doubt():
    world = World(BILLED, 250e3, tick_s=1.0)
    world.run(400)
    # More than is billed, by what nobody leads: that costs money, and nothing else.
    world.house_w = 110e3
    decisions = [world.cycle() for _ in range(60)]
    assert decisions[-1].demand.cap_w < world.site_w
    assert all("demand" not in each.binding for each in decisions)
    codes = {reason.code for each in decisions for reason in (*each.reasons, *each.warnings)}
    assert Code.OVER_ENVELOPE not in codes


def test_an_order_comes_before_it_and_is_met_as_ever():
    world = World(BILLED, 250e3, tick_s=1.0)
    world.run(400)
    world.orders = (order(40e3, world),)
    world.run(30)
    assert world.site_w <= 40e3 * 1.01
    assert world.decided.binding[0] == "order:o1"


def test_what_is_protected_is_not_switched_off_for_it():
    rows = [
        {"modes": ((25.0, 0.0, False), (3000.0, 0.3, False)), "node": 2, "agent": 0, "protected": True}
        for _ in range(10)
    ]
    rows += [
        {"modes": ((25.0, 0.0, False), (3000.0, 0.2, False)), "node": 2, "agent": 0, "min_up": 600.0} for _ in range(10)
    ]
    rows += [{"modes": ((25.0, 0.0, False), (3000.0, 0.2, False)), "node": 3, "agent": 1}]
    world = World(replace(site(), devices=devices(rows), demand=replace(TERMS, limit_w=500e3)), 250e3, tick_s=1.0)
    world.run(60)
    assert world.site_w > 55e3
    world.site = replace(world.site, demand=replace(TERMS, limit_w=20e3))
    world.tables = replace(world.tables, site=world.site)
    overruled = {reason.code for _ in range(60) for reason in world.cycle().overruled}
    on = world.decided.setpoint_w > 25.0
    assert on[:10].all(), "protected"
    assert not on[10:].any(), "minimum times are overruled"
    assert overruled == {Code.TIMES_OVERRULED}


def test_devices_come_down_for_it_by_the_ramp():
    world = World(replace(BILLED, rules=replace(RULES, ramp_down_w_s=500.0)), 250e3, tick_s=1.0)
    world.run(100)
    world.site = replace(world.site, demand=replace(TERMS, limit_w=30e3))
    world.tables = replace(world.tables, site=world.site)
    before_w = world.decided.planned_w[0]
    world.run(20)
    assert before_w - world.decided.planned_w[0] <= 20 * 500.0 + 8000.0
    assert world.decided.planned_w[0] < before_w


def about_to_come_down(ramp_w_s):
    """Return a site that draws about 100 kW, and whose demand lets it draw 30 kW from now on; both its ramps are the same."""
    rules = replace(RULES, ramp_down_w_s=ramp_w_s, emergency_ramp_w_s=ramp_w_s)
    world = World(replace(BILLED, rules=rules), 250e3, tick_s=0.5)
    world.run(100)
    world.site = replace(world.site, demand=replace(TERMS, limit_w=30e3))
    world.tables = replace(world.tables, site=world.site)
    return world


def one_is_locked(world):
    world.locks = (Lock(id="l", node=2, device=0),)


def a_feeder_is_ordered_down_a_little(world):
    world.orders = (order(float(world.decided.planned_w[3]) - 2e3, world, node=3),)


def all_meters_are_lost(world):
    world.silent = {"main", "check"}


@pytest.mark.parametrize("happens", [one_is_locked, a_feeder_is_ordered_down_a_little, all_meters_are_lost])
def test_devices_come_down_for_it_by_the_ramp_whatever_else_comes_down_at_once(happens):
    """A limit lowers without any ramp what is below it; what is only billed waits for its own all the while."""
    ramp_w_s = 500.0
    world = about_to_come_down(ramp_w_s)
    happens(world)
    before_w, at_once_w = world.decided.planned_w[0], 4e3
    fallen_w = before_w - np.array([world.cycle().planned_w[0] for _ in range(100)])
    by_ramp_w = ramp_w_s * world.tick_s * np.arange(1, 101)
    # Beside that what was asked for at once, and one device more.
    assert np.max(fallen_w - by_ramp_w) <= at_once_w + 10.2e3
    assert fallen_w[-1] > 0.5 * by_ramp_w[-1]


def test_a_protected_job_is_not_switched_off_for_it():
    """What a protected job has not drawn of its cap yet needs room for raises; nothing is taken from what has to run for that."""
    rows = [{"modes": GPU, "node": 3, "agent": 1, "steady": False, "protected": True} for _ in range(6)]
    rows += [{"modes": ((25.0, 0.0, False), (3000.0, 0.2, False)), "node": 2, "agent": 0} for _ in range(6)]
    world = World(replace(site(), devices=devices(rows), demand=replace(TERMS, limit_w=500e3)), 250e3, tick_s=1.0)
    world.gpu_use = 0.5
    world.run(60)
    world.site = replace(world.site, demand=replace(TERMS, limit_w=20e3))
    world.tables = replace(world.tables, site=world.site)
    least_w = np.min([world.cycle().setpoint_w[:6] for _ in range(60)], axis=0)
    assert (least_w >= 3600.0).all()
    assert (world.decided.setpoint_w[6:] == 25.0).all()


def test_ticks_that_the_safe_step_decides_are_counted_after_it():
    use = fresh().go(60, 60e3).use
    course = Course(use)
    course.now_s = 1000.0 + 61 + 8
    course.go(1, 60e3)
    assert course.use.used_ws >= use.used_ws + 9 * 60e3


def test_a_counter_that_was_read_before_a_pause_says_nothing_of_it():
    course = fresh().go(60, 60e3, counter=True).go(20, 60e3, silent=True, step_s=20.0).go(3, 60e3)
    assert course.use.guessed_ws >= 20 * CONTRACT_W
