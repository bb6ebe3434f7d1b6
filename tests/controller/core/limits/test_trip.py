"""A node is cut off when it draws too much for too long, stays so until a person says otherwise, and comes back in order.

Each case is a list of cycles: what is true from now on, how long it lasts, and what the decision says then.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.core.limits.contactors import NEVER_READ, Phase, SeenNodes, Wanted
from controller.core.limits.trip import next_trips, seen_nodes
from controller.core.modes import Mode
from controller.core.reasons import Code
from controller.core.safe import safe_step
from controller.core.site import Contactors
from controller.core.snapshot import ContactorNow, Position, Reset
from controller.core.trust.node_power import NodePower
from controller.core.trust.node_trust import NodeTrust
from tests.controller.core.halls import (
    HALL,
    ROW,
    TRIP_S,
    ask,
    codes,
    defy,
    hall_site,
    in_hall,
    nested_site,
    phase,
    running,
    tripped,
)
from tests.controller.core.world import World, order, settled, with_rules
from tests.examples import examples


def test_a_node_that_stays_above_a_limit_is_cut_off():
    world = running()
    defy(world)
    decision = world.run(TRIP_S - 2)
    assert decision.contactors[0].wanted is Wanted.LEAVE
    decision = world.run(5)
    assert decision.contactors[0].wanted is Wanted.OPEN
    trip = decision.contactors[0].trip
    assert (trip.over.cause, trip.over.limit_w) == ("order:o1", 8e3)
    assert trip.over.for_s >= TRIP_S
    assert trip.over.power_w > 30e3
    assert (Code.NODE_TRIPPED, "hall") in codes(decision)
    decision = world.run(10)
    assert decision.power_w[HALL] == 0.0
    assert decision.contactors[0].proven


def test_a_node_above_its_own_rating_is_cut_off_even_if_an_order_could_not_be_kept():
    world = running()
    world.deaf = in_hall(world)
    world.draw_w = np.where(in_hall(world), 6e3, world.draw_w)
    world.orders = (order(0.0, world, node=HALL, begun=True),)
    world.until(lambda decision: phase(decision) is Phase.TRIPPED, TRIP_S + 20)
    assert world.history[-1][3].contactors[0].trip.over.cause == "rating:hall"


@pytest.mark.parametrize("limit_w", [0.0, 200.0], ids=["nothing", "under the residual watts"])
def test_an_infeasible_order_never_trips(limit_w):
    world = running()
    defy(world, limit_w)
    assert phase(world.run(4 * TRIP_S)) is Phase.CLOSED


def test_time_stands_still_while_the_meter_is_silent():
    world = running()
    defy(world)
    world.run(TRIP_S - 5)
    world.silent = {"of-hall"}
    assert phase(world.run(3 * TRIP_S)) is Phase.CLOSED
    world.silent = set()
    assert phase(world.run(1)) is Phase.CLOSED
    world.until(lambda decision: phase(decision) is Phase.TRIPPED, 12)


NO, YES = np.zeros(3, dtype=np.bool_), np.ones(3, dtype=np.bool_)


def looked_at(watts, *, known=YES, still=NO, false=NO, against_s=np.inf, at=None):
    """Return what the meters of the hall's site show; steps speak against that of the hall since `against_s`."""
    built = at or hall_site()
    power = NodePower(watts=np.array(watts), known=known, taken_s=np.zeros(3))
    trust = NodeTrust(proven=YES, still=still, false=false)
    since_s = np.where(built.meters.node == HALL, against_s, np.inf)
    return seen_nodes(built, power, trust, np.full(3, 500.0), since_s)


@pytest.mark.parametrize(
    ("found", "trusted", "sure"),
    [
        ({}, True, True),
        ({"known": NO}, False, False),
        ({"still": YES}, False, False),
        ({"false": YES}, False, False),
        ({"against_s": 900.0}, True, False),
    ],
    ids=["trusted", "unknown", "in doubt", "found false", "accused by steps"],
)
def test_a_meter_counts_that_is_known_and_that_nothing_speaks_against(found, trusted, sure):
    seen = looked_at([100e3, 70e3, 20e3], **found)
    assert (seen.trusted[HALL], seen.sure[HALL]) == (trusted, sure)


@pytest.mark.parametrize(
    ("site_w", "known", "sure"),
    [
        (70e3, YES, True),
        (69.1e3, YES, True),
        (68.7e3, YES, False),
        (10e3, YES, False),
        (10e3, np.array([False, True, True]), True),
    ],
    ids=["as much", "less within what both err", "less", "far less", "not known"],
)
def test_a_meter_that_shows_more_than_the_one_above_it_cuts_nobody_off(site_w, known, sure):
    assert looked_at([site_w, 70e3, 20e3], known=known).sure[HALL] == sure


def frozen():
    shown = {}
    return lambda power_w: shown.setdefault("first", power_w)


@pytest.mark.parametrize(
    ("lie", "ordered"),
    [(lambda _: 75e3, True), (lambda _: 75e3, False), (frozen(), True), (lambda power_w: power_w + 20e3, True)],
    ids=["stuck, under an order", "stuck above the rating", "frozen", "too much"],
)
def test_a_meter_that_lies_does_not_cut_off_a_hall_that_obeys(lie, ordered):
    """It takes 20 s and more to find it wrong by steps, but no longer than to bring devices down for them to speak against it."""
    least_s = 6.0 + 1.25 * 2.0 + 3.5
    contactors = Contactors(node=np.array([HALL]), trip_after_s=np.array([least_s]))
    built = hall_site(contactors=contactors, rules=with_rules(settle_s=6.0))
    world = settled(45, built, surplus_w=90e3, vouched=False, tick_s=1.0)
    world.shown_as = {"of-hall": lie}
    if ordered:
        world.orders = (order(8e3, world, node=HALL, begun=True),)
    world.run(40)
    assert all(phase(decision) is Phase.CLOSED for *_, decision in world.history)


def test_seen_inside_the_time_begins_anew():
    world = running()
    defy(world)
    world.run(TRIP_S - 5)
    world.orders = ()
    world.run(2)
    world.orders = (order(8e3, world, node=HALL, begun=True, id="o2"),)
    assert phase(world.run(TRIP_S - 5)) is Phase.CLOSED
    world.until(lambda decision: phase(decision) is Phase.TRIPPED, 20)


def test_power_that_follows_an_order_in_time_never_trips():
    world = running()
    world.orders = (order(8e3, world, node=HALL, begun=True),)
    assert phase(world.run(3 * TRIP_S)) is Phase.CLOSED


def test_a_step_that_proves_a_meter_is_no_limit_to_be_cut_off_for():
    world = running()
    world.silent = {"main"}
    world.liars = np.ones(len(world.site.devices.ids), dtype=np.bool_)
    for decision in (world.cycle() for _ in range(200)):
        assert phase(decision) is Phase.CLOSED


def test_a_hall_whose_agent_lies_is_cut_off_and_its_meter_is_not_blamed():
    """What the devices of the site drew is less well known than what those of the hall did: the bounds of both steps overlap."""
    world = settled(60, hall_site(), surplus_w=90e3)
    world.liars = in_hall(world)
    world.orders = (order(8e3, world, node=HALL, begun=True),)
    decision = world.run(60)
    assert phase(decision) is Phase.TRIPPED
    assert not decision.sources["of-hall"]


@pytest.mark.parametrize(("over_s", "cut_off"), [(TRIP_S - 1.0, False), (TRIP_S - 0.5, True)])
def test_it_is_cut_off_once_the_time_is_full(over_s, cut_off):
    """With the half second of this tick."""
    world = World(hall_site(), surplus_w=90e3)
    (closed,) = world.state.trips.contactors
    trips = replace(world.state.trips, contactors=(replace(closed, over_rating_s=over_s),))
    seen = looked_at([100e3, 70e3, 20e3])
    (state,) = next_trips(trips, world.site, world.snapshot(), seen, Mode.NORMAL, 0.5).contactors
    assert (state.phase is Phase.TRIPPED) == cut_off


def test_a_contactor_that_nobody_has_spoken_of_has_never_been_read():
    world = World(hall_site(), surplus_w=90e3)
    unread = replace(world.snapshot(), contactors=())
    trips = next_trips(world.state.trips, world.site, unread, looked_at([100e3, 20e3, 20e3]), Mode.NORMAL, 0.5)
    assert trips.contactors[0].now == NEVER_READ


def test_nothing_trips_before_the_first_trusted_readings():
    world = World(hall_site(), surplus_w=90e3, silent={"surplus"})
    world.draw_w = np.where(in_hall(world), 6e3, 25.0)
    world.deaf = in_hall(world)
    world.run(9)
    assert world.state.mode.mode is Mode.INIT
    assert world.state.trips.contactors[0].over_rating_s is None


def test_what_is_below_is_freed_once_it_is_proven_and_not_before():
    world = tripped(reads_back=True)
    hall = in_hall(world)
    world.welded = {0}
    world.open.clear()
    drawn_w = world.draw_w[hall].sum()
    decision = world.run(15)
    assert decision.committed_w[HALL] >= 0.9 * drawn_w, "it draws on"
    assert (Code.CONTACTOR_DEFIANT, "hall") in codes(decision)
    world.welded = set()
    decision = world.run(8)
    assert (Code.CONTACTOR_DEFIANT, "hall") not in codes(decision)
    assert decision.contactors[0].proven
    assert decision.committed_w[HALL] == pytest.approx(0.0, abs=12 * 26.5), "residual watts at most"
    assert np.all(decision.setpoint_w[hall] <= 25.0)


def test_the_others_get_the_watts_of_a_node_that_is_cut_off_and_the_site_goes_on():
    world = tripped(surplus_w=60e3)
    world.orders = ()
    before_w = world.draw_w[~in_hall(world)].sum()
    decision = world.run(60)
    assert decision.mode is Mode.NORMAL
    assert world.draw_w[~in_hall(world)].sum() > before_w
    assert world.violations(after_s=world.now_s - 55) == []
    assert not codes(decision) - {(Code.NODE_TRIPPED, "hall")}, "who has no power is no news"


def test_what_a_later_meter_still_shows_of_a_node_that_is_cut_off_is_no_house_load():
    shown = {"main": [], "check": []}

    def late(name):
        return lambda power_w: (shown[name].append(power_w), shown[name][-2:][0])[1]

    world = World(hall_site(), surplus_w=120e3, shown_as={name: late(name) for name in shown})
    house_w = world.run(60).house_w[0]
    defy(world)
    decision = world.run(60)
    assert decision.contactors[0].proven
    assert decision.house_w[0] == pytest.approx(house_w, abs=200.0)
    assert decision.mode is Mode.NORMAL


def test_an_agent_without_power_is_no_news():
    world = tripped()
    world.silent, world.orders = {"agent-a"}, ()
    decision = world.run(40)
    assert codes(decision) == {(Code.NODE_TRIPPED, "hall")}
    assert decision.mode is Mode.NORMAL


def test_a_hall_whose_agent_has_lost_its_machine_is_cut_off_by_the_contactor_that_somebody_else_switches():
    world = running()
    world.silent = {"agent-a"}  # and its devices draw on
    world.orders = (order(8e3, world, node=HALL, begun=True),)
    took_s = world.until(lambda decision: decision.contactors[0].wanted is Wanted.OPEN, TRIP_S + 20)
    assert took_s <= TRIP_S + world.site.rules.settle_s
    decision = world.run(15)
    assert np.all(world.draw_w[in_hall(world)] == 0.0)
    assert decision.contactors[0].proven
    assert (decision.mode, codes(decision)) == (Mode.NORMAL, {(Code.NODE_TRIPPED, "hall")})


def test_it_is_not_proven_while_the_contactor_says_that_it_is_closed_or_nothing():
    world = tripped()
    world.orders = ()
    world.reads_back = True
    world.open.discard(0)
    world.welded = {0}
    world.deaf = np.zeros_like(world.deaf)
    world.draw_w[in_hall(world)] = 0.0
    world.dumb = in_hall(world)
    decision = world.run(20)
    assert not decision.contactors[0].proven
    assert (Code.CONTACTOR_UNPROVEN, "hall") in codes(decision)
    world.fault = "10.0.0.9: no answer"
    decision = world.run(5)
    assert (Code.CONTACTOR_LOST, "hall") in codes(decision)
    assert not decision.contactors[0].proven


def test_a_meter_that_is_in_doubt_proves_nothing():
    """It shows nothing drawn, and its own counters deny it; the contactor says that it is open."""
    world = tripped()
    (state,) = world.state.trips.contactors
    nothing, no = np.zeros(3), np.zeros(3, dtype=np.bool_)
    power = NodePower(watts=nothing, known=~no, taken_s=nothing)
    snapshot = replace(world.snapshot(), contactors=(ContactorNow(position=Position.OPEN),))
    for doubted, proven in ((True, False), (False, True)):
        seen = SeenNodes(power=power, trusted=np.full(3, not doubted), class_w=np.full(3, 500.0), accused=no)
        trips = replace(world.state.trips, contactors=(state,))
        assert next_trips(trips, world.site, snapshot, seen, Mode.NORMAL, 1.0).contactors[0].proven is proven


def test_where_no_power_comes_from_above_nothing_is_proven_of_a_contactor_below():
    """The row's is welded and says nothing of its contact; then the hall is cut off, and so the row's meter shows nothing."""
    world = settled(60, nested_site(), surplus_w=90e3, reads_back=False)
    world.welded = {1}
    world.deaf = np.isin(world.site.devices.node, [HALL, ROW])
    world.orders = (order(2e3, world, node=ROW, begun=True),)
    world.until(lambda decision: decision.contactors[1].phase is Phase.TRIPPED, TRIP_S + 20)
    world.orders = (order(2e3, world, node=ROW, begun=True), order(5e3, world, node=HALL, begun=True, id="o2"))
    world.until(lambda decision: decision.contactors[0].proven, TRIP_S + 60)
    hall, row = world.run(20).contactors
    assert world.node_w[ROW] == 0.0
    assert (hall.proven, row.proven) == (True, False)
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    world.resets = (Reset(id="r1", node=HALL),)
    decision = world.cycle(2)
    assert decision.contactors[0].phase in {Phase.CLOSING, Phase.RECLOSING}
    below = np.isin(world.site.devices.node, [HALL, ROW])
    assert decision.committed_w[HALL] >= world.site.devices.max_w[below].sum(), (
        "the row comes with the hall, for it is welded"
    )


def test_what_was_proven_before_the_power_went_above_stays_so():
    world = settled(60, nested_site(), surplus_w=90e3)
    world.deaf = np.isin(world.site.devices.node, [HALL, ROW])
    world.orders = (order(2e3, world, node=ROW, begun=True),)
    world.until(lambda decision: decision.contactors[1].proven, TRIP_S + 20)
    world.orders = (*world.orders, order(5e3, world, node=HALL, begun=True, id="o2"))
    world.until(lambda decision: decision.contactors[0].proven, TRIP_S + 60)
    assert world.run(20).contactors[1].proven


def test_without_a_position_the_meter_proves():
    world = running(reads_back=False)
    defy(world)
    world.until(lambda decision: decision.contactors[0].proven, TRIP_S + 30)


def test_it_stays_open_whatever_becomes_of_the_cause():
    world = tripped()
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    world.run(120)
    assert world.open == {0}
    assert phase(world.history[-1][3]) is Phase.TRIPPED


def test_a_contactor_that_somebody_else_has_opened_is_told_and_left_alone():
    world = running()
    world.open = {0}
    decision = world.run(10)
    assert (Code.CONTACTOR_OPEN, "hall") in codes(decision)
    assert decision.contactors[0].wanted is Wanted.LEAVE
    assert world.open == {0}


def test_a_controller_that_starts_anew_keeps_it_open():
    world = tripped()
    world.run(15)
    trip = world.state.trips.contactors[0].trip
    world.orders, world.deaf = (), np.zeros_like(world.deaf)
    world.reboot([trip])
    decision = world.cycle()
    assert decision.contactors[0].wanted is Wanted.OPEN
    decision = world.run(60)
    assert (decision.mode, phase(decision), decision.contactors[0].trip) == (Mode.NORMAL, Phase.TRIPPED, trip)
    assert decision.contactors[0].proven


def test_the_safe_step_keeps_contactors_as_they_are():
    world = tripped()
    world.run(15)
    before = world.state.trips
    ask(world)
    state, decision = safe_step(world.site, world.state, world.snapshot())
    assert state.trips == before
    assert decision.contactors == before.contactors


RECLOSED_FROM = {Phase.CLOSING, Phase.RECLOSING}
leg = st.fixed_dictionaries(
    {
        "seconds": st.integers(3, 45),
        "limit_w": st.none() | st.floats(0.0, 60e3),
        "silent": st.sets(st.sampled_from(["of-hall", "of-yard", "main", "surplus", "agent-a", "agent-b"]), max_size=2),
        "vice": st.sampled_from(["deaf", "liars", "dumb"]),
        "share": st.sampled_from([0.0, 0.5, 1.0]),
        "scale": st.sampled_from([1.0, 1.0, 1.0, 0.3, 3.0]),
        "welded": st.booleans(),
        "stuck": st.booleans(),
        "fault": st.sampled_from(["", "", "no answer"]),
        "reset": st.booleans(),
        "reboot": st.sampled_from([False, False, False, True]),
    }
)


def play(world, legs, seed):
    """Let the legs pass; yield each decision with the one before, whether a reset was asked for, and whether it started anew."""
    rng = np.random.default_rng(seed)
    before = world.run(40)
    for k, one in enumerate(legs):
        world.silent, world.scale = set(one["silent"]), {"of-hall": one["scale"]}
        world.welded, world.fault = ({0} if one["welded"] else set()), one["fault"]
        world.stuck = {0} if one["stuck"] else set()
        world.orders = (
            () if one["limit_w"] is None else (order(one["limit_w"], world, node=HALL, id=f"o{k}", begun=True),)
        )
        world.deaf = world.liars = world.dumb = np.zeros(len(world.site.devices.ids), dtype=np.bool_)
        setattr(world, one["vice"], in_hall(world) & (rng.random(len(world.site.devices.ids)) < one["share"]))
        asked = one["reset"]
        if asked:
            ask(world, f"r{k}")
        if one["reboot"]:
            trip = before.contactors[0].trip
            world.reboot([trip] if trip else [])
        for cycle in range(2 * one["seconds"]):
            decision = world.cycle()
            yield world, before, decision, asked and cycle == 0, one["reboot"] and cycle == 0
            before = decision


@given(st.lists(leg, min_size=1, max_size=5), st.integers(0, 2**32 - 1))
@settings(max_examples=examples(12))
def test_whatever_happens_a_contactor_opens_for_a_cause_and_closes_for_a_person(legs, seed):
    """One run of a world is asked for all of it: to run it costs far more than to look at it."""
    for world, before, decision, asked, anew in play(World(hall_site(), surplus_w=70e3), legs, seed):
        old, new = before.contactors[0], decision.contactors[0]
        if new.phase is Phase.TRIPPED and old.trip is not new.trip:
            never_for_an_order_that_cannot_be_kept_nor_by_a_doubted_meter(world, decision, new.trip)
        assert not (old.wanted is Wanted.OPEN and new.wanted is not Wanted.OPEN) or old.phase is Phase.CLOSING
        assert not (new.phase is Phase.CLOSING and old.phase is not Phase.CLOSING) or asked
        if anew and old.trip is not None:
            assert new.wanted is Wanted.OPEN
        if old.trip is not None and new.trip is None:
            assert new.phase is Phase.STARTING
            assert 0 not in world.open, "a trip ends with a closed contactor"
        assert new.wanted is not Wanted.CLOSE or (decision.mode is Mode.NORMAL and old.phase in RECLOSED_FROM)
        if old.wanted is Wanted.OPEN and new.wanted is Wanted.OPEN and not anew:
            nothing_is_raised_below(world, before, decision)
        if new.wanted is Wanted.OPEN and not new.proven:
            drawn_w = world.draw_w[in_hall(world)].sum()
            assert old.proven or decision.committed_w[HALL] + decision.house_w[HALL] >= 0.85 * drawn_w


def never_for_an_order_that_cannot_be_kept_nor_by_a_doubted_meter(world, decision, trip):
    assert decision.mode is not Mode.INIT
    assert decision.power_w[HALL] is not None
    assert not decision.sources["of-hall"]
    if not trip.over.cause.startswith("rating:"):
        assert trip.over.limit_w >= 12 * 25.0
    assert trip.over.power_w > trip.over.limit_w


def nothing_is_raised_below(world, before, decision):
    hall = in_hall(world)
    assert np.all(decision.setpoint_w[hall] <= before.setpoint_w[hall])
