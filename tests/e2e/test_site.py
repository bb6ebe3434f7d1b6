"""The running site: its meters, its clocks, its orders."""

from __future__ import annotations

import json
import math

import pytest

from drivers.clock import boottime_s
from tests.e2e.yard import MET_S, SLACK_S, Yard, nearly, until


@pytest.mark.parametrize("meter", ["main", "check"])
def test_a_lost_meter_shows_in_the_mode_with_its_name_and_returns(yard: Yard, meter: str) -> None:
    yard.calm()
    yard.kill(meter)
    status = yard.wait_mode("hold", f"meter {meter} is silent")
    assert status["meters"][meter]["quality"] == "bad"
    # The other meter of the node still tells what the site draws: nothing has to fall.
    samples = yard.watch_for(3.0)
    assert [sample.applied_w for sample in samples if not nearly(sample.applied_w, yard.most_w())] == []
    # Alone it is believed once a step of the last minutes has proven it, and then that is said.
    status = yard.status()
    (other,) = {"main", "check"} - {meter}
    alone = "meter_alone" in {reason["code"] for reason in status["meters"][other]["reasons"]}
    assert status["mode"] == "hold" or (status["mode"] == "normal" and alone)
    yard.start(meter)
    yard.wait_mode("normal")


def test_a_site_without_any_meter_goes_to_failsafe_and_returns(yard: Yard) -> None:
    before = yard.calm()
    yard.kill("main")
    yard.kill("check")
    yard.wait_mode(
        "failsafe", "no trusted meter of the site's power; meter check is silent; meter main is silent", 10.0
    )
    goal_w = yard.lapsed(before.applied_w)
    yard.watch(lambda sample: sample.applied_w == goal_w, "every device at failsafe")
    yard.start("main")
    yard.start("check")
    yard.wait_mode("normal")


def test_a_lost_scada_is_no_surplus_after_a_while_and_returns(yard: Yard) -> None:
    yard.calm()
    yard.kill("scada")
    yard.wait_mode("hold", "the surplus is silent")
    yard.wait_mode("hold", "the surplus signal is stale: it counts as zero")
    assert yard.binding() == "surplus"
    allowed_w = yard.site.rules.firm_w * 1.01
    floor_w = until(lambda: yard.status()["nodes"]["pcc"]["floor_w"], "a floor")
    yard.watch(lambda sample: sample.site_w <= max(allowed_w, floor_w * 1.01), "only firm power is drawn", MET_S)
    yard.start("scada")
    yard.wait_mode("normal")


def test_clocks_that_differ_by_an_hour_change_nothing(yard: Yard) -> None:
    yard.restart("fleet", "--clock-offset=3600 s")
    try:
        before = yard.calm()
        yard.order("by-the-hour", 20e3)
        yard.watch(lambda sample: sample.site_w <= 20.5e3, "the order is met", MET_S)
        yard.release("by-the-hour")
        yard.full_power()
        yard.kill("surplusd")
        lost_s, goal_w = boottime_s(), yard.lapsed(before.applied_w)
        samples = yard.watch(lambda sample: sample.applied_w == goal_w, "all leases have ended")
        assert 0.5 < samples[-1].at_s - lost_s <= yard.site.rules.lease_s + SLACK_S
    finally:
        yard.restart("fleet", "--clock-offset=0 s")


def test_an_order_is_met_at_the_meter_and_binds_until_it_is_released(yard: Yard) -> None:
    full = yard.calm(drawing=True)
    limit_w = round(full.site_w / 2)
    answer = yard.order("curtail-1", limit_w).body
    assert answer.pop("head").startswith(f"{yard.site.id}.")
    assert answer | {"achievable_w": None} == {
        "id": "curtail-1", "issuer": "grid-authority", "revision": 1, "outcome": "accepted", "node": "pcc",
        "limit_w": limit_w, "achievable_w": None, "durable": True, "why": "", "reasons": [],
    }  # fmt: skip
    met_w = limit_w + 0.05 * (full.site_w - limit_w)
    yard.watch(lambda sample: sample.site_w <= met_w, "the order is met", MET_S)
    assert until(lambda: yard.binding() == "order:grid-authority/curtail-1", "the order binds")
    assert all(sample.site_w <= met_w for sample in yard.watch_for(3.0))

    again = yard.order("curtail-1", limit_w).body
    assert again | {"head": None} == answer | {"head": None}
    other = yard.ask("/api/v1/orders", {"id": "curtail-1", "limit_w": limit_w + 1})
    assert (other.code, [order["id"] for order in yard.orders()].count("curtail-1")) == (409, 1)
    assert yard.status()["orders_in_force"] == ["grid-authority/curtail-1"]

    assert yard.release("curtail-1").body["outcome"] == "released"
    assert yard.release("curtail-1").body["outcome"] == "released"
    yard.full_power()
    assert yard.binding() == "contract"
    over = yard.ask("/api/v1/orders", {"id": "curtail-1", "limit_w": limit_w})
    assert (over.code, over.body["error"]["order"]["state"]) == (409, "ended"), "it is over, and does not begin again"
    assert {("http", "order_conflict"), ("http", "order_ended")} <= yard.counted("surplusd_refused_total")
    assert ("http", "order_ended_before") in yard.counted("surplusd_answered_total")
    assert yard.status()["orders_in_force"] == []


@pytest.mark.slow
def test_a_reduction_is_counted_from_the_power_at_its_acceptance(yard: Yard) -> None:
    yard.calm(drawing=True)
    metered_w = yard.status()["site_w"]
    answer = yard.ask("/api/v1/orders", {"id": "reduce-1", "reduce_by_w": 15e3})
    assert answer.body["limit_w"] == pytest.approx(metered_w - 15e3, rel=0.05)
    yard.watch(lambda sample: sample.site_w <= answer.body["limit_w"] + 0.05 * 15e3, "the order is met", MET_S)


BAD_ORDERS = {
    "negative": {"id": "bad", "limit_w": -1.0},
    "not a number": {"id": "bad", "limit_w": math.nan},
    "infinite": {"id": "bad", "limit_w": math.inf},
    "absurd": {"id": "bad", "limit_w": 1e9},
    "a text": {"id": "bad", "limit_w": "30000"},
    "nothing to keep": {"id": "bad"},
    "both": {"id": "bad", "limit_w": 1e3, "reduce_by_w": 1e3},
    "an unknown node": {"id": "bad", "limit_w": 1e3, "node": "nowhere"},
    "an unknown key": {"id": "bad", "limit_w": 1e3, "urgent": True},
    "no id": {"limit_w": 1e3},
    "an end before the start": {
        "id": "bad", "limit_w": 1e3, "starts_at": "2030-01-02T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z",
    },
}  # fmt: skip


def test_a_bad_order_or_a_bad_token_is_refused_with_the_reason_and_changes_nothing(yard: Yard) -> None:
    before, known = yard.calm(), yard.orders()
    good = {"id": "bad", "limit_w": 1e3}
    assert yard.ask("/api/v1/orders", good, role=None).code == 401
    assert yard.ask("/api/v1/status", role=None).code == 401
    assert yard.ask("/api/v1/orders", good, role="viewer").code == 403
    assert yard.ask("/api/v1/orders/curtail-1/release", {}, role="viewer").code == 403
    assert yard.ask("/api/v1/orders/curtail-1/release", {}, role="operator").code in {403, 404}, "it is not theirs"
    for what, order in BAD_ORDERS.items():
        answer = yard.ask("/api/v1/orders", raw=json.dumps(order).encode())
        assert answer.code == 422, what
        assert any(answer.body.values()), what
    for body in (b"{", b"[]", b"\xff\xfe", b""):
        assert yard.ask("/api/v1/orders", raw=body).code == 422, body
    assert yard.ask("/api/v1/orders/nobody/release", {}).code == 404
    assert yard.orders() == known
    samples = yard.watch_for(1.0)
    assert all(sample.applied_w == before.applied_w for sample in samples)
    assert yard.mode() == "normal"
