"""A node comes back for a person, with a name and a reason, and for nobody else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.core.limits.contactors import Phase, Void
from controller.core.modes import Mode
from controller.core.reasons import Code
from controller.core.site import Contactors
from controller.core.snapshot import ContactorNow, Position
from controller.daemon.contactors.resets import TAKEN_S, ResetDesk
from controller.daemon.journal.journal import RecordKind
from controller.daemon.people.refusal import WorkRefused
from drivers.errors import JournalUnusable
from tests.controller.core.halls import HALL, hall_site
from tests.controller.daemon.contactors.desk import OPERATOR, TRIP, Desk, decided, state_of
from tests.controller.daemon.journal.journals import journal_at

FOUND_OPEN, FOUND_CLOSED = ContactorNow(position=Position.OPEN), ContactorNow(position=Position.CLOSED)


@pytest.fixture
def bench(tmp_path):
    world, journal = Desk(), journal_at(tmp_path / "journal.db")
    desk = ResetDesk(site=hall_site(), journal=journal, decision=lambda: world.decision, clock=lambda: world.now_s)
    yield world, desk, journal
    journal.close()


def refused(desk, node="hall"):
    with pytest.raises(WorkRefused) as refusal:
        desk.reset(node, "looked at it", OPERATOR)
    assert desk.pending == ()
    return refusal.value.reason.code


def test_a_reset_is_on_the_disk_with_name_and_reason_before_it_counts(bench):
    _, desk, journal = bench
    answer = desk.reset("hall", "breaker of row 3 was welded, replaced", OPERATOR)
    assert (answer.node, answer.trip, answer.again) == ("hall", TRIP.id, False)
    (record,) = journal.records(RecordKind.TRIP_RESET)
    assert record.body == {
        "node": "hall", "trip": TRIP.id, "by": "ops-1", "reason": "breaker of row 3 was welded, replaced",
    }  # fmt: skip
    (reset,) = desk.pending
    assert reset.node == HALL


def test_the_same_again_changes_nothing(bench):
    world, desk, journal = bench
    desk.reset("hall", "looked at it", OPERATOR)
    assert desk.reset("hall", "looked at it", OPERATOR).again
    world.decision = decided(state_of(Phase.CLOSING, reset=desk.pending[0].id))
    desk.observe(world.decision)
    assert desk.pending == ()
    assert desk.reset("hall", "looked at it", OPERATOR).again
    assert len(list(journal.records(RecordKind.TRIP_RESET))) == 1


def test_one_that_no_step_takes_in_is_void(bench):
    world, desk, _ = bench
    desk.reset("hall", "looked at it", OPERATOR)
    world.now_s += TAKEN_S
    desk.observe(decided(state_of()))
    assert desk.pending
    world.now_s += 1.0
    desk.observe(decided(state_of()))
    assert desk.pending == ()


def test_one_that_waits_while_no_step_is_taken_is_void_at_the_next(bench):
    world, desk, _ = bench
    desk.reset("hall", "looked at it", OPERATOR)
    world.now_s += TAKEN_S + 600.0
    assert desk.pending == ()


def test_one_that_the_disk_stores_long_after_it_was_asked_for_closes_nothing(bench, monkeypatch):
    world, desk, journal = bench
    append = journal.append

    def slow(*record):
        world.now_s += TAKEN_S + 600.0
        return append(*record)

    monkeypatch.setattr(journal, "append", slow)
    with pytest.raises(JournalUnusable):
        desk.reset("hall", "looked at it", OPERATOR)
    assert desk.pending == ()


def test_what_is_refused_changes_nothing(bench):
    world, desk, journal = bench
    assert refused(desk, "moon") is Code.RESET_NODE_UNKNOWN
    assert refused(desk, "yard") is Code.RESET_WITHOUT_CONTACTOR
    world.decision = decided(state_of(Phase.CLOSED))
    assert refused(desk) is Code.RESET_NOT_OPEN
    for mode in (Mode.INIT, Mode.HOLD, Mode.FAILSAFE):
        world.decision = decided(state_of(), mode)
        assert refused(desk) is Code.RESET_IN_DOUBT
    world.decision = None
    assert refused(desk) is Code.RESET_IN_DOUBT
    assert list(journal.records(RecordKind.TRIP_RESET)) == []


def test_a_contactor_that_is_open_without_a_trip_may_be_closed_too(bench):
    world, desk, _ = bench
    world.decision = decided(state_of(Phase.CLOSED))
    assert refused(desk) is Code.RESET_NOT_OPEN
    opened = state_of(Phase.TRIPPED, Position.OPEN, trip=None)
    world.decision = decided(opened)
    assert desk.reset("hall", "opened by hand for the fire drill", OPERATOR).trip is None


def test_one_whose_reset_was_void_may_be_reset_again_where_nobody_can_read_it(bench):
    world, desk, _ = bench
    unread = ContactorNow(position=Position.UNKNOWN, fault="10.0.0.9: no answer")
    world.decision = decided(state_of(Phase.CLOSED, trip=None, now=unread, void=Void.NOT_SEEN))
    assert not desk.reset("hall", "the cable is back", OPERATOR).again


def test_without_the_disk_it_stays_open(bench):
    _, desk, journal = bench
    journal.close()
    with pytest.raises(JournalUnusable):
        desk.reset("hall", "looked at it", OPERATOR)
    assert desk.pending == ()


@pytest.mark.parametrize("state", [state_of(), state_of(Phase.RECLOSING), state_of(Phase.CLOSED, now=FOUND_OPEN)])
def test_one_below_another_that_is_open_waits_for_that(tmp_path, state):
    """Nobody would see it close, and nobody make room for it when power comes."""
    hall = hall_site()
    contactors = Contactors(node=np.array([0, HALL]), trip_after_s=np.full(2, 60.0))
    nested = replace(hall, contactors=contactors)
    over = replace(state, node=0)
    journal = journal_at(tmp_path / "journal.db")
    now = replace(decided(state_of()), contactors=(over, state_of()))
    desk = ResetDesk(site=nested, journal=journal, decision=lambda: now)
    assert refused(desk) is Code.RESET_BELOW_OPEN
    assert list(journal.records(RecordKind.TRIP_RESET)) == []
    now = replace(now, contactors=(replace(over, phase=Phase.CLOSED, trip=None, now=FOUND_CLOSED), state_of()))
    assert not desk.reset("hall", "looked at it", OPERATOR).again
    journal.close()
