"""A trip outlives the daemon, and nothing waits for the disk to open a contactor."""

from __future__ import annotations

import logging

import pytest

from controller.core.limits.contactors import Phase, Trip, Void
from controller.daemon.contactors.trips import TripRecorder, open_trips
from controller.daemon.journal.journal import RecordKind
from tests.controller.core.halls import HALL, hall_site
from tests.controller.daemon.contactors.desk import TRIP, decided, state_of
from tests.controller.daemon.journal.journals import journal_at

NO_TRIP = state_of(Phase.CLOSED)


@pytest.fixture
def journal(tmp_path):
    opened = journal_at(tmp_path / "journal.db")
    yield opened
    opened.close()


def stored(journal):
    journal.append(RecordKind.MODE, {"mode": "flush"})
    kinds = (RecordKind.TRIP, RecordKind.TRIP_ENDED)
    return [(record.kind, record.body) for record in journal.records(*kinds)]


def observed(journal, *states, known=()):
    recorder = TripRecorder(journal, hall_site(), known)
    for state in states:
        recorder.observe(decided(state))
    return stored(journal)


def test_a_trip_is_written_once_and_found_again(journal):
    (record,) = observed(journal, NO_TRIP, state_of(), state_of(), state_of(proven_s=1001.0))
    assert record == (
        "trip",
        {
            "id": TRIP.id, "node": "hall", "cause": "rating:hall", "power_w": 72e3, "limit_w": 60e3, "for_s": 61.0,
            "utc_s": 1.7e9,
        },
    )  # fmt: skip
    assert open_trips(journal, hall_site()) == (TRIP,)


def test_a_daemon_that_starts_anew_does_not_write_it_twice(journal):
    observed(journal, state_of())
    assert len(observed(journal, state_of(), known=open_trips(journal, hall_site()))) == 1


@pytest.mark.parametrize("last", [Phase.TRIPPED, Phase.CLOSING, Phase.RECLOSING])
def test_a_trip_stands_until_the_contactor_was_seen_to_be_closed(journal, last):
    """A daemon that is killed after it has told it to close finds it still, and opens it again."""
    observed(journal, state_of(), state_of(last))
    assert open_trips(journal, hall_site()) == (TRIP,)


def test_seen_to_be_closed_the_trip_has_ended(journal):
    told = state_of(Phase.RECLOSING, reset="reset-7")
    written = observed(
        journal, state_of(), state_of(Phase.CLOSING), told, state_of(Phase.STARTING, reset="reset-7"), NO_TRIP
    )
    assert written[-1] == ("trip_ended", {"node": "hall", "id": TRIP.id, "reset": "reset-7"})
    assert open_trips(journal, hall_site()) == ()


def test_a_trip_of_a_node_without_a_contactor_is_left_aside(journal):
    journal.append(RecordKind.TRIP, {"id": "x", "node": "gone"})
    assert open_trips(journal, hall_site()) == ()


@pytest.mark.parametrize(
    "figures", [{}, {"cause": "rating:hall", "power_w": "much", "limit_w": 1, "for_s": 1, "utc_s": 1}]
)
def test_a_node_whose_trip_cannot_be_understood_is_tripped_all_the_same(journal, figures):
    record = journal.append(RecordKind.TRIP, {"id": "x", "node": "hall"} | figures)
    (trip,) = open_trips(journal, hall_site())
    assert trip == Trip(id=f"record {record.seq}", node=HALL, over=None, at_utc_s=record.utc_s)
    assert len(observed(journal, state_of(trip=trip), known=(trip,))) == 1, "and is not written again"
    observed(journal, state_of(Phase.RECLOSING, trip=trip), state_of(Phase.STARTING), known=(trip,))
    assert open_trips(journal, hall_site()) == ()


def test_a_record_that_does_not_say_of_which_node_it_is_is_told_and_keeps_nobody_from_starting(journal, caplog):
    journal.append(RecordKind.TRIP, {"id": "x"})
    observed(journal, state_of())
    record = journal.append(RecordKind.TRIP_ENDED, {"node": 7})
    assert open_trips(journal, hall_site()) == (TRIP,)
    assert [each.seq for each in caplog.records if each.event == "trip_unreadable"] == [1, record.seq]


def test_a_reset_that_a_restart_has_overtaken_is_void_and_on_record_once(journal, caplog):
    observed(journal, state_of())
    record = journal.append(RecordKind.TRIP_RESET, {"node": "hall", "trip": TRIP.id, "by": "ops-1", "reason": "looked"})
    observed(journal, state_of(Phase.RECLOSING), known=(TRIP,))
    for _ in range(2):
        assert open_trips(journal, hall_site()) == (TRIP,)
        stored(journal)
    assert [each.body for each in journal.records(RecordKind.RESET_VOID)] == [
        {"node": "hall", "id": TRIP.id, "reset": f"reset-{record.seq}", "why": "restarted"}
    ]
    assert [each.event for each in caplog.records].count("reset_void") == 1


def test_a_reset_that_is_void_is_on_record_once_with_why(journal):
    told = state_of(Phase.RECLOSING, reset="reset-7")
    void = state_of(reset="reset-7", void=Void.NOT_SEEN)
    again = state_of(reset="reset-8", void=Void.IN_DOUBT)
    observed(journal, state_of(), told, void, void, state_of(proven_s=1001.0, reset="reset-7", void=void.void), again)
    assert [record.body for record in journal.records(RecordKind.RESET_VOID)] == [
        {"node": "hall", "id": TRIP.id, "reset": "reset-7", "why": "not_seen_closed"},
        {"node": "hall", "id": TRIP.id, "reset": "reset-8", "why": "in_doubt"},
    ]
    assert open_trips(journal, hall_site()) == (TRIP,)


def test_every_step_is_logged_once(journal, caplog):
    caplog.set_level(logging.INFO)
    closing = state_of(Phase.CLOSING, proven_s=1001.0)
    observed(
        journal, NO_TRIP, state_of(), state_of(proven_s=1001.0), state_of(proven_s=1001.0), closing,
        state_of(Phase.RECLOSING), state_of(Phase.STARTING), NO_TRIP,
    )  # fmt: skip
    events = [record.event for record in caplog.records if getattr(record, "node", "") == "hall"]
    assert events == [
        "contactor_proven_open", "contactor_closing", "contactor_told_to_close", "contactor_seen_closed", "node_back",
    ]  # fmt: skip


def test_nothing_waits_for_a_dead_disk(journal):
    journal.close()
    TripRecorder(journal, hall_site(), ()).observe(decided(state_of()))
    assert state_of().node == HALL
