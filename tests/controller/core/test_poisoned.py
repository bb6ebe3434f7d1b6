"""What is learnt from meters that lie for a while is forgotten: the site stays inside its contract."""

from dataclasses import replace

import numpy as np
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
from tests.controller.core.world import World, order, settled, with_rules
from tests.controller.core.world import site as paired_site
from tests.examples import examples


def test_the_jobs_of_an_honest_site_use_all_that_the_contract_leaves():
    """Else the tests below would prove nothing."""
    world = play(HONEST)
    assert world.site_w > 157e3
    assert above_contract_s(world) == 0.0


def test_meters_that_show_a_third_for_a_while_leave_no_house_load_behind_that_is_too_small():
    world = play(SEEN)
    assert Mode.HOLD in {decision.mode for *_, decision in world.history}
    assert min(decision.house_w[0] for *_, decision in world.history[60:]) >= HOUSE_W
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
    tick_s=st.sampled_from([1.0, 0.5]),
)


@given(CASES)
@settings(max_examples=examples(3, times=40))
def test_i1_no_lie_of_two_minutes_lifts_the_site_above_its_contract(case):
    """At any node, whether or not it is noticed, whatever the jobs do: not for a second."""
    assert above_contract_s(play(case)) == 0.0


class _Unmeasured(World):
    """A site whose devices do not measure what they draw, so that no report speaks against a meter."""

    def _told_w(self):
        return np.full(len(self.site.devices.ids), np.nan)


@pytest.mark.parametrize("lie", ["frozen", "a third"])
def test_meters_of_a_node_that_are_wrong_alike_and_blame_the_devices_for_a_step_teach_no_smaller_house(lie):
    """Behind one gateway both stand still: they agree on what is missing, and neither has followed a step since."""
    built = paired_site(with_rules(contract_w=CONTRACT_W))
    built = replace(built, tree=replace(built.tree, house_w=np.array([10e3, 0.0, 0.0, 0.0])))
    world = _Unmeasured(built, surplus_w=40e3, tick_s=1.0, house_w=HOUSE_W)
    world.run(200.0)
    shown = LIES[lie]()
    world.shown_as, world.surplus_w = dict.fromkeys(built.meters.ids, shown), 300e3
    world.run(400.0)
    assert max(decision.planned_w[0] for *_, decision in world.history) > 120e3, "the fleet has made a step"
    assert min(decision.house_w[0] for *_, decision in world.history) >= HOUSE_W
    assert above_contract_s(world) == 0.0


def test_meters_that_are_wrong_alike_and_found_out_by_nothing_lift_the_site_by_no_more_than_house_and_tolerance():
    """Both show a third too little. Devices measure nothing, so they may as well draw that much less than they are set to."""
    built = paired_site(with_rules(contract_w=CONTRACT_W))
    built = replace(built, tree=replace(built.tree, house_w=np.array([10e3, 0.0, 0.0, 0.0])))
    too_much = np.full(len(built.devices.ids), 1.05)
    world = _Unmeasured(built, surplus_w=40e3, tick_s=1.0, house_w=HOUSE_W, bias=too_much, gpu_use=1.0)
    world.run(100.0)
    world.shown_as = dict.fromkeys(built.meters.ids, lambda power_w: 0.66 * power_w)
    for surplus_w in (300e3, 80e3, 300e3):
        world.surplus_w = surplus_w
        world.run(150.0)
    most_w = max(site_w for _, site_w, _, _ in world.history)
    assert most_w > CONTRACT_W, "else it would show nothing"
    assert most_w <= 1.05 * CONTRACT_W + HOUSE_W


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
