"""A node above what it may draw, as a table of ticks: when it is told, and when not."""

import numpy as np
import pytest

from controller.core.limits.envelope import Envelope, standing_limits
from controller.core.limits.orders import Compliance, OrderNow, kept
from controller.core.limits.overrun import allow, look, no_overrun, over_envelope, tolerance_w, unshown
from controller.core.trust.node_power import NodePower
from tests.controller.core.world import RULES, site

SITE = site(miners=1, stepped=0, gpus=0)
CEILING_W = standing_limits(SITE).limit_w
#: Nothing is told before this, and everything that is to be told four ticks later.
SPAN_S = RULES.settle_s + RULES.skew_s
TOLD_S = SPAN_S + 2.0


def power(watts: float | None) -> NodePower:
    known = np.array([watts is not None, False, False, False])
    return NodePower(watts=np.array([watts or 0.0, 0.0, 0.0, 0.0]), known=known, taken_s=np.zeros(4))


def bounds(limit_w: float, *, infeasible=False) -> Envelope:
    limits_w = np.array([limit_w, np.inf, np.inf, np.inf])
    return Envelope(
        limit_w=limits_w,
        binding=("x",) * 4,
        floor_w=np.zeros(4),
        achievable_w=np.zeros(4),
        infeasible=np.array([infeasible, False, False, False]),
    )


def told(ticks, floor_w=0.0) -> list[float]:
    """Play ticks of (seconds, limit, watts) and return the times at which the node is told to be above."""
    overrun, now_s, found = no_overrun(SITE), 0.0, []
    for seconds, limit_w, watts in ticks:
        for _ in range(round(seconds / 0.5)):
            now_s += 0.5
            overrun = look(overrun, power(watts), now_s)
            if doubts := over_envelope(overrun, SITE, power(watts), now_s).doubts:
                assert [reason.subject for reason in doubts] == ["pcc"]
                found.append(now_s)
            overrun = allow(overrun, SITE, bounds(limit_w), np.array([floor_w, 0.0, 0.0, 0.0]), CEILING_W, now_s)
    return found


ABOVE = (60, 50e3, 80e3)


@pytest.mark.parametrize(
    ("why", "ticks", "floor_w"),
    [
        ("inside", [(60, 50e3, 50e3)], 0.0),
        ("within the tolerance: the class of the meters, which is more than 1 %", [(60, 50e3, 51.4e3)], 0.0),
        ("down in time", [(20, 90e3, 80e3), (15, 50e3, 80e3), (60, 50e3, 50e3)], 0.0),
        (
            "on the way down with a limit that falls for long",
            [(1, 90e3 - k * 1e3, 95e3 - k * 1e3) for k in range(60)],
            0.0,
        ),
        ("at its floor", [ABOVE], 80e3),
        ("not seen", [(60, 50e3, None)], 0.0),
        ("never above for long enough", [(15, 50e3, 80e3), (1, 50e3, 50e3)] * 4, 0.0),
    ],
)
def test_what_is_not_told(why, ticks, floor_w):
    assert told(ticks, floor_w) == [], why


@pytest.mark.parametrize(
    ("why", "ticks"),
    [
        ("a limit that comes and is not followed", [(30, 90e3, 80e3), (60, 50e3, 80e3)]),
        ("power that rises under a limit that stays", [(30, 50e3, 40e3), (60, 50e3, 80e3)]),
        ("a little more than the tolerance", [(30, 90e3, 51e3), (60, 50e3, 51.6e3)]),
        ("seen with a gap", [(30, 90e3, 80e3), (8, 50e3, 80e3), (2, 50e3, None), (50, 50e3, 80e3)]),
    ],
)
def test_what_is_told_after_the_settle_time_and_until_it_is_over(why, ticks):
    for before_s in np.arange(0.0, 3.0, 0.5):
        found = told([(before_s, *ticks[0][1:]), *ticks, (30, 90e3, 80e3)])
        assert before_s + 30 + SPAN_S <= found[0] <= before_s + 30 + TOLD_S, why
        assert found[-1] == pytest.approx(before_s + 90.0, abs=1.0), why


@pytest.mark.parametrize("unseen_s", [0.0, 20.0])
def test_what_the_first_look_finds_above_its_rating_is_told_at_once_and_until_it_is_over(unseen_s):
    """For how long it has been nobody knows; and no limit that was there before was higher."""
    found = told([(unseen_s, 90e3, None), (5, 90e3, 230e3), (60, 90e3, 80e3)])
    assert found == [unseen_s + 0.5 * (k + 1) for k in range(10)]


@pytest.mark.parametrize(
    ("why", "ticks"),
    [
        ("above what it may now, and not above its rating", [(15, 90e3, 180e3), (30, 90e3, 80e3)]),
        ("within the tolerance", [(15, 90e3, 201.9e3), (30, 90e3, 80e3)]),
        ("found inside at first", [(0.5, 90e3, 80e3), (15, 90e3, 230e3), (30, 90e3, 80e3)]),
    ],
)
def test_what_a_start_has_time_to_bring_down(why, ticks):
    assert told(ticks) == [], why


def test_a_node_that_cannot_be_brought_down_is_shown_inside_by_a_meter_alone():
    overrun = allow(no_overrun(SITE), SITE, bounds(50e3, infeasible=True), np.zeros(4), CEILING_W, 1.0)
    for watts, hidden in ((40e3, False), (80e3, True), (None, True)):
        assert unshown(look(overrun, power(watts), 2.0), power(watts)).tolist() == [hidden, False, False, False]
    overrun = allow(overrun, SITE, bounds(50e3), np.zeros(4), CEILING_W, 3.0)
    assert not unshown(look(overrun, power(80e3), 4.0), power(80e3)).any()


@pytest.mark.parametrize(
    ("power_w", "limit_w", "floor_w", "compliance"),
    [
        (50e3, 50e3, 0.0, Compliance.MET),
        (51.5e3, 50e3, 0.0, Compliance.MET),
        (51.6e3, 50e3, 0.0, Compliance.NOT_MET),
        (51.6e3, 50e3, 50.1e3, Compliance.PARTIAL),
        (80e3, 50e3, 60e3, Compliance.NOT_MET),
        (None, 50e3, 60e3, Compliance.UNSEEN),
    ],
)
def test_whether_an_order_is_kept(power_w, limit_w, floor_w, compliance):
    assert kept(power_w, limit_w, floor_w, tolerance_w(no_overrun(SITE), 0, limit_w)) is compliance


@pytest.mark.parametrize(
    ("power_w", "compliance", "shortfall_w"),
    [(50.5e3, Compliance.MET, 0.0), (80e3, Compliance.NOT_MET, 30e3), (None, Compliance.UNSEEN, None)],
)
def test_what_is_missing_to_an_order(power_w, compliance, shortfall_w):
    now = OrderNow(
        id="o",
        node=0,
        limit_w=50e3,
        power_w=power_w,
        achievable_w=0.0,
        final_w=50e3,
        since_s=900.0,
        compliance=compliance,
        revision=1,
    )
    assert now.shortfall_w == shortfall_w
