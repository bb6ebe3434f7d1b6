"""The state of a site in one word: the worst that holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.api.site_state import SiteState, site_state
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from tests.controller.north import make_decision

OVER = Reason(Code.OVER_ENVELOPE, "pcc", {"since_s": 20.0, "over_w": 1e3})
SILENT = Reason(Code.AGENT_SILENT, "hall-a", {"since_s": 8.0, "count": 2, "most_w": 7e3})
STOPPED = Reason(Code.SITE_STOPPED, "pcc", {"by": "ops", "why": "drill"})
LOST = Reason(Code.LINK_LOST, "pcc")


def order(compliance: Compliance) -> OrderNow:
    return OrderNow(
        id="grid/o1", node=0, limit_w=1e3, final_w=1e3, since_s=0.0, power_w=2e3, achievable_w=1e3, compliance=compliance, revision=1
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "findings", "state"),
    [
        ({}, False, "normal"),
        ({}, True, "warned"),
        ({"warnings": (SILENT,)}, False, "warned"),
        ({"orders": (order(Compliance.MET),)}, False, "normal"),
        ({"orders": (order(Compliance.UNSEEN),)}, False, "unseen"),
        ({"orders": (order(Compliance.PARTIAL),)}, True, "unseen"),
        ({"mode": Mode.HOLD, "reasons": (SILENT,), "warnings": (SILENT,)}, False, "hold"),
        ({"mode": Mode.INIT}, False, "init"),
        ({"mode": Mode.FAILSAFE, "reasons": (STOPPED,)}, True, "stopped"),
        ({"mode": Mode.FAILSAFE, "reasons": (STOPPED, LOST)}, False, "failsafe"),
        ({"mode": Mode.HOLD, "orders": (order(Compliance.NOT_MET),)}, False, "not_met"),
        ({"mode": Mode.FAILSAFE, "reasons": (LOST,), "orders": (order(Compliance.NOT_MET),)}, False, "failsafe"),
        ({"mode": Mode.FAILSAFE, "reasons": (LOST,), "warnings": (OVER,)}, False, "over"),
    ],
)
def test_the_worst_that_holds_is_the_state(changed, findings, state):
    assert site_state(replace(make_decision(), **changed), findings=findings) == state


def test_without_a_tick_that_is_new_enough_nothing_is_known():
    assert site_state(None, findings=False) is SiteState.UNKNOWN
