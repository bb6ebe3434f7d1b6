"""What stands in the way of orders, and that hundreds of orders cost no more than one."""

from __future__ import annotations

from dataclasses import replace

from controller.core.limits.orders import Compliance, OrderNow
from controller.core.reasons import Code, Reason
from controller.daemon.orders import causes
from controller.daemon.orders.causes import Causes
from tests.controller.north import make_decision, make_site

SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
UNSEEN = Reason(Code.NODE_UNSEEN, "feeder", {})
LOCKED = Reason(Code.LOCKED, "pcc", {"by": "Ali"})


def order(node: int, compliance: Compliance = Compliance.NOT_MET, limit_w: float = 40e3) -> OrderNow:
    return OrderNow(
        id="grid/o-1", node=node, limit_w=limit_w, final_w=limit_w, since_s=900.0, power_w=80e3, achievable_w=2e3,
        compliance=compliance, revision=1,
    )  # fmt: skip


def test_it_is_what_is_said_of_what_is_below_and_the_floor():
    found, decision = Causes(make_site()), replace(make_decision(), warnings=(SILENT, UNSEEN, LOCKED))
    assert found.of(order(0), decision) == (SILENT, UNSEEN)
    assert found.of(order(0, limit_w=100.0), decision)[0].code is Code.ORDER_UNDER_FLOOR
    assert found.of(order(0, Compliance.MET), decision) == ()


def test_other_warnings_are_other_causes():
    found, before = Causes(make_site()), (SILENT,)
    assert found.in_the_way(0, before) == (SILENT,)
    assert found.in_the_way(0, ()) == ()
    assert found.in_the_way(0, before) == (SILENT,)


def test_what_is_below_a_node_is_worked_out_once_for_all_orders(monkeypatch):
    worked, real = [], causes.nodes_below
    monkeypatch.setattr(causes, "nodes_below", lambda *of: worked.append(of) or real(*of))
    found = Causes(make_site())
    for k in range(500):
        decision = replace(make_decision(), warnings=(SILENT,))
        assert found.of(order(k % 2), decision)
    assert len(worked) == 2
