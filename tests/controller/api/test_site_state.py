"""The state of a site in one word: the worst that holds."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.api.site_state import SiteState, site_state, state_since_s
from controller.core.limits.orders import Compliance, OrderNow
from controller.core.modes import Mode
from controller.core.reasons import Code, Reason
from controller.daemon.holding import Holding
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


NOTED = Reason(Code.VALUE_NOTED, "main", {"quantity": "active_power_w", "note": "forced"})


def held_by(decision, *apart, changed_at_s):
    """Since 10 s there was a note and nothing else; at `changed_at_s` came what the decision says, and two seconds later once more."""
    holding = Holding()
    holding.observe(replace(make_decision(), at_s=10.0), (NOTED,), 0.0)
    for at_s in (changed_at_s, changed_at_s + 2.0):
        holding.observe(replace(decision, at_s=at_s), (NOTED, *apart), 0.0)
    return holding.held


@pytest.mark.parametrize(
    ("state", "changed", "apart", "since_s"),
    [
        ("normal", {}, (), 10.0),
        ("hold", {"mode": Mode.HOLD, "reasons": (SILENT,)}, (), 50.0),
        ("failsafe", {"mode": Mode.FAILSAFE, "reasons": (LOST,)}, (), 50.0),
        ("over", {"mode": Mode.NORMAL, "warnings": (OVER,)}, (), 50.0),
        ("warned", {}, (SILENT,), 50.0),
        ("warned", {}, (), None),
        ("not_met", {"orders": (replace(order(Compliance.NOT_MET), since_s=44.0), order(Compliance.MET))}, (), 44.0),
        ("unseen", {"orders": (replace(order(Compliance.UNSEEN), since_s=45.0), order(Compliance.NOT_MET))}, (), 45.0),
        ("unknown", {}, (), None),
    ],
)  # fmt: skip
def test_a_state_holds_since_that_holds_which_makes_it(state, changed, apart, since_s):
    decision = replace(make_decision(), **changed)
    assert state_since_s(SiteState(state), decision, held_by(decision, *apart, changed_at_s=50.0)) == since_s


def test_before_the_first_tick_no_state_has_a_beginning():
    assert state_since_s(SiteState.INIT, None, None) is None
