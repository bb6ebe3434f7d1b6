from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from simulators.world.referee import SentOrder, Terms, Thresholds, Trace, judge, limits_w, terms_of
from simulators.world.report import RefereeReport
from simulators.world.site import WorldSite

STEP_S = 0.1
#: A site with one feeder of 300 kW; up 10 kW/s, settled after 10 s, leases of 30 s, devices follow after 5 s.
TERMS = Terms(
    node_ids=("pcc", "feeder"),
    parent=np.array([-1, 0]),
    limit_w=np.array([math.inf, 300e3]),
    accuracy=np.array([0.005, 0.0]),
    contract_w=500e3,
    firm_w=50e3,
    ramp_up_w_s=10e3,
    settle_s=10.0,
    lease_s=30.0,
    latency_s=5.0,
)
ANY = Thresholds(utilisation=0.0)


def trace(seconds: float, *, surplus: object, power: object, feeder: object = 0.0, able_w: float = 1e6) -> Trace:
    """A trace from functions of t or constants; floor 20 kW, all able power above the feeder."""
    t_s = STEP_S * np.arange(round(seconds / STEP_S))

    def course(what: object) -> np.ndarray:
        return np.array([what(t) if callable(what) else what for t in t_s], dtype=np.float64)

    power_w = np.stack([course(power), course(feeder)], axis=1)
    return Trace(
        step_s=STEP_S,
        surplus_w=course(surplus),
        led_w=power_w[:, 0],
        power_w=power_w,
        floor_w=np.tile([20e3, 0.0], (len(t_s), 1)),
        able_w=np.tile([able_w, 0.0], (len(t_s), 1)),
        lost=np.zeros(len(t_s), dtype=bool),
    )


def step(at_s: float, before: float, after: float):
    return lambda t: before if t < at_s - 1e-9 else after


def verdict(seen: Trace, *orders: SentOrder, terms: Terms = TERMS, thresholds: Thresholds = ANY) -> RefereeReport:
    return judge(seen, terms, orders, thresholds)


@pytest.mark.parametrize(
    ("surplus_w", "power_w", "broken_s"),
    [
        (200e3, 249e3, 0.0),
        (200e3, 252.4e3, 0.0),  # within 1 % of 250 kW
        (200e3, 252.6e3, 60.0),
        (900e3, 504e3, 0.0),  # the contract binds, not the surplus
        (900e3, 506e3, 60.0),
        (0.0, 50.4e3, 0.0),  # firm power is always there
        (0.0, 51e3, 60.0),
    ],
)
def test_level_power_against_the_envelope(surplus_w: float, power_w: float, broken_s: float) -> None:
    report = verdict(trace(60.0, surplus=surplus_w, power=power_w))
    assert report.violation_s == pytest.approx(broken_s)
    assert report.passed is (broken_s == 0.0)


@pytest.mark.parametrize(("gone_s", "broken_s"), [(2.0, 0.0), (10.0, 0.0), (12.0, 2.0), (20.0, 10.0)])
def test_power_may_follow_a_fall_within_the_settle_time(gone_s: float, broken_s: float) -> None:
    seen = trace(60.0, surplus=step(30.0, 300e3, 100e3), power=step(30.0 + gone_s, 300e3, 140e3))
    report = verdict(seen)
    assert report.violation_s == pytest.approx(broken_s)
    assert report.violation_kws == pytest.approx(broken_s * 150.0)  # 300 kW above an envelope of 150 kW
    assert report.largest_excess_w == pytest.approx(150e3 if broken_s else 0.0)


def test_a_short_overshoot_is_found() -> None:
    bump = trace(60.0, surplus=200e3, power=lambda t: 260e3 if 40.0 <= t < 40.5 else 240e3)
    report = verdict(bump)
    assert report.violation_s == pytest.approx(0.5)
    assert "pcc: 0.5 s above its envelope" in report.reasons


def test_a_worse_meter_class_widens_the_bound() -> None:
    seen = trace(30.0, surplus=200e3, power=254e3)
    assert verdict(seen).violation_s > 0.0
    assert verdict(seen, terms=replace(TERMS, accuracy=np.array([0.02, 0.0]))).violation_s == 0.0


def test_out_of_contact_the_lease_counts_too_and_for_the_settle_time_after() -> None:
    seen = trace(90.0, surplus=step(20.0, 300e3, 100e3), power=step(55.0, 300e3, 100e3))
    t_s = STEP_S * np.arange(900)
    assert verdict(seen).violation_s == pytest.approx(25.0)
    assert verdict(replace(seen, lost=(t_s >= 15.0) & (t_s < 50.0))).violation_s == 0.0
    assert verdict(replace(seen, lost=(t_s >= 15.0) & (t_s < 40.0))).violation_s == pytest.approx(5.0, abs=0.11)
    assert verdict(replace(seen, lost=t_s >= 15.0)).violation_s == 0.0
    late = trace(90.0, surplus=step(20.0, 300e3, 100e3), power=step(65.0, 300e3, 100e3))
    assert verdict(replace(late, lost=t_s >= 15.0)).violation_s == pytest.approx(5.0, abs=0.11)


def test_each_node_is_judged_by_its_own_rating() -> None:
    report = verdict(trace(30.0, surplus=900e3, power=400e3, feeder=304e3))
    assert report.violation_s == 0.0
    assert report.node_violation_s == {"pcc": 0.0, "feeder": pytest.approx(30.0)}
    assert report.reasons == ("feeder: 30.0 s above its envelope",)


def test_an_envelope_under_the_floor_is_infeasible_and_the_floor_is_allowed() -> None:
    terms = replace(TERMS, firm_w=5e3)
    report = verdict(trace(30.0, surplus=step(10.0, 200e3, 0.0), power=20.1e3), terms=terms)
    assert report.infeasible_s == pytest.approx(20.0)
    assert report.violation_s == 0.0


def test_offer_of_a_start_is_the_declared_ramp_after_the_latency() -> None:
    report = verdict(trace(60.0, surplus=350e3, power=100e3))
    # 100 kW for 5 s, 30 s of rise to 400 kW, 25 s of 400 kW.
    assert report.offered_wh == pytest.approx((100e3 * 5 + 250e3 * 30 + 400e3 * 25) / 3600.0, rel=0.01)
    assert report.offered_raw_wh == pytest.approx(400e3 * 60 / 3600.0)
    assert report.used_wh == report.used_raw_wh == pytest.approx(100e3 * 60 / 3600.0)


def test_a_site_that_keeps_ramp_and_latency_uses_all_of_the_offer() -> None:
    def power(t: float) -> float:
        return min(100e3 + max(t - 5.0, 0.0) * 10e3, 400e3)

    report = verdict(trace(60.0, surplus=350e3, power=power), thresholds=Thresholds())
    assert report.utilisation == pytest.approx(1.0, abs=0.003)
    assert report.utilisation_raw is not None
    assert report.utilisation_raw < 0.8
    assert report.passed


def test_the_offer_falls_at_once_and_what_is_drawn_above_it_is_not_used() -> None:
    report = verdict(trace(40.0, surplus=step(20.0, 350e3, 50e3), power=step(25.0, 400e3, 100e3)))
    assert report.offered_wh == pytest.approx((400e3 * 20 + 100e3 * 20) / 3600.0, rel=0.01)
    assert report.used_wh == pytest.approx(report.offered_wh, rel=0.01)
    assert report.used_raw_wh <= report.offered_raw_wh


def test_nothing_is_offered_that_the_devices_cannot_draw() -> None:
    report = verdict(trace(60.0, surplus=350e3, power=200e3, able_w=200e3), thresholds=Thresholds())
    assert report.utilisation == pytest.approx(1.0)
    below = trace(60.0, surplus=900e3, power=320e3)
    below = replace(below, able_w=np.tile([20e3, 900e3], (600, 1)))  # all devices hang below the feeder of 300 kW
    assert verdict(below).utilisation == pytest.approx(1.0)


@pytest.mark.parametrize("factor", [1e-3, 1e3, -1.0])
def test_a_meter_wrong_by_a_thousand_or_in_sign_fails(factor: float) -> None:
    """The daemon believes `factor` times the power; it draws until what it sees is the envelope, or all, or nothing."""
    most_w, least_w = 600e3, 20e3
    believed_w = 250e3 / factor
    power_w = most_w if factor < 0.0 else min(max(believed_w, least_w), most_w)
    report = verdict(trace(60.0, surplus=200e3, power=step(1.0, 240e3, power_w)), thresholds=Thresholds())
    assert not report.passed


def test_too_little_fails() -> None:
    report = verdict(trace(120.0, surplus=200e3, power=200e3), thresholds=Thresholds())
    assert not report.passed
    assert report.violation_s == 0.0
    assert report.reasons[0].startswith("utilisation is 8")


ORDER = SentOrder(id="o1", node=0, limit_w=150e3, sent_s=20.0, released_s=60.0)


@pytest.mark.parametrize(
    ("down_at_s", "response_s", "met"), [(20.0, 0.0, True), (25.0, 5.0, True), (32.1, 12.1, False), (90.0, None, False)]
)
def test_response_of_an_order_at_the_meter(down_at_s: float, response_s: float | None, *, met: bool) -> None:
    seen = trace(80.0, surplus=300e3, power=step(down_at_s, 300e3, 150e3))
    order = verdict(seen, ORDER).orders[0]
    assert order.before_w == 300e3
    assert order.response_s == (None if response_s is None else pytest.approx(response_s))
    assert order.met is met
    assert order.binding_s == pytest.approx(40.0)


def test_an_order_is_met_at_its_limit_and_five_percent_of_the_cut_for_good() -> None:
    def response(level_w: float) -> float | None:
        return verdict(trace(80.0, surplus=300e3, power=step(25.0, 300e3, level_w)), ORDER).orders[0].response_s

    assert response(150e3 + 0.049 * 150e3) == pytest.approx(5.0)
    assert response(150e3 + 0.051 * 150e3) is None
    again = trace(80.0, surplus=300e3, power=lambda t: 300e3 if t < 25.0 or 40.0 <= t < 41.0 else 150e3)
    assert verdict(again, ORDER).orders[0].response_s == pytest.approx(21.0)


def test_an_order_is_part_of_the_envelope_until_its_release() -> None:
    report = verdict(trace(80.0, surplus=300e3, power=300e3), ORDER)
    assert report.violation_s == pytest.approx(30.0, abs=0.11)  # from settle after sending to the release
    assert report.offered_raw_wh == pytest.approx((350e3 * 40 + 150e3 * 40) / 3600.0, rel=0.01)


def test_an_order_that_something_smaller_hides_is_not_binding() -> None:
    report = verdict(trace(80.0, surplus=step(50.0, 300e3, 50e3), power=90e3), ORDER, thresholds=ANY)
    assert report.orders[0].binding_s == pytest.approx(30.0)
    hidden = verdict(trace(80.0, surplus=step(49.0, 300e3, 50e3), power=90e3), ORDER, thresholds=ANY)
    assert any("was binding for 29.0 s" in reason for reason in hidden.reasons)


def test_an_order_below_the_floor_is_met_at_the_floor() -> None:
    order = replace(ORDER, limit_w=1e3)
    assert verdict(trace(80.0, surplus=300e3, power=step(25.0, 300e3, 20e3)), order).orders[0].met


def test_an_order_on_a_feeder_binds_there() -> None:
    order = replace(ORDER, node=1, limit_w=100e3)
    report = verdict(trace(80.0, surplus=300e3, power=200e3, feeder=step(30.0, 150e3, 90e3)), order)
    assert report.orders[0].node == "feeder"
    assert report.orders[0].response_s == pytest.approx(10.0)
    assert report.violation_s == 0.0


def test_an_order_that_was_wanted_and_not_sent_fails() -> None:
    report = verdict(trace(30.0, surplus=200e3, power=249e3), thresholds=Thresholds(orders=1))
    assert report.reasons == ("0 order(s) were sent, 1 is wanted",)


def test_an_order_as_the_window_ends_is_judged_without_a_sample() -> None:
    report = verdict(trace(30.0, surplus=300e3, power=300e3), replace(ORDER, sent_s=30.0, released_s=math.inf))
    assert (report.orders[0].response_s, report.orders[0].released_s) == (None, None)


@pytest.mark.parametrize(("rate_w_s", "ok"), [(10e3, True), (12e3, True), (13e3, False)])
def test_a_rise_faster_than_declared_fails(rate_w_s: float, *, ok: bool) -> None:
    report = verdict(trace(60.0, surplus=400e3, power=lambda t: min(100e3 + rate_w_s * t, 440e3)))
    assert report.ramp_excess_w == pytest.approx(max(0.0, (rate_w_s - 10e3) * 10.0), abs=1e-6)
    assert report.passed is ok
    assert report.largest_step_w == pytest.approx(rate_w_s)


def test_latency_is_the_median_up_time_by_power(site: WorldSite) -> None:
    assert terms_of(site).latency_s == 5.0
    assert terms_of(replace(site, devices=())).latency_s == 0.0


def test_limits_by_name() -> None:
    limits = limits_w(TERMS, (ORDER, replace(ORDER, id="o2", node=1)), t_s=20.0, surplus_w=100e3)
    assert limits == {"contract": 500e3, "surplus": 150e3, "rating:pcc": math.inf, "order:o1": 150e3}
    assert "order:o1" not in limits_w(TERMS, (ORDER,), t_s=60.0, surplus_w=100e3)
