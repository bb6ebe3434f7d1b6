"""What a step checks of its own answer: each thing that must not be, made so by hand."""

from dataclasses import replace

import numpy as np
import pytest

from controller.core import granting as module
from controller.core.kernels.columns import PathsUp
from controller.core.kernels.tree import PathSums
from controller.core.limits.contactors import Phase
from controller.core.modes import Mode
from controller.core.self_check import Claims, Invariant, InvariantBroken, check
from controller.core.snapshot import Reset
from tests.controller.core.halls import TRIP_S, defy, hall_site, in_hall
from tests.controller.core.world import World, settled, site, with_rules


@pytest.fixture(scope="module")
def running() -> World:
    return settled(60, site(), surplus_w=90e3)


class Answer:
    """A decision that holds, and what it rests on; tests change one thing."""

    def __init__(self, world: World) -> None:
        self.site, self.before = world.site, world.state
        tree, devices = world.site.tree, world.site.devices
        self.below = PathSums(PathsUp(tree.parent, devices.node))
        self.decision = world.history[-1][3]
        self.claims = Claims(
            current_w=self.decision.setpoint_w.copy(),
            stuck_w=self.below(devices.off_w),
            committed_w=self.decision.committed_w,
            rise_w=5000.0,
            fall_w=5000.0,
            held=None,
            locked=None,
            resets=(),
        )

    def give(self, device: int, watts: float) -> None:
        setpoint_w = self.decision.setpoint_w.copy()
        setpoint_w[device] = watts
        self.decision = replace(self.decision, setpoint_w=setpoint_w, planned_w=self.below(setpoint_w))

    def run_on(self, device: int, watts: float) -> None:
        current_w = self.claims.current_w.copy()
        current_w[device] = watts
        self.claims = replace(self.claims, current_w=current_w)

    def broken(self) -> set[Invariant]:
        try:
            check(self.site, self.before, self.decision, self.claims, self.below)
        except InvariantBroken as error:
            return set(error.broken)
        return set()


@pytest.fixture
def answer(running) -> Answer:
    return Answer(running)


def test_what_the_control_decides_holds(answer):
    assert answer.broken() == set()


@pytest.mark.parametrize("watts", [3501.0, -1.0, float("nan"), float("inf")])
def test_i5_no_setpoint_is_above_the_signed_maximum_or_no_number(answer, watts):
    answer.give(0, watts)
    assert Invariant.SIGNED_MAXIMUM in answer.broken()


@pytest.mark.parametrize("mode", [Mode.HOLD, Mode.FAILSAFE])
def test_i2_nothing_is_raised_in_doubt(answer, mode):
    answer.decision = replace(answer.decision, mode=mode)
    assert answer.broken() == set()
    answer.run_on(0, answer.decision.setpoint_w[0] - 100.0)
    assert answer.broken() == {Invariant.NO_RAISE_IN_DOUBT}


def test_i4_no_mode_is_reached_by_a_way_that_is_none(answer):
    answer.before = replace(answer.before, mode=replace(answer.before.mode, mode=Mode.FAILSAFE))
    answer.decision = replace(answer.decision, mode=Mode.HOLD)
    assert answer.broken() == {Invariant.MODE_MACHINE}


def test_i6_the_site_rises_by_no_more_than_the_ramp_allows(answer):
    answer.run_on(0, 25.0)
    assert answer.broken() == set()
    answer.run_on(1, 25.0)
    assert answer.broken() == {Invariant.RAMP}


def test_i6_a_fall_that_was_overdrawn_is_a_debt_and_no_fall(answer):
    answer.claims = replace(answer.claims, fall_w=-2738.0)
    assert answer.broken() == set(), "nothing is lowered"
    answer.run_on(0, answer.decision.setpoint_w[0] + 100.0)
    answer.run_on(1, answer.decision.setpoint_w[1] + 100.0)
    assert answer.broken() == {Invariant.RAMP}


def test_i6_it_falls_by_no_more_than_the_ramp_allows_and_one_device(answer):
    for device in (0, 1):
        answer.run_on(device, answer.decision.setpoint_w[device] + 4900.0)
    assert answer.broken() == set(), "the device that uses up the fall may be switched off whole"
    answer.claims = replace(answer.claims, fall_w=4899.0)
    assert answer.broken() == set(), "whole watts are sent"
    answer.claims = replace(answer.claims, fall_w=4898.5)
    assert answer.broken() == {Invariant.RAMP}
    answer.claims = replace(answer.claims, fall_w=5000.0)
    answer.run_on(2, answer.decision.setpoint_w[2] + 4900.0)
    assert answer.broken() == {Invariant.RAMP}
    answer.claims = replace(answer.claims, fall_w=float("inf"))
    assert answer.broken() == set(), "a limit lowers without any ramp"


@pytest.mark.parametrize("node", [0, 1, 2, 3])
def test_i7_planned_power_fits_every_node(answer, node):
    envelope_w = answer.decision.envelope_w.copy()
    envelope_w[node] = answer.decision.planned_w[node] + answer.decision.house_w[node] - 2.0
    answer.decision = replace(answer.decision, envelope_w=envelope_w)
    assert Invariant.PLANNED_FITS in answer.broken()
    answer.claims = replace(answer.claims, stuck_w=answer.below(answer.decision.setpoint_w))
    assert Invariant.PLANNED_FITS not in answer.broken(), "what cannot be freed is there anyway"


@pytest.mark.parametrize("node", [0, 1, 2])
def test_i7_where_committed_power_does_not_fit_nothing_below_is_raised(answer, node):
    committed_w = answer.decision.committed_w.copy()
    committed_w[node] = answer.decision.envelope_w[node] - answer.decision.house_w[node] + 2.0
    answer.claims = replace(answer.claims, committed_w=committed_w)
    assert answer.broken() == set(), "nothing is raised"
    answer.run_on(0, answer.decision.setpoint_w[0] - 100.0)
    assert answer.broken() == {Invariant.COMMITTED_STOPS_RAISES}
    committed_w[node] -= 1.5
    assert answer.broken() == set(), "whole watts are sent"


def test_a_step_that_would_break_one_gives_no_answer(monkeypatch):
    """The kernel that grants raises is made to grant more than a device's signed maximum."""
    world = settled(10, site(miners=4, stepped=2, gpus=1), surplus_w=90e3)

    def greedy(*arguments):
        arguments[-1][:] = world.site.devices.max_w + 1.0
        return 0.0, 0.0

    monkeypatch.setattr(module, "grant", greedy)
    before = world.state
    with pytest.raises(InvariantBroken, match="i5_signed_maximum"):
        world.cycle()
    assert world.state is before
    assert np.all(world.state.leases.setpoint_w <= world.site.devices.max_w)


@pytest.mark.parametrize(("ramp_down_w_s", "tick_s"), [(20e3, 0.1), (5e3, 0.5), (1e3, 1.0), (1e3, 0.1)])
def test_no_false_alarm_after_an_economic_fall_bigger_than_the_ramp(ramp_down_w_s, tick_s):
    """Two running devices that may not run any longer fall one after the other, each by more than a tick's ramp."""
    world = World(site(with_rules(ramp_down_w_s=ramp_down_w_s), miners=8, stepped=2, gpus=1), surplus_w=90e3)
    world.tick_s = tick_s
    world.run(60)
    most_w = world.site.devices.max_w.copy()
    running = np.flatnonzero(world.state.leases.current_w > 2 * world.site.devices.off_w)[:3]
    most_w[running] = world.site.devices.off_w[running]
    world.inventory_w = most_w
    world.run(20)
    assert np.all(world.state.leases.current_w[running] == world.site.devices.off_w[running])
    assert Mode.FAILSAFE not in {decision.mode for *_, decision in world.history}


@pytest.mark.parametrize("share", [0.0, 0.5, 0.97])
def test_no_false_alarm_where_an_agent_calls_off_less_than_the_site_file(share):
    """A device that is off and is said to run on 0 W: to set it off is no raise, in whatever mode."""
    world = World(site(miners=8, stepped=2, gpus=1), surplus_w=90e3)
    world.off_share = share
    world.run(40)
    assert world.history[-1][3].mode is Mode.NORMAL
    world.silent = {"main"}
    world.run(5)
    assert world.history[-1][3].mode is Mode.HOLD
    world.silent = {"main", "check"}
    world.run(20)
    assert world.history[-1][3].mode is Mode.FAILSAFE
    assert world.site_w <= world.site.rules.failsafe_w


@pytest.fixture(scope="module")
def tripped() -> World:
    """A site with a tripped hall."""
    world = settled(40, hall_site(), surplus_w=90e3)
    defy(world)
    world.until(lambda decision: decision.contactors[0].proven, TRIP_S + 40)
    return world


@pytest.fixture
def cut_off(tripped) -> Answer:
    """Its answer."""
    made = Answer(tripped)
    made.claims = replace(made.claims, held=in_hall(tripped))
    return made


def test_nothing_below_a_contactor_that_was_told_to_open_is_raised(cut_off):
    assert cut_off.broken() == set()
    cut_off.run_on(0, 24.0)
    assert Invariant.TRIPPED_STAYS_DOWN in cut_off.broken()
    cut_off.run_on(0, 3000.0)
    assert Invariant.TRIPPED_STAYS_DOWN not in cut_off.broken()
    cut_off.give(0, 26.0)
    assert Invariant.TRIPPED_STAYS_DOWN in cut_off.broken(), "nor left above its failsafe watts"


@pytest.mark.parametrize("before", [Phase.TRIPPED, Phase.CLOSING])
@pytest.mark.parametrize("after", [Phase.CLOSED, Phase.TRIPPED, Phase.CLOSING, Phase.RECLOSING, Phase.STARTING])
@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.HOLD])
def test_a_contactor_that_is_open_is_closed_for_a_person_alone_and_never_in_doubt(cut_off, before, after, reset, mode):
    (old,) = cut_off.before.trips.contactors
    trips = replace(cut_off.before.trips, contactors=(replace(old, phase=before),))
    moded = replace(cut_off.before.mode, mode=mode)
    cut_off.before = replace(cut_off.before, trips=trips, mode=moded)
    cut_off.decision = replace(cut_off.decision, mode=mode, contactors=(replace(old, phase=after),))
    cut_off.claims = replace(cut_off.claims, resets=(Reset(id="r1", node=old.node),) if reset else ())
    stays = after is Phase.TRIPPED or after is before
    begins = after is Phase.CLOSING and reset
    closes = after is Phase.RECLOSING and before is Phase.CLOSING and mode is Mode.NORMAL
    assert (Invariant.TRIPPED_STAYS_OPEN not in cut_off.broken()) == (stays or begins or closes)


@pytest.mark.parametrize("before", [Phase.CLOSED, Phase.STARTING, Phase.RECLOSING])
@pytest.mark.parametrize("mode", [Mode.NORMAL, Mode.HOLD])
def test_no_contactor_is_told_to_close_but_after_room_was_made_and_never_in_doubt(cut_off, before, mode):
    (old,) = cut_off.before.trips.contactors
    trips = replace(cut_off.before.trips, contactors=(replace(old, phase=before),))
    cut_off.before = replace(cut_off.before, trips=trips, mode=replace(cut_off.before.mode, mode=mode))
    cut_off.decision = replace(cut_off.decision, mode=mode, contactors=(replace(old, phase=Phase.RECLOSING),))
    told = before is Phase.RECLOSING and mode is Mode.NORMAL
    assert (Invariant.TRIPPED_STAYS_OPEN not in cut_off.broken()) == told
