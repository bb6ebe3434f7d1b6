"""What is learnt from meters that lie for a while is forgotten: the site stays inside its contract."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.modes import Mode
from tests.controller.core.poisoned import (
    CONTRACT_W,
    HONEST,
    HOUSE_W,
    LIES,
    NODES,
    SEEN,
    TOLERANCE,
    Case,
    above_contract_s,
    metered_site,
    play,
)
from tests.controller.core.world import order, settled
from tests.examples import examples


def test_the_jobs_of_an_honest_site_use_all_that_the_contract_leaves():
    """Else the tests below would prove nothing."""
    world = play(HONEST)
    assert world.site_w > 157e3
    assert above_contract_s(world) == 0.0


def test_meters_that_show_a_third_for_a_while_leave_no_house_load_behind_that_is_too_small():
    world = play(SEEN)
    assert Mode.HOLD in {decision.mode for *_, decision in world.history}
    assert min(decision.house_w[0] for *_, decision in world.history[120:]) >= HOUSE_W
    assert above_contract_s(world) == 0.0


@pytest.mark.parametrize("lie", ["5 kW less", "a third"])
def test_two_minutes_of_a_lie_that_nobody_can_notice_leave_nothing_behind(lie):
    """The transformer's meter and the site's lie together, or by too little to be found out."""
    world = play(replace(SEEN, lie=lie, lasts_s=120.0, uses=((130.0, 0.7), (200.0, 0.7), (60.0, 1.0))))
    assert above_contract_s(world) == 0.0


USES = st.lists(st.tuples(st.floats(5.0, 90.0), st.floats(0.6, 1.0)), min_size=1, max_size=3)
CASES = st.builds(
    Case,
    node=st.sampled_from(NODES),
    lie=st.sampled_from(sorted(LIES)),
    lasts_s=st.floats(5.0, 120.0),
    # Whatever the jobs do, they end at all that they may draw, before and after it has been learnt anew.
    uses=USES.map(lambda uses: (*uses, (40.0, 1.0), (60.0, 0.65), (180.0, 0.65), (30.0, 1.0))),
    use_before=st.floats(0.6, 1.0),
    rests_s=st.floats(30.0, 240.0),
    seed=st.integers(0, 2**32 - 1),
)


@given(CASES)
@settings(max_examples=examples(6))
def test_i1_no_lie_of_two_minutes_lifts_the_site_above_its_contract(case):
    """At any node, whether or not it is noticed, whatever the jobs do: not for a second."""
    assert above_contract_s(play(case)) == 0.0


@pytest.mark.parametrize("lie", sorted(LIES))
def test_a_daemon_that_starts_anew_while_both_meters_lie_goes_by_the_house_that_it_knew(lie):
    """Under an order of next to nothing everything is off, so that a wrong reading looks like a small house."""
    world = settled(60, metered_site(), surplus_w=300e3, tick_s=0.5, house_w=HOUSE_W, gpu_use=0.5)
    world.orders = (order(1e3, world),)
    known_w = world.run(20).house_w
    world.shown_as = {name: LIES[lie]() for name in ("main", "check")}
    world.run(2)
    world.reboot(house_w=known_w)
    world.run(23)
    world.orders = ()
    world.run(3)
    world.shown_as = {}
    world.run(92)
    world.gpu_use = 1.0
    most_w = 0.0
    for _ in range(80):
        world.cycle()
        most_w = max(most_w, world.site_w)
    assert most_w <= CONTRACT_W * (1.0 + TOLERANCE)
