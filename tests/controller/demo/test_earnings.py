"""A site small enough to be checked by hand: two miners behind a PDU, a continuous load beside them."""

from __future__ import annotations

from dataclasses import replace
from importlib.resources import as_file, files

import numpy as np
import pytest

from controller.core.allocation.allocator import make_allocator
from controller.core.site import Devices, Meters, Rules, Site, SurplusModel, Tree
from controller.demo.earnings import Books, Carbon, Course, Earnings, all_on, earnings, equal_share, value_of
from controller.site.compile import compile_site
from controller.site.load import load

#: Miners: off 10 W, 500 W for 2/h, 1000 W for 3/h. The load: off 0 W, 400 to 1000 W, from 10/h to 40/h.
IDS = ("load", "miner-1", "miner-2")
MODE_W = [0.0, 400.0, 1000.0, *(2 * [10.0, 500.0, 1000.0])]
MODE_VALUE = [0.0, 10.0, 40.0, *(2 * [0.0, 2.0, 3.0])]
CONTINUOUS = [False, False, True, *(6 * [False])]


@pytest.fixture(scope="module")
def demo() -> Site:
    with as_file(files("configs").joinpath("demo.yaml")) as path:
        return compile_site(load(path))


def tree(pdu_w: float, pdu_house_w: float = 0.0) -> Tree:
    return Tree(
        ids=("pcc", "pdu"),
        parent=np.array([-1, 0]),
        limit_w=np.array([np.inf, pdu_w]),
        house_w=np.array([100.0, pdu_house_w]),
    )


def devices() -> Devices:
    zero = np.zeros(3)
    return Devices(
        ids=IDS,
        node=np.array([0, 1, 1]),
        agent=np.zeros(3, dtype=np.int64),
        failsafe_w=zero,
        tolerance=zero,
        down_s=zero,
        up_s=zero,
        min_up_s=zero,
        min_down_s=zero,
        settle_s=zero,
        start_cost=zero,
        change_cost=zero,
        protected=np.zeros(3, dtype=np.bool_),
        restarts=np.zeros(3, dtype=np.bool_),
        report_error=zero,
        steady=np.ones(3, dtype=np.bool_),
        mode_start=np.array([0, 3, 6, 9]),
        mode_w=np.array(MODE_W),
        mode_value=np.array(MODE_VALUE),
        mode_continuous=np.array(CONTINUOUS),
    )


def books(pdu_w: float = np.inf, firm_w: float = 200.0) -> Books:
    rules = Rules(
        contract_w=5e3,
        firm_w=firm_w,
        failsafe_w=0.0,
        ramp_up_w_s=1.0,
        ramp_down_w_s=1.0,
        emergency_ramp_w_s=1.0,
        settle_s=1.0,
        lease_s=30.0,
        surplus_model=SurplusModel.DIRECT,
        surplus_rating_w=np.inf,
        surplus_stale_s=60.0,
    )
    none = np.zeros(0)
    meters = Meters(ids=(), node=np.zeros(0, dtype=np.int64), rating_w=none, accuracy=none)
    site = Site(id="tiny", tree=tree(pdu_w), devices=devices(), meters=meters, agents=("a",), rules=rules)
    return Books(site=site, currency="USD")


def course(*, t_s: list[float], envelope_w: list[float], earned_per_h: list[float]) -> Course:
    shape = len(t_s)
    return Course(
        t_s=np.array(t_s),
        envelope_w=np.array(envelope_w),
        surplus_w=np.full(shape, 1000.0),
        site_w=np.full(shape, 700.0),
        house_w=np.full(shape, 100.0),
        earned_per_h=np.array(earned_per_h),
        decided_per_h=np.array(earned_per_h) + 10.0,
    )


@pytest.mark.parametrize(
    ("room_w", "value"),
    [
        (3000.0, 46.0),  # all at full power
        (2999.0, 40.0 - 0.05 + 4.0),  # share 0.999: the load at 999 W, both miners fall to 500 W
        (1496.0, 14.8 + 4.0),  # share 0.496: the load at 496 W; 10 + 0.495 * 990 = 500 W is the miners' first step
        (1494.0, 14.7),  # a share lower: the load at 494 W, both miners off
        (420.0, 10.0),  # share 0.4: the load at its least, both miners off, 420 W
        (419.0, 0.0),  # nothing has so low a mode
        (0.0, 0.0),  # not even everything off fits
    ],
)
def test_equal_share_by_hand(room_w: float, value: float) -> None:
    found = equal_share(tree(np.inf), devices()).at(np.array([room_w]))
    assert found[0] == pytest.approx(value, abs=1e-9)


def test_below_a_full_node_the_share_stays_and_the_others_go_on() -> None:
    spread = equal_share(tree(1000.0), devices())
    assert spread.at(np.array([5e3]))[0] == pytest.approx(40.0 + 4.0)
    assert spread.watts[-1] == pytest.approx(2000.0)


def test_house_load_below_a_node_is_kept_free() -> None:
    spread = equal_share(tree(1000.0, pdu_house_w=1.0), devices())
    assert spread.at(np.array([5e3]))[0] == pytest.approx(40.0)


@pytest.mark.parametrize("pdu_w", [np.inf, 1500.0, 900.0, 5.0])
def test_equal_share_never_falls_with_the_share_and_stays_inside_the_node(pdu_w: float) -> None:
    spread = equal_share(tree(pdu_w), devices())
    assert np.all(np.diff(spread.watts) >= 0.0)
    assert spread.watts[-1] <= 1000.0 + max(min(pdu_w, 2000.0), 20.0)


@pytest.mark.parametrize("envelope_w", [60e3, 130e3, 250e3, 400e3, 550e3, 700e3, 760e3, 850e3])
def test_on_the_demo_site_the_allocator_earns_at_least_as_much_at_rest(demo: Site, envelope_w: float) -> None:
    site, room_w = demo.devices, np.array([envelope_w - demo.tree.house_w[0]])
    limit_w = demo.tree.limit_w - demo.tree.house_w
    limit_w[0] = room_w[0]
    allotment = make_allocator(demo.tree, site).solve(
        limit_w=limit_w, base_w=site.off_w, upper_w=site.max_w, held_w=site.off_w
    )
    spread = equal_share(demo.tree, site)
    assert value_of(site, dict(zip(site.ids, allotment.watts, strict=True))) == pytest.approx(allotment.value_per_h)
    assert allotment.value_per_h >= spread.at(room_w)[0] - 1e-9
    assert allotment.value_per_h >= all_on(site, spread, room_w)[0] * spread.value_per_h[-1] - 1e-9
    if envelope_w == 400e3:
        assert allotment.value_per_h > 1.1 * spread.at(room_w)[0] > 0.0


def test_all_on_needs_the_whole_fleet_to_fit_the_envelope_and_every_node() -> None:
    room_w = np.array([3000.0, 2999.0])
    assert all_on(devices(), equal_share(tree(np.inf), devices()), room_w).tolist() == [True, False]
    assert all_on(devices(), equal_share(tree(1999.0), devices()), room_w).tolist() == [False, False]


def test_the_value_of_setpoints_is_that_of_the_modes_under_them() -> None:
    assert value_of(devices(), {"load": 700.0, "miner-1": 999.0, "miner-2": 10.0}) == pytest.approx(25.0 + 2.0)
    assert value_of(devices(), {}) == 0.0


def test_what_a_course_earned_by_hand() -> None:
    found = earnings(
        books(),
        course(
            t_s=[0.0, 360.0, 720.0, 1440.0],
            envelope_w=[3100.0, 1594.0, 1594.0, 9e3],
            earned_per_h=[46.0, 30.0, np.nan, 1e9],
        ),
    )
    assert found == Earnings(
        currency="USD",
        seconds=1440.0,
        silent_s=720.0,
        earned=pytest.approx(4.6 + 3.0),  # the last moment only ends it
        decided=pytest.approx(5.6 + 4.0),
        equal_share=pytest.approx(0.1 * 46.0 + 0.3 * 14.7),
        all_or_nothing=pytest.approx(4.6),
        surplus_wh=pytest.approx(400.0),
        surplus_taken_wh=pytest.approx(0.4 * 500.0),
        drawn_wh=pytest.approx(0.4 * 700.0),
        # 100 W of house load; 3000 W fit at first, then 1494 W allow share 0.494: 494 W and two miners off.
        equal_share_wh=pytest.approx(0.4 * 100.0 + 0.1 * 3000.0 + 0.3 * 514.0),
        all_or_nothing_wh=pytest.approx(0.4 * 100.0 + 0.1 * 3000.0 + 0.3 * 20.0),
    )


def test_carbon_is_that_of_all_that_is_drawn_and_only_where_the_grid_is_known() -> None:
    seen = course(t_s=[0.0, 3600.0], envelope_w=[3100.0, 9e3], earned_per_h=[0.0, 0.0])
    assert earnings(books(), seen).carbon is None
    assert earnings(replace(books(), carbon_g_kwh=500.0), seen).carbon == Carbon(
        g_kwh=500.0,
        drawn_kg=pytest.approx(0.35),
        equal_share_kg=pytest.approx(1.55),
        all_or_nothing_kg=pytest.approx(1.55),
    )


def test_a_grid_without_carbon_is_a_grid_that_is_known() -> None:
    found = earnings(replace(books(), carbon_g_kwh=0.0), course(t_s=[0.0], envelope_w=[9e3], earned_per_h=[0.0]))
    assert found.carbon is not None
    assert found.carbon.drawn_kg == 0.0


def test_what_is_drawn_beyond_the_surplus_is_no_surplus_taken() -> None:
    seen = course(t_s=[0.0, 3600.0], envelope_w=[3e3, 3e3], earned_per_h=[0.0, 0.0])
    drawn = replace(seen, site_w=np.array([1900.0, 0.0]))
    assert earnings(books(), drawn).surplus_taken_wh == pytest.approx(1000.0)


def test_a_single_moment_earned_nothing_yet() -> None:
    found = earnings(books(), course(t_s=[5.0], envelope_w=[3e3], earned_per_h=[46.0]))
    assert (found.seconds, found.earned, found.equal_share, found.surplus_wh) == (0.0, 0.0, 0.0, 0.0)
