"""The contactor among an agent's devices: nothing moves it but what is granted, and nothing closes it but a change to closed."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.fleet.agent.contactor import (
    AGAIN_S,
    CLOSES_S,
    FRESH_S,
    MOVES_S,
    READ_S,
    UNSEEN_AGAIN_S,
    ContactorFollower,
    closed_w,
    contactor_of,
)
from drivers.fleet.agent.device import CommandOutcome, DeviceReading
from drivers.fleet.agent.inventory import inventory_of
from drivers.fleet.agent.lease import Held, LeaseHolder
from drivers.fleet.agent.steps import Action, Do
from drivers.fleet.catalogue import MAX_W
from drivers.fleet.wire import LEAVE_W, Activity, Echo, Follow, MeasuredBy, Proof, Range, Set
from tests.examples import examples

HALL = contactor_of(300_000.0)
CLOSED_W = 300_000
OPEN = Action(do=Do.COMMAND, watts=0, lowers=True)
CLOSE = Action(do=Do.COMMAND, watts=CLOSED_W)
LOOK = Action(do=Do.READ)


def reading(closed: bool | None) -> DeviceReading:
    return DeviceReading(
        setpoint_w=None if closed is None else CLOSED_W * closed,
        watts=None,
        measured_by=MeasuredBy.NOTHING,
        activity=Activity.UNKNOWN,
    )


@dataclass
class Bay:
    """A contactor, its follower, and who asks the one for the other; `step` lets time pass."""

    closed: bool | None = True
    stored_w: int = CLOSED_W
    outcome: CommandOutcome = CommandOutcome.ACCEPTED
    silent: bool = False
    stuck: bool = False
    now_s: float = 100.0
    told: list[bool] = field(default_factory=list)
    shown: bool | None = None

    def __post_init__(self) -> None:
        self.follower = ContactorFollower(HALL, stored_w=self.stored_w, now_s=self.now_s)

    def grant(self, watts: int) -> None:
        self.follower.grant(watts, self.now_s)

    def step(self, for_s: float = 1.0) -> None:
        end_s = self.now_s + for_s
        while self.now_s < end_s:
            self.now_s += 0.05
            while (action := self.follower.next(self.now_s)) is not None:
                self.follower.began(action, self.now_s)
                self._answer(action)

    def _answer(self, action: Action) -> None:
        if action.do is Do.READ:
            if self.silent:
                self.follower.missed(self.now_s)
            else:
                self.follower.read(reading(self.closed), self.now_s)
            return
        assert action.do is Do.COMMAND, "there is nothing else to do to a contactor"
        self.told.append(action.watts > 0)
        outcome = CommandOutcome.UNKNOWN if self.silent else self.outcome
        if outcome is CommandOutcome.ACCEPTED and not self.stuck and self.closed is not None:
            self.closed = action.watts > 0
        self.follower.answered(outcome, self.now_s)

    @property
    def says(self) -> tuple[Follow, int, Proof]:
        follower = self.follower
        return follower.state(self.now_s), follower.applied_w, follower.proof(self.now_s)


def test_it_is_one_power_in_the_inventory_and_the_end_of_a_lease_is_that_power():
    entry = inventory_of({"hall-main": HALL})[0]
    assert (entry.model, entry.off_w, entry.max_w, entry.failsafe_w) == ("contactor", 0, CLOSED_W, CLOSED_W)
    assert entry.ranges == [Range(from_w=CLOSED_W, to_w=CLOSED_W)]
    assert (entry.proof, entry.measured_by, entry.dead_man) == (Proof.READ_BACK, MeasuredBy.NOTHING, None)
    assert inventory_of({"hall-main": contactor_of(1e3, can_say=False)})[0].proof is Proof.NONE


def test_a_node_without_a_limit_has_the_most_that_a_set_can_say():
    assert closed_w(float("inf")) == MAX_W
    assert closed_w(1234.9) == 1234


def test_one_that_is_closed_and_was_left_closed_is_told_nothing():
    bay = Bay()
    assert bay.says == (Follow.GRANTED, CLOSED_W, Proof.NONE)
    bay.step(5.0)
    assert bay.told == []
    assert bay.says == (Follow.PROVEN, CLOSED_W, Proof.READ_BACK)


def test_granted_to_be_open_it_is_told_at_once_though_nothing_is_known():
    bay = Bay(silent=True)
    bay.grant(0)
    assert bay.follower.next(bay.now_s) == OPEN
    assert bay.follower.low_w == 0, "a restart finds it open, before it has been told"


def test_it_is_told_to_open_until_it_is_read_to_be_open():
    bay = Bay(stuck=True)
    bay.step()
    bay.grant(0)
    bay.step(MOVES_S / 2)
    assert bay.says == (Follow.SETTLING, CLOSED_W, Proof.NONE), "a yes is no proof"
    bay.step(5.0)
    assert bay.says == (Follow.DEFIANT, CLOSED_W, Proof.NONE)
    assert 4 <= len(bay.told) <= 7
    bay.stuck = False
    bay.step(3.0)
    assert bay.says == (Follow.PROVEN, 0, Proof.READ_BACK)
    told = len(bay.told)
    bay.step(30.0)
    assert len(bay.told) == told
    assert set(bay.told) == {False}


@pytest.mark.parametrize("outcome", [CommandOutcome.REFUSED, CommandOutcome.UNKNOWN])
def test_one_that_says_no_or_nothing_is_told_again(outcome):
    bay = Bay(outcome=outcome)
    bay.grant(0)
    bay.step(4 * AGAIN_S)
    assert len(bay.told) >= 4
    assert bay.says[0].value == {CommandOutcome.REFUSED: "r", CommandOutcome.UNKNOWN: "u"}[outcome]


def test_one_that_is_silent_is_told_to_open_again_and_again_and_never_to_close():
    bay = Bay()
    bay.step()
    bay.silent = True
    bay.grant(0)
    bay.step(6.0)
    assert len(bay.told) >= 2
    assert bay.says[0] is Follow.LOST
    bay.told.clear()
    bay.grant(CLOSED_W)
    bay.step(30.0)
    assert bay.told == []
    bay.silent = False
    bay.step(5.0)
    assert bay.says == (Follow.PROVEN, CLOSED_W, Proof.READ_BACK)


def test_one_that_somebody_opens_is_left_open_and_told_so():
    """What is granted to be closed goes on to be: that is no reason to close it."""
    bay = Bay()
    bay.step()
    bay.closed = False
    bay.step(2.0)
    for _ in range(10):
        bay.grant(CLOSED_W)
        bay.step()
    assert bay.told == []
    assert bay.says == (Follow.PROVEN, 0, Proof.READ_BACK)
    assert bay.follower.low_w == CLOSED_W, "so that a restart does not take what is granted for a change"
    bay.closed = True
    bay.step(2.0)
    assert bay.says == (Follow.PROVEN, CLOSED_W, Proof.READ_BACK)
    assert bay.told == [], "who has opened it may close it again"


def test_a_change_to_closed_closes_it_once_it_is_read():
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.grant(CLOSED_W)
    assert bay.follower.low_w == 0, "a restart now finds it open"
    bay.step(3.0)
    assert bay.says == (Follow.PROVEN, CLOSED_W, Proof.READ_BACK)
    assert bay.follower.low_w == CLOSED_W
    assert bay.told[-1] is True
    told = len(bay.told)
    bay.closed = False
    bay.step(10.0)
    assert len(bay.told) == told, "what opens after that is no longer to be closed"


def test_a_closing_that_is_not_done_in_time_is_given_up():
    """The controller has given it up, too, and nobody keeps room for what is below."""
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.silent = True
    bay.grant(CLOSED_W)
    bay.step(CLOSES_S)
    bay.told.clear()
    bay.silent = False
    bay.step(10.0)
    assert bay.told == []
    bay.grant(CLOSED_W)
    bay.step(5.0)
    assert bay.told == [], "the same again is no new closing"
    bay.grant(LEAVE_W)
    bay.grant(CLOSED_W)
    bay.step(5.0)
    assert bay.told == [True]


@pytest.mark.parametrize("stored_w", [0, CLOSED_W])
@pytest.mark.parametrize("found", [False, True])
def test_granted_to_stay_as_it_is_it_is_moved_by_nobody_but_a_hand(stored_w, found):
    bay = Bay(closed=found, stored_w=stored_w)
    bay.grant(LEAVE_W)
    bay.step(3.0)
    for closed in (not found, found):
        bay.closed = closed
        bay.step(3.0)
        assert bay.says == (Follow.PROVEN, CLOSED_W * closed, Proof.READ_BACK)
    assert bay.told == []
    assert bay.follower.low_w == CLOSED_W, "a restart does not move it either"


def test_granted_to_stay_as_it_is_a_closing_is_over():
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.told.clear()
    bay.stuck = True
    bay.grant(CLOSED_W)
    bay.step()
    bay.grant(LEAVE_W)
    bay.told.clear()
    bay.stuck = False
    bay.step(5.0)
    assert bay.told == []


def test_a_closing_that_does_not_take_is_told_again():
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.told.clear()
    bay.stuck = True
    bay.grant(CLOSED_W)
    bay.step(5.0)
    assert len(bay.told) >= 4
    assert bay.says == (Follow.ACCEPTED, 0, Proof.NONE), "it was told, and nothing shows it"


def test_one_that_is_closed_while_it_is_to_be_open_is_opened_again():
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.told.clear()
    bay.closed = True
    bay.step(3.0)
    assert bay.told == [False]
    assert bay.closed is False
    bay.step(60.0)
    bay.closed = bay.stuck = True
    while bay.told == [False]:
        bay.step(0.05)
    assert bay.says[0] is Follow.SETTLING, "it has its time again"


def test_one_that_cannot_say_how_it_is_proves_nothing_and_is_told_to_close_once():
    bay = Bay(closed=None)
    bay.step()
    bay.grant(0)
    bay.step(2.5 * UNSEEN_AGAIN_S)
    assert bay.told == [False] * 3
    assert bay.says == (Follow.ACCEPTED, CLOSED_W, Proof.NONE)
    bay.told.clear()
    bay.grant(CLOSED_W)
    bay.step(2.5 * UNSEEN_AGAIN_S)
    assert bay.told == [True]
    assert bay.says[2] is Proof.NONE


def test_what_was_read_before_a_command_proves_nothing_of_after_it():
    """It was open, is told to close, and is to be open again before anybody has read it."""
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.grant(CLOSED_W)
    bay.follower.began(CLOSE, bay.now_s)
    bay.grant(0)
    bay.follower.answered(CommandOutcome.ACCEPTED, bay.now_s)
    assert bay.says == (Follow.GRANTED, CLOSED_W, Proof.NONE)
    assert bay.follower.next(bay.now_s) == OPEN


def test_an_agent_that_was_away_knows_nothing_of_it():
    bay = Bay(closed=False, stored_w=0)
    bay.step()
    bay.follower.awoke(bay.now_s)
    assert bay.says == (Follow.LOST, CLOSED_W, Proof.NONE)
    bay.step()
    assert bay.says == (Follow.PROVEN, 0, Proof.READ_BACK)


def test_a_reading_that_is_old_is_no_longer_of_now():
    bay = Bay()
    bay.step()
    assert bay.follower.state(bay.now_s + FRESH_S + 2.0) is Follow.LOST


@settings(max_examples=examples(300), deadline=None)
@given(
    stored=st.sampled_from([0, CLOSED_W]),
    found=st.booleans(),
    moves=st.lists(
        st.tuples(
            st.sampled_from(["grant", "grant", "leave", "hand", "silent", "stuck", "outcome", "away", "blind", "none"]),
            st.booleans(),
            st.floats(0.05, 4.0),
        ),
        max_size=20,
    ),
)
def test_whatever_happens_it_is_closed_by_a_change_to_closed_alone(stored, found, moves):
    bay = Bay(stored_w=stored, closed=found)
    is_owed = False  # a change to closed that has not been seen to be done
    for what, on, for_s in moves:
        match what:
            case "grant" | "leave":
                watts = LEAVE_W if what == "leave" else CLOSED_W * on
                is_owed = watts == CLOSED_W and (is_owed or bay.follower.aim_w < CLOSED_W)
                bay.grant(watts)
            case "hand":
                bay.closed = on
            case "silent":
                bay.silent = on
            case "stuck":
                bay.stuck = on
            case "outcome":
                bay.outcome = CommandOutcome.ACCEPTED if on else CommandOutcome.UNKNOWN
            case "away":
                bay.follower.awoke(bay.now_s)
            case "blind":
                bay.closed = None if on else bay.closed
        bay.told.clear()
        bay.step(for_s)
        assert is_owed or True not in bay.told
        assert bay.follower.aim_w > 0 or True not in bay.told
        if for_s > READ_S + 0.1 and bay.follower.state(bay.now_s) is Follow.PROVEN:
            assert (bay.follower.applied_w > 0) is bay.closed
    bay.closed = found if bay.closed is None else bay.closed
    bay.silent = bay.stuck = False
    bay.outcome = CommandOutcome.ACCEPTED
    bay.grant(0)
    bay.step(UNSEEN_AGAIN_S + 5.0)
    assert bay.says == (Follow.PROVEN, 0, Proof.READ_BACK)
    assert bay.closed is False


# What a restart and the end of a lease make of it.

T0, TTL = 1_000_000, 30_000
INVENTORY = "0123456789abcdef"


def holder(applied: dict[str, int]) -> LeaseHolder:
    return LeaseHolder(
        agent="hall-a",
        boot="b1",
        devices={"a-main": HALL},
        inventory=INVENTORY,
        settle_s=15.0,
        held=Held(epoch=1, seq=1, applied=applied),
        now_ms=T0,
    )


def statement(seq: int, watts: int, *, at: int | None = T0, boot: str = "b1") -> Set:
    return Set(
        v=2,
        site="s",
        agent="hall-a",
        key="controller",
        epoch=1,
        seq=seq,
        ttl_ms=TTL,
        echo=None if at is None else Echo(boot=boot, boottime_ms=at),
        head=None,
        inventory=INVENTORY,
        setpoints_w=[watts],
    )


@pytest.mark.parametrize(
    ("applied", "setpoint_w"), [({}, CLOSED_W), ({"a-main": CLOSED_W}, CLOSED_W), ({"a-main": 0}, 0)]
)
def test_a_restart_leaves_it_as_it_was_and_where_nothing_is_stored_as_it_is_found(applied, setpoint_w):
    assert list(holder(applied).setpoints_w) == [setpoint_w]


@pytest.mark.parametrize("watts", [0, LEAVE_W, CLOSED_W])
def test_the_end_of_a_lease_leaves_it_as_it_is(watts):
    lease = holder({})
    lease.offer(statement(2, watts), T0)
    lease.took([CLOSED_W if watts else 0])
    lease.advance(T0 + TTL)
    assert lease.lapsed
    assert list(lease.setpoints_w) == [watts]


@pytest.mark.parametrize(("applied", "setpoint_w"), [({"a-main": 0}, 0), ({"a-main": CLOSED_W}, LEAVE_W)])
def test_without_a_clock_one_that_is_to_be_open_is_not_left(applied, setpoint_w):
    lease = holder(applied)
    lease.offer(statement(2, LEAVE_W, at=None), T0)
    assert list(lease.setpoints_w) == [setpoint_w]
    lease.offer(statement(3, LEAVE_W), T0)
    assert list(lease.setpoints_w) == [LEAVE_W]
    lease.offer(statement(4, CLOSED_W - 1), T0)
    assert list(lease.setpoints_w) == [LEAVE_W], "as do all watts between open and closed"


def test_after_a_restart_only_a_set_with_an_echo_of_this_start_closes_it():
    lease = holder({"a-main": 0})
    lease.offer(statement(2, CLOSED_W, at=None), T0)
    lease.offer(statement(3, CLOSED_W, boot="b0"), T0)
    lease.offer(statement(4, CLOSED_W, at=T0 - 1), T0)
    assert list(lease.setpoints_w) == [0]
    lease.offer(statement(5, CLOSED_W), T0)
    assert list(lease.setpoints_w) == [CLOSED_W]


def test_a_closing_that_is_not_done_when_the_lease_ends_is_not_done():
    lease = holder({"a-main": 0})
    lease.offer(statement(2, CLOSED_W), T0)
    lease.took([0])
    lease.advance(T0 + TTL)
    assert list(lease.setpoints_w) == [0]
