"""What the world says of the demos. The module is named to be among the last: the demos have run meanwhile."""

from __future__ import annotations

import re

import pytest

from tests.e2e.demos import LIANDER, Demos

#: Alone, this module waits for all the demos itself.
pytestmark = pytest.mark.timeout(300)


def test_the_site_follows_surplus_and_order_without_a_second_of_violation(demos: Demos) -> None:
    demo = demos["whole"]
    status, outcome = demo.ended(), demo.outcome()
    referee = outcome.referee
    assert (status, outcome.passed, referee.reasons) == (0, True, ()), demo.text()
    assert referee.seconds >= 75.0
    assert referee.violation_s == 0.0
    assert set(referee.node_violation_s.values()) == {0.0}
    assert referee.utilisation is not None
    assert referee.utilisation >= 0.9
    (order,) = referee.orders
    assert order.limit_w == pytest.approx(order.before_w / 2, rel=0.05)
    assert order.binding_s >= 30.0
    assert order.response_s is not None
    assert order.response_s <= 12.0
    assert outcome.daemon.mode == "normal"
    assert outcome.daemon.site_w == pytest.approx(outcome.site_w, rel=0.2)
    assert outcome.events == ()
    assert len(re.findall(r"^open http://127\.0\.0\.1:\d+/metrics", demo.text(), re.MULTILINE)) == 1


@pytest.mark.skipif(not LIANDER.exists(), reason=f"no recordings at {LIANDER}")
def test_a_recorded_surplus_is_followed_as_well(demos: Demos) -> None:
    demo = demos["recorded"]
    status, outcome = demo.ended(), demo.outcome()
    assert (status, outcome.passed, outcome.referee.reasons) == (0, True, ()), demo.text()
    assert outcome.surplus.startswith("WWF.csv -total_substation from 2021-")


def test_the_small_site_passes_with_its_right_profiles(demos: Demos) -> None:
    assert demos["none"].ended() == 0, demos["none"].text()
    assert demos["none"].outcome().passed


@pytest.mark.parametrize("spoil", ["main:times1000", "both:by1000", "both:flipped"])
def test_a_profile_that_is_wrong_makes_it_fail(demos: Demos, spoil: str) -> None:
    """The daemon does not believe such a meter: it takes hardly anything, and nothing beyond the envelope."""
    demo = demos[spoil]
    status, outcome = demo.ended(), demo.outcome()
    assert status == 1, demo.text()
    assert not outcome.passed
    assert re.fullmatch("utilisation is .*, at least 90% is wanted", "\n".join(outcome.referee.reasons))
    assert outcome.daemon.mode != "normal"
