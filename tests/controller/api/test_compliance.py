"""How orders are kept, and what stands in the way, over real sockets; of a tick that hangs nothing is shown as of now."""

from dataclasses import replace

import numpy as np

from controller.core.limits.demand import DemandNow, DemandUse
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.daemon.service import Health
from tests.controller.north import make_decision

ORDER = {"id": "o-1", "limit_w": 40e3}
SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})


def test_an_order_tells_how_it_is_kept_now_and_what_stands_in_the_way(running):
    now = OrderNow(
        id="authority/o-1",
        node=0,
        limit_w=40e3,
        power_w=80e3,
        achievable_w=75e3,
        final_w=50e3,
        since_s=900.0,
        compliance=Compliance.NOT_MET,
        revision=1,
    )
    silent = replace(
        running.world.decision,
        achievable_w=np.array([75e3, 9e3]),
        warnings=(SILENT,),
        orders=(now,),
        orders_in_force=("authority/o-1",),
    )
    running.world.decision = silent
    words = "agent hall-a has been silent for 8 s: its 2 devices may be drawing 7.0 kW"
    with running.client() as http:
        answer = http.post("/api/v1/orders", json=ORDER).json()
        assert (answer["outcome"], answer["achievable_w"]) == ("partial", 75e3)
        assert answer["why"] == f"pcc cannot be brought below 75.0 kW now; {words}"
        assert [reason["code"] for reason in answer["reasons"]] == ["order_unreachable", "agent_silent"]
        (listed,) = http.get("/api/v1/orders").json()["orders"]
        figures = {"compliance": "not_met", "shortfall_w": 40e3, "achievable_w": 75e3, "in_the_way": words}
        assert {name: listed[name] for name in figures} == figures
        assert [(reason["code"], reason["subject"]) for reason in listed["reasons"]] == [("agent_silent", "hall-a")]
        status = http.get("/api/v1/status").json()
        assert status["warning"] == words
        assert [(each["code"], each["subject"]) for each in status["warnings"]] == [("agent_silent", "hall-a")]
        assert (status["orders"][0]["compliance"], status["orders"][0]["shortfall_w"]) == ("not_met", 40e3)
        assert status["nodes"]["pcc"]["achievable_w"] == 75e3
        # When the agent is back, the same order sent again is answered by what is known then.
        running.world.decision = make_decision()
        again = http.post("/api/v1/orders", json=ORDER).json()
        assert (again["outcome"], again["achievable_w"], again["why"]) == ("accepted", 2100, "")
        (listed,) = http.get("/api/v1/orders").json()["orders"]
        assert (listed["compliance"], listed["in_the_way"]) == (None, None)


def test_the_demand_that_is_billed_is_shown_with_what_it_costs(running):
    use = DemandUse(begins_utc_s=1.7e9, at_utc_s=1.7e9 + 600.0, used_ws=3.6e8, guessed_ws=3.6e6)
    demand = DemandNow(use=use, limit_w=1e6, cap_w=8e5, ends_in_s=1200.0, sure=False, held_back_w=1e5, cost_per_h=7.5)
    running.world.decision = replace(make_decision(), demand=demand)
    with running.client() as http:
        assert http.get("/api/v1/status").json()["demand"] == {
            "begins_at": "2023-11-14T22:13:20Z", "ends_in_s": 1200.0, "used_wh": 1e5, "guessed_wh": 1e3, "limit_w": 1e6,
            "cap_w": 8e5, "held_back_w": 1e5, "cost_per_h": 7.5, "clock_trusted": False,
        }  # fmt: skip
        running.world.decision = make_decision()
        assert http.get("/api/v1/status").json()["demand"] is None


def test_of_a_tick_that_hangs_no_figure_is_shown_as_of_now(running):
    running.world.health = Health(ok=False, tick_age_s=12.0)
    with running.client() as http:
        status = http.get("/api/v1/status").json()
    assert status["reason"] == "the newest decision is 12 s old: nothing is known of now"
    assert [status[name] for name in ("site_w", "surplus_w", "value_per_h", "bound_per_h", "demand")] == [None] * 5
    assert (status["nodes"], status["orders"], status["tick"]) == ({}, [], 7)
