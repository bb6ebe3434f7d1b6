"""The core and the followers of real agents together: what does not come up, or rests, holds back no power that others can use."""

from __future__ import annotations

import numpy as np
import pytest

from controller.core.reasons import Code
from controller.core.snapshot import Followed
from drivers.fleet.agent.ladder import REST_S
from simulators.world.vices import Vice
from tests.controller.core.followed import FollowedWorld, few_devices
from tests.controller.core.world import order

#: The most valuable devices: they are asked first.
GPUS = ["gpu-001", "gpu-002"]
MINERS = [f"s21-a-{k:03d}" for k in range(1, 9)]


def others_w(world, names=GPUS):
    """Return what the devices that are not named are set to."""
    rest = np.array([id_ not in names for id_ in world.site.devices.ids])
    return float(world.state.leases.setpoint_w[rest].sum())


@pytest.fixture(scope="module")
def well_w():
    """Return what the others are set to after 14 s where every device comes up."""
    world = FollowedWorld(few_devices(10e3), surplus_w=3e6)
    world.run(14)
    return others_w(world)


@pytest.mark.parametrize("vice", [Vice.REFUSES, Vice.DEAF], ids=str)
def test_what_does_not_come_up_takes_the_ramp_of_the_others_no_longer_than_it_takes_to_be_seen(vice, well_w):
    """What its agent says of a command under way is no rise, however often it says so."""
    world = FollowedWorld(few_devices(10e3), surplus_w=3e6)
    world.give(vice, GPUS)
    world.run(14)
    assert others_w(world) > 0.75 * well_w
    assert world.violations() == []


def test_what_had_to_be_brought_down_is_asked_for_nothing_while_it_rests_and_comes_back_as_soon_as_it_has():
    bad = GPUS + MINERS
    world = FollowedWorld(few_devices(20e3), surplus_w=3e6, relays=True)
    mine = np.isin(world.site.devices.ids, bad)
    world.run(12)
    before_w = others_w(world, bad)
    world.give(Vice.IGNORES_LOWERING, bad)
    world.orders = (order(50e3, world, begun=True),)
    world.until(lambda _: np.count_nonzero(world.follow == Followed.STOPPED) == len(bad), 25)
    world.orders = ()
    world.give(Vice.IGNORES_LOWERING, bad, on=False)
    world.run(8)
    assert others_w(world, bad) > 0.75 * before_w, "all but those that have to stay off for their least time"
    for _ in range(round(40 / world.tick_s)):
        decision = world.cycle()
        assert world.rests[mine].all()
        assert decision.warnings == ()
        assert (decision.setpoint_w <= world.site.devices.off_w)[mine].all()
    world.until(lambda _: not world.rests.any(), REST_S)
    world.until(lambda _: (world.draw_w > 0.5 * world.tables.on_w)[mine].all(), 60)
    assert world.violations() == []


def test_a_fleet_that_refuses_every_raise_is_named_whole_with_its_watts_though_most_of_it_is_asked_last():
    """What was told to start and did not is not kept from being asked again by the minimum time of a start."""
    world = FollowedWorld(few_devices(10e3), surplus_w=3e6)
    world.give(Vice.REFUSES, list(world.site.devices.ids))
    decision = world.run(80)
    assert {warning.code for warning in decision.warnings} == {Code.DEVICE_RELUCTANT}
    counted = {warning.subject: int(warning.parameters["count"]) for warning in decision.warnings}
    agents, devices = world.site.agents, world.site.devices
    assert counted == {agent: int(np.count_nonzero(devices.agent == a)) for a, agent in enumerate(agents)}
    missing_w = {warning.subject: float(warning.parameters["missing_w"]) for warning in decision.warnings}
    for a, agent in enumerate(agents):
        mine = devices.agent == a
        assert missing_w[agent] >= float((world.tables.on_w - devices.off_w)[mine].sum()) - 1.0
