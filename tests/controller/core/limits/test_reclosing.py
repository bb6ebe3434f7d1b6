"""A node that was cut off comes back for a person, in order, and only as far as it is seen to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.contactors import Phase, Void, Wanted, no_trips
from controller.core.limits.reclosing import close_where_it_fits, with_reclosing
from controller.core.modes import Mode
from controller.core.reasons import Code
from controller.core.snapshot import Reset
from tests.controller.core.halls import (
    HALL,
    ROW,
    TRIP_S,
    ask,
    codes,
    hall_site,
    in_hall,
    nested_site,
    phase,
    running,
    tripped,
)
from tests.controller.core.limits.test_trip import looked_at
from tests.controller.core.world import World, order, settled


def test_a_reset_makes_room_closes_and_lets_the_devices_rise_from_failsafe():
    world = tripped(surplus_w=60e3)
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    hall = in_hall(world)
    world.run(60)
    others_w = world.draw_w[~hall].sum()
    ask(world)
    decision = world.cycle()
    assert phase(decision) is Phase.CLOSING
    assert decision.committed_w[HALL] >= world.site.devices.max_w[hall].sum(), "it may start at anything"
    world.until(lambda decision: decision.contactors[0].wanted is Wanted.CLOSE, world.site.rules.settle_s + 2)
    assert world.draw_w[~hall].sum() < others_w, "others have made room"
    assert np.all(world.history[-1][3].setpoint_w[hall] <= 25.0)
    world.until(lambda decision: phase(decision) is Phase.CLOSED, 40)
    assert world.resets == ()
    decision = world.run(60)
    assert decision.mode is Mode.NORMAL
    assert codes(decision) == set()
    assert world.draw_w[hall].sum() > 10e3


def test_where_there_is_room_already_it_is_closed_one_tick_after_the_reset():
    world = tripped(surplus_w=180e3)
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    world.run(60)
    ask(world)
    assert phase(world.cycle()) is Phase.CLOSING
    assert phase(world.cycle()) is Phase.RECLOSING
    decision = world.cycle()
    assert (phase(decision), decision.contactors[0].wanted) == (Phase.STARTING, Wanted.LEAVE), "it is seen to be closed"


def test_devices_that_start_at_their_most_are_inside_the_limits():
    world = tripped(surplus_w=60e3)
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    world.run(60)
    world.starts_full_s, begun_s = 6.0, world.now_s
    ask(world)
    world.run(90)
    assert world.violations(after_s=begun_s) == []
    assert phase(world.history[-1][3]) is Phase.CLOSED


def test_a_reset_while_the_cause_lasts_trips_anew():
    world = tripped()
    first = world.state.trips.contactors[0].trip.id
    world.run(20)
    world.starts_full_s = 1e9
    ask(world)
    world.until(lambda decision: phase(decision) is Phase.STARTING, 40)
    world.until(lambda decision: phase(decision) is Phase.TRIPPED, 60)
    assert world.state.trips.contactors[0].trip.id != first


def test_a_reset_in_doubt_is_void():
    world = tripped()
    world.run(20)
    world.silent = {"surplus"}
    world.run(8)
    assert world.state.mode.mode is Mode.HOLD
    ask(world)
    decision = world.cycle()
    assert (phase(decision), decision.contactors[0].reset) == (Phase.TRIPPED, "r1")
    assert (decision.contactors[0].proven, decision.contactors[0].void) == (True, Void.IN_DOUBT)
    world.silent = set()
    world.run(60)
    assert world.state.mode.mode is Mode.NORMAL
    assert world.open == {0}, "nobody who looks away finds it closed hours later"


def test_a_doubt_while_it_is_to_be_closed_makes_the_reset_void():
    world = tripped(surplus_w=60e3)
    world.run(30)
    ask(world)
    assert phase(world.cycle()) is Phase.CLOSING
    world.silent = {"of-yard"}
    decision = world.run(10)
    assert phase(decision) is Phase.TRIPPED
    assert decision.contactors[0].proven
    assert world.open == {0}


def reset(world):
    """Reset the hall, and return the decision that has it closed."""
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    world.run(40)
    ask(world)
    world.until(lambda decision: decision.contactors[0].wanted is Wanted.CLOSE, world.site.rules.settle_s + 2)
    return world.history[-1][3]


@pytest.mark.parametrize("reads_back", [True, False])
def test_a_contactor_that_is_not_seen_to_close_makes_the_reset_void_and_is_told_to_open_again(reads_back):
    """It is behind an agent that has fallen silent, say: it must not close when that is back hours later."""
    world = tripped(surplus_w=180e3)
    world.reads_back = reads_back
    trip = world.state.trips.contactors[0].trip
    world.run(30)
    world.fault = "agent hall-a is silent"
    assert reset(world).contactors[0].trip == trip, "the trip stands until it is closed"
    decision = world.run(world.site.rules.settle_s + 1)
    state = decision.contactors[0]
    assert (state.phase, state.trip, state.wanted, state.void) == (Phase.TRIPPED, trip, Wanted.OPEN, Void.NOT_SEEN)
    assert (Code.RESET_VOID, "hall") in codes(decision)
    assert decision.committed_w[HALL] >= world.site.devices.max_w[in_hall(world)].sum(), "it may have closed meanwhile"
    world.fault = ""
    world.run(120)
    assert world.open == {0}
    assert world.history[-1][3].contactors[0].proven
    ask(world, "r2")
    world.until(lambda decision: phase(decision) is Phase.STARTING, 2 * world.site.rules.settle_s)
    assert (Code.RESET_VOID, "hall") not in codes(world.history[-1][3])


def test_one_that_does_not_close_makes_the_reset_void():
    world = tripped(surplus_w=180e3)
    world.stuck = {0}
    reset(world)
    state = world.run(world.site.rules.settle_s + 1).contactors[0]
    assert (state.phase, state.void) == (Phase.TRIPPED, Void.NOT_SEEN)


def test_power_on_the_nodes_meter_shows_that_it_is_closed():
    world = tripped(surplus_w=180e3)
    world.starts_full_s = 20.0
    reset(world)
    world.fault = "10.0.0.9: no answer"
    world.until(lambda decision: phase(decision) is Phase.STARTING, 5)


def test_a_doubt_before_it_is_seen_to_be_closed_makes_the_reset_void():
    world = tripped(surplus_w=180e3)
    world.stuck = {0}
    reset(world)
    world.silent = {"surplus"}
    world.until(lambda decision: decision.mode is Mode.HOLD, 10)
    state = world.history[-1][3].contactors[0]
    assert (state.phase, state.void) == (Phase.TRIPPED, Void.IN_DOUBT)


def test_what_opens_again_once_it_was_closed_is_not_closed_again():
    """Its own protection has a reason, and so has a person."""
    world = tripped(surplus_w=180e3)
    reset(world)
    world.until(lambda decision: phase(decision) is Phase.STARTING, 5)
    world.open = {0}
    decision = world.run(40)
    assert world.open == {0}
    assert phase(decision) is Phase.CLOSED
    assert (Code.CONTACTOR_OPEN, "hall") in codes(decision)


def test_a_contactor_that_was_open_without_a_trip_is_left_alone_where_its_reset_is_void():
    world = running(surplus_w=180e3)
    world.open, world.stuck = {0}, {0}
    world.run(5)
    ask(world)
    world.until(lambda decision: decision.contactors[0].wanted is Wanted.CLOSE, world.site.rules.settle_s + 2)
    state = world.run(world.site.rules.settle_s + 1).contactors[0]
    assert (state.phase, state.wanted, state.void) == (Phase.CLOSED, Wanted.LEAVE, Void.NOT_SEEN)
    assert {Code.RESET_VOID, Code.CONTACTOR_OPEN} <= {code for code, _ in codes(world.history[-1][3])}


def void_and_unread():
    """Return a site whose hall was opened by hand, was not seen to close after a reset, and cannot be read any more."""
    world = running(surplus_w=180e3)
    world.open, world.stuck = {0}, {0}
    world.run(5)
    ask(world)
    world.until(lambda decision: decision.contactors[0].void is Void.NOT_SEEN, 2 * world.site.rules.settle_s + 5)
    world.fault = "10.0.0.9: no answer"
    assert (Code.RESET_VOID, "hall") in codes(world.run(10))
    return world


def test_a_void_reset_ends_with_power_on_the_nodes_meter_though_nobody_can_read_the_contactor():
    world = void_and_unread()
    world.open = set()
    world.until(lambda decision: (Code.RESET_VOID, "hall") not in codes(decision), 30)
    assert world.history[-1][3].contactors[0].void is None


def test_a_void_reset_of_one_that_nobody_can_read_may_be_asked_for_again():
    world = void_and_unread()
    ask(world, "r2")
    world.until(lambda decision: phase(decision) is Phase.CLOSING, 2)
    world.stuck, world.fault = set(), ""
    world.until(lambda decision: phase(decision) is Phase.STARTING, 2 * world.site.rules.settle_s)
    assert (Code.RESET_VOID, "hall") not in codes(world.cycle())


def test_a_void_reset_is_not_told_again_when_a_hand_opens_what_was_closed_since():
    world = void_and_unread()
    world.open, world.stuck, world.fault = set(), set(), ""
    world.run(5)
    world.open = {0}
    told = codes(world.run(5))
    assert (Code.CONTACTOR_OPEN, "hall") in told
    assert (Code.RESET_VOID, "hall") not in told


def test_below_an_open_contactor_none_is_closed():
    world = settled(60, nested_site(), surplus_w=180e3)
    world.deaf = world.site.devices.node == ROW
    world.orders = (order(2e3, world, node=ROW, begun=True),)
    world.until(lambda decision: decision.contactors[1].proven, TRIP_S + 60)
    world.orders, world.open = (), {0, 1}
    world.run(5)
    world.resets = (Reset(id="r1", node=ROW),)
    state = world.run(1).contactors[1]
    assert (state.phase, state.reset, state.void, state.proven) == (Phase.TRIPPED, "r1", Void.OPEN_ABOVE, True)
    world.open = {1}
    world.run(30)
    world.resets = (Reset(id="r2", node=ROW),)
    assert world.cycle().contactors[1].phase is Phase.CLOSING
    world.open = {0, 1}
    state = world.run(1).contactors[1]
    assert (state.phase, state.void) == (Phase.TRIPPED, Void.OPEN_ABOVE)


@pytest.mark.parametrize(
    ("left_w", "waited_s", "becomes"),
    [
        (0.0, 0.0, Phase.CLOSING),
        (0.0, 0.5, Phase.RECLOSING),
        (-1.0, 0.5, Phase.CLOSING),
        (-1.0, 14.5, Phase.CLOSING),
        (-1.0, 15.0, Phase.RECLOSING),
    ],
)
def test_it_is_closed_once_all_that_may_start_fits_or_after_the_settle_time(left_w, waited_s, becomes):
    built, room_w = hall_site(), np.array([left_w, 5e3, 5e3])
    trips = no_trips(built, 0.0)
    closing = trips.contactors[0].to(Phase.CLOSING, 1000.0, was_proven=True)
    trips = close_where_it_fits(replace(trips, contactors=(closing,)), built, room_w, Mode.NORMAL, 1000.0 + waited_s)
    assert trips.contactors[0].phase is becomes


@pytest.mark.parametrize(
    ("up_seen_s", "waited_s", "becomes"),
    [
        (5.0, 14.5, Phase.STARTING),
        (5.0, 15.0, Phase.CLOSED),
        (25.0, 24.5, Phase.STARTING),
        (25.0, 25.0, Phase.CLOSED),
    ],
)
def test_what_is_below_has_the_settle_time_to_start_or_as_long_as_the_slowest_device_takes_by_site_file_and_agent(
    up_seen_s, waited_s, becomes
):
    built = hall_site()
    starting = no_trips(built, 0.0).contactors[0].to(Phase.STARTING, 1000.0)
    seen, told = looked_at([70e3, 20e3, 20e3]), World(built, surplus_w=90e3).snapshot()
    fleet = replace(told.fleet, up_seen_s=np.where(built.devices.node == HALL, up_seen_s, 100.0))
    later = replace(told, now_s=1000.0 + waited_s, fleet=fleet)
    assert with_reclosing(starting, built, later, seen, Mode.NORMAL).phase is becomes
