"""Minimum up and down times, settle times and protection, as intervals; and what gives way where they do not fit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from controller.core.allocation.minimum_times import fitting_w, kept_w, minimum_times_after
from controller.core.allocation.tables import make_tables
from controller.core.state import MinimumTimes
from controller.texts.english import texts
from tests.controller.core.world import GPU, MINER, STEPS, World, devices, order, site, tree
from tests.examples import examples

INF = float("inf")
ON_OFF = ((10.0, 0.0, False), (1000.0, 1.0, False))


def tables_of(*rows, nodes=None):
    base = site(miners=1, stepped=0, gpus=0)
    return make_tables(replace(base, devices=devices(list(rows)), tree=nodes or base.tree))


def free(count):
    return MinimumTimes(
        on_until_s=np.full(count, -INF), off_until_s=np.full(count, -INF), settled_from_s=np.full(count, -INF)
    )


def leases_of(tables, current_w, low_w=None):
    current_w = np.array(current_w, dtype=float)
    low_w = current_w if low_w is None else np.array(low_w, dtype=float)
    return replace(World(tables.site, surplus_w=0.0).state.leases, current_w=current_w, low_w=low_w)


TIMES = {"min_up": 600.0, "min_down": 120.0, "settle": 60.0}
TABLES = tables_of({"modes": MINER} | TIMES, {"modes": STEPS} | TIMES, {"modes": STEPS}, {"modes": GPU} | TIMES)


def test_what_can_be_changed_in_place():
    assert TABLES.in_place.tolist() == [True, False, False, True]


@pytest.mark.parametrize(
    ("why", "before", "after", "on", "off", "settled"),
    [
        ("a start", [25, 25, 25, 150], [1400, 1080, 1080, 3600], [700, 700, 100, 700], [-INF] * 4, [160, 160, 100, 160]),
        ("in place, and another mode", [1400, 1080, 1080, 3600], [2000, 1916, 1916, 5000], [-INF] * 4, [-INF] * 4, [-INF, 160, 100, -INF]),
        ("a stop", [1400, 1080, 1080, 3600], [25, 25, 25, 150], [-INF] * 4, [220, 220, 100, 220], [-INF] * 4),
        ("nothing", [1400, 1080, 1080, 3600], [1400, 1080, 1080, 3600], [-INF] * 4, [-INF] * 4, [-INF] * 4),
    ],
)  # fmt: skip
def test_what_a_change_begins(why, before, after, on, off, settled):
    times = minimum_times_after(TABLES, free(4), np.array(before, float), np.array(after, float), 100.0)
    assert times.on_until_s.tolist() == on, why
    assert times.off_until_s.tolist() == off, why
    assert times.settled_from_s.tolist() == settled, why


def test_a_stop_ends_the_minimum_time_of_its_start():
    off_w = TABLES.site.devices.off_w
    started = minimum_times_after(TABLES, free(4), off_w, TABLES.on_w, 0.0)
    stopped = minimum_times_after(TABLES, started, TABLES.on_w, off_w, 100.0)
    for at_s, kept in ((219.9, [25.0, 25.0, INF, 150.0]), (220.0, [INF] * 4)):
        assert kept_w(TABLES, leases_of(TABLES, off_w), stopped, at_s).high_w.tolist() == kept


def test_what_was_switched_on_and_is_off_was_not_switched_off_and_need_not_stay_so():
    """It refuses, say, or has fallen to its failsafe watts: asked again it comes up, and its minimum up time begins anew."""
    off_w = TABLES.site.devices.off_w
    started = minimum_times_after(TABLES, free(4), off_w, TABLES.on_w, 0.0)
    assert kept_w(TABLES, leases_of(TABLES, off_w), started, 10.0).high_w.tolist() == [INF] * 4
    again = minimum_times_after(TABLES, started, off_w, TABLES.on_w, 10.0)
    assert again.on_until_s.tolist() == [610.0, 610.0, 10.0, 610.0]


#: A miner that was started at 0 s with the times above; then what it runs on, and the interval at that moment.
@pytest.mark.parametrize(
    ("modes", "at_s", "current_w", "low_w", "high_w"),
    [
        (MINER, 30.0, 2000.0, 2000.0, 2000.0),  # settling: not even in place
        (MINER, 59.9, 2000.0, 2000.0, 2000.0),
        (MINER, 60.0, 2000.0, 1400.0, INF),  # its minimum up time: anything that runs
        (MINER, 599.9, 2000.0, 1400.0, INF),
        (MINER, 600.0, 2000.0, 0.0, INF),  # free
        (STEPS, 30.0, 1916.0, 1916.0, 1916.0),
        (STEPS, 60.0, 1916.0, 1080.0, INF),
        (STEPS, 600.0, 1916.0, 0.0, INF),
    ],
)
def test_the_cycle_of_a_start(modes, at_s, current_w, low_w, high_w):
    tables = tables_of({"modes": modes} | TIMES)
    times = minimum_times_after(tables, free(1), np.array([25.0]), np.array([current_w]), 0.0)
    kept = kept_w(tables, leases_of(tables, [current_w]), times, at_s)
    assert (kept.low_w[0], kept.high_w[0]) == (low_w, high_w)


@pytest.mark.parametrize(("at_s", "high_w"), [(0.0, 25.0), (119.9, 25.0), (120.0, INF)])
def test_the_cycle_of_a_stop(at_s, high_w):
    tables = tables_of({"modes": MINER} | TIMES)
    times = minimum_times_after(tables, free(1), np.array([1400.0]), np.array([25.0]), 0.0)
    kept = kept_w(tables, leases_of(tables, [25.0]), times, at_s)
    assert (kept.low_w[0], kept.high_w[0]) == (0.0, high_w)


def test_a_device_that_is_off_again_need_not_wait_for_its_settle_time():
    tables = tables_of({"modes": STEPS, "settle": 60.0})
    started = minimum_times_after(tables, free(1), np.array([25.0]), np.array([1080.0]), 0.0)
    stopped = minimum_times_after(tables, started, np.array([1080.0]), np.array([25.0]), 10.0)
    assert kept_w(tables, leases_of(tables, [25.0]), stopped, 11.0).high_w.tolist() == [INF]


def test_what_may_be_lowered_stays_on_its_lowest_mode_at_least():
    tables = tables_of({"modes": STEPS, "restarts": True} | TIMES, {"modes": STEPS, "protected": True})
    kept = kept_w(tables, leases_of(tables, [1916.0, 500.0]), replace(free(2), on_until_s=np.array([9.0, -INF])), 0.0)
    # The second one is between its modes: to stay on is not to rise.
    assert kept.low_w.tolist() == [1080.0, 500.0]


def test_what_is_protected_goes_after_what_earns_more():
    dear = ((10.0, 0.0, False), (1000.0, 9.0, False))
    tables = tables_of({"modes": ON_OFF, "protected": True}, {"modes": dear}, nodes=tree(("pcc", -1, INF, 0.0)))
    kept = kept_w(tables, leases_of(tables, [1000.0] * 2), replace(free(2), on_until_s=np.full(2, 9.0)), 0.0)
    bounds = (tables.site.devices.off_w, tables.site.devices.max_w)
    assert fitting_w(tables, kept, bounds, np.array([1100.0]), ("order:o1",))[0].tolist() == [1000.0, 10.0]


def test_of_many_equals_the_least_valuable_give_way():
    rows = [{"modes": ((10.0, 0.0, False), (1000.0, 1.0 + k * 7 % 60, False))} for k in range(60)]
    tables = tables_of(*rows, nodes=tree(("pcc", -1, INF, 0.0)))
    kept = kept_w(tables, leases_of(tables, [1000.0] * 60), replace(free(60), on_until_s=np.full(60, 9.0)), 0.0)
    bounds = (tables.site.devices.off_w, tables.site.devices.max_w)
    base_w, _ = fitting_w(tables, kept, bounds, np.array([30_300.0]), ("order:o1",))
    assert np.flatnonzero(base_w > 10.0).tolist() == [k for k in range(60) if k * 7 % 60 >= 30]


def test_what_is_off_is_not_starting():
    tables = tables_of({"modes": STEPS}, {"modes": STEPS})
    kept = kept_w(tables, leases_of(tables, [25.0, 1080.0], low_w=[25.0, 25.0]), free(2), 0.0)
    assert kept.starting.tolist() == [False, True]


def test_no_minimum_time_asks_for_more_than_is_allowed_or_for_less_than_is_stuck():
    tables = tables_of(*[{"modes": STEPS}] * 2)
    kept = kept_w(tables, leases_of(tables, [1916.0] * 2), replace(free(2), settled_from_s=np.full(2, 9.0)), 0.0)
    stuck_w, upper_w = np.array([25.0, 2794.0]), np.array([1080.0, 1080.0])
    base_w, overruled = fitting_w(tables, kept, (stuck_w, upper_w), np.full(len(tables.site.tree.ids), INF), ("a",) * 4)
    assert base_w.tolist() == [1080.0, 2794.0]
    assert not overruled


def test_what_is_protected_runs_on_and_may_rise():
    tables = tables_of(
        *({"modes": modes, "protected": True} for modes in (MINER, STEPS)),
        *({"modes": STEPS, "protected": True, "restarts": restarts} | TIMES for restarts in (False, True)),
    )
    kept = kept_w(tables, leases_of(tables, [2000.0, 1916.0, 1916.0, 1916.0]), free(4), 0.0)
    # A lower mode would be a restart for the last one, which is no better than switching it off.
    assert kept.low_w.tolist() == [1400.0, 1080.0, 1080.0, 1916.0]
    assert kept.high_w.tolist() == [INF] * 4
    off = kept_w(tables, leases_of(tables, [25.0] * 4), free(4), 0.0)
    assert off.low_w.tolist() == [0.0] * 4


# Four devices of 1000 W that must run: one that is still starting, two in their minimum times, one that is protected.
ROWS = [{"modes": ((10.0, 0.0, False), (1000.0, value, False)), "min_up": 600.0} for value in (9.0, 3.0, 2.0, 1.0)]
ROWS[3] |= {"protected": True}


@pytest.mark.parametrize(
    ("limit_w", "base_w", "words"),
    [
        (4000.0, [1000, 1000, 1000, 1000], ""),
        (3999.0, [10, 1000, 1000, 1000], "order:o1 before the minimum and settle times of 1 device"),
        (2999.0, [10, 1000, 10, 1000], "order:o1 before the minimum and settle times of 2 devices"),
        (2000.0, [10, 10, 10, 1000], "order:o1 before the minimum and settle times of 3 devices"),
        (
            1029.0,
            [10, 10, 10, 10],
            "order:o1 before the minimum and settle times of 3 devices; order:o1 before the protected d0003",
        ),
    ],
)
def test_limits_come_before_minimum_times_and_these_before_protection(limit_w, base_w, words):
    tables = tables_of(*ROWS, nodes=tree(("pcc", -1, INF, 0.0)))
    leases = leases_of(tables, [1000.0] * 4, low_w=[10.0, 1000.0, 1000.0, 1000.0])
    kept = kept_w(tables, leases, replace(free(4), on_until_s=np.full(4, 100.0)), 0.0)
    bounds = (tables.site.devices.off_w, tables.site.devices.max_w)
    base, overruled = fitting_w(tables, kept, bounds, np.array([limit_w]), ("order:o1",))
    assert base.tolist() == base_w
    assert texts(overruled) == words


@pytest.mark.parametrize(
    ("limit_w", "base_w", "words"),
    [
        (3400.0, [2000, 1400], ""),
        (2025.0, [2000, 25], "order:o1 before the minimum and settle times of 1 device"),
        (2024.0, [1400, 25], "order:o1 before the minimum and settle times of 2 devices"),
        (1425.0, [1400, 25], "order:o1 before the minimum and settle times of 2 devices"),
        (
            1424.0,
            [25, 25],
            "order:o1 before the minimum and settle times of 1 device; order:o1 before the protected d0000",
        ),
    ],
)
def test_a_protected_device_gives_up_its_settle_time_before_it_is_switched_off(limit_w, base_w, words):
    """Else what is not protected runs on what it has left."""
    rows = [{"modes": MINER, "protected": True, "settle": 60.0}, {"modes": MINER, "min_up": 60.0}]
    tables = tables_of(*rows, nodes=tree(("pcc", -1, INF, 0.0)))
    times = replace(free(2), settled_from_s=np.array([9.0, -INF]), on_until_s=np.array([-INF, 9.0]))
    kept = kept_w(tables, leases_of(tables, [2000.0, 1400.0]), times, 0.0)
    bounds = (tables.site.devices.off_w, tables.site.devices.max_w)
    base, overruled = fitting_w(tables, kept, bounds, np.array([limit_w]), ("order:o1",))
    assert base.tolist() == base_w
    assert texts(overruled) == words


def test_a_minimum_time_that_fits_after_all_is_kept():
    """The small one would be given up first, but the large one has to go and leaves room for it.

    That the small one fits its own node to the watt takes nothing from anybody.
    """
    small, large = ((10.0, 0.0, False), (500.0, 0.1, False)), ((10.0, 0.0, False), (3000.0, 3.0, False))
    nodes = tree(("pcc", -1, INF, 0.0), ("a", 0, 1e9, 0.0), ("b", 0, 1e9, 0.0))
    rows = [{"modes": small, "min_up": 1.0, "node": 1}, {"modes": large, "min_up": 1.0, "node": 2}]
    tables = tables_of(*rows, nodes=nodes)
    kept = kept_w(tables, leases_of(tables, [500.0, 3000.0]), replace(free(2), on_until_s=np.full(2, 9.0)), 0.0)
    bounds = (tables.site.devices.off_w, tables.site.devices.max_w)
    base, overruled = fitting_w(
        tables, kept, bounds, np.array([1000.0, 500.0, 1e9]), ("surplus", "rating:a", "rating:b")
    )
    assert base.tolist() == [500.0, 10.0]
    assert texts(overruled) == "surplus before the minimum and settle times of 1 device"


def test_many_protected_devices_are_counted_not_listed():
    tables = tables_of(*[{"modes": ON_OFF, "protected": True}] * 5, nodes=tree(("pcc", -1, INF, 0.0)))
    kept = kept_w(tables, leases_of(tables, [1000.0] * 5), free(5), 0.0)
    bounds = (tables.site.devices.off_w, tables.site.devices.max_w)
    _, overruled = fitting_w(tables, kept, bounds, np.array([60.0]), ("rating:pcc",))
    assert texts(overruled) == "rating:pcc before the protected d0000, d0001, d0002 and 2 more"


def timed_world(seed):
    """A world whose devices have times of every kind, and some are protected."""
    random = np.random.default_rng(seed)
    base = site(miners=12, stepped=6, gpus=2)
    count = len(base.devices.ids)
    stepped = np.diff(base.devices.mode_start) == len(STEPS)
    columns = replace(
        base.devices,
        min_up_s=random.choice([0.0, 10.0, 30.0], count),
        min_down_s=random.choice([0.0, 5.0, 20.0], count),
        settle_s=random.choice([0.0, 5.0, 15.0], count),
        start_cost=random.choice([0.0, 0.01], count),
        change_cost=random.choice([0.0, 0.005], count),
        protected=random.random(count) < 0.2,
        restarts=stepped & (random.random(count) < 0.5),
    )
    return World(replace(base, devices=columns), surplus_w=40e3)


LEGS = st.lists(
    st.tuples(st.integers(1, 25), st.floats(0.0, 80e3), st.none() | st.floats(5e3, 60e3)), min_size=2, max_size=6
)


def play(world, legs):
    world.run(15)
    for k, (seconds, surplus_w, limit_w) in enumerate(legs):
        world.surplus_w = surplus_w
        world.orders = () if limit_w is None else (order(limit_w, world, id=f"o{k}", begun=True),)
        world.run(seconds)


@given(seed=st.integers(0, 10**6), legs=LEGS)
@settings(max_examples=examples(12), deadline=None)
def test_minimum_times_and_protection_hold_unless_the_decision_says_what_came_before_them(seed, legs):
    world = timed_world(seed)
    play(world, legs)
    columns = world.site.devices
    count = len(columns.ids)
    switched_s, changed_s = np.full(count, -INF), np.full(count, -INF)
    before = None
    for now_s, _, _, decision in world.history:
        after_w = decision.setpoint_w
        if before is not None:
            was_on, is_on = before > columns.off_w, after_w > columns.off_w
            since_s = now_s - switched_s
            rose_early = ~was_on & is_on & (since_s < columns.min_down_s)
            assert not rose_early.any(), "off is off: no limit asks for a start"
            fell = was_on & ~is_on
            moved = was_on & is_on & (before != after_w)
            early = (fell & (since_s < columns.min_up_s)) | ((moved | fell) & (now_s - changed_s < columns.settle_s))
            early |= fell & columns.protected
            early |= moved & (after_w < before) & columns.protected & columns.restarts
            assert not early.any() or decision.overruled, columns.ids[int(np.argmax(early))]
            switched_s[was_on != is_on] = now_s
            settles = is_on & (~was_on | (moved & ~world.tables.in_place))
            changed_s[settles] = now_s
        before = after_w
    assert world.violations() == []


@given(seed=st.integers(0, 10**6), legs=LEGS)
@example(seed=1, legs=[(7, 0.0, None), (6, 30_509.0, 35_265.0), (1, 0.0, None)])
@settings(max_examples=examples(8), deadline=None)
def test_what_is_protected_goes_last(seed, legs):
    """Where a protected device is cut, nothing else below its nodes could have given the watts that it needs to run on."""
    world = timed_world(seed)
    play(world, legs)
    columns, before = world.site.devices, None
    for *_, decision in world.history:
        after_w = decision.setpoint_w
        if before is not None:
            cut = columns.protected & (before > columns.off_w) & (after_w <= columns.off_w)
            for i in np.flatnonzero(cut):
                others = ~columns.protected & (columns.node == columns.node[i])
                needed_w = min(world.tables.kept_on_w[i], before[i]) - columns.off_w[i]
                assert (after_w - columns.off_w)[others].sum() < needed_w + 1.0
                assert columns.ids[i] in texts(decision.overruled) or "more" in texts(decision.overruled)
        before = after_w
