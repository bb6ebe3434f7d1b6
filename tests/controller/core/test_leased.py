"""Real leases, followers and physics under the core: what holds whatever gets lost, starts anew or defies."""

from __future__ import annotations

from functools import partial

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulators.world.vices import Vice
from tests.controller.core.followed import few_devices
from tests.controller.core.leased import LeasedWorld
from tests.examples import examples

RUNS_S, QUIET_S = 120.0, 60.0


def meter_may_err_w(world: LeasedWorld) -> float:
    meters = world.site.meters
    return float(np.max(meters.accuracy * meters.rating_w, where=meters.node == 0, initial=0.0))


def play(world: LeasedWorld, events) -> None:
    """Let time pass with what happens in it, and hold what each agent has granted to the statements that reached it (I5)."""
    waiting = sorted(events, key=lambda event: event[0])
    begun_s = world.now_s
    while world.now_s < begun_s + RUNS_S:
        while waiting and world.now_s >= begun_s + waiting[0][0]:
            waiting.pop(0)[1](world)
        world.cycle()
        for agent in world.agents:
            for k, watts in zip(agent.mine.tolist(), agent.holder.setpoints_w, strict=True):
                assert watts <= world.site.devices.max_w[k]
                over = world.now_s >= max(agent.end_s, agent.dead_until_s) + world.tick_s
                assert not over or watts <= world.site.devices.failsafe_w[k], "a setpoint outlives its lease"


def above_w(world: LeasedWorld, since_s: float, within_s: float) -> float:
    """Return by how much the site was above the most of its limits within so many seconds before, at the worst (I1)."""
    floor_w, class_w, worst_w = world.house_w + world.site.devices.off_w.sum(), meter_may_err_w(world), -np.inf
    limits = [(entry[0], max(world._true_limit(entry), floor_w)) for entry in world.history]
    for now_s, site_w, *_ in world.history:
        if now_s >= since_s:
            most_w = max(limit for at_s, limit in limits if now_s - within_s <= at_s <= now_s)
            worst_w = max(worst_w, site_w - most_w - max(0.01 * most_w, class_w))
    return worst_w


def surplus(watts: float, world: LeasedWorld) -> None:
    world.surplus_w = watts


def vice(which: Vice, first: int, world: LeasedWorld) -> None:
    ids = world.site.devices.ids
    world.give(which, [ids[(first + 7 * k) % len(ids)] for k in range(8)])


def of_agent(what: str, a: int, seconds: float, world: LeasedWorld) -> None:
    getattr(world, what)(a % len(world.agents), seconds)


MOMENTS = st.floats(0.0, RUNS_S - QUIET_S)
EVENTS = st.lists(
    st.one_of(
        st.tuples(MOMENTS, st.builds(partial, st.just(surplus), st.floats(0.0, 150e3))),
        st.tuples(MOMENTS, st.builds(partial, st.just(vice), st.sampled_from(Vice), st.integers(0, 49))),
        st.tuples(
            MOMENTS,
            st.builds(
                partial, st.just(of_agent), st.sampled_from(["cut", "restart"]), st.integers(0, 9), st.floats(0.5, 80.0)
            ),
        ),
    ),
    min_size=2,
    max_size=8,
)


@given(events=EVENTS, loses=st.sampled_from([0.0, 0.1, 0.5]))
@example(
    events=[*((10.0, partial(of_agent, "cut", a, 80.0)) for a in range(6)), (11.0, partial(surplus, 0.0))], loses=0.0
)
@example(events=[(10.0, partial(of_agent, "restart", 1, 3.0)), (11.0, partial(surplus, 5e3))], loses=0.1)
@settings(max_examples=examples(2, times=40))
def test_no_setpoint_outlives_its_lease_and_the_site_stays_inside(events, loses):
    """Every device can be cut off, so none draws on for longer than a lease, the settle time and its escalation."""
    world = LeasedWorld(few_devices(10e3), surplus_w=130e3, relays=True)
    world.run(30.0)
    world.loses, begun_s = loses, world.now_s
    play(world, events)
    rules, slowest_s = world.site.rules, float(world.site.devices.down_s.max())
    assert above_w(world, begun_s, rules.lease_s + rules.settle_s + 2.0 * slowest_s + 5.0) <= 0.0


def test_with_nothing_wrong_the_settle_time_is_enough():
    world = LeasedWorld(few_devices(10e3), surplus_w=130e3)
    world.run(30.0)
    begun_s = world.now_s
    play(world, [(10.0, partial(surplus, 10e3)), (60.0, partial(surplus, 120e3))])
    assert above_w(world, begun_s, world.site.rules.settle_s) <= 0.0
    assert world.site_w > 100e3, "and it comes up again"
