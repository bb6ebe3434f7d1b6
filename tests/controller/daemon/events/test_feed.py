"""The newest events: in one sequence, bounded, told once each, also over a restart."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.daemon.events.event import Cursor, EventName
from controller.daemon.events.feed import AT_ONCE, LATE_S, MOST_RECORDS, Feed
from controller.daemon.journal.journal import Journal, RecordKind
from controller.daemon.journal.storage import Absent
from drivers.errors import JournalUnusable
from tests.controller.daemon.journal.journals import journal_at
from tests.controller.daemon.orders.disk import Disk


@pytest.fixture
def journal(tmp_path):
    journal = journal_at(tmp_path / "journal.db")
    yield journal
    journal.close()


def absent_feed(**options):
    """Return a feed of a journal that is not there: it takes nothing, and there is no disk to wait for."""
    journal = Journal(Absent("not there"))
    journal.close()
    return Feed(journal, utc=lambda: 0.0, **options)


def told(events):
    return [json.loads(event.data) for event in events]


def test_records_are_told_once_they_are_on_the_disk_and_only_those_that_matter(journal):
    feed = Feed(journal)
    begin = feed.place
    journal.append(RecordKind.STOP, {"by": "ops", "reason": "fire"})
    journal.append(RecordKind.DECISION, {"seq": 1})
    record = journal.append(RecordKind.RESUME, {"by": "ops", "reason": "out"})
    events = feed.after(begin)
    assert [(event.name, event.seq) for event in events] == [(EventName.STOP, 1), (EventName.STOP, 3)]
    assert told(events)[1] | {"at": ""} == {
        "seq": record.seq,
        "at": "",
        "what": "resumed",
        "by": "ops",
        "reason": "out",
    }
    assert feed.place.seq == 3


@given(st.lists(st.integers(0, 12), max_size=30), st.integers(1, 8))
def test_whoever_asks_again_and_again_is_told_all_once_or_that_some_are_gone(batches, kept):
    feed, place, seen, n = absent_feed(kept=kept), None, [], 0
    place = feed.place
    for batch in batches:
        for _ in range(batch):
            n += 1
            feed.tell(EventName.BINDING, {"n": n})
        events = feed.after(place)
        if batch > kept:
            assert events is None
            place, seen = feed.place, list(range(1, n + 1))
        else:
            seen += [each["n"] for each in told(events)]
            place = feed.id_of(events[-1]) if events else place
        assert seen == list(range(1, n + 1))


def test_no_more_than_some_are_given_at_once():
    feed = absent_feed()
    begin = feed.place
    for n in range(AT_ONCE + 3):
        feed.tell(EventName.BINDING, {"n": n})
    first = feed.after(begin)
    assert len(first) == AT_ONCE
    assert [each["n"] for each in told(feed.after(feed.id_of(first[-1])))] == [AT_ONCE, AT_ONCE + 1, AT_ONCE + 2]


def test_an_id_names_its_place_and_nothing_else_does():
    place = Cursor(journal="0123456789abcdef", seq=12, start="89abcdef", n=7)
    assert Cursor.parse(str(place)) == place
    for text in ("", "7", f"{place}.1", f" {place}", f"{place}\n", str(place).replace("89", "G9"), "-.1.89abcdef.-1"):
        assert Cursor.parse(text) is None, text


def test_the_places_of_another_start_or_of_the_future_have_nothing_after_them():
    feed, other = absent_feed(), absent_feed()
    assert feed.after(other.place) is None
    assert feed.after(Cursor(journal="-", seq=0, start=feed.place.start, n=1)) is None
    assert feed.after(feed.place) == ()


def test_what_was_stored_while_the_head_could_not_be_written_is_told_once_it_can(tmp_path, monkeypatch):
    disk = Disk(tmp_path / "state")
    disk.init()
    with disk.running() as memory:
        disk.settle()
        feed = Feed(memory.journal)
        with monkeypatch.context() as broken:
            broken.setattr(memory.journal._head_file, "write", lambda _: 1 / 0)
            memory.journal.append(RecordKind.STOP, {"by": "ops", "reason": "1"})
            memory.journal.append(RecordKind.METER_CONFIRMED, {"meter": "main", "by": "Ali", "reason": "2"})
        disk.settle()
        told = [json.loads(event.data).get("reason") for event in feed.after(replace(feed.place, n=0))]
    assert told[:2] == ["1", "2"]


def test_after_a_restart_the_records_since_an_event_are_told_and_no_others(tmp_path):
    journal = journal_at(tmp_path / "journal.db")
    feed = Feed(journal)
    journal.append(RecordKind.STOP, {"by": "ops", "reason": "1"})
    last = feed.place
    journal.append(RecordKind.RESUME, {"by": "ops", "reason": "2"})
    journal.close()
    journal = journal_at(tmp_path / "journal.db")
    journal.append(RecordKind.STOP, {"by": "ops", "reason": "3"})
    feed = Feed(journal)
    journal.append(RecordKind.RESUME, {"by": "ops", "reason": "4"})
    told_again = feed.recorded(last, feed.place)
    assert [json.loads(data)["reason"] for _, _, data in told_again] == ["2", "3", "4"]
    cut_after_the_first = told_again[0][0]
    assert [json.loads(data)["reason"] for _, _, data in feed.recorded(cut_after_the_first, feed.place)] == ["3", "4"]
    journal.close()


def test_the_records_of_another_journal_or_too_many_are_not_told(journal):
    feed = Feed(journal)
    journal.append(RecordKind.STOP, {"by": "ops", "reason": "1"})
    begin = Cursor(journal=journal.id, seq=1, start="00000000", n=0)
    for _ in range(MOST_RECORDS):
        last = journal.post(RecordKind.RESUME, {"by": "ops", "reason": "2"})
    last.durable(None)
    feed_at = Cursor(journal=journal.id, seq=1 + MOST_RECORDS, start="00000001", n=0)
    assert len(feed.recorded(begin, feed_at)) == MOST_RECORDS
    assert feed.recorded(Cursor(journal=journal.id, seq=0, start="00000000", n=0), feed_at) is None
    assert feed.recorded(Cursor(journal="f" * 16, seq=1, start="00000000", n=0), feed_at) is None
    assert feed.recorded(Cursor(journal=journal.id, seq=9999, start="00000000", n=0), feed_at) is None


def test_a_journal_that_cannot_be_read_is_said(journal, tmp_path):
    feed = Feed(journal)
    journal.append(RecordKind.STOP, {"by": "ops", "reason": "1"})
    (tmp_path / "journal.db").rename(tmp_path / "elsewhere.db")
    with pytest.raises(JournalUnusable):
        feed.recorded(Cursor(journal=journal.id, seq=0, start="00000000", n=0), feed.place)


def test_what_the_disk_does_not_take_is_told_without_a_number_and_again_once_it_has_it(journal, monkeypatch):
    now_s = 0.0
    feed = Feed(journal, clock=lambda: now_s)
    begin, append = feed.place, journal._storage.append
    monkeypatch.setattr(journal._storage, "append", lambda lines: 1 / 0)
    pending = journal.post(RecordKind.STOP, {"by": "ops", "reason": "fire"})
    feed.tell_late()
    assert feed.after(begin) == ()
    now_s = LATE_S
    feed.tell_late()
    feed.tell_late()
    assert [(each["seq"], each["reason"]) for each in told(feed.after(begin))] == [(None, "fire")]
    monkeypatch.setattr(journal._storage, "append", append)
    journal.append(RecordKind.RESUME, {"by": "ops", "reason": "out"})
    assert pending.record is not None
    assert [each["seq"] for each in told(feed.after(begin))] == [None, 1, 2]


def test_what_is_refused_for_want_of_a_disk_is_not_told(journal, monkeypatch):
    feed = Feed(journal, clock=lambda: 1e6)
    begin = feed.place
    monkeypatch.setattr(journal._storage, "append", lambda lines: 1 / 0)
    with pytest.raises(JournalUnusable):
        journal.append(RecordKind.RESUME, {"by": "ops", "reason": "out"})
    feed.tell_late()
    assert feed.after(begin) == ()


def test_whoever_follows_is_called_with_each_event(journal):
    feed, calls = Feed(journal), []
    feed.on_told = lambda: calls.append(feed.place.n)
    feed.tell(EventName.HEAD, {"head": "h"})
    journal.append(RecordKind.STOP, {"by": "ops", "reason": "fire"})
    assert calls == [1, 2]
